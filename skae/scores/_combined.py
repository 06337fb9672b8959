"""The sum of the two other scores."""

from __future__ import annotations

from typing import Self

from skae._statistics import FloatVector

from ._base import BaseScore, Table
from ._mahalanobis import MahalanobisScore
from ._neighbors import NeighborScore


class CombinedScore(BaseScore):
    """Sum of `MahalanobisScore` and `NeighborScore`.

    The residual finds samples that break the relations between columns, the neighbors find those
    that keep them but lie where there is no training sample, and outliers among the training
    samples that the network has learned to reconstruct.

    Parameters
    ----------
    random_state : int, default=0
        Seeds the choice of the samples to keep.

    Attributes
    ----------
    scores_ : list of BaseScore
        The two scores.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.scores import CombinedScore
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> score = CombinedScore().fit(X, 0.1 * X)
    >>> parts = score.feature_scores(X, 0.1 * X)
    >>> bool(np.allclose(parts.sum(axis=1), score.score_samples(X, 0.1 * X)))
    True
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: Table, residuals: Table, sample_weight: FloatVector | None = None) -> Self:
        scores = (MahalanobisScore(), NeighborScore(self.random_state))
        self.scores_ = [score.fit(X, residuals, sample_weight) for score in scores]
        return self

    def score_samples(self, X: Table, residuals: Table) -> FloatVector:
        first, second = self.scores_
        return first.score_samples(X, residuals) + second.score_samples(X, residuals)

    def feature_scores(self, X: Table, residuals: Table) -> Table:
        first, second = self.scores_
        return first.feature_scores(X, residuals) + second.feature_scores(X, residuals)
