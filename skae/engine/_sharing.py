"""Lets models share a program if their keys are equal and determine what the program computes.

A program is shared in three cases only: skae's built-in networks by recipe, graphs of Keras's own
layers by configuration, and user code by a digest of its serialization by value. All else raises
`UnshareableError` and gets a separate program. In the last two cases the key does not cover what
Python code reads when it runs, so a program is verified before another model uses it.

Keys leave out seeds, initializers and learning rates: they are arguments of a program.
"""

from __future__ import annotations

import functools
import inspect
import logging
import random
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import keras

from skae._by_value import (
    NOT_IN_PROGRAMS,
    Keys,
    UnshareableError,
    as_patched,
    is_configured,
    is_of_library,
    without,
)
from skae._private import all_layers
from skae._store import PROGRAMS, TRAITS, Place, count_program

_LOGGER = logging.getLogger("skae")
# Programs cached per network: a caller may make a new error function for every call.
_MAX_OWN = 32

# Exact classes whose configuration is their whole state.
_STOCK_NAMES = """
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D
    AveragePooling3D BatchNormalization Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose
    Conv3D Conv3DTranspose Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D
    Dot Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D
    GroupNormalization Identity InputLayer LSTM LSTMCell LayerNormalization LeakyReLU Masking
    MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum Multiply PReLU Permute RMSNormalization
    ReLU RepeatVector Rescaling Reshape SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell
    Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D Subtract UnitNormalization
    UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
# Parts of a model that are identified by their place in it.
_LIVING = (keras.layers.Layer, keras.Variable, keras.random.SeedGenerator, keras.KerasTensor)
STOCK = tuple(getattr(keras.layers, n) for n in _STOCK_NAMES.split() if hasattr(keras.layers, n))


class Key(NamedTuple):
    """The key of a network's programs.

    Parameters
    ----------
    value : hashable
    is_whole_truth : bool
        Whether a program needs no verification, because skae made the recipe.
    """

    value: Hashable
    is_whole_truth: bool


class LayerKeys(Keys):
    """Makes keys of layers and graphs too."""

    def of_layer(self, layer: keras.layers.Layer) -> Hashable:
        """Return the key of a Keras layer whose configuration is its whole state.

        Raises
        ------
        UnshareableError
            If it is of another class, or has additional attributes.
        """
        if type(layer) not in STOCK and not type(layer).__module__.startswith("skae."):
            raise UnshareableError(f"{type(layer).__name__} is not one of Keras's plain layers")
        for name, part in vars(layer).items():
            known = name in _names_of_any_layer() and name != "activity_regularizer"
            if not known and not name.startswith("_"):
                self._check_held(name, part)
        _check_nothing_added(layer)
        config = without(layer.get_config(), NOT_IN_PROGRAMS)
        weights = tuple(map(self.of_variable, layer.variables))
        return as_patched(type(layer)), self.of(config), weights

    def _check_held(self, name: str, part: Any) -> None:
        if isinstance(part, keras.layers.Layer):
            self.of_layer(part)
        elif callable(part) and not (is_of_library(part) or is_configured(part)):
            raise UnshareableError(f"its attribute {name!r} is user-defined code")

    def of_variable(self, variable: keras.Variable) -> Hashable:
        """Return the key of a variable, without its value."""
        kind = (tuple(variable.shape), str(variable.dtype), variable.trainable)
        penalty = self.of(getattr(variable, "regularizer", None))
        constraint = self.of_known(getattr(variable, "constraint", None), "a constraint")
        replaced = bool(getattr(variable, "overwrite_with_gradient", False))
        return (*kind, penalty, constraint, replaced)

    def of_held(self, model: keras.Model) -> Hashable:
        """Return the key of the attributes of user-defined layers, and of Keras layers."""
        return tuple(map(self._of_attributes, all_layers(model)))

    def _of_attributes(self, layer: keras.layers.Layer) -> Hashable:
        if type(layer) in STOCK:
            try:
                return self.of_layer(layer)
            except UnshareableError:  # user code, which the key of the builder covers
                return (type(layer),)
        parts = {
            name: part
            for name, part in vars(layer).items()
            if name not in _names_of_any_model() and not name.startswith("_self_")
            if not any(isinstance(each, _LIVING) for each in keras.tree.flatten(part))
        }
        return type(layer), self.of(parts)

    def of_graph(self, model: keras.Model) -> Hashable:
        """Return the key of a graph of layers.

        Raises
        ------
        UnshareableError
            If it is not a graph of Keras's plain layers.
        """
        if type(model) not in _graph_classes():
            raise UnshareableError(f"{type(model).__name__} is not a graph of layers")
        own = vars(model).keys() - _names_of_any_model()
        methods = [name for name in own if inspect.isfunction(getattr(type(model), name, None))]
        if methods:
            raise UnshareableError(f"its method {methods[0]!r} was set on the model itself")
        parts = model.layers if isinstance(model, keras.Sequential) else model.operations
        keys = [self.of_graph(p) if isinstance(p, keras.Model) else self.of_layer(p) for p in parts]
        config = without(model.get_config(), NOT_IN_PROGRAMS)
        return type(model), tuple(keys), self.of(config)


@functools.cache
def _names_of_any_layer() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer()))


@functools.cache
def _names_of_any_model() -> frozenset[str]:
    model = keras.Sequential()
    model.compile(loss="mse")
    return _names_of_any_layer().union(vars(model))


@functools.cache
def _graph_classes() -> tuple[type, ...]:
    inputs = keras.Input((1,))
    return keras.Sequential, type(keras.Model(inputs, inputs))


_OWN_NAMES: set[tuple[type, frozenset[str]]] = set()


def _check_nothing_added(layer: keras.layers.Layer) -> None:
    """Raise an error if a layer has attributes that its configuration does not cover."""
    names = _own_names(layer)
    if (type(layer), names) in _OWN_NAMES:
        return
    drawn = random.getstate()  # from which layers and initializers without a seed draw one
    try:
        twin = type(layer).from_config(layer.get_config())
        if layer.built and layer.get_build_config():
            twin.build_from_config(layer.get_build_config())
    except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise UnshareableError(f"{type(layer).__name__} has no full configuration") from error
    finally:
        random.setstate(drawn)
    added = names - _own_names(twin)
    if added:
        raise UnshareableError(f"{min(added)!r} was set on a {type(layer).__name__} itself")
    _OWN_NAMES.add((type(layer), names))


def _own_names(layer: keras.layers.Layer) -> frozenset[str]:
    # TensorFlow's bookkeeping of checkpoints is named `_self_...`.
    return frozenset(name for name in vars(layer) if not name.startswith("_self_"))


def replaceable(model: keras.Model) -> list[Any]:
    """Return what a caller may replace on Keras's own layers: arguments, and types of numbers."""
    parts: list[Any] = []
    for layer in all_layers(model):
        if type(layer) in STOCK:
            kind: Any = type(layer)
            parts += [layer.dtype_policy, *map(vars(layer).get, _arguments(kind))]
    return parts


