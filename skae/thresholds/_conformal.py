"""A threshold whose rate of false alarms is bounded with a confidence."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from scipy.stats import binom

from skae._statistics import FloatVector, effective_counts

from ._base import BaseThreshold
from ._peaks import PROBABILITY


class ConformalThreshold(BaseThreshold):
    r"""Threshold that normal samples exceed at most at a given rate, with a given confidence.

    The threshold is the :math:`k`-th smallest of `n` errors of normal samples that the network was
    not trained on. The probability that another normal sample exceeds it has the beta distribution
    with parameters :math:`n - k + 1` and `k`, whatever the distribution of the errors, so that `k`
    is the smallest number with

    .. math:: P(B \geq n - k + 1) \geq \text{confidence}, \quad B \sim \text{Bin}(n, \text{rate}).

    This is the training-conditional validity of inductive conformal prediction [1]_: the
    confidence is a probability over draws of the `n` samples. It holds for samples drawn
    independently from one distribution, not after that has changed.

    Parameters
    ----------
    false_alarm_rate : float, default=0.05
        Largest probability, in (0, 1), that a normal sample is flagged.
    confidence : float, default=0.9
        Probability, in (0, 1), that the rate holds.

    Notes
    -----
    It needs at least ``log(1 - confidence) / log(1 - false_alarm_rate)`` errors, 45 with the
    defaults. Errors from cross-fitting come from other networks than the one that is used, so
    that the confidence is approximate there; it is exact for held-out samples without weights.
    Weights count by their effective sample size, ``sum(w) ** 2 / sum(w ** 2)``.

    References
    ----------
    .. [1] V. Vovk (2012). "Conditional Validity of Inductive Conformal Predictors". ACML.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.thresholds import ConformalThreshold
    >>> errors = np.random.default_rng(0).exponential(size=1000)
    >>> threshold = ConformalThreshold(false_alarm_rate=0.05, confidence=0.95).threshold(errors)
    >>> bool(np.exp(-threshold) <= 0.05)  # the true rate
    True
    """

    _parameter_constraints: ClassVar = {
        "false_alarm_rate": [PROBABILITY],
        "confidence": [PROBABILITY],
    }

    def __init__(self, false_alarm_rate: float = 0.05, confidence: float = 0.9) -> None:
        self.false_alarm_rate = false_alarm_rate
        self.confidence = confidence

    def _threshold(self, errors: FloatVector, counts: FloatVector) -> float:
        counts = effective_counts(counts)
        n_samples = math.floor(counts.sum() * (1 + 1e-12))  # a sum of fractions may be 0.99999
        self.check_enough(n_samples)
        n_above = max(binom.ppf(1 - self.confidence, n_samples, self.false_alarm_rate) - 1, 0)
        order = np.argsort(errors, kind="stable")
        above = counts.sum() - np.cumsum(counts[order])
        return float(errors[order][np.argmax(above <= n_above + 1e-9)])

    def check_enough(self, n_samples: int) -> None:
        """Raise an error if there are too few samples for the rate and the confidence.

        Parameters
        ----------
        n_samples : int
            Number of errors, or the sum of their weights.

        Raises
        ------
        ValueError
            If no threshold has the confidence; the message says how many samples are needed.
        """
        needed = math.ceil(math.log1p(-self.confidence) / math.log1p(-self.false_alarm_rate))
        if n_samples < needed:
            raise ValueError(
                f"A false-alarm rate of {self.false_alarm_rate:g} with confidence "
                f"{self.confidence:g} needs at least {needed} samples that the network was not "
                f"trained on, got {n_samples}; give more, or allow a higher false_alarm_rate or a "
                "lower confidence."
            )
