"""A network as a recipe and arrays, whose Keras model is built on first use."""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._by_value import NOT_IN_PROGRAMS, UnshareableError, config_of, without
from skae._contracts import Arrays, Network, Recipe
from skae._forks import check_not_forked
from skae._private import build_optimizer
from skae._store import TRAITS
from skae.engine._sharing import Key, LayerKeys, Programs, replaceable
from skae.engine._tensors import assign, copied, read, weight_variables


class DeferredNetwork:
    """A recipe and arrays, and the Keras model once it is used.

    Parameters
    ----------
    recipe : Recipe
    build : callable
        Returns the `Network` of the recipe, compiled.
    values, slots : sequence of arrays or None
        Values of the variables, trainable ones first, and of the optimizer's; None: initial ones.
    device : str or None, default=None
        Device to build the model on; None: TensorFlow's default.
    """

    def __init__(
        self,
        recipe: Recipe,
        build: Callable[[], Network],
        values: Sequence[Any] | None = None,
        slots: Sequence[Any] | None = None,
        device: str | None = None,
    ) -> None:
        self.recipe, self._build, self._device = recipe, build, device
        self._values, self._slots = values, slots
        self._network: Network | None = None
        self._variables: list[keras.Variable] = []
        self.trained: list[bool] = []
        self.views: dict[str, Callable[[keras.Model], keras.Model]] = {}
        self._views: dict[str, keras.Model] = {}
        self._lock = threading.RLock()
        self.programs = Programs(self, find_key, _settings)
        self._doubles: Arrays | None = None
        self.is_exposed, self.parts = False, list[Any]()
        self._optimizer: Any = None

    @property
    def network(self) -> Network:
        """The Keras model and its views, built on first use."""
        if self._network is None:
            with self._lock:
                self._network = self._network or self._made()
        return self._network

    def _made(self) -> Network:
        with tf.device(self._device) if self._device else nullcontext():
            network = self._build()
        self._variables = weight_variables(network.model)
        self.trained = [variable.trainable for variable in self._variables]
        self._optimizer = network.model.optimizer
        if self._values is not None:
            assign(self._variables, self._values)
        if self._slots is not None:
            build_optimizer(network.model)
            assign(network.model.optimizer.variables, self._slots)
        return network

    @property
    def is_built(self) -> bool:
        """Whether the Keras model exists; its variables then replace the arrays."""
        return self._network is not None

    def expose(self) -> Network:
        """Build the network permanently: from now on its variables replace the arrays."""
        with self._lock:
            if not self.is_exposed:
                self.parts, self.is_exposed = replaceable(self.network.model), True
            return self.network

    def forget_model(self) -> None:
        """Return to arrays, unless the model was exposed or skae can't build it again."""
        key = self.programs.key("model", compiled=False)
        with self._lock:
            known = key is not None and key.is_whole_truth
            if self._network is not None and known and not self.is_exposed:
                self._values, self._slots = self.state()
                self._network, self._views, self._doubles = None, {}, None

    def donor(self) -> DeferredNetwork:
        """Return a network of this thread to trace programs from."""
        if self._network is not None or self._values is None:
            return self
        donor = DeferredNetwork(self.recipe, self._build, device=self._device)
        donor.views = self.views
        return donor

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables of the model: trainable ones first, as when it was built."""
        return (
            self._variables if self._network is not None else weight_variables(self.network.model)
        )

    def view(self, part: str) -> keras.Model:
        """Return the model, the encoder, the decoder, or a view from `views`."""
        if part not in self.views:
            return getattr(self.network, part)
        with self._lock:
            if part not in self._views:
                self._views[part] = self.views[part](self.network.model)
            return self._views[part]

    def start(self) -> None:
        """Set the initial values, bit for bit those of a built model."""
        key = self.programs.key("model", compiled=True)
        if key is not None and key.is_whole_truth and self._network is None:
            fresh = self.donor()
            with TRAITS.locked(("start", key.value)) as known:
                weights, slots = known or _find_start(fresh)
                if known is None:
                    TRAITS.put(("start", key.value), (weights, slots))
            if self._values is None and weights is not None:
                self._values = weights(self.recipe.seed)
            if self._values is not None and self._slots is None:
                rate = learning_rate(self.recipe)
                new = {} if rate is None else {"learning_rate": np.float32(rate)}
                self._slots = [new.get(name, slot) for name, slot in slots]
        if self._network is not None or self._values is None:
            build_optimizer(self.network.model)

    def values(self) -> list[Any]:
        """Return the values of the trainable variables, then of the others."""
        network, values = self._network, self._values
        if network is None and values is not None:
            return list(values)
        return read(self.variables)

    def slots(self) -> list[Any] | None:
        """Return the values of the optimizer's variables, None if it is new."""
        network, slots = self._network, self._slots
        if network is None:
            return None if slots is None else list(slots)
        optimizer = network.model.optimizer if network.model.compiled else None
        if optimizer is None or optimizer is not self._optimizer:  # compiled again by the user
            return None
        return read(optimizer.variables) if optimizer.built else None

    def state(self) -> tuple[Arrays, Arrays | None]:
        """Return copies of `values` and `slots`, as pickles keep them."""
        if is_changed(self):
            raise ValueError(
                "Layers of model_ were changed by hand, and a pickle or further training would "
                "lose that; make the change in a function, and pass it as model=."
            )
        slots = self.slots()
        arrays = [[np.asarray(v).copy() for v in part] for part in (self.values(), slots or [])]
        return arrays[0], None if slots is None else arrays[1]

    def take(self, values: Sequence[Any], slots: Sequence[Any]) -> None:
        """Set `values` and `slots` after training."""
        if self._network is not None:
            assign(self._variables, values)
            assign(self._network.model.optimizer.variables, slots)
        else:
            self._values, self._slots = list(map(np.asarray, values)), list(map(np.asarray, slots))
        self._doubles = None

    def doubles(self) -> Arrays:
        """Return `values` in float64; do not write to them."""
        doubles = self._doubles if self._network is None else None
        if doubles is None:
            doubles = [np.asarray(value, np.float64) for value in self.values()]
            # Users may set the weights of a model at any time.
            self._doubles = doubles if self._network is None else None
        return doubles