@functools.cache
def _arguments(kind: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(kind).parameters)


class Programs:
    """The programs of one network, shared by key or separate.

    Parameters
    ----------
    network : DeferredNetwork
    find_key : callable
        Function of the network, a part, and whether to include compile arguments.
    settings : callable
        Function of the network; returns settings that keys depend on and that may change.
    """

    def __init__(
        self, network: Any, find_key: Callable[..., Key], settings: Callable[[Any], Hashable]
    ) -> None:
        self._network, self._find_key, self._settings = network, find_key, settings
        self._keys: dict[Hashable, Key | None] = {}
        self._kept: dict[Hashable, Any] = {}
        self._inherited: dict[Hashable, Any] = {}
        self.has_warned = False

    def inherit(self, other: Programs) -> None:
        """Use the programs of another network of the same recipe, once verified."""
        self._inherited = dict(other._kept)

    def key(self, part: str, *, compiled: bool) -> Key | None:
        """Return the key of the programs of a part, None if they can't be shared.

        Parameters
        ----------
        part : str
        compiled : bool
            Whether to include compile arguments, as for training.
        """
        here = (part, compiled, self._settings(self._network))
        if here not in self._keys:
            try:
                key = self._find_key(self._network, part, compiled=compiled)
            except UnshareableError as error:
                name = self._network.network.model.name
                _LOGGER.debug("%r gets separate programs: %s.", name, error)
                key = None
            self._keys[here] = key
        return self._keys[here]

    @contextmanager
    def place(
        self,
        name: Hashable,
        part: str = "model",
        *,
        compiled: bool = False,
        is_known: bool = True,
        traits: bool = False,
    ) -> Iterator[Place]:
        """Find the program for this network, shared if that is known to be right.

        Parameters
        ----------
        name : hashable
            Name of what it computes.
        part : str, default="model"
        compiled : bool, default=False
            Whether to include compile arguments in the key.
        is_known : bool, default=True
            Whether `name` determines the program; otherwise it has to be verified.
        traits : bool, default=False
            Whether the place is for traits of the network, not for a program.

        Yields
        ------
        place : Place
            The caller verifies the program in it, or makes it.
        """
        here = (name, part, self._settings(self._network))
        if here in self._kept:
            yield Place(self._network, self._kept[here], is_doubtful=False, is_verifiable=False)
            return
        key = self.key(part, compiled=compiled)
        certain = is_known and key is not None and key.is_whole_truth
        network = self._network.donor() if certain else self._network
        store = TRAITS if traits else PROGRAMS
        with store.locked((name, key.value)) if key else nullcontext() as shared:
            found = shared if key else self._inherited.get(here)
            doubtful = found is not None and not certain
            place = Place(network, found, is_doubtful=doubtful, is_verifiable=not certain)
            yield place
            if not traits and place.program is not found:
                count_program()
            if key and shared is None:
                store.put((name, key.value), place.program)
        self._kept[here] = place.program
        while len(self._kept) > _MAX_OWN:
            self._kept.pop(next(iter(self._kept)), None)
