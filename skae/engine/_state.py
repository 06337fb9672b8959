"""Moves a model's state between its variables and the tensors that programs take and give."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from skae._contracts import FloatArray
from skae.engine._program import State, Tensors


def _read(variables: list[Any]) -> Tensors:
    return [variable.value.read_value() for variable in variables]


class ModelState:
    """The state of one model during a fit, read and written as seldom as may be.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built.
    watched : bool
        Whether callbacks may look at the model, or change it, between epochs.
    """

    def __init__(self, model: keras.Model, *, watched: bool) -> None:
        self._model, self._watched = model, watched
        self._variables = [
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
        ]
        self._state: State | None = None

    def start_epoch(self, first_metrics: tuple[FloatArray, ...]) -> State:
        """Return the state at the start of an epoch, metrics reset."""
        metrics = [tf.constant(value) for value in first_metrics]
        if self._state is None or self._watched:
            trainable, fixed, optimizer = map(_read, self._variables)
            return State(trainable, fixed, optimizer, metrics)
        self._state.metrics = metrics
        return self._state

    def end_epoch(self, state: State) -> None:
        """Take the state at the end of an epoch."""
        self._state = state
        if self._watched:
            self._write()

    def close(self) -> None:
        """Leave the model with its last state."""
        if self._state is not None and not self._watched:
            self._write()

    def measured(self, first_metrics: tuple[FloatArray, ...]) -> State:
        """Return the state as an evaluation takes it, without the optimizer's."""
        assert self._state is not None
        metrics = [tf.constant(value) for value in first_metrics]
        return State(self._state.trainable, self._state.fixed, [], metrics)

    def _write(self) -> None:
        assert self._state is not None
        parts = (self._state.trainable, self._state.fixed, self._state.optimizer)
        for variables, tensors in zip(self._variables, parts, strict=True):
            for variable, tensor in zip(variables, tensors, strict=True):
                variable.value.assign(tensor, read_value=False)
