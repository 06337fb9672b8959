"""Finds a model's programs: shared by all equal models, or kept for the one model they fit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

import keras

from skae._contracts import Shape
from skae.engine._cache import PROGRAMS
from skae.engine._fingerprint import Fingerprint, UnshareableError
from skae.engine._keys import compile_key, model_key
from skae.engine._program import Layout, Program, build_program, build_scoring

_LOGGER = logging.getLogger("skae")
_PRIVATE: WeakKeyDictionary[keras.Model, dict[Hashable, Any]] = WeakKeyDictionary()
_PRIVATE_LOCK = threading.Lock()
# Scoring programs kept with one model: somebody may make a new error function for every call.
MAX_SCORES = 16


def private_program(model: keras.Model, key: Hashable, build: Callable[[], Any]) -> Any:
    """Return a program kept with one model object, which it does not outlive."""
    with _PRIVATE_LOCK:
        programs = _PRIVATE.setdefault(model, {})
    if key not in programs:
        programs[key] = build()
    return programs[key]


class TrainingPrograms:
    """The training and evaluation programs of one compiled model.

    Parameters
    ----------
    model : keras.Model
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        try:
            self._key: Hashable = (model_key(model), compile_key(model))
        except UnshareableError as error:
            _LOGGER.debug("%r gets programs of its own: %s.", model.name, error)
            self._key = None

    def get(self, layout: Layout) -> Program:
        """Return the program of a layout, compiled if there is none."""

        def build() -> Program:
            return build_program(self._model, layout)

        if self._key is not None:
            return PROGRAMS.get(("train", self._key, layout), build)
        # A new `compile` makes new programs: its settings may be as unknowable as the model.
        told = self._model._compile_config
        return private_program(self._model, ("train", told, layout), build)


def scoring_program(
    model: keras.Model, shapes: tuple[Shape, Shape | None], measure: Any, *, xla: bool
) -> Any:
    """Return a function of weights and rows to what `measure` makes of a model's output.

    Parameters
    ----------
    model : keras.Model
    shapes : pair of shapes, the second one None for no targets of their own
        Of one row of inputs and of targets.
    measure : callable or None
        Of targets and outputs; has ``error`` and ``per``. None returns the outputs.
    xla : bool

    Raises
    ------
    NotPureError
        If the model reads a variable that Keras does not list among its own.
    """

    def build() -> Any:
        return build_scoring(model, shapes, measure, jit_compile=xla)

    asked = None if measure is None else (measure.error, measure.per)
    kept = private_program(model, "scoring", dict)
    name = (shapes, _by_value(asked), xla, len(model.variables), keras.config.floatx())
    found = kept.get(name)
    if found is None:
        # What goes by identity in the key is kept with its program.
        found = kept[name] = (_shared_or_own(model, shapes, asked, xla, build), measure)
        with _PRIVATE_LOCK:
            for old in list(kept)[:-MAX_SCORES]:
                del kept[old]
    return found[0]


def _by_value(asked: Any) -> Hashable:
    # A caller may make its error anew for every call, and equal ones are equal.
    try:
        hash(asked)
    except TypeError:
        return (id(asked[0]), asked[1])
    return asked


def _shared_or_own(
    model: keras.Model, shapes: Any, asked: Any, xla: bool, build: Callable[[], Any]
) -> Any:
    try:
        key = ("score", model_key(model), shapes, Fingerprint().of(asked), xla)
    except UnshareableError as error:
        _LOGGER.debug("%r is scored by a program of its own: %s.", model.name, error)
        return build()
    return PROGRAMS.get(key, build)
