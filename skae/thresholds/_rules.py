"""Threshold rules of one line of arithmetic each."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np

from skae._sklearn import Interval
from skae._statistics import FloatVector, weighted_quantile
from skae._validation import NON_NEGATIVE

from ._base import BaseThreshold

# Median absolute deviation to standard deviation of a normal distribution: 1 / Phi^-1(3/4).
NORMAL_MAD_SCALE = 1.482602218505602
# As scikit-learn's detectors take it.
CONTAMINATION = Interval(Real, 0, 0.5, closed="right")


class StdThreshold(BaseThreshold):
    r"""Mean plus a number of standard deviations of the training errors.

    The threshold is
    :math:`\bar e + n_\mathrm{std} \sqrt{\sum_i w_i (e_i - \bar e)^2 / \sum_i w_i}`, with the
    weighted mean :math:`\bar e` and the population standard deviation (no correction).

    Parameters
    ----------
    n_std : float, default=1.0
        Number of standard deviations above the mean; not negative.

    See Also
    --------
    MADThreshold : The same idea with statistics that resist outliers in the training samples.

    Examples
    --------
    >>> from skae.thresholds import StdThreshold
    >>> StdThreshold(n_std=2.0).threshold([1.0, 2.0, 3.0, 2.0])
    3.414...
    """

    _parameter_constraints: ClassVar = {"n_std": [NON_NEGATIVE]}

    def __init__(self, n_std: float = 1.0) -> None:
        self.n_std = n_std

    def _threshold(self, errors: FloatVector, counts: FloatVector) -> float:
        mean = np.average(errors, weights=counts)
        variance = np.average((errors - mean) ** 2, weights=counts)
        return float(mean + self.n_std * np.sqrt(variance))


class QuantileThreshold(BaseThreshold):
    """The quantile that flags a given fraction of the training samples.

    The same threshold as :class:`~sklearn.ensemble.IsolationForest` sets with its
    `contamination`, interpolation included: minus ``percentile(-errors, 100 * contamination)``.

    Parameters
    ----------
    contamination : float, default=0.1
        Fraction of the training samples to flag, in (0, 0.5]. The fraction flagged is within one
        sample of it where no two errors are equal.

    Examples
    --------
    >>> from skae.thresholds import QuantileThreshold
    >>> QuantileThreshold(contamination=0.25).threshold([1.0, 2.0, 3.0, 4.0, 5.0])
    4.0
    """

    _parameter_constraints: ClassVar = {"contamination": [CONTAMINATION]}

    def __init__(self, contamination: float = 0.1) -> None:
        self.contamination = contamination

    def _threshold(self, errors: FloatVector, counts: FloatVector) -> float:
        # By way of 100, as numpy.percentile does: 0.07 * 100 / 100 is not 0.07.
        return -weighted_quantile(-errors, counts, 100.0 * self.contamination / 100.0)


class MADThreshold(BaseThreshold):
    r"""Median plus a number of median absolute deviations of the training errors.

    The threshold is :math:`m + 1.4826\, n_\mathrm{mads}\, \mathrm{median}_i |e_i - m|` with the
    median :math:`m`; the factor makes the deviation that of a normal distribution [1]_. It
    withstands outliers in up to half of the training samples.

    Parameters
    ----------
    n_mads : float, default=3.0
        Number of scaled deviations above the median; not negative.

    Notes
    -----
    Where more than half of the errors are equal, the deviation is 0 and the threshold is the
    median.

    References
    ----------
    .. [1] C. Leys, C. Ley, O. Klein, P. Bernard, L. Licata, "Detecting outliers: Do not use
           standard deviation around the mean, use absolute deviation around the median",
           Journal of Experimental Social Psychology 49(4), 2013.
           :doi:`10.1016/j.jesp.2013.03.013`

    Examples
    --------
    >>> from skae.thresholds import MADThreshold
    >>> MADThreshold(n_mads=1.0).threshold([1.0, 2.0, 3.0, 4.0, 500.0])
    4.4826...
    """

    _parameter_constraints: ClassVar = {"n_mads": [NON_NEGATIVE]}

    def __init__(self, n_mads: float = 3.0) -> None:
        self.n_mads = n_mads

    def _threshold(self, errors: FloatVector, counts: FloatVector) -> float:
        median = weighted_quantile(errors, counts, 0.5)
        deviation = weighted_quantile(np.abs(errors - median), counts, 0.5)
        return median + self.n_mads * NORMAL_MAD_SCALE * deviation


class IQRThreshold(BaseThreshold):
    r"""Third quartile plus a multiple of the interquartile range of the training errors.

    The threshold is :math:`Q_3 + \mathrm{factor}\,(Q_3 - Q_1)`, the upper whisker of Tukey's box
    plot.

    Parameters
    ----------
    factor : float, default=1.5
        Multiple of the interquartile range; not negative.

    Examples
    --------
    >>> from skae.thresholds import IQRThreshold
    >>> IQRThreshold().threshold([1.0, 2.0, 3.0, 4.0, 5.0])
    7.0
    """

    _parameter_constraints: ClassVar = {"factor": [NON_NEGATIVE]}

    def __init__(self, factor: float = 1.5) -> None:
        self.factor = factor

    def _threshold(self, errors: FloatVector, counts: FloatVector) -> float:
        first, third = (weighted_quantile(errors, counts, level) for level in (0.25, 0.75))
        return third + self.factor * (third - first)


class FixedThreshold(BaseThreshold):
    """A fixed threshold, independent of the training errors.

    Parameters
    ----------
    value : float
        The threshold, in units of the error; not negative.

    Examples
    --------
    >>> from skae.thresholds import FixedThreshold
    >>> FixedThreshold(0.5).threshold([1.0, 2.0, 3.0])
    0.5
    """

    _parameter_constraints: ClassVar = {"value": [NON_NEGATIVE]}

    def __init__(self, value: float) -> None:
        self.value = value

    def _threshold(self, errors: FloatVector, counts: FloatVector) -> float:
        return self.value
