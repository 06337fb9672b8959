"""Trains by ``keras.Model.fit``: what the compiled programs can't honour ends up here.

Owns the translation of rows and plans into what Keras's loop takes. The order of the rows is the
engine's own, so that both trainers see the same batches.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import Batchable, History, TrainingPlan
from skae._forks import check_not_forked
from skae.engine._monitor import FiniteLoss, OneProgressBar, checked_history
from skae.engine._rows import Rows, is_stream


class _Batches(keras.utils.PyDataset):
    """The rows of one epoch, cut into batches in the engine's order."""

    def __init__(self, rows: Rows, plan: TrainingPlan, *, shuffle: bool) -> None:
        super().__init__()
        self._rows, self._plan, self._shuffle = rows, plan, shuffle
        self.start_epoch(plan.initial_epoch)

    def start_epoch(self, epoch: int) -> None:
        self._order = self._rows.order(self._plan.seed, epoch, self._shuffle)

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._plan.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        start = index * self._plan.batch_size
        block = self._order[start : start + self._plan.batch_size]
        parts = [np.empty((len(block), *shape), self._rows.dtype) for shape in self._rows.shapes]
        self._rows.take(block, parts)
        return (parts[0], *parts) if self._rows.targets is None else tuple(parts)


class _OwnTargets(keras.utils.PyDataset):
    """Somebody's batches, with the inputs as targets where a batch has none."""

    def __init__(self, batches: keras.utils.PyDataset) -> None:
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self._batches = batches

    @property
    def num_batches(self) -> int | None:
        return self._batches.num_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return _with_targets(self._batches[index])

    def on_epoch_begin(self) -> None:
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()


class _EpochStart(keras.callbacks.Callback):
    def __init__(self, batches: _Batches) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._batches.start_epoch(epoch)


def _with_targets(batch: Any) -> tuple[Any, ...]:
    if not isinstance(batch, (tuple, list)):
        return batch, batch
    return (batch[0], batch[0]) if len(batch) == 1 else tuple(batch)


def _from_generator(function: Callable[[], Iterator[Any]]) -> tf.data.Dataset:
    def batches() -> Iterator[tuple[Any, ...]]:
        dtype = keras.config.floatx()
        for batch in function():
            yield tuple(np.asarray(part, dtype) for part in _with_targets(batch))

    first = next(batches(), None)
    if first is None:
        raise ValueError(
            "The generator function yielded no batch; every call must return a fresh iterator "
            "over at least one batch of inputs, or (inputs, targets[, sample_weight])."
        )
    signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in first)
    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def _as_stream(inputs: Any) -> Any:
    if isinstance(inputs, keras.utils.PyDataset):
        return _OwnTargets(inputs)
    if isinstance(inputs, tf.data.Dataset):
        return inputs.map(lambda *batch: _with_targets(batch))
    if callable(inputs):
        return _from_generator(inputs)
    raise TypeError(
        f"Batches came as {type(inputs).__name__}, which can be gone through only once; accepted "
        "are a tf.data.Dataset, a keras.utils.PyDataset, or a function that returns a new "
        "iterator over batches at every call."
    )


def _validation_data(rows: Batchable | None, plan: TrainingPlan) -> Any:
    if rows is None:
        return None
    if is_stream(rows.inputs):
        return _as_stream(rows.inputs)
    return _Batches(Rows(rows), plan, shuffle=False)


class KerasTrainer:
    """Keras's own loop over the engine's batches."""

    name = "keras"

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
        own: list[keras.callbacks.Callback] = []
        if is_stream(rows.inputs):
            # Keras says so of every stream whose length it does not know. This filter stays:
            # `warnings.catch_warnings` would put back other threads' filters with its own.
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            batches = _as_stream(rows.inputs)
        else:
            batches = _Batches(Rows(rows), plan, shuffle=plan.shuffle)
            own.append(_EpochStart(batches))
        finite = FiniteLoss()
        bar = [OneProgressBar(plan)] if plan.verbose == 1 else []
        model.fit(
            batches,
            validation_data=_validation_data(validation, plan),
            epochs=plan.initial_epoch + plan.epochs,
            initial_epoch=plan.initial_epoch,
            shuffle=False,
            verbose=2 if plan.verbose > 1 else 0,
            callbacks=[*own, *callbacks, *bar, finite],
        )
        return checked_history(model, finite, plan)
