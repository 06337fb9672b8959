"""Keys that are equal for equal values only, and serialization by value, code included.

Objects of Keras, TensorFlow and skae are identified by name, or by class and configuration, and
user code by its serialization by value.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import pickle
import site
import sys
import sysconfig
import threading
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle

import skae._tensorflow  # noqa: F401  isort: skip
import keras
import numpy as np

from skae._private import configuration

# Errors that the code of pickled objects may raise.
_UNPICKLABLE = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.PickleError,
)
_PICKLING = threading.RLock()


class UnshareableError(Exception):
    """There is no key that determines what a program computes."""


class Pickler(cloudpickle.Pickler):
    """Pickles Keras objects, and functions and classes that can't be imported, by value.

    When Keras unpickles, it finds the class of an object by name, so not a user-defined class.
    """

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, keras.losses.Loss):
            return _made, (type(obj), vars(obj))
        if isinstance(obj, (keras.metrics.Metric, keras.optimizers.Optimizer)):
            return _configured, (type(obj), configuration(obj), _settings(obj))
        return super().reducer_override(obj)


def _settings(value: Any) -> dict[str, Any]:
    """Return the attributes of an optimizer that its configuration may lack."""
    if not isinstance(value, keras.optimizers.Optimizer):
        return {}
    return {
        name: copy.copy(part)
        for name, part in vars(value).items()
        if isinstance(part, (str, bool, int, float)) or name.startswith("_exclude_from")
    }


def _made(kind: Any, attributes: dict[str, Any]) -> Any:
    made = object.__new__(kind)
    vars(made).update(attributes)
    return made


def _configured(kind: Any, config: dict[str, Any], settings: dict[str, Any]) -> Any:
    made = kind.from_config(config)
    for name, value in settings.items():
        setattr(made, name, value)
    return made


class _KeyPickler(Pickler):
    """Raises an error for objects that Keras writes as archives, no two of which are equal."""

    def persistent_id(self, obj: Any) -> None:
        if isinstance(obj, (keras.layers.Layer, keras.Variable)):
            raise UnshareableError(f"it holds the {type(obj).__name__} {obj.name!r}")


def serialized(value: Any) -> bytes:
    """Serialize a value, with its code and the globals that the code names.

    Parameters
    ----------
    value : object
        Functions and classes of user modules and of ``__main__`` are serialized by value: with
        closures, defaults, class bodies and the globals that they name.

    Raises
    ------
    UnshareableError
        If the value, or a part of it, can't be serialized.
    """
    try:
        with _user_modules_by_value():
            buffer = io.BytesIO()
            _KeyPickler(buffer).dump(value)
            return buffer.getvalue()
    except _UNPICKLABLE as error:
        name = getattr(value, "__name__", type(value).__name__)
        raise UnshareableError(f"{name} can't be serialized ({error})") from error


@contextmanager
def _user_modules_by_value() -> Iterator[None]:
    with _PICKLING:
        known = {*cloudpickle.list_registry_pickle_by_value()}
        added = [sys.modules[name] for name in {*sys.modules} - known if _is_users(name)]
        try:
            for module in added:
                cloudpickle.register_pickle_by_value(module)
            yield
        finally:
            for module in added:
                cloudpickle.unregister_pickle_by_value(module)


@functools.cache
def _installed_folders() -> tuple[Path, ...]:
    named = sysconfig.get_paths()
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = {*(named[kind] for kind in kinds), *site.getsitepackages(), site.getusersitepackages()}
    return tuple(Path(path).resolve() for path in paths)


@functools.cache
def _is_users(name: str) -> bool:
    """Return whether a module is not of Python and not of an installed package."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    # `__main__` is serialized by value anyway; a module is known under its own name only.
    if not file or name == "__main__" or getattr(module, "__name__", None) != name:
        return False
    if name.partition(".")[0] == "skae":  # which may be installed in place
        return False
    resolved = Path(file).resolve()
    return not any(resolved.is_relative_to(folder) for folder in _installed_folders())


_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_LIBRARIES = ("keras", "skae", "tensorflow")
NOT_IN_PROGRAMS = ("seed", "shared_object_id", "build_config", "compile_config")


