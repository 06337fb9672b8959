"""Trains with ``keras.Model.fit``, where compiled programs do not support a model.

Converts samples and plans to arguments of Keras's loop, and watches the losses of every training.
The engine orders the samples, so that both trainers see the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import Batchable, TrainingPlan, TrainingResult
from skae.engine._blocks import as_samples
from skae.engine._rows import Rows
from skae.engine._streams import Stream
from skae.exceptions import NonFiniteLossError


class _Batches(keras.utils.PyDataset):
    """The batches of one epoch, in the engine's order."""

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


class _EpochStart(keras.callbacks.Callback):
    def __init__(self, batches: _Batches) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._batches.start_epoch(epoch)


def _dataset(stream: Stream, *, training: bool) -> tf.data.Dataset:
    """Return a stream's batches with targets, by default the inputs."""

    def batches() -> Iterator[tuple[Any, ...]]:
        for parts in stream.batches(training=training):
            yield (parts[0], parts[0]) if len(parts) == 1 else tuple(parts)

    shapes = stream.shapes * 2 if len(stream.shapes) == 1 else stream.shapes
    dtype = keras.config.floatx()
    signature = tuple(tf.TensorSpec((None, *shape), dtype) for shape in shapes)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    # Without the number of batches, Keras's loop counts one step too many.
    n_batches = sum(1 for _ in stream.batches())
    return dataset.apply(tf.data.experimental.assert_cardinality(n_batches))


def _data(rows: Batchable, plan: TrainingPlan, *, training: bool) -> Any:
    samples = as_samples(rows)
    if isinstance(samples, Stream):
        return _dataset(samples, training=training)
    return _Batches(samples, plan, shuffle=training and plan.shuffle)


def train_by_keras(
    model: keras.Model,
    rows: Batchable,
    validation: Batchable | None,
    plan: TrainingPlan,
    callbacks: Sequence[keras.callbacks.Callback],
) -> TrainingResult:
    """Train a compiled model in place with Keras's own loop, on the engine's batches.

    Raises
    ------
    NonFiniteLossError
        If a loss, or a weight at the end, is NaN or infinite.
    """
    batches = _data(rows, plan, training=True)
    own = [_EpochStart(batches)] if isinstance(batches, _Batches) else []
    watch = Watch(plan)
    model.fit(
        batches,
        validation_data=None if validation is None else _data(validation, plan, training=False),
        epochs=plan.initial_epoch + plan.epochs,
        initial_epoch=plan.initial_epoch,
        shuffle=False,
        verbose=2 if plan.verbose > 1 else 0,
        callbacks=[*own, *callbacks, *watch.callbacks()],
    )
    history = {name: list(map(float, v)) for name, v in model.history.history.items()}
    weights = [np.asarray(variable) for variable in model.trainable_variables]
    watch.check(len(model.history.epoch), weights)
    return TrainingResult(history, "keras")


class Watch:
    """Ends training at the first loss that is NaN or infinite, and shows a progress bar.

    It stops the loop, and the trainer then calls `check`, which raises the error, so that other
    callbacks reach their ``on_train_end`` and close their files.
    """

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan = plan
        self._failure: tuple[int, str] | None = None

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Return what Keras's loop needs to run."""
        bar = [_OneProgressBar(self._plan)] if self._plan.verbose == 1 else []
        return [*bar, _AfterEpoch(self.is_finite)]

    def is_finite(self, epoch: int, logs: Mapping[str, Any]) -> bool:
        """Check the losses of an epoch; False stops the loop."""
        for name in ("loss", "val_loss"):
            value = float(logs.get(name, 0.0))
            if not np.isfinite(value) and self._failure is None:
                self._failure = (epoch + 1, f"{name!r} became {value}")
        return self._failure is None

    def check(self, n_epochs: int, weights: Sequence[Any]) -> None:
        """Raise an error for a non-finite loss, or a non-finite weight after the last step."""
        if self._failure is not None:
            _fail(*self._failure)
        if not all(np.isfinite(np.asarray(value)).all() for value in weights):
            epoch = self._plan.initial_epoch + n_epochs
            _fail(epoch, "its last step left weights that are NaN or infinite")


def _fail(epoch: int, what: str) -> None:
    raise NonFiniteLossError(
        f"Training stopped in epoch {epoch}: {what}. Likely causes: a learning rate that is too "
        "high (try a tenth of it), inputs that are not scaled (try MinMaxScaler or "
        "StandardScaler), or a loss that does not suit the output activation (such as "
        "binary cross-entropy on values outside [0, 1])."
    )


class _AfterEpoch(keras.callbacks.Callback):
    """Stops training when a function of an epoch and its logs returns False."""

    def __init__(self, goes_on: Callable[[int, Mapping[str, Any]], bool]) -> None:
        super().__init__()
        self._goes_on = goes_on

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._goes_on(epoch, logs or {}):
            self.model.stop_training = True


class _OneProgressBar(keras.callbacks.Callback):
    """One progress bar for a whole fit, with epochs as steps."""

    def __init__(self, plan: TrainingPlan) -> None:
        super().__init__()
        self._plan = plan

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._bar = keras.utils.Progbar(self._plan.epochs, unit_name="epoch")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = list((logs or {}).items())
        # Stateful: the bar would otherwise show averages over epochs.
        self._bar.stateful_metrics = {name for name, _ in values}
        done = epoch - self._plan.initial_epoch + 1
        last = done == self._plan.epochs or self.model.stop_training
        self._bar.update(done, values, finalize=last)
