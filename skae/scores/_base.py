"""The interface of anomaly scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skae._statistics import FloatVector, weighted_quantile

Table = NDArray[Any]


class BaseScore(BaseEstimator, ABC):
    """A distance of samples from normal ones; subclasses define what is measured.

    Samples and residuals come in the units of the network, standard deviations of the columns
    for example. The score of a sample is ``log(1 + distance / median)``, with the median of the
    training samples: a few huge distances in the training samples hardly move their mean and
    standard deviation, and scores of several distances can be added.

    Subclasses define ``_fit(X, residuals, counts)``, ``_scores(X, residuals)`` and
    ``_parts(X, residuals)``.

    See Also
    --------
    CombinedScore : The sum of the other two scores.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.scores import BaseScore
    >>> class LargestResidual(BaseScore):
    ...     def _fit(self, X, residuals, counts):
    ...         pass
    ...     def _scores(self, X, residuals):
    ...         return abs(residuals).max(axis=1)
    ...     def _parts(self, X, residuals):
    ...         return abs(residuals) * np.eye(X.shape[1])[abs(residuals).argmax(axis=1)]
    >>> residuals = np.array([[0.5, -2.0]])
    >>> LargestResidual().fit(residuals, residuals).feature_scores(residuals, residuals)
    array([[0., 2.]])
    """

    def fit(self, X: Table, residuals: Table, sample_weight: FloatVector | None = None) -> Self:
        """Learn from training samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples.
        residuals : ndarray of shape (n_samples, n_features)
            `X` minus its reconstruction.
        sample_weight : ndarray of shape (n_samples,), default=None
            How many samples each row counts for.

        Returns
        -------
        self : BaseScore
            The fitted score.
        """
        self._fit(X, residuals, np.ones(len(X)) if sample_weight is None else sample_weight)
        return self

    def score_samples(self, X: Table, residuals: Table) -> FloatVector:
        """Compute the score of every sample.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples.
        residuals : ndarray of shape (n_samples, n_features)
            `X` minus its reconstruction.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more anomalous.
        """
        return self._scores(X, residuals)

    def feature_scores(self, X: Table, residuals: Table) -> Table:
        """Compute the part of every feature in the scores.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples.
        residuals : ndarray of shape (n_samples, n_features)
            `X` minus its reconstruction.

        Returns
        -------
        parts : ndarray of shape (n_samples, n_features)
            Not negative; the sum of a row is the score of its sample.
        """
        return self._parts(X, residuals)

    @abstractmethod
    def _fit(self, X: Table, residuals: Table, counts: FloatVector) -> None:
        """Learn from samples that count for `counts` each."""

    @abstractmethod
    def _scores(self, X: Table, residuals: Table) -> FloatVector:
        """Return the score of every sample."""

    @abstractmethod
    def _parts(self, X: Table, residuals: Table) -> Table:
        """Return the part of every feature."""


def log_scores(distances: FloatVector, median: float) -> FloatVector:
    """Return ``log(1 + distance / median)``."""
    return np.log1p(distances / median)


def parts_of(scores: FloatVector, squares: Table) -> Table:
    """Divide scores among features in proportion to their squared contributions."""
    totals = squares.sum(axis=1)
    shares = squares / np.where(totals > 0, totals, 1)[:, None]
    return shares * scores[:, None]


def median_of(distances: FloatVector, counts: FloatVector) -> float:
    """Return the median of distances; where it is 0, their mean, or 1."""
    median = weighted_quantile(distances, counts, 0.5)
    return median or float(np.average(distances, weights=counts)) or 1.0
