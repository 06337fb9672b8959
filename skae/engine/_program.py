"""Compiles the batches of a block into one program.

A program is a graph without state: weights, optimizer slots, metrics and the learning rate are
tensors that it takes and returns. The model that it was traced from is needed for tracing only.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._private import build_optimizer, stateless_optimizer, sums_rows, trains
from skae._xla_context import under_xla
from skae.engine._blocks import Layout
from skae.engine._deferred import DeferredNetwork
from skae.engine._tensors import (
    NotPackableError,
    NotPureError,
    Packing,
    Tensors,
    all_close,
    divided,
    pack,
    trace,
)

# Inputs, targets, and weights or None.
Batch = tuple[Any, Any, Any]


@dataclass
class State:
    """All that training changes, as tensors; `metrics` is reset with every epoch."""

    trainable: Tensors
    fixed: Tensors
    optimizer: Tensors
    metrics: Tensors

    def flat(self) -> Tensors:
        """Return all tensors as one list."""
        return [*self.trainable, *self.fixed, *self.optimizer, *self.metrics]

    def like(self, flat: Sequence[Any]) -> State:
        """Return a state of these tensors, divided as this one is."""
        own = (self.trainable, self.fixed, self.optimizer, self.metrics)
        return State(*divided(flat, list(map(len, own))))


@dataclass(frozen=True)
class Program:
    """A compiled block of batches, with the names of its results.

    Parameters
    ----------
    function : callable
        Flat state, block and sizes in; flat state and results of these `names` out.
    first_metrics : list of Tensor
    layout : Layout
        Layout of its blocks, not packed if the model does not allow it.
    packing : Packing
        How weights and the optimizer's variables are packed.
    one_batch : callable or None
        Function of weights, other variables and a batch, to verify the program for another model.
    """

    function: Callable[..., Any]
    names: tuple[str, ...]
    first_metrics: Tensors
    layout: Layout
    packing: Packing
    one_batch: Callable[..., Tensors] | None = None


class _Scope(keras.StatelessScope):  # an assignment stops gradients
    def add_update(self, update: tuple[Any, Any]) -> None:
        super().add_update((update[0], tf.stop_gradient(update[1])))


class _Steps:
    """One batch as a pure function of the state."""

    def __init__(self, model: keras.Model, layout: Layout) -> None:
        self.model, self.layout = model, layout
        self.trainable = model.trainable_variables
        self.fixed = model.non_trainable_variables
        # As in Keras, `training` is passed only to a `call` that takes it.
        takes_training = "training" in inspect.signature(model.call).parameters
        self._mode = {"training": layout.training} if takes_training else {}
        self.metrics = model.metrics_variables
        self.packing = pack(model, packed=layout.packed)
        self.joined = self.packing.weights.join_variables(self.trainable)
        self.optimizer = (
            stateless_optimizer(model.optimizer, self.joined) if layout.training else None
        )
        self.names: tuple[str, ...] = ()
        model.reset_metrics()
        zeros = [np.zeros((), np.float32)] * 2  # the sum of losses and of rows, as of Keras's Mean
        self.first_metrics = [tf.constant(v) for v in (*map(np.asarray, self.metrics), *zeros)]
        self.slots = [] if self.optimizer is None else self.optimizer.variables

    def pattern(self) -> State:
        sizes = map(len, (self.joined, self.fixed, self.slots, self.first_metrics))
        return State(*([None] * size for size in sizes))

    def _forward(self, weights: Tensors, fixed: Tensors, batch: Batch) -> tuple[Any, Any, Tensors]:
        inputs, targets, weight = batch
        mapping = list(zip([*self.trainable, *self.fixed], [*weights, *fixed], strict=True))
        compiling = under_xla() if self.layout.jit_compile else nullcontext()
        with compiling, _Scope(mapping, collect_losses=True) as scope:
            outputs = self.model(inputs, **self._mode)
            loss = self.model.compute_loss(
                inputs, targets, outputs, weight, training=self.layout.training
            )
        pairs = zip(self.trainable, weights, strict=True)
        changed = [v.path for v, given in pairs if scope.get_current_value(v) is not given]
        if changed:
            raise NotPureError(f"it assigns its trainable weight {changed[0]!r} when it is called")
        return loss, outputs, [scope.get_current_value(variable) for variable in self.fixed]

    def _measure(self, state: State, batch: Batch, outputs: Any, loss: Any) -> Tensors:
        inputs, targets, weight = batch
        rows = tf.cast(tf.shape(inputs)[0], tf.float32)
        with keras.StatelessScope(
            list(zip(self.metrics, state.metrics[:-2], strict=True))
        ) as scope:
            self.model.compute_metrics(inputs, targets, outputs, sample_weight=weight)
        total = state.metrics[-2] + tf.cast(loss, tf.float32) * rows
        values = [scope.get_current_value(variable) for variable in self.metrics]
        return [*values, total, state.metrics[-1] + rows]

    def step(self, state: State, batch: Batch) -> State:
        """Return the state after one batch."""
        weights, optimizer = self.packing.weights.part(state.trainable), self.optimizer
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, outputs, fixed = self._forward(weights, state.fixed, batch)
            scaled = loss if optimizer is None else optimizer.scale_loss(loss)
        metrics = self._measure(state, batch, outputs, loss)
        if optimizer is None:
            return State(state.trainable, state.fixed, [], metrics)
        gradients = tape.gradient(scaled, weights)
        if any(isinstance(g, tf.IndexedSlices) for g in gradients) and not sums_rows(optimizer):
            raise NotPureError("Keras's optimizer would not sum the gradients of an embedding")
        gradients = self.packing.weights.join_gradients(gradients)
        trainable, slots = optimizer.stateless_apply(state.optimizer, gradients, state.trainable)
        return State(trainable, fixed, slots, metrics)

    def one_batch(self, *arguments: Any) -> Tensors:
        """Return all results of one batch, from weights, other variables and the batch."""
        n, m = len(self.trainable), len(self.trainable) + len(self.fixed)
        weights, fixed = list(arguments[:n]), list(arguments[n:m])
        batch = _as_batch(arguments[m:], self.layout)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, outputs, fixed = self._forward(weights, fixed, batch)
        gradients = filter(tf.is_tensor, tape.gradient(loss, weights))
        first = State([], [], [], self.first_metrics)
        first.metrics = self._measure(first, batch, outputs, loss)
        made = [loss, outputs, self.results(first), *fixed, *gradients]
        return list(map(tf.convert_to_tensor, made))

    def results(self, state: State) -> Any:
        """Return the metrics as one tensor, and record their names."""
        with keras.StatelessScope(list(zip(self.metrics, state.metrics[:-2], strict=True))):
            values = dict(self.model.get_metrics_result())
        values["loss"] = tf.math.divide_no_nan(state.metrics[-2], state.metrics[-1])
        self.names = tuple(sorted(values))
        return tf.stack([tf.cast(values[name], tf.float32) for name in self.names])

    def block(self, *arguments: Any) -> tuple[Any, ...]:
        """Return the state after all batches of a block, then the results."""
        pattern = self.pattern()
        n_state = len(pattern.flat())
        block, (rows, size) = list(arguments[n_state:-2]), arguments[-2:]
        take = functools.partial(_rows_of, self.layout.batch_size)

        def body(start: Any, *flat: Any) -> tuple[Any, ...]:
            stop = tf.minimum(start + size, rows)
            batch = _as_batch([take(part, start, stop) for part in block], self.layout)
            after = self.step(pattern.like(flat), batch).flat()
            for tensor, before in zip(after, flat, strict=True):
                tensor.set_shape(before.shape)
            return (start + size, *after)

        _, *flat = tf.while_loop(
            lambda start, *_: start < rows,
            body,
            (tf.constant(0), *arguments[:n_state]),
            parallel_iterations=1,
        )
        after = pattern.like(flat)
        results = self.results(after)
        if not self.layout.jit_compile:  # XLA's results have memory of their own
            after.fixed, after.metrics = map(_own_memory, (after.fixed, after.metrics))
        return (*after.flat(), results)


def _as_batch(parts: Sequence[Any], layout: Layout) -> Batch:
    """Return inputs, targets (the inputs, where there are none) and weights."""
    inputs, *others = parts
    weight = others.pop() if layout.weighted else None
    return inputs, others[0] if others else inputs, weight


def _rows_of(size: int | None, part: Any, start: Any, stop: Any) -> Any:
    """Return the rows of a batch, with a static size for XLA."""
    if size is None:
        return part[start:stop]
    begin = [start, *[0] * (len(part.shape) - 1)]
    return tf.slice(part, begin, [size, *part.shape[1:]])


def _own_memory(tensors: Tensors) -> Tensors:
    """Copy tensors that may share the memory of a batch, which is reused."""
    return [tf.raw_ops.DeepCopy(x=t) if t.dtype.is_floating else t for t in tensors]


def build_program(model: keras.Model, layout: Layout, *, verifiable: bool) -> Program:
    """Trace a block of batches of `model`.

    Parameters
    ----------
    model : keras.Model
        Compiled; unchanged, except for the state of its metrics.
    layout : Layout
    verifiable : bool
        Whether another model may need to verify the program.

    Raises
    ------
    NotPureError
        If the model has several outputs, assigns a trainable weight when it is called, or reads a
        variable that Keras does not list among its own.
    """
    build_optimizer(model)
    if not trains(model.optimizer, model.trainable_variables):
        raise NotPureError("its optimizer was built for other weights than it trains now")
    _build_metrics(model, layout)
    steps = _Steps(model, layout)
    specs = [tf.TensorSpec(v.shape, v.dtype) for v in [*steps.joined, *steps.fixed, *steps.slots]]
    specs += [tf.TensorSpec(v.shape, v.dtype) for v in steps.first_metrics]
    specs += [*layout.specs(layout.block_rows), *[tf.TensorSpec((), tf.int32)] * 2]
    try:
        function = trace(steps.block, specs, jit_compile=layout.jit_compile)
    except NotPackableError:
        return build_program(model, replace(layout, packed=False), verifiable=verifiable)
    one_batch = None
    if verifiable:
        variables = [*steps.trainable, *steps.fixed]
        specs = [tf.TensorSpec(v.shape, v.dtype) for v in variables] + layout.specs(None)
        one_batch = trace(steps.one_batch, specs)
    return Program(function, steps.names, steps.first_metrics, layout, steps.packing, one_batch)


def computes_alike(network: DeferredNetwork, batch: Sequence[Any], program: Program) -> bool | None:
    """Return whether a program traced from another model computes the same as a network.

    None: two eager runs of the network itself do not agree, so this is unknown.

    Compares loss with penalties, outputs, metrics, gradients and layer states of one batch.

    Parameters
    ----------
    network : DeferredNetwork
    batch : sequence of ndarray
        Inputs, and targets and weights where the program takes any.
    program : Program
    """
    assert program.one_batch is not None
    model = network.network.model
    build_optimizer(model)
    arguments = [*network.values(), *map(tf.constant, batch)]
    _build_metrics(model, program.layout)
    own = _Steps(model, replace(program.layout, packed=False, batch_size=None))
    made = own.one_batch(*arguments)
    if all_close(program.one_batch(*arguments), made):
        return True
    return False if all_close(own.one_batch(*arguments), made) else None


def _build_metrics(model: keras.Model, layout: Layout) -> None:
    """Create the metrics' variables, as Keras does at the first batch."""
    parts = [np.zeros((1, *s.shape[1:]), s.dtype.name) for s in layout.specs(None)]
    inputs, targets, _ = _as_batch(parts, layout)
    # A layer that draws in every call would advance its seeds here, and a first fit would then
    # differ from one that finds its program in the cache.
    with keras.StatelessScope():
        outputs = model(inputs, training=False)
    if not tf.is_tensor(outputs):
        raise NotPureError("it has several outputs")
    model.compute_metrics(inputs, targets, outputs)
