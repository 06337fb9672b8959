"""Tells whether two models, losses or optimizers would compile to the same program.

Objects of Keras and of skae are known by class and configuration. Somebody's own classes and
functions are known by their code, by the values of the globals and closures that the code reads,
and by their attributes; two classes are never the same because they share a name. What can't be
told for certain is `UnshareableError`: it gets a program of its own, slower but never a wrong one.

Left out on purpose: names, seeds and initializers, which a program takes in as data or not at all.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

# Their functions don't change their meaning within a process.
_TRUSTED = {"builtins", "functools", "keras", "math", "numpy", "operator", "skae", "tensorflow"}
_DROPPED = {"build_config", "compile_config", "name", "seed", "shared_object_id"}
_WIRING = {"input_layers", "keras_history", "output_layers"}
_MAX_CONSTANT_BYTES = 2**20


class UnshareableError(Exception):
    """An object can't be told apart from others for certain."""


def is_trusted(kind: Any) -> bool:
    """Tell classes and functions of Keras, TensorFlow, NumPy and skae from somebody's own."""
    return (getattr(kind, "__module__", None) or "").split(".")[0] in _TRUSTED


def _normalized(config: Any, layers: Mapping[str, int], *, wiring: bool = False) -> Hashable:
    if isinstance(config, Mapping):
        if isinstance(config.get("layers"), (list, tuple)):
            # A graph: its wiring refers to its own layers and operations by their names.
            layers = {str(layer.get("name")): i for i, layer in enumerate(config["layers"])}
        return tuple(
            (str(key), _normalized(value, layers, wiring=wiring or key in _WIRING))
            for key, value in config.items()
            if key not in _DROPPED and not str(key).endswith("initializer")
        )
    if isinstance(config, (list, tuple)):
        return tuple(_normalized(value, layers, wiring=wiring) for value in config)
    if wiring and isinstance(config, str):
        return layers.get(config, config)
    if config is None or isinstance(config, (bool, int, float, str, bytes)):
        # 1, 1.0 and True are equal and hash alike, but trace differently.
        return (type(config).__name__, config)
    if isinstance(config, (np.ndarray, np.generic)):
        return _array(np.asarray(config))
    raise UnshareableError(f"a configuration holds a {type(config).__name__}")


def _array(value: np.ndarray) -> Hashable:
    if value.dtype == object or value.nbytes > _MAX_CONSTANT_BYTES:
        raise UnshareableError("a large array is part of the code")
    return ("array", value.shape, str(value.dtype), value.tobytes())


@functools.cache
def _keras_attributes() -> frozenset[str]:
    bare = (keras.Model(), keras.layers.Layer(), keras.Sequential())
    return frozenset().union(*(vars(instance) for instance in bare))


