"""What every trainer watches and shows: losses that stop being numbers, and one progress bar."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from skae._contracts import History, TrainingPlan
from skae.engine._variables import read
from skae.exceptions import NonFiniteLossError


def _fail(epoch: int, what: str) -> None:
    raise NonFiniteLossError(
        f"Training stopped in epoch {epoch}: {what}. Likely causes: a learning rate that is too "
        "high (try a tenth of it), inputs that are not scaled (try MinMaxScaler or "
        "StandardScaler), or a loss that does not suit the output activation (such as "
        "binary cross-entropy on values outside [0, 1])."
    )


class FiniteLoss(keras.callbacks.Callback):
    """Stops training at the first loss that is NaN or infinite.

    It asks the loop to stop and leaves the error to `check`, which the trainer calls afterwards,
    so that other callbacks reach their ``on_train_end`` and close their files.
    """

    def __init__(self) -> None:
        super().__init__()
        self._failure: tuple[int, str] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name in ("loss", "val_loss"):
            value = float((logs or {}).get(name, 0.0))
            if not np.isfinite(value) and self._failure is None:
                self._failure = (epoch + 1, f"{name!r} became {value}")
                self.model.stop_training = True

    def check(self) -> None:
        """Raise for what was seen."""
        if self._failure is not None:
            _fail(*self._failure)


def checked_history(model: keras.Model, finite: FiniteLoss, plan: TrainingPlan) -> History:
    """Return the values of every epoch by name, or raise where training became no number."""
    finite.check()
    history = model.history
    _check_finite_weights(model, plan.initial_epoch + len(history.epoch))
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def _check_finite_weights(model: keras.Model, epoch: int) -> None:
    """Raise if the last step of `epoch` left a weight that is no number.

    An epoch's loss is measured before its last step, so it can't tell.
    """
    if not all(np.isfinite(np.asarray(value)).all() for value in read(model.trainable_variables)):
        _fail(epoch, "its last step left weights that are NaN or infinite")


class OneProgressBar(keras.callbacks.Callback):
    """One bar for a whole fit, epochs as its steps."""

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
