"""The base class of threshold rules, with checks, weights and quantiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_array

from skae._sklearn import Interval
from skae._statistics import FloatVector, counts_of
from skae._validation import check_number, check_threshold


class BaseThreshold(BaseEstimator, ABC):
    """A rule that computes a threshold from errors; subclasses define `_threshold`."""

    _parameter_constraints: ClassVar[dict[str, list[Interval]]] = {}

    def threshold(self, errors: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the threshold: samples with a larger error are outliers.

        Parameters
        ----------
        errors : array-like of shape (n_samples,)
            Reconstruction errors of the training samples.
        sample_weight : array-like of shape (n_samples,), default=None
            How many samples each error counts for; fractions are allowed. Weights that sum to
            less than their effective sample size, ``sum(w) ** 2 / sum(w ** 2)``, are too small
            to be counts and are scaled up to it.

        Returns
        -------
        threshold : float
            In units of the error.

        Raises
        ------
        ValueError, TypeError
            If a parameter, an error or a weight is invalid, or the threshold is not finite.
        """
        for name, (interval,) in self._parameter_constraints.items():
            check_number(name, getattr(self, name), interval)
        values, counts = _check_samples(errors, sample_weight)
        with np.errstate(over="ignore", invalid="ignore"):
            return check_threshold(self._threshold(values, counts), self)

    @abstractmethod
    def _threshold(self, errors: FloatVector, counts: FloatVector) -> float:
        """Return the threshold of checked errors with positive counts."""


def check_errors(errors: ArrayLike) -> FloatVector:
    """Return `errors` as a float64 vector with at least one, finite, value."""
    checked: FloatVector = check_array(
        errors, ensure_2d=False, dtype=np.float64, input_name="errors"
    )
    if checked.ndim != 1:
        raise ValueError(
            "errors must be one-dimensional, one value for each sample; got an array of shape "
            f"{checked.shape}. Average over the features first."
        )
    return checked


def _check_samples(
    errors: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[FloatVector, FloatVector]:
    """Return the errors of positive weight, and how many samples each counts for."""
    values = check_errors(errors)
    if sample_weight is None:
        return values, np.ones_like(values)
    weight: FloatVector = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.shape != values.shape:
        raise ValueError(
            f"sample_weight must hold one value for each of the {values.shape[0]} errors; got an "
            f"array of shape {weight.shape}."
        )
    if weight.min() < 0:
        raise ValueError(
            f"sample_weight must not be negative; got {weight.min():g}. Use 0 to drop a sample."
        )
    if not weight.any():
        raise ValueError("sample_weight is 0 for every sample; at least one must be positive.")
    is_positive = weight > 0
    values, weight = values[is_positive], weight[is_positive]
    return values, counts_of(weight)
