"""Trains by compiled programs, blocks of shuffled batches at a time.

Owns epochs, blocks and callbacks. Rows are gathered in the epoch's order into blocks of bounded
size, so that arrays in memory, memory maps and float64 data all take one path, no copy of the
data is kept, and no program knows how many rows there are.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from skae._contracts import Batchable, History, Trainer, TrainingPlan
from skae._forks import check_not_forked
from skae.engine._blocks import Blocks
from skae.engine._keras_loop import KerasTrainer
from skae.engine._monitor import FiniteLoss, OneProgressBar, checked_history
from skae.engine._order import Indices
from skae.engine._packing import is_packable
from skae.engine._program import Layout, Program, State
from skae.engine._rows import Rows, is_stream
from skae.engine._state import ModelState
from skae.engine._store import TrainingPrograms
from skae.engine._tracing import NotPureError
from skae.engine._xla import wants_xla

_LOGGER = logging.getLogger("skae")
# Few calls for an epoch, which cost a millisecond or two each, and bounded memory: a pass holds two
# blocks. On two cores an epoch of 60,000 x 784 takes 0.54 s with 4 MB, 0.51 s with 16, 0.50 s with
# 32.
BLOCK_BYTES = 16 * 2**20


class _Pass:
    """One way through rows: training on them, or measuring."""

    def __init__(
        self, programs: TrainingPrograms, rows: Rows, plan: TrainingPlan, layout: Layout
    ) -> None:
        self._programs, self._rows, self._plan = programs, rows, plan
        row_bytes = sum(part.row_bytes for part in rows.parts)
        batches = max(BLOCK_BYTES // (row_bytes * plan.batch_size), 1)
        # A small table fills no block of that size; few sizes keep programs few.
        batches = min(batches, _power_of_four(len(rows) / plan.batch_size))
        self._block_rows = batches * plan.batch_size
        # A program of one fixed size takes a block of it, however few rows there are.
        held = self._block_rows if layout.batch_size else min(self._block_rows, len(rows))
        self._blocks = Blocks(rows, held)
        self._any_size = replace(layout, batch_size=None, block_rows=None)
        self._fixed_size = None
        if layout.batch_size is not None:
            self._fixed_size = replace(layout, block_rows=self._block_rows)

    def first(self) -> Program:
        """Return the program that starts an epoch."""
        full = len(self._rows) >= self._plan.batch_size
        wanted = self._fixed_size if self._fixed_size is not None and full else self._any_size
        return self._programs.get(wanted)

    def run(self, state: State, order: Indices) -> tuple[State, dict[str, float]]:
        """Return the state after all batches, and what the metrics say."""
        parts = list(self._parts(order))
        size = np.int32(self._plan.batch_size)
        blocks = [(block, program.layout.block_rows or len(block)) for program, block in parts]
        tensors = self._blocks.read(blocks)
        for program, block in parts:
            flat = program.function(*state.flat(), *next(tensors), np.int32(len(block)), size)
            # Waits for the program, whose block is then free for other rows.
            state, results = state.like(flat[:-1]), flat[-1].numpy()
        return state, dict(zip(program.names, results.tolist(), strict=True))

    def _parts(self, order: Indices) -> Iterator[tuple[Program, Indices]]:
        fixed = self._fixed_size
        # XLA knows one size of batch; the short one is done by TensorFlow's kernels.
        full = len(order) - len(order) % self._plan.batch_size if fixed is not None else 0
        if fixed is not None:
            for block in self._blocks_of(order[:full]):
                yield self._programs.get(fixed), block
        for block in self._blocks_of(order[full:]):
            yield self._programs.get(self._any_size), block

    def _blocks_of(self, order: Indices) -> Iterator[Indices]:
        # Nothing is trained while the first block is read, so it is a short one: an epoch of 60,000
        # x 140 takes 0.100 s instead of 0.104.
        first = self._block_rows
        if len(order) > first:
            size = self._plan.batch_size
            first = max(first // 8 // size, 1) * size
        edges = [0, *range(first, len(order), self._block_rows), len(order)]
        for start, stop in itertools.pairwise(edges):
            if start < stop:
                yield order[start:stop]


def _power_of_four(number: float) -> int:
    """Return the smallest power of four that is not below `number`."""
    return int(4 ** math.ceil(math.log(max(number, 1), 4)))


def _layout(rows: Rows, *, training: bool, batch_size: int | None, packed: bool) -> Layout:
    return Layout(
        input_shape=rows.inputs.shape[1:],
        target_shape=None if rows.targets is None else rows.targets.shape[1:],
        weighted=rows.weight is not None,
        training=training,
        batch_size=batch_size,
        packed=packed,
    )


def _build_optimizer(model: keras.Model) -> None:
    optimizer = model.optimizer
    if optimizer.built:
        known = list(map(id, optimizer._trainable_variables))
        if known != list(map(id, model.trainable_variables)):
            raise NotPureError("its optimizer was built for other weights than it trains now")
        return
    # Keras numbers optimizers (adam_7), their variables are named after them, and TensorFlow
    # keeps some 35 kB for every name it ever met: 0.8 MB a fit of a small network.
    base, _, number = optimizer.name.rpartition("_")
    if number.isdigit():
        optimizer.name = base
    optimizer.build(model.trainable_variables)


class _Fit:
    """One fit: the passes of its epochs between its callbacks."""

    def __init__(
        self, model: keras.Model, rows: Rows, validation: Rows | None, plan: TrainingPlan
    ) -> None:
        self._model, self._rows, self._plan = model, rows, plan
        _build_optimizer(model)
        programs = TrainingPrograms(model)
        xla = wants_xla(model, len(rows), plan)
        size = plan.batch_size if xla else None
        packed = not xla and is_packable(model.optimizer)
        layout = _layout(rows, training=True, batch_size=size, packed=packed)
        self._training = _Pass(programs, rows, plan, layout)
        self._program = self._training.first()
        self._validation: _Pass | None = None
        if validation is not None:
            packed = self._program.layout.packed
            layout = _layout(validation, training=False, batch_size=size, packed=packed)
            self._validation = _Pass(programs, validation, plan, layout)
            self._validation_order = np.arange(len(validation))

    def __len__(self) -> int:
        return len(self._rows)

    def run(self, callbacks: keras.callbacks.CallbackList, *, watched: bool) -> None:
        """Train, with the model's variables right whenever a callback looks."""
        model, plan = self._model, self._plan
        first = self._program.first_metrics
        state = ModelState(model, self._program.packing, watched=watched)
        model.stop_training = False
        logs: dict[str, float] = {}
        callbacks.on_train_begin()
        for epoch in range(plan.initial_epoch, plan.initial_epoch + plan.epochs):
            callbacks.on_epoch_begin(epoch)
            order = self._rows.order(plan.seed, epoch, plan.shuffle)
            after, logs = self._training.run(state.start_epoch(first), order)
            state.end_epoch(after)
            logs |= self._measure(state, callbacks)
            callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        state.close()
        callbacks.on_train_end(logs)

    def _measure(
        self, state: ModelState, callbacks: keras.callbacks.CallbackList
    ) -> dict[str, float]:
        if self._validation is None:
            return {}
        callbacks.on_test_begin()
        first = self._validation.first().first_metrics
        _, logs = self._validation.run(state.measured(first), self._validation_order)
        callbacks.on_test_end(logs)
        return {f"val_{name}": value for name, value in logs.items()}