class Keys:
    """Makes keys of values, and records whether they contain user code.

    Attributes
    ----------
    has_user_code : bool
        Whether a key contains a digest, which does not cover what the code reads when it runs.
    """

    def __init__(self) -> None:
        self.has_user_code = False

    def of(self, value: Any) -> Hashable:
        """Return the key of a value."""
        if isinstance(value, str) and type(value) is str:
            registered = keras.saving.get_registered_object(value)
            return value if registered is None else (value, self.of(registered))
        if type(value) in _PLAIN:
            # 1, 1.0 and True are equal and hash alike, so are 0.0 and -0.0, but trace differently.
            return type(value).__name__, repr(value)
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
            array = np.asarray(value)
            return "array", array.shape, str(array.dtype), hashlib.sha256(array.tobytes()).digest()
        if isinstance(value, Mapping) and type(value).__module__ in ("builtins", "types"):
            return "map", tuple((self.of(key), self.of(item)) for key, item in value.items())
        if type(value) in (tuple, list):
            return type(value).__name__, tuple(map(self.of, value))
        return self._of_object(value)

    def _of_object(self, value: Any) -> Hashable:
        if is_of_library(value):
            return value
        if isinstance(value, keras.layers.Layer):
            return self.of_layer(value)
        if is_configured(value):
            return as_patched(type(value)), self._configuration(value), self._attributes(value)
        self.has_user_code = True
        return "digest", hashlib.sha256(serialized(value)).digest()

    def _configuration(self, value: Any) -> Hashable:
        config = dict(config_of(value)) if hasattr(value, "get_config") else {}
        if isinstance(config.get("learning_rate"), float):
            config["learning_rate"] = "a number"
        if not isinstance(value, keras.metrics.Metric):  # whose results are reported by name
            config.pop("name", None)
        return self.of(without(config, NOT_IN_PROGRAMS))

    def _attributes(self, value: Any) -> Hashable:
        """Return the attributes that a configuration may lack, such as the delta of ``Huber``."""
        plain = (bool, int, float, str, tuple, list, dict)
        all_counts = not hasattr(value, "get_config")  # else Keras's bookkeeping is beside it
        parts = {
            name: part
            for name, part in getattr(value, "__dict__", {}).items()
            if name not in ("_name", "name", "built", "seed")
            if all_counts or (type(part) in plain and not _is_state(name, part)) or callable(part)
        }
        return self.of(parts)

    def of_known(self, value: Any, what: str) -> Hashable:
        """Return the key of a value without user code, for parts that verification does not run."""
        keys = type(self)()
        key = keys.of(value)
        if keys.has_user_code:
            raise UnshareableError(f"{what} is user-defined code")
        return key

    def of_layer(self, layer: keras.layers.Layer) -> Hashable:
        """Raise an error: values must not contain layers."""
        raise UnshareableError(f"it holds a {type(layer).__name__}")


def without(config: Any, names: tuple[str, ...], *, initializers: bool = True) -> Any:
    """Return a configuration without these entries and, by default, without initializers."""
    if isinstance(config, Mapping):
        return {
            key: without(item, names, initializers=initializers)
            for key, item in config.items()
            if key not in names and not (initializers and str(key).endswith("initializer"))
        }
    if type(config) not in (list, tuple):
        return config
    return [without(item, names, initializers=initializers) for item in config]


def config_of(value: Any) -> Any:
    try:
        return value.get_config()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UnshareableError(f"{type(value).__name__} has no configuration ({error})") from error


def _is_state(name: str, part: Any) -> bool:
    """Return whether an attribute is training state, or bookkeeping of TensorFlow."""
    leaves = keras.tree.flatten(part)
    return name.startswith("_self_") or any(isinstance(each, keras.Variable) for each in leaves)


def as_patched(kind: type) -> Hashable:
    """Return a class with the methods that a program is made of, which may be patched."""
    return kind, *(getattr(kind, name, None) for name in ("__call__", "call", "update_step"))


def is_configured(value: Any) -> bool:
    """Return whether an object is of Keras or skae, and determined by its attributes."""
    kind = type(value)
    return is_of_library(kind) and (hasattr(kind, "get_config") or kind.__module__[:5] == "skae.")


def is_of_library(value: Any) -> bool:
    """Return whether Keras, TensorFlow or skae has a class or a function under its name."""
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or module.partition(".")[0] not in _LIBRARIES:
        return False
    found: Any = sys.modules.get(module)
    for part in getattr(value, "__qualname__", "?").split("."):
        found = getattr(found, part, None)
    return found is value
