"""What runs between epochs: callbacks of the network, of the user and of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from skae._private import made_callbacks
from skae.estimators._parameters import copied, unused_callbacks
from skae.estimators._samples import FitData


def gather_callbacks(
    fit: Any, data: FitData, bridge: Callable[[Any], EpochBridge]
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of the network, the user, early stopping and scikit-learn.

    Parameters
    ----------
    fit : estimator
        The copy that is fitted, with its network.
    data : FitData
    bridge : callable
        Makes the `EpochBridge` of samples.
    """
    if unused_callbacks(vars(fit)) is fit.callbacks:
        fit._callbacks_before = fit.callbacks, copied("callbacks", fit.callbacks)
    # Of skae's own networks only the variational one has callbacks.
    has_own = callable(fit.model) or fit.model == "variational"
    own = list(fit._deferred.network.callbacks) if has_own else []
    callbacks = [*own, *keras.tree.flatten(made_callbacks(fit))]
    if fit.early_stopping and data.validation is not None:
        # While beta rises, so does the loss, and epochs can't be compared.
        warm_ups = (getattr(each, "warmup_epochs", 0) for each in own)
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "val_loss",
                patience=fit.patience,
                restore_best_weights=True,
                start_from_epoch=max(warm_ups, default=0),
            )
        )
    if getattr(fit, "_skl_callbacks", None):
        callbacks.append(bridge(data.samples))
    return callbacks


class EpochBridge(keras.callbacks.Callback):
    """Reports every epoch to scikit-learn's callbacks (progress bars, monitors).

    Parameters
    ----------
    estimator : estimator
        The estimator that is being fitted.
    context : sklearn.callback.CallbackContext
        The context of its fit.
    X : array-like
        Training samples.
    y : array-like or None
        Targets; scikit-learn's `ScoringMonitor` needs them.
    fitted_attributes : callable
        Returns the attributes that make an estimator usable as if training had stopped now.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        X: Any,
        y: Any,
        fitted_attributes: Callable[[], dict[str, Any]],
    ) -> None:
        super().__init__()
        self._estimator = estimator
        self._context = context
        self._X = X
        self._y = y
        self._fitted_attributes = fitted_attributes

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin a task of the fit."""
        self._task = self._context.subcontext(task_name=f"epoch {epoch + 1}")
        self._task.call_on_fit_task_begin(estimator=self._estimator, X=self._X, y=self._y)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """End the task, and stop training if a callback requests it."""
        stop = self._task.call_on_fit_task_end(
            estimator=self._estimator,
            X=self._X,
            y=self._y,
            reconstruction_attributes=self._fitted_attributes,
        )
        if stop:
            self.model.stop_training = True
