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
from collections import namedtuple
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from skae.engine._trust import TRUSTED, is_trusted

_DROPPED = {"build_config", "compile_config", "name", "seed", "shared_object_id"}
_MAX_CONSTANT_BYTES = 2**20
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
# The fields of slots and of named tuples: C objects that never change.
_FIELDS = (
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    type(vars(namedtuple("_Pair", "first"))["first"]),
)


class UnshareableError(Exception):
    """An object can't be told apart from others for certain."""


def normalized(config: Any) -> Hashable:
    """Return the key of a configuration, names, seeds and initializers left out."""
    if isinstance(config, Mapping):
        return tuple(
            (str(key), normalized(value))
            for key, value in config.items()
            if key not in _DROPPED and not str(key).endswith("initializer")
        )
    if isinstance(config, (list, tuple)):
        return tuple(normalized(value) for value in config)
    if type(config) in _PLAIN:
        return _plain(config)
    if isinstance(config, (np.ndarray, np.generic)):
        return _array(np.asarray(config))
    raise UnshareableError(f"a configuration holds a {type(config).__name__}")


def _plain(value: Any) -> Hashable:
    # 1, 1.0 and True are equal and hash alike, so are 0.0 and -0.0, but they trace differently.
    return (type(value).__name__, repr(value) if isinstance(value, (float, complex)) else value)


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
        imported = instruction.argval if instruction.opname == "IMPORT_NAME" else "builtins"
        if imported.split(".")[0] not in TRUSTED:
            raise UnshareableError(f"code imports {imported!r} when it is called")
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
    return normalized(held)


def _policy(value: Any) -> Hashable:
    # All that is in a policy's configuration is its name, and names are dropped.
    held = getattr(value, "dtype_policy", None)
    return None if held is None else repr(held.get_config())


def _hides_state(kind: type) -> bool:
    """Tell instances whose `vars` are not all: parts are in slots, or in a type written in C."""
    heap_type = 1 << 9
    in_c = any(base is not object and not base.__flags__ & heap_type for base in kind.__mro__)
    own = [base for base in kind.__mro__ if not is_trusted(base)]
    parts = (part for base in own for part in vars(base).values())
    return in_c or any(isinstance(part, types.MemberDescriptorType) for part in parts)


