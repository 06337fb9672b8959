"""The distance of a sample from its neighbors among the training samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from skae._statistics import FloatVector

from ._base import DistanceScore, Table

# Samples to compare with: the ranking hardly changes with more, and scoring takes longer.
_MOST_KEPT = 500
_BLOCK_BYTES = 8 * 2**20
# Smaller squared distances, relative to the squared norm, are computed from the difference.
_CANCELLED = 1e-6


class NeighborScore(DistanceScore):
    r"""Distance of the sample from a neighbor among the training samples.

    Of `n` training samples, at most 500, it is the Euclidean distance to the
    :math:`\sqrt n`-th nearest one [1]_: far enough to see past a small group of similar outliers,
    and no network is needed, which could learn them. With weights or repeated samples it is the
    neighbor up to which the same fraction of all weights lies, where `n` counts equal samples once.
    The part of feature `j` is the score times the fraction that its difference from that neighbor
    has in the squared distance.

    Parameters
    ----------
    random_state : int, default=0
        Seeds the choice of the samples to keep.

    Attributes
    ----------
    neighbors_ : ndarray of shape (n_kept, n_features)
        The training samples that were kept.
    counts_ : ndarray of shape (n_kept,)
        How many samples each counts for.
    fraction_ : float
        The fraction of all counts up to the neighbor.
    median_ : float
        Median distance of the training samples.

    References
    ----------
    .. [1] S. Ramaswamy, R. Rastogi and K. Shim (2000). "Efficient Algorithms for Mining Outliers
       from Large Data Sets". SIGMOD. :doi:`10.1145/342009.335437`

    Examples
    --------
    >>> import numpy as np
    >>> from skae.scores import NeighborScore
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> score = NeighborScore().fit(X, X)
    >>> near, far = score.score_samples(np.array([[0.0, 0.0], [9.0, 9.0]]), X[:2])
    >>> bool(near < far)
    True
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def _learn(self, X: Table, residuals: Table, counts: FloatVector) -> None:
        rows = np.flatnonzero(counts)
        if len(rows) > _MOST_KEPT:
            rng = np.random.default_rng(self.random_state)
            rows = rows[np.sort(rng.choice(len(rows), _MOST_KEPT, replace=False))]
        self.neighbors_, self.counts_ = np.asarray(X[rows], np.float64), counts[rows]
        n_distinct = len({row.tobytes() for row in self.neighbors_ + 0.0})  # -0.0 is 0.0
        # The nearest training sample of a training sample is itself.
        rank = min(max(int(np.sqrt(n_distinct)), 2), n_distinct)
        self.fraction_ = rank / n_distinct * (1 - 1e-9)  # of sums that are rounded

    def _distances(self, X: Table, residuals: Table) -> FloatVector:
        return np.concatenate([self._nearest(*block) for block in self._blocks(X)])

    def _contributions(self, X: Table, residuals: Table) -> Table:
        chosen = [self._chosen(squares) for *_, squares in self._blocks(X)]
        return np.asarray(X - self.neighbors_[np.concatenate(chosen)])

    def _nearest(self, rows: Table, norms: FloatVector, squares: Table) -> FloatVector:
        if (self.counts_ == self.counts_[0]).all():  # half the time of finding out which it is
            place = math.ceil(self.fraction_ * len(self.counts_)) - 1
            nearest = np.partition(squares, place, axis=1)[:, place]
        else:
            nearest = np.take_along_axis(squares, self._chosen(squares)[:, None], axis=1)[:, 0]
        found = norms + nearest
        # The difference of large numbers is rounded to more than a small distance.
        is_rounded = found < _CANCELLED * norms
        if is_rounded.any():
            neighbors = self._centered()[self._chosen(squares[is_rounded])]
            found[is_rounded] = np.square(rows[is_rounded] - neighbors).sum(axis=1)
        return np.sqrt(np.maximum(found, 0))

    def _chosen(self, squares: Table) -> Table:
        """Return the neighbor at which those up to it have the fraction of all counts."""
        order = np.argsort(squares, axis=1, kind="stable")
        is_reached = np.cumsum(self.counts_[order], axis=1) >= self.fraction_ * self.counts_.sum()
        return np.take_along_axis(order, is_reached.argmax(axis=1)[:, None], axis=1)[:, 0]

    def _centered(self) -> Table:
        centered: Table = self.neighbors_ - self.neighbors_.mean(axis=0)
        return centered

    def _blocks(self, X: Table) -> Iterator[tuple[Table, FloatVector, Table]]:
        """Yield samples, squared norms, and squared distances less these, block by block."""
        kept, center = self._centered(), self.neighbors_.mean(axis=0)
        kept_norms = np.einsum("ij,ij->i", kept, kept)
        size = max(_BLOCK_BYTES // kept.shape[0] // 8, 1)
        for start in range(0, max(len(X), 1), size):
            rows = np.asarray(X[start : start + size], np.float64) - center
            yield rows, np.einsum("ij,ij->i", rows, rows), kept_norms - 2 * (rows @ kept.T)
