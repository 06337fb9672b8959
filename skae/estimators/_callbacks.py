"""The bridge between an epoch of Keras and scikit-learn's own callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


class EpochBridge(keras.callbacks.Callback):
    """Tells scikit-learn's callbacks (progress bars, monitors) of every epoch.

    Parameters
    ----------
    estimator : estimator
        The estimator that is being fitted.
    context : sklearn.callback.CallbackContext
        The context of its fit.
    X : array-like
        Training rows.
    y : array-like or None
        What they are to become; scikit-learn's monitor of scores acts only where there is one.
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
        """End it, and stop training where a callback asks for it."""
        stop = self._task.call_on_fit_task_end(
            estimator=self._estimator,
            X=self._X,
            y=self._y,
            reconstruction_attributes=self._fitted_attributes,
        )
        if stop:
            self.model.stop_training = True
