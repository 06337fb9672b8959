"""Monitoring of detectors in production: whether samples still score as they did."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skae._docs import hide_annotations_of
from skae._sklearn import Interval
from skae._statistics import FloatVector
from skae._validation import check_number

__all__ = ["DriftMonitor"]

# The bets of the martingale: p-values are too small, as they should be, or too large; and the rate
# at which it changes between them, as in its source.
_BETS = np.array([-1.0, 0.0, 1.0])
_JUMPING = 0.01
# Samples of a batch are ranked among each other in blocks of this size.
_BLOCK = 1000


class DriftMonitor(BaseEstimator):
    r"""Watch whether samples still score as normal ones did, and raise an alarm when they don't.

    Every sample gets a p-value: the rank of its anomaly score among those of the reference and of
    all samples before it, with ties in random order. As long as the samples come from one
    distribution, in any order, these are independent and uniform. A conformal test martingale bets
    against that [1]_: a capital of 1 is multiplied by :math:`1 + \varepsilon (p - 1/2)` at every
    sample, with mixtures of :math:`\varepsilon` that follow small and large p-values (the "simple
    jumper"). Without a change the capital ever reaches :math:`1 / \alpha` with a probability of
    at most :math:`\alpha`, so that an alarm is false at most that often, however long the
    monitor runs.

    Parameters
    ----------
    detector : estimator
        Fitted detector with a method ``score_samples``, higher for normal samples, or a pipeline
        that ends in one.
    false_alarm_rate : float, default=0.01
        Probability, in (0, 1), that there is ever an alarm without a change.
    random_state : int, RandomState instance or None, default=None
        Orders ties.

    Attributes
    ----------
    alarm_ : int or None
        The batch that raised the alarm, counted from 0; None if there was none.
    history_ : DataFrame
        For every batch its number of samples "n_samples", the mean anomaly score "mean_score", the
        median p-value "median_p_value" (0.5 without a change, near 0 if most samples look
        abnormal), the fraction "flagged" that ``detector.predict`` labels -1, and
        "log10_martingale", the largest capital in it.

    See Also
    --------
    skae.inspection.DriftDisplay : A picture of a monitor.

    References
    ----------
    .. [1] V. Vovk, I. Petej, I. Nouretdinov, E. Ahlberg, L. Carlsson and A. Gammerman (2021).
       "Retrain or Not Retrain: Conformal Test Martingales for Change-Point Detection". COPA.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skae.monitoring import DriftMonitor
    >>> rng = np.random.default_rng(0)
    >>> detector = IsolationForest(random_state=0).fit(rng.normal(size=(500, 3)))
    >>> monitor = DriftMonitor(detector, random_state=0).fit(rng.normal(size=(500, 3)))
    >>> for shift in (0, 0, 0, 1, 1):
    ...     monitor = monitor.update(rng.normal(shift, size=(200, 3)))
    >>> monitor.alarm_
    3
    """

    def __init__(
        self, detector: Any, *, false_alarm_rate: float = 0.01, random_state: Any = None
    ) -> None:
        self.detector = detector
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Start with a reference.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples like those to come that the detector was not trained on; scores of training
            samples are too low, and the bound on false alarms would not hold.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : DriftMonitor
            The monitor, without batches.
        """
        check_number(
            "false_alarm_rate", self.false_alarm_rate, Interval(Real, 0, 1, closed="neither")
        )
        self._rng = check_random_state(self.random_state)
        self._scores = np.sort(self._anomaly(X))
        self._log_capital, self._fractions = 0.0, np.full(len(_BETS), 1 / len(_BETS))
        self._rows: list[dict[str, float]] = []
        self.alarm_: int | None = None
        return self

    def update(self, X: Any) -> Self:
        """Add a batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            The samples since the last batch, in their order.

        Returns
        -------
        self : DriftMonitor
            The monitor, whose ``alarm_`` and ``history_`` include the batch.
        """
        check_is_fitted(self, "alarm_")
        scores = self._anomaly(X)
        if not len(scores):
            raise ValueError("X has no samples; skip empty batches.")
        predict = getattr(self.detector, "predict", None)
        flagged = math.nan if predict is None else float((np.asarray(predict(X)) == -1).mean())
        p_values = np.concatenate(list(self._ranked(scores)))
        largest = max(self._bet(p) for p in p_values)
        self._rows.append(
            {
                "n_samples": len(scores),
                "mean_score": float(scores.mean()),
                "median_p_value": float(np.median(p_values)),
                "flagged": flagged,
                "log10_martingale": largest / math.log(10),
            }
        )
        if self.alarm_ is None and largest >= -math.log(self.false_alarm_rate):
            self.alarm_ = len(self._rows) - 1
        return self

    @property
    def history_(self) -> pd.DataFrame:
        """What was measured of every batch."""
        check_is_fitted(self, "alarm_")
        columns = ["n_samples", "mean_score", "median_p_value", "flagged", "log10_martingale"]
        return pd.DataFrame(self._rows, columns=columns).rename_axis("batch")

    def _anomaly(self, X: Any) -> FloatVector:
        return -np.asarray(self.detector.score_samples(X), np.float64)

    def _ranked(self, scores: FloatVector) -> Iterator[FloatVector]:
        """Yield p-values of samples among all before them, which they then join."""
        for start in range(0, len(scores), _BLOCK):
            new, old = scores[start : start + _BLOCK], self._scores
            earlier = np.tri(len(new), k=-1)
            higher = len(old) - np.searchsorted(old, new, "right")
            equal = np.searchsorted(old, new, "right") - np.searchsorted(old, new, "left")
            higher = higher + (earlier * (new > new[:, None])).sum(axis=1)
            equal = equal + (earlier * (new == new[:, None])).sum(axis=1)
            n_before = len(old) + np.arange(len(new))
            # In (0, 1]: the sample itself is one of those that are equal.
            yield (higher + (1 - self._rng.uniform(size=len(new))) * (equal + 1)) / (n_before + 1)
            self._scores = np.sort(np.concatenate([old, new]), kind="stable")

    def _bet(self, p_value: float) -> float:
        """Return the logarithm of the capital after a bet on a p-value."""
        mixed = (1 - _JUMPING) * self._fractions + _JUMPING / len(_BETS)
        gains = mixed * (1 + _BETS * (p_value - 0.5))
        total = float(gains.sum())
        self._log_capital += math.log(total)
        self._fractions = gains / total
        return self._log_capital


hide_annotations_of(DriftMonitor)
