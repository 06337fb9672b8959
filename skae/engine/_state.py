"""Moves a model's state between its variables and the tensors that programs take and give."""

from __future__ import annotations

import keras

from skae.engine._packing import Packing, state_variables
from skae.engine._program import State
from skae.engine._tracing import Tensors


class ModelState:
    """The state of one model during a fit, read and written as seldom as may be.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built.
    packing : Packing
        How the program takes the state.
    watched : bool
        Whether callbacks may look at the model, or change it, between epochs.
    """

    def __init__(self, model: keras.Model, packing: Packing, *, watched: bool) -> None:
        self._watched = watched
        self._packing = packing
        self._variables = state_variables(model)
        self._state: State | None = None

    def start_epoch(self, first_metrics: Tensors) -> State:
        """Return the state at the start of an epoch, metrics reset."""
        if self._state is None or self._watched:
            self._state = self._read()
        self._state.metrics = first_metrics
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

    def measured(self, first_metrics: Tensors) -> State:
        """Return the state as an evaluation takes it, without the optimizer's."""
        assert self._state is not None
        trainable, fixed = self._state.trainable, self._state.fixed
        if self._watched:  # a callback may put averaged weights in place for it
            trainable, fixed = self._packing.load(self._variables, slots=False)
        return State(trainable, fixed, [], first_metrics)

    def _read(self) -> State:
        trainable, fixed, slots = self._packing.load(self._variables)
        return State(trainable, fixed, slots, [])

    def _write(self) -> None:
        assert self._state is not None
        state = self._state
        self._packing.store(self._variables, [state.trainable, state.fixed, state.optimizer])
