"""Compiles the batches of a block into one program.

A program is a graph and owns no state: weights, optimizer slots, metrics and the learning rate go
in as tensors and come out as tensors. The model it was traced from is needed for tracing only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import Shape
from skae._xla_context import under_xla
from skae.engine._dense_stack import dense_stack, double_precision
from skae.engine._packing import NotPackableError, Packing, divided, pack
from skae.engine._stateless import stateless_optimizer
from skae.engine._tracing import NotPureError, Tensors, trace


@dataclass(frozen=True)
class Layout:
    """What a program's blocks look like.

    Parameters
    ----------
    input_shape, target_shape : tuple of int, or None for no targets of their own
        Of one row.
    weighted : bool
    training : bool
        Whether the weights are trained; otherwise losses and metrics are measured.
    batch_size, block_rows : int or None
        Fixed sizes, as XLA needs them; None: any number of rows, the last batch shorter.
    packed : bool
        Whether small weights travel as one vector.
    """

    input_shape: Shape
    target_shape: Shape | None
    weighted: bool
    training: bool
    batch_size: int | None = None
    block_rows: int | None = None
    packed: bool = False

    @property
    def jit_compile(self) -> bool:
        """Whether XLA compiles the program."""
        return self.batch_size is not None


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
    """A compiled block of batches, with the names of what it reports.

    Parameters
    ----------
    function : callable
        Flat state, block and sizes in; flat state and results out.
    names : tuple of str
        Of the results.
    first_metrics : list of Tensor
        Metrics' variables at the start of an epoch.
    layout : Layout
        What it was built for, not packed where the model turned out not to allow it.
    packing : Packing
        How weights and the optimizer's variables travel.
    """

    function: Callable[..., Any]
    names: tuple[str, ...]
    first_metrics: Tensors
    layout: Layout
    packing: Packing


class _Steps:
    """One batch as a pure function, written over a model that serves as the pattern."""

    def __init__(self, model: keras.Model, layout: Layout) -> None:
        self.model, self.layout = model, layout
        self.trainable = model.trainable_variables
        self.fixed = model.non_trainable_variables
        # Two more than Keras has: the sum of losses and of rows, kept as its Mean does.
        self.metrics = model.metrics_variables
        self.packing = pack(model, packed=layout.packed)
        self.joined = self.packing.weights.join_variables(self.trainable)
        self.optimizer = (
            stateless_optimizer(model.optimizer, self.joined) if layout.training else None
        )
        self.names: tuple[str, ...] = ()

    def first_metrics(self) -> Tensors:
        self.model.reset_metrics()
        zeros = [np.zeros((), np.float32)] * 2
        return [tf.constant(value) for value in (*map(np.asarray, self.metrics), *zeros)]

    def variables(self) -> list[Any]:
        slots = self.optimizer.variables if self.optimizer is not None else []
        return [*self.joined, *self.fixed, *slots, *self.metrics]

    def pattern(self) -> State:
        slots = len(self.optimizer.variables) if self.optimizer is not None else 0
        sizes = (len(self.joined), len(self.fixed), slots, len(self.metrics) + 2)
        return State(*([None] * size for size in sizes))

    def _forward(
        self, weights: Tensors, fixed: Tensors, batch: tuple[Any, Any, Any]
    ) -> tuple[Any, Any, Tensors]:
        inputs, targets, weight = batch
        mapping = [
            *zip(self.trainable, weights, strict=True),
            *zip(self.fixed, fixed, strict=True),
        ]
        training = self.layout.training
        compiler = under_xla() if self.layout.jit_compile else nullcontext()
        with compiler, keras.StatelessScope(mapping, collect_losses=True) as scope:
            # As Keras's loop: layers of a model whose `call` takes no `training` don't train.
            told = {"training": training} if self.model._call_has_training_arg else {}
            outputs = self.model(inputs, **told)
            loss = self.model.compute_loss(
                x=inputs, y=targets, y_pred=outputs, sample_weight=weight, training=training
            )
        return loss, outputs, [scope.get_current_value(variable) for variable in self.fixed]

    def _measure(
        self, state: State, batch: tuple[Any, Any, Any], outputs: Any, loss: Any
    ) -> Tensors:
        inputs, targets, weight = batch
        rows = tf.cast(tf.shape(inputs)[0], tf.float32)
        mapping = list(zip(self.metrics, state.metrics[:-2], strict=True))
        with keras.StatelessScope(mapping) as scope:
            self.model.compute_metrics(inputs, targets, outputs, sample_weight=weight)
        total = state.metrics[-2] + tf.cast(loss, tf.float32) * rows
        values = [scope.get_current_value(variable) for variable in self.metrics]
        return [*values, total, state.metrics[-1] + rows]

    def step(self, state: State, batch: tuple[Any, Any, Any]) -> State:
        """Return the state after one batch."""
        weights = self.packing.weights.part(state.trainable)
        if self.optimizer is None:
            loss, outputs, _ = self._forward(weights, state.fixed, batch)
            metrics = self._measure(state, batch, outputs, loss)
            return State(state.trainable, state.fixed, [], metrics)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, outputs, fixed = self._forward(weights, state.fixed, batch)
            scaled = self.optimizer.scale_loss(loss)
        gradients = self.packing.weights.join_gradients(tape.gradient(scaled, weights))
        metrics = self._measure(state, batch, outputs, loss)
        trainable, slots = self.optimizer.stateless_apply(
            state.optimizer, gradients, state.trainable
        )
        return State(trainable, fixed, slots, metrics)

    def results(self, state: State) -> Any:
        """Return what the metrics say, as one tensor, and note their names."""
        mapping = list(zip(self.metrics, state.metrics[:-2], strict=True))
        with keras.StatelessScope(mapping):
            values = dict(self.model.get_metrics_result())
        values["loss"] = tf.math.divide_no_nan(state.metrics[-2], state.metrics[-1])
        # Keras reports the loss last of all in an epoch's logs only by accident of sorting.
        self.names = tuple(sorted(values))
        return tf.stack([tf.cast(values[name], tf.float32) for name in self.names])


def _specs(steps: _Steps, layout: Layout) -> list[tf.TensorSpec]:
    floating = keras.config.floatx()
    state = [tf.TensorSpec(v.shape, v.dtype) for v in steps.variables()]
    state += [tf.TensorSpec((), tf.float32)] * 2
    block = [tf.TensorSpec((layout.block_rows, *layout.input_shape), floating)]
    if layout.target_shape is not None:
        block.append(tf.TensorSpec((layout.block_rows, *layout.target_shape), floating))
    if layout.weighted:
        axes = len(block[-1].shape) - 2
        block.append(tf.TensorSpec((layout.block_rows, *[1] * axes), floating))
    return [*state, *block, tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.int32)]


def _block_function(steps: _Steps, layout: Layout) -> Callable[..., Any]:
    pattern = steps.pattern()
    n_state = len(pattern.flat())

    cut = partial(_cut, layout.batch_size)

    def run_block(*arguments: Any) -> tuple[Any, ...]:
        block, (rows, size) = list(arguments[n_state:-2]), arguments[-2:]
        weight = block.pop() if layout.weighted else None
        inputs, targets = block[0], block[-1]

        def body(start: Any, *flat: Any) -> tuple[Any, ...]:
            stop = tf.minimum(start + size, rows)
            batch = cut(inputs, start, stop)
            wanted = batch if layout.target_shape is None else cut(targets, start, stop)
            weights = None if weight is None else cut(weight, start, stop)
            after = steps.step(pattern.like(flat), (batch, wanted, weights)).flat()
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
        results = steps.results(after)
        if not layout.jit_compile:  # XLA's results have memory of their own
            after.fixed, after.metrics = map(_own_memory, (after.fixed, after.metrics))
        return (*after.flat(), results)

    return run_block


def _cut(size: int | None, part: Any, start: Any, stop: Any) -> Any:
    """Return the rows of a batch, of the one size that XLA knows where there is one."""
    if size is None:
        return part[start:stop]
    begin = [start, *[0] * (len(part.shape) - 1)]
    return tf.slice(part, begin, [size, *part.shape[1:]])


def _own_memory(tensors: Tensors) -> Tensors:
    """Copy what a layer or a metric may have kept of a batch, whose memory gets other rows."""
    return [tf.raw_ops.DeepCopy(x=t) if t.dtype.is_floating else t for t in tensors]


def build_program(model: keras.Model, layout: Layout) -> Program:
    """Trace a block of batches of `model`.

    Parameters
    ----------
    model : keras.Model
        Built and compiled; left as it is, its metrics' state aside.
    layout : Layout

    Returns
    -------
    program : Program

    Raises
    ------
    NotPureError
        If the model has several outputs, or reads a variable that Keras does not list among its
        own.
    """
    _build_metrics(model, layout)
    steps = _Steps(model, layout)
    first = steps.first_metrics()
    block, specs = _block_function(steps, layout), _specs(steps, layout)
    try:
        function = trace(block, specs, jit_compile=layout.jit_compile)
    except NotPackableError:
        return build_program(model, replace(layout, packed=False))
    return Program(function, steps.names, first, layout, steps.packing)


def _build_metrics(model: keras.Model, layout: Layout) -> None:
    """Have Keras create the metrics' variables, which it does at the first batch it sees."""
    shape = layout.input_shape if layout.target_shape is None else layout.target_shape
    inputs, targets = (
        np.zeros((1, *part), keras.config.floatx()) for part in (layout.input_shape, shape)
    )
    # A layer that draws in every call would advance its seeds here, and a first fit would then
    # differ from one that finds its program in the cache.
    with keras.StatelessScope():
        outputs = model(inputs, training=False)
    if not tf.is_tensor(outputs):
        raise NotPureError("it has several outputs")
    model.compute_metrics(inputs, targets, outputs)


def build_scoring(
    model: keras.Model,
    shapes: tuple[Shape, Shape | None],
    measure: Callable[..., Any] | None,
    *,
    jit_compile: bool,
) -> Callable[..., Any]:
    """Trace a model in inference mode, its weights taken in; see `_store.scoring_program`."""
    variables = model.variables
    floating = keras.config.floatx()
    # As few rows are measured in NumPy: a row that lies on a detector's cut has to stay there.
    exact = measure is not None and dense_stack(model) is not None

    def score(*arguments: Any) -> tuple[Any]:
        weights, rows = arguments[: len(variables)], arguments[len(variables) :]
        with keras.StatelessScope(list(zip(variables, weights, strict=True))):
            outputs = double_precision(model, rows[0]) if exact else model(rows[0], training=False)
        return (outputs if measure is None else measure(rows[-1], outputs),)

    specs = [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]
    specs += [tf.TensorSpec((None, *shape), floating) for shape in shapes if shape is not None]
    return trace(score, specs, jit_compile=jit_compile)
