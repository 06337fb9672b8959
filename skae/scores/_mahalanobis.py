"""The distance of a residual from those of the training samples."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import shrunk_covariance

from skae._statistics import FloatVector

from ._base import DistanceScore, Table

# The covariance of more columns takes longer than the network; their variances alone count then.
_MOST_COLUMNS = 1000


class MahalanobisScore(DistanceScore):
    r"""Mahalanobis distance of the residual from the training residuals.

    The distance is :math:`d = \lVert \Sigma^{-1/2} (r - \bar r) \rVert` with the mean and the
    shrunk covariance [1]_ of the training residuals :math:`r = x - g(f(x))`, so that a residual
    counts by how unusual it is: little in a column that the network never reconstructs well, much
    where columns that always err together do not. Of more than 1,000 columns, only variances are
    used. The part of feature `j` is the score times :math:`z_j^2 / d^2`, where
    :math:`z = \Sigma^{-1/2} (r - \bar r)` has the symmetric root, whose features stay closest to
    the original ones [2]_.

    Attributes
    ----------
    location_ : ndarray of shape (n_features,)
        Mean of the training residuals.
    whitening_ : ndarray of shape (n_features, n_features) or (n_features,)
        Symmetric root of the inverse covariance; for many columns its diagonal.
    median_ : float
        Median distance of the training samples.

    References
    ----------
    .. [1] Y. Chen, A. Wiesel, Y. C. Eldar and A. O. Hero (2010). "Shrinkage Algorithms for MMSE
       Covariance Estimation". IEEE Transactions on Signal Processing 58(10).
       :doi:`10.1109/TSP.2010.2053029`
    .. [2] P. H. Garthwaite and I. Koch (2016). "Evaluating the contributions of individual
       variables to a quadratic form". Australian & New Zealand Journal of Statistics 58(1).
       :doi:`10.1111/anzs.12144`

    Examples
    --------
    >>> import numpy as np
    >>> from skae.scores import MahalanobisScore
    >>> residuals = np.random.default_rng(0).normal(size=(500, 2)) * [1.0, 10.0]
    >>> score = MahalanobisScore().fit(residuals, residuals)
    >>> small, large = score.score_samples(residuals[:2], np.array([[5.0, 0.0], [0.0, 5.0]]))
    >>> bool(small > large)
    True
    """

    def _learn(self, X: Table, residuals: Table, counts: FloatVector) -> None:
        self.location_ = np.average(residuals, axis=0, weights=counts)
        centred = residuals - self.location_
        if residuals.shape[1] > _MOST_COLUMNS:
            variances = np.average(centred**2, axis=0, weights=counts)
            self.whitening_ = 1 / np.sqrt(_positive(variances))
        else:
            covariance = (centred * counts[:, None]).T @ centred / counts.sum()
            values, vectors = np.linalg.eigh(_shrunk(covariance, counts.sum()))
            self.whitening_ = (vectors / np.sqrt(_positive(values))) @ vectors.T

    def _distances(self, X: Table, residuals: Table) -> FloatVector:
        whitened = self._contributions(X, residuals)
        return np.sqrt(np.einsum("ij,ij->i", whitened, whitened))

    def _contributions(self, X: Table, residuals: Table) -> Table:
        centred = residuals - self.location_
        is_diagonal = self.whitening_.ndim == 1
        return centred * self.whitening_ if is_diagonal else centred @ self.whitening_


def _positive(values: FloatVector) -> FloatVector:
    """Return values of which none is so small that rounding decides it."""
    least = np.finfo(np.float32).eps * values.max(initial=0.0)
    return np.maximum(values, least) if least > 0 else np.ones_like(values)


def _shrunk(covariance: Table, n_samples: float) -> Table:
    """Return a covariance shrunk as by scikit-learn's `OAS`, for any number of samples."""
    n_features = len(covariance)
    mean, squares = np.trace(covariance) / n_features, np.mean(covariance**2)
    denominator = (n_samples + 1) * (squares - mean**2 / n_features)
    shrinkage = min((squares + mean**2) / denominator, 1.0) if denominator > 0 else 1.0
    return shrunk_covariance(covariance, shrinkage=shrinkage)
