"""A detector with PyOD's interface."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pyod.models.base import BaseDetector
from sklearn.base import clone

from skae._contracts import FloatArray
from skae._docs import hide_annotations_of


class PyODDetector(BaseDetector):
    """A detector of scikit-learn's interface as one of PyOD's.

    Scores are high for outliers and labels are 0 and 1 in PyOD, low and +1 and -1 in scikit-learn.
    Packages that build on PyOD (PyThresh, SUOD and others) take detectors for PyOD's own, and would
    read the scores of others the wrong way round.

    Parameters
    ----------
    detector : estimator
        With `fit` and `score_samples`; it is cloned.
    contamination : float or object, default=0.1
        Fraction of outliers in the training samples, in (0, 0.5], or a threshold of PyThresh, as of
        every detector of PyOD.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    decision_scores_ : ndarray of shape (n_samples,)
        Scores of the training samples; high for outliers.
    labels_ : ndarray of shape (n_samples,)
        Labels of the training samples: 1 for outliers, 0 for others.
    threshold_ : float
        The threshold that `contamination` gives.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.interop import PyODDetector
    >>> X = np.random.default_rng(0).normal(size=(100, 4))
    >>> detector = PyODDetector(ReconstructionOutlierDetector(epochs=2, random_state=0))
    >>> int(detector.fit(X).labels_.sum())
    10
    """

    def __init__(self, detector: Any, contamination: Any = 0.1) -> None:
        super().__init__(contamination=contamination)
        self.detector = detector

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : PyODDetector
            The fitted detector.
        """
        self._classes = 2
        self.detector_ = clone(self.detector).fit(X)
        scores = self.decision_scores_ = self.decision_function(X)
        self._mu, self._sigma = scores.mean(), scores.std()
        if not hasattr(self.contamination, "fit"):
            self.threshold_ = np.percentile(scores, 100 * (1 - self.contamination))
            self.labels_ = (scores > self.threshold_).astype(int)
        else:
            self.contamination.fit(scores)
            self.threshold_, self.labels_ = self.contamination.thresh_, self.contamination.labels_
        return self

    def decision_function(self, X: Any) -> FloatArray:
        """Compute the anomaly score of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            High for outliers.
        """
        return -np.asarray(self.detector_.score_samples(X))


hide_annotations_of(PyODDetector)
