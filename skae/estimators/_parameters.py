"""Parameters that are objects: how they are compared, copied, cloned and pickled.

Keras's objects can't be copied or pickled where their class or their schedule is user-defined, and
plain pickle can't name functions and classes of ``__main__`` or of a local scope.
"""

from __future__ import annotations

import copy
import io
import pickle
import sys
from collections.abc import Callable, Mapping
from numbers import Number
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator

from skae._by_value import Pickler

_PLAIN = (type(None), str, bytes, Number, np.ndarray, np.generic, np.dtype)
_KERAS = (keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)


class ByValue:
    """Represents a value in a pickle; unpickling returns the value."""

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value

    def __reduce__(self) -> tuple[Any, ...]:
        buffer = io.BytesIO()
        try:
            Pickler(buffer).dump(self.value)
        except (TypeError, pickle.PickleError) as error:
            raise pickle.PicklingError(f"{self.name} can't be pickled: {error}.") from error
        return pickle.loads, (buffer.getvalue(),)

    def __getstate__(self) -> Any:
        """Raise an error where an object is stored by its attributes, as skops does."""
        raise TypeError(
            f"{self.name}={self.value!r} can only be pickled, with pickle, joblib or cloudpickle; "
            "other formats take strings, numbers, and functions and classes of modules that can be "
            "imported."
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if callable(self.value) and not isinstance(self.value, _KERAS):
            return self.value
        make, arguments = self.__reduce__()
        return make(*arguments)


def by_value(name: str, value: Any, known: dict[int, ByValue]) -> Any:
    """Return a parameter with `ByValue` in place of what plain pickle can't take.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object
    known : dict
        Values found before, by identity: a value that occurs twice is pickled once.
    """
    if type(value) in (list, tuple):
        return type(value)(by_value(name, part, known) for part in value)
    if type(value) is dict:
        return {key: by_value(name, part, known) for key, part in value.items()}
    if isinstance(value, keras.callbacks.Callback):
        value = without_model(value)
    elif isinstance(value, BaseEstimator):
        if _importable(type(value)):
            return value
    elif isinstance(value, _PLAIN) or (callable(value) and _importable(value)):
        return value
    return known.setdefault(id(value), ByValue(name, value))


def copied(name: str, value: Any) -> Any:
    """Return a copy of a parameter: callbacks shallow, Keras's objects fresh, all else deep."""
    if isinstance(value, (list, tuple)):
        return type(value)(copied(name, part) for part in value)
    if isinstance(value, dict):
        return {key: copied(name, part) for key, part in value.items()}
    if isinstance(value, keras.callbacks.Callback):
        return without_model(value)
    return copy.deepcopy(by_value(name, value, {}))


def without_model(callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
    """Return a shallow copy of a callback that no model is set for; what it points to is shared."""
    fresh = copy.copy(callback)
    keras.callbacks.Callback.set_model(fresh, None)
    return fresh


def unused_callbacks(attributes: Mapping[str, Any]) -> Any:
    """Return an estimator's callbacks as they were before a fit used them.

    Used callbacks may have open files and threads, which can't be pickled.
    """
    callbacks = attributes["callbacks"]
    used, before = attributes.get("_callbacks_before", (None, None))
    return before if used is callbacks and used is not None else callbacks


def copied_containers(value: Any) -> Any:
    """Return a copy of a list, a tuple or a dict, which may change later; others as they are."""
    if type(value) is dict:
        return {name: copied_containers(part) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(copied_containers, value))
    return value.copy() if isinstance(value, np.ndarray) else value


def same(before: Any, now: Any) -> bool:
    """Return whether parameters are equal; objects that can't be compared, by identity."""
    if isinstance(before, dict) and isinstance(now, dict):
        return before.keys() == now.keys() and all(same(before[k], now[k]) for k in before)
    if isinstance(before, (list, tuple)) and type(before) is type(now):
        return len(before) == len(now) and all(map(same, before, now))
    if isinstance(before, np.ndarray) and isinstance(now, np.ndarray):
        return np.array_equal(before, now)
    if isinstance(before, (str, Number)) and isinstance(now, (str, Number)):
        return bool(before == now)
    return before is now


def _importable(target: Callable[..., Any]) -> bool:
    """Return whether another process can import a function or a class by its name."""
    if not hasattr(target, "__qualname__") or target.__module__ == "__main__":
        return False
    found: Any = sys.modules.get(target.__module__)
    for part in target.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is target