def _parts(value: Any) -> tuple[Any, ...] | None:
    """Return what a wrapper around functions is made of, None for anything else."""
    if isinstance(value, types.MethodType):
        return value.__func__, value.__self__
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    if isinstance(value, (staticmethod, classmethod)):
        return (value.__func__,)
    if isinstance(value, functools.cached_property):
        return (value.func,)
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
        self._places: dict[int, Hashable] = {
            id(layer): ("layer", i) for i, layer in enumerate(self._layers)
        }
        self._places |= {id(v): ("variable", i) for i, v in enumerate(variables)}
        self._seen: dict[int, int] = {}

    def of_layers(self) -> Hashable:
        """Return the key of the whole model."""
        return tuple(self._instance(layer) for layer in self._layers)

    def of(self, value: Any) -> Hashable:
        """Return the key of any value."""
        if isinstance(value, (np.ndarray, np.generic)):
            return _array(np.asarray(value))
        if isinstance(value, _PLAIN):
            plain = _plain(value)
            return plain if type(value) in _PLAIN else (plain, self._beside_items(value))
        if id(value) in self._places:
            return self._places[id(value)]
        if isinstance(value, Mapping):
            pairs = tuple((self.of(key), self.of(item)) for key, item in value.items())
            return ("map", pairs, self._beside_items(value))
        if isinstance(value, Sequence):
            items = tuple(map(self.of, value))
            return (type(value).__name__, items, self._beside_items(value))
        return self._of_code(value)

    def _beside_items(self, value: Any) -> Hashable:
        """Return what a collection of somebody's own is beside its items."""
        factory = self.of(getattr(value, "default_factory", None))
        if is_trusted(type(value)):
            return factory
        return (factory, self.of(type(value)), self.of(getattr(value, "__dict__", None)))

    def _of_code(self, value: Any) -> Hashable:
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            return self._once(value, self._class if isinstance(value, type) else self._function)
        parts = _parts(value)
        if parts is not None:
            return (type(value).__name__, *(self.of(part) for part in parts))
        if isinstance(value, types.ModuleType):
            if value.__name__.split(".")[0] not in TRUSTED:
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
            if isinstance(part, types.FunctionType)
            or not (name.startswith(("__", "_abc_")) or isinstance(part, _FIELDS))
        ]
        # The class itself too: equal code under one name may still be another class.
        return (kind, tuple(parts))

    def _function(self, function: Any) -> Hashable:
        if is_trusted(function):
            return function
        if not isinstance(function, types.FunctionType):
            # Such as `tuple.__new__`, whose module is None.
            if isinstance(function.__self__, type) and is_trusted(function.__self__):
                return function
            raise UnshareableError(f"code calls {function!r}")
        read = sorted(set(_globals_read(function.__code__)) & function.__globals__.keys())
        return (
            function.__code__,
            self.of(function.__defaults__),
            self.of(function.__kwdefaults__),
            tuple(self._cell(cell) for cell in function.__closure__ or ()),
            tuple((name, self.of(function.__globals__[name])) for name in read),
            self.of(vars(function)),
        )

    def _cell(self, cell: types.CellType) -> Hashable:
        try:
            value = cell.cell_contents
        except ValueError as error:
            raise UnshareableError("code reads a variable that has no value yet") from error
        return self.of(value)

    def _instance(self, value: Any) -> Hashable:
        kind = type(value)
        if not hasattr(value, "__dict__"):
            raise UnshareableError(f"code holds a {kind.__name__}")
        if isinstance(value, keras.random.SeedGenerator):
            return (kind, self.of(value.state))
        if is_trusted(kind):
            return (kind, self._trusted(value))
        if any(base.__name__ == "Functional" for base in kind.__mro__):
            raise UnshareableError("a class of one's own is built from a graph of layers")
        if isinstance(value, keras.layers.Layer):
            return (self.of(kind), self._attributes(value))
        if _hides_state(kind):
            raise UnshareableError(f"a {kind.__name__} keeps more than its attributes")
        return (self.of(kind), self.of(vars(value)))

    def _trusted(self, value: Any) -> Hashable:
        if isinstance(value, keras.Model) and hasattr(value, "_nodes_by_depth"):
            return self._graph(value)
        if isinstance(value, keras.Sequential):
            return self.of(value._layers)
        foreign = [item for item in vars(value).items() if self._is_foreign(item[1])]
        if foreign and isinstance(value, keras.layers.Layer):
            # Keras warns of lambdas in a configuration, and warnings can't be silenced in a
            # thread: `warnings.catch_warnings` changes those of the whole process.
            return self._attributes(value)
        return (self._config(value), self.of(foreign), _settings(value), _policy(value))

    def _attributes(self, layer: keras.layers.Layer) -> Hashable:
        """Return what a layer holds beside what Keras keeps with every layer."""
        known = _keras_attributes()
        attributes = {
            name: part
            for name, part in vars(layer).items()
            # TensorFlow's bookkeeping of checkpoints is named `_self_...`.
            if name not in known and not name.startswith("_self_")
            if not (is_trusted(type(layer)) and name.endswith("initializer"))
        }
        policy = (layer.dtype_policy.name, layer.trainable, layer.autocast)
        return (self.of(attributes), policy, self.of(layer.activity_regularizer))

    def _graph(self, model: Any) -> Hashable:
        """Return the operations of a graph of layers, and which tensors each of them takes."""
        nodes = [
            node
            for depth in sorted(model._nodes_by_depth, reverse=True)
            for node in model._nodes_by_depth[depth]
        ]
        outer, self._places = self._places, dict(self._places)
        try:
            for number, node in enumerate(nodes):
                for index, tensor in enumerate(node.outputs):
                    self._places[id(tensor)] = ("tensor", number, index)
            calls = [
                (self.of(n.operation), self.of(n.arguments.args), self.of(n.arguments.kwargs))
                for n in nodes
            ]
            ends = (self.of(model._inputs_struct), self.of(model._outputs_struct))
        finally:
            self._places = outer
        return (tuple(calls), ends)

    def _is_foreign(self, part: Any) -> bool:
        if isinstance(part, functools.partial):
            return True
        if isinstance(part, (types.FunctionType, types.MethodType)):
            return not is_trusted(part)
        # Layers come by themselves, variables by the specification of the program.
        home = type(part).__module__.split(".")[0]
        return home not in TRUSTED | sys.stdlib_module_names and id(part) not in self._places

    def _config(self, value: Any) -> Hashable:
        if not hasattr(value, "get_config"):
            return self.of(vars(value))
        try:
            config = value.get_config()
        except (NotImplementedError, TypeError, ValueError) as error:
            raise UnshareableError(f"a {type(value).__name__} has no configuration") from error
        return normalized(config)
