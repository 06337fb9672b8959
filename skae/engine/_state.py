"""Moves a model's state between its variables and the tensors that programs take and give."""

from __future__ import annotations

import keras
import tensorflow as tf

from skae.engine._packing import Groups, Packing
from skae.engine._program import State, Tensors
from skae.engine._variables import read


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
        fixed = model.non_trainable_variables
        self._parts = [
            (model.trainable_variables, packing.weights),
            (fixed, Groups.of(fixed)),
            (model.optimizer.variables, packing.slots),
        ]
        self._state: State | None = None

    def start_epoch(self, first_metrics: Tensors) -> State:
        """Return the state at the start of an epoch, metrics reset."""
        if self._state is None or self._watched:
            trainable, fixed, slots = (groups.join(read(part)) for part, groups in self._parts)
            return State(trainable, fixed, slots, first_metrics)
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
            trainable, fixed = (groups.join(read(part)) for part, groups in self._parts[:2])
        return State(trainable, fixed, [], first_metrics)

    def _write(self) -> None:
        assert self._state is not None
        joined = (self._state.trainable, self._state.fixed, self._state.optimizer)
        for (variables, groups), tensors in zip(self._parts, joined, strict=True):
            for variable, tensor in zip(variables, groups.part(tensors), strict=True):
                tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=tensor)