class CompiledTrainer:
    """Compiled epochs, where the model allows them.

    Parameters
    ----------
    strict : bool
        Whether a model or rows that turn out not to suit are an error rather than a case for
        Keras's loop.

    Attributes
    ----------
    name : str
        "compiled"; after `train` it says what was used.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.name = "compiled"
        self._strict = strict

    def train(
        self,
        model: keras.Model,
        rows: Batchable,
        validation: Batchable | None,
        plan: TrainingPlan,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> History:
        """Train `model` in place and return the values of every epoch by name.

        Parameters
        ----------
        model : keras.Model
            Compiled.
        rows : Batchable
        validation : Batchable or None
        plan : TrainingPlan
        callbacks : sequence of keras.callbacks.Callback

        Returns
        -------
        history : dict of str to list of float

        Raises
        ------
        NonFiniteLossError
            If a loss, or a weight at the end, is NaN or infinite.
        """
        check_not_forked()
        if any(is_stream(part.inputs) for part in (rows, validation) if part is not None):
            return self._otherwise("batches that come by themselves have an order of their own")(
                model, rows, validation, plan, callbacks
            )
        try:
            measured = None if validation is None else Rows(validation)
            fit = _Fit(model, Rows(rows), measured, plan)
        except NotPureError as error:
            return self._otherwise(str(error))(model, rows, validation, plan, callbacks)
        finite = FiniteLoss()
        bar = [OneProgressBar(plan)] if plan.verbose == 1 else []
        listed = keras.callbacks.CallbackList(
            [*callbacks, *bar, finite],
            add_history=True,
            add_progbar=plan.verbose > 1,
            model=model,
            verbose=plan.verbose,
            epochs=plan.initial_epoch + plan.epochs,
            steps=-(-len(fit) // plan.batch_size),
        )
        fit.run(listed, watched=bool(callbacks))
        return checked_history(model, finite, plan)

    def _otherwise(self, reason: str) -> Any:
        if self._strict:
            raise ValueError(
                f"engine='compiled' can't train this: {reason}. Pass engine='auto', which then "
                "trains it by Keras's own loop."
            )
        _LOGGER.debug("Keras's own loop trains instead: %s.", reason)
        trainer: Trainer = KerasTrainer()
        self.name = trainer.name
        return trainer.train