def _settings(network: DeferredNetwork) -> tuple[Hashable, ...]:
    """Return settings that programs depend on and that may change later."""
    config = keras.config
    return config.floatx(), config.epsilon(), config.image_data_format(), frozen(network)


def is_changed(network: DeferredNetwork) -> bool:
    """Return whether layers were changed by hand, such as an activation or quantized weights."""
    if not network.is_exposed:
        return False
    before, now = network.parts, replaceable(network.network.model)
    return len(before) != len(now) or not all(map(operator.is_, before, now))


def frozen(network: DeferredNetwork) -> tuple[int, ...]:
    """Return which variables were frozen or unfrozen since the model was built."""
    if not network.is_built:
        return ()
    pairs = enumerate(zip(network.variables, network.trained, strict=True))
    return tuple(i for i, (variable, trained) in pairs if variable.trainable != trained)


def _find_start(network: DeferredNetwork) -> tuple[Any, Any]:
    """Return a function from a seed to initial weights, and the optimizer's variables."""
    built = network.network
    weights = built.initial_weights() if built.initial_weights is not None else None
    build_optimizer(built.model)
    variables = built.model.optimizer.variables
    slots = [
        # Constant arrays take the memory of one number: these are kept for many networks.
        np.broadcast_to(a.flat[0], a.shape) if a.size and (a == a.flat[0]).all() else a
        for a in copied(variables)
    ]
    if not all(slot.strides in ((), (0,) * slot.ndim) for slot in slots):
        weights = None  # a slot that starts as a copy of a weight, say
    return weights, list(zip([v.name for v in variables], slots, strict=True))


def chosen_device() -> str | None:
    """Return the device of the current ``tf.device`` scope, or None."""
    check_not_forked()
    chosen = tf.zeros(()).device
    with tf.device(None):
        return None if tf.zeros(()).device == chosen else chosen


def find_key(network: DeferredNetwork, part: str, *, compiled: bool) -> Key:
    """Return the key of the programs of a part, or raise UnshareableError."""
    keys, recipe = LayerKeys(), network.recipe
    settings = _settings(network)
    compile_key = _compiled_with(recipe, keys) if compiled else None
    if isinstance(recipe.builder, str):
        value = ("recipe", part, settings, keys.of(_described(recipe)), compile_key)
        return Key(value, is_whole_truth=not keys.has_user_code)
    weights = tuple(map(keys.of_variable, network.variables))
    try:
        if compiled and network.network.compiled_by_user:
            raise UnshareableError("only its own code knows what it was compiled with")
        view, places = network.view(part), {id(v): i for i, v in enumerate(network.variables)}
        lies = tuple(places.get(id(variable)) for variable in view.variables)
        graph = (keys.of_graph(view), lies)
        return Key(("graph", part, settings, graph, weights, compile_key), is_whole_truth=False)
    except UnshareableError:
        code = keys.of(_described(recipe)), keys.of_held(network.network.model)
        return Key(("code", part, settings, code, weights, compile_key), is_whole_truth=False)


def _described(recipe: Recipe) -> Any:
    """Return what determines a network, except its seed."""
    noise = recipe.noise
    if isinstance(noise, keras.layers.Layer):  # recreated from its class and configuration
        noise = (type(noise), without(config_of(noise), NOT_IN_PROGRAMS, initializers=False))
    return (
        recipe.builder,
        recipe.input_shape,
        recipe.output_shape,
        dict(recipe.parameters),
        dict(recipe.options),
        noise,
        dict(recipe.noise_options),
        dict(recipe.scikeras),
        recipe.dtype_policy,
    )


def _compiled_with(recipe: Recipe, keys: LayerKeys) -> Hashable:
    """Return the key of the compile arguments, without a learning rate that is a number."""
    rest = dict(recipe.compiled)
    if isinstance(rest.get("optimizer__learning_rate"), (int, float)):
        del rest["optimizer__learning_rate"]
    optimizer = {name: rest.pop(name) for name in list(rest) if name.startswith("optimizer")}
    return keys.of_known(optimizer, "the optimizer or its schedule"), keys.of(rest)


def learning_rate(recipe: Recipe) -> float | None:
    """Return the learning rate that keys leave out, None if it is not a number."""
    rate = recipe.compiled.get("optimizer__learning_rate")
    rate = _own_rate(recipe.compiled["optimizer"]) if rate is None else rate
    return float(rate) if isinstance(rate, (int, float)) else None


@functools.lru_cache(8)
def _own_rate(optimizer: Any) -> Any:
    made = keras.optimizers.get(optimizer() if isinstance(optimizer, type) else optimizer)
    return made.get_config().get("learning_rate")