def _globals_read(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_read(constant)


def _settings(value: Any) -> Hashable:
    """Return the plain attributes of a loss or metric: ``Huber.get_config`` has no delta."""
    if isinstance(value, keras.layers.Layer):
        return None
    plain = (bool, int, float, str, dict, tuple)
    held = {name: part for name, part in vars(value).items() if isinstance(part, plain)}
    held.pop("_name", None)
    return _normalized(held, {})


def _parts(value: Any) -> tuple[Any, ...] | None:
    """Return what a wrapper around functions is made of, None for anything else."""
    if isinstance(value, types.MethodType):
        return value.__func__, value.__self__
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    if isinstance(value, (staticmethod, classmethod)):
        return (value.__func__,)
    return (value.fget,) if isinstance(value, property) else None


class Fingerprint:
    """Keys of objects within one model; layers and variables are known by their place in it.

    Parameters
    ----------
    model : keras.Model or None
        None for what stands outside a model, such as a loss.
    """

    def __init__(self, model: keras.Model | None = None) -> None:
        self._layers = [] if model is None else list(model._flatten_layers())
        variables = [] if model is None else model.variables
        self._places = {id(layer): ("layer", i) for i, layer in enumerate(self._layers)}
        self._places |= {id(v): ("variable", i) for i, v in enumerate(variables)}
        self._seen: dict[int, int] = {}

    def of_layers(self) -> Hashable:
        """Return the key of the whole model."""
        return tuple(self._instance(layer) for layer in self._layers)

    def of(self, value: Any) -> Hashable:
        """Return the key of any value."""
        if isinstance(value, (np.ndarray, np.generic)):
            return _array(np.asarray(value))
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            return (type(value).__name__, value)
        if id(value) in self._places:
            return self._places[id(value)]
        if isinstance(value, Mapping):
            return ("map", tuple((self.of(key), self.of(item)) for key, item in value.items()))
        if isinstance(value, Sequence):
            return (type(value).__name__, tuple(self.of(item) for item in value))
        return self._of_code(value)

    def _of_code(self, value: Any) -> Hashable:
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            return self._once(value, self._class if isinstance(value, type) else self._function)
        parts = _parts(value)
        if parts is not None:
            return (type(value).__name__, *(self.of(part) for part in parts))
        if isinstance(value, types.ModuleType):
            if value.__name__.split(".")[0] not in _TRUSTED:
                raise UnshareableError(f"code reads the module {value.__name__}")
            return ("module", value.__name__)
        return self._once(value, self._instance)

    def _once(self, value: Any, describe: Any) -> Hashable:
        # Classes refer to themselves through `super()`; a second visit says no more.
        if id(value) in self._seen:
            return ("again", self._seen[id(value)])
        self._seen[id(value)] = len(self._seen)
        return describe(value)

    def _class(self, kind: type) -> Hashable:
        if is_trusted(kind):
            return kind
        own = [base for base in kind.__mro__ if not is_trusted(base)]
        parts = [
            (name, self.of(part))
            for base in own
            for name, part in vars(base).items()
            if isinstance(part, types.FunctionType) or not name.startswith("_")
        ]
        # The class itself too: equal code under one name may still be another class.
        return (kind, tuple(parts))

    def _function(self, function: Any) -> Hashable:
        if is_trusted(function):
            return function
        if not isinstance(function, types.FunctionType):
            raise UnshareableError(f"code calls {function!r}")
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        read = sorted(set(_globals_read(function.__code__)) & function.__globals__.keys())
        return (
            function.__code__,
            self.of(function.__defaults__),
            self.of(function.__kwdefaults__),
            tuple(self.of(cell) for cell in cells),
            tuple((name, self.of(function.__globals__[name])) for name in read),
        )

    def _instance(self, value: Any) -> Hashable:
        kind = type(value)
        if not hasattr(value, "__dict__"):
            raise UnshareableError(f"code holds a {kind.__name__}")
        if is_trusted(kind):
            foreign = [
                (name, self.of(part))
                for name, part in vars(value).items()
                if self._is_foreign(part)
            ]
            return (kind, self._config(value), tuple(foreign), _settings(value))
        if any(base.__name__ == "Functional" for base in kind.__mro__):
            raise UnshareableError("a class of one's own is built from a graph of layers")
        if not isinstance(value, keras.layers.Layer):
            return (self.of(kind), self.of(vars(value)))
        known = _keras_attributes()
        attributes = {
            name: part
            for name, part in vars(value).items()
            # TensorFlow's bookkeeping of checkpoints is named `_self_...`.
            if name not in known and not name.startswith("_self_")
        }
        policy = (value.dtype_policy.name, value.trainable, value.autocast)
        return (self.of(kind), self.of(attributes), policy)

    def _is_foreign(self, part: Any) -> bool:
        if isinstance(part, functools.partial):
            return True
        if isinstance(part, (types.FunctionType, types.MethodType)):
            return not is_trusted(part)
        # Layers come by themselves, variables by the specification of the program.
        home = type(part).__module__.split(".")[0]
        return home not in _TRUSTED | sys.stdlib_module_names and id(part) not in self._places

    def _config(self, value: Any) -> Hashable:
        if not hasattr(value, "get_config"):
            return self.of(vars(value))
        try:
            with warnings.catch_warnings():
                # Of lambdas, which are told apart by their code, not by their configuration.
                warnings.simplefilter("ignore", UserWarning)
                config = value.get_config()
        except (NotImplementedError, TypeError, ValueError) as error:
            raise UnshareableError(f"a {type(value).__name__} has no configuration") from error
        return _normalized(config, {})


def model_key(model: keras.Model) -> Hashable:
    """Return what a model is, weights, names and seeds aside.

    Raises
    ------
    UnshareableError
        If that can't be told for certain.
    """
    shapes = tuple((tuple(v.shape), str(v.dtype), v.trainable) for v in model.variables)
    return (Fingerprint(model).of_layers(), shapes, keras.config.floatx())


def compile_key(model: keras.Model) -> Hashable:
    """Return what ``model.compile`` was told, the learning rate aside.

    Raises
    ------
    UnshareableError
        If that can't be told for certain.
    """
    told = model._compile_config.config
    optimizer = model.optimizer
    config = dict(optimizer.get_config())
    if not isinstance(config.get("learning_rate"), Mapping):
        config.pop("learning_rate", None)
    prints = Fingerprint()
    kept = [(name, prints.of(told.get(name))) for name in ("loss", "loss_weights")]
    kept += [(name, _metrics(prints, told.get(name))) for name in ("metrics", "weighted_metrics")]
    return (prints.of(type(optimizer)), _normalized(config, {}), tuple(kept))


def _metrics(prints: Fingerprint, metrics: Any) -> Hashable:
    listed = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    # Here a name counts: the program reports its results by it.
    return tuple((prints.of(metric), getattr(metric, "name", None)) for metric in listed)
