"""The interface of anomaly scores, and what those of one distance have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skae._statistics import FloatVector, weighted_quantile

Table = NDArray[Any]


class BaseScore(BaseEstimator, ABC):
    """An anomaly score of samples and their residuals, both in the units of the network.

    These units are standard deviations of the columns where a detector scales them.

    See Also
    --------
    DistanceScore : Base of scores that measure one distance.
    CombinedScore : The sum of two scores.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.scores import BaseScore
    >>> class SquaredResidual(BaseScore):
    ...     def fit(self, X, residuals, sample_weight=None):
    ...         return self
    ...     def score_samples(self, X, residuals):
    ...         return self.feature_scores(X, residuals).sum(axis=1)
    ...     def feature_scores(self, X, residuals):
    ...         return residuals**2
    >>> X = np.array([[0.5, -2.0]])
    >>> SquaredResidual().fit(X, X).score_samples(X, X)
    array([4.25])
    """

    @abstractmethod
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

    @abstractmethod
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

    @abstractmethod
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


class DistanceScore(BaseScore):
    """Logarithm of a distance from normal samples; subclasses define the distance.

    The score of a sample is ``log(1 + distance / median)``, with the median distance of the
    training samples: a few huge distances there hardly move the mean and the standard deviation
    of the scores, and scores of several distances can be added. It is divided among the features
    in proportion to their squared contributions to the distance.

    Subclasses define ``_learn(X, residuals, counts)``, ``_distances(X, residuals)``, and
    ``_contributions(X, residuals)`` with a number for every value.

    Attributes
    ----------
    median_ : float
        Median distance of the training samples; where it is 0 their mean, or 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.scores import DistanceScore
    >>> class LargestResidual(DistanceScore):
    ...     def _learn(self, X, residuals, counts):
    ...         pass
    ...     def _distances(self, X, residuals):
    ...         return abs(residuals).max(axis=1)
    ...     def _contributions(self, X, residuals):
    ...         return np.eye(X.shape[1])[abs(residuals).argmax(axis=1)]
    >>> residuals = np.array([[0.5, -2.0], [0.1, 0.2]])
    >>> score = LargestResidual().fit(residuals, residuals)
    >>> score.feature_scores(residuals, residuals).round(2)
    array([[0.  , 1.04],
           [0.  , 0.17]])
    """

    def fit(self, X: Table, residuals: Table, sample_weight: FloatVector | None = None) -> Self:
        counts = np.ones(len(X)) if sample_weight is None else sample_weight
        self._learn(X, residuals, counts)
        distances = self._distances(X, residuals)
        median = weighted_quantile(distances, counts, 0.5)
        self.median_ = median or float(np.average(distances, weights=counts)) or 1.0
        return self

    def score_samples(self, X: Table, residuals: Table) -> FloatVector:
        scores: FloatVector = np.log1p(self._distances(X, residuals) / self.median_)
        return scores

    def feature_scores(self, X: Table, residuals: Table) -> Table:
        squares = self._contributions(X, residuals) ** 2
        totals = squares.sum(axis=1)
        fractions = squares / np.where(totals > 0, totals, 1)[:, None]
        parts: Table = fractions * self.score_samples(X, residuals)[:, None]
        return parts

    @abstractmethod
    def _learn(self, X: Table, residuals: Table, counts: FloatVector) -> None:
        """Learn from samples that count for `counts` each."""

    @abstractmethod
    def _distances(self, X: Table, residuals: Table) -> FloatVector:
        """Return the distance of every sample from normal ones."""

    @abstractmethod
    def _contributions(self, X: Table, residuals: Table) -> Table:
        """Return by how much every feature adds to the distance, before it is squared."""
