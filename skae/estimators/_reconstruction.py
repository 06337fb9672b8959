"""What estimators share that learn to give back their own input."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import r2_score

from skae import engine
from skae._contracts import FloatArray
from skae._validation import check_weights
from skae.estimators._state import of_one_fit


class ReconstructionMixin:
    """`reconstruct`, `reconstruction_error` and `score` over a fitted autoencoder."""

    @of_one_fit
    def reconstruct(self: Any, X: Any) -> FloatArray:
        """Send rows through the encoder and the decoder.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, images or sequences.

        Returns
        -------
        X_reconstructed : ndarray of the shape of `X`
            In the units of `X`, and its float type.
        """
        X, shape = self._check_inputs(X)
        return self._run("model", X).astype(X.dtype, copy=False).reshape(-1, *shape)

    @of_one_fit
    def reconstruction_error(self: Any, X: Any) -> FloatArray:
        """Compute the mean error of every row's reconstruction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, images or sequences.

        Returns
        -------
        errors : ndarray of shape (n_samples,)
            float64; mean over the row's values of the absolute error (in the units of `X`) where
            the loss is a mean absolute error, of the squared error otherwise; of a detector, the
            error that its parameter `error` names.
        """
        X, _ = self._check_inputs(X)
        return self._row_errors(X)

    @of_one_fit
    def score(self: Any, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Compute the R2 of the reconstruction over all values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, images or sequences.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of rows.

        Returns
        -------
        score : float
            1 - sum of squared errors / sum of squared differences from the mean of all values;
            1 is best.
        """
        X, _ = self._check_inputs(X)
        reconstruction = self._run("model", X).reshape(X.shape)
        return r2_of_values(X, reconstruction, sample_weight)

    def _row_errors(self: Any, X: FloatArray) -> FloatArray:
        """Return the error of checked, flat rows."""
        shaped = X.reshape(-1, *self._input_shape)
        return engine.run_errors(self._deferred, shaped, self._error)


def r2_of_values(truth: FloatArray, prediction: FloatArray, sample_weight: Any = None) -> float:
    """Compute the R2 over all values of all rows, each row weighted."""
    if sample_weight is not None:
        weights = check_weights(sample_weight, truth)
        sample_weight = np.repeat(weights, truth[0].size)
    return float(r2_score(truth.ravel(), prediction.ravel(), sample_weight=sample_weight))
