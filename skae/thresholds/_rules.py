"""Threshold rules of one line of arithmetic each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from ._samples import check_counts, check_errors, check_real, weighted_quantile

# Median absolute deviation to standard deviation under a normal law: 1 / Phi^-1(3/4).
NORMAL_MAD_SCALE = 1.482602218505602


class StdThreshold(BaseEstimator):
    r"""Mean plus a number of standard deviations of the training errors.

    The cut is :math:`\bar e + n_\mathrm{std} \sqrt{\sum_i w_i (e_i - \bar e)^2 / \sum_i w_i}`,
    with the weighted mean :math:`\bar e` and the population standard deviation (no correction).

    Parameters
    ----------
    n_std : float, default=1.0
        Number of standard deviations above the mean; not negative.

    See Also
    --------
    MADThreshold : The same idea with statistics that outliers in the training rows can't move.

    Examples
    --------
    >>> from skae.thresholds import StdThreshold
    >>> StdThreshold(n_std=2.0).threshold([1.0, 2.0, 3.0, 2.0])
    3.414...
    """

    def __init__(self, n_std: float = 1.0) -> None:
        self.n_std = n_std

    def threshold(self, errors: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the cut: samples with a larger error are outliers.

        Parameters
        ----------
        errors : array-like of shape (n_samples,)
            Reconstruction errors of the training rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; whole numbers equal repetitions.

        Returns
        -------
        cut : float
            In units of the error.

        Raises
        ------
        ValueError, TypeError
            If a parameter, an error or a weight is not acceptable.
        """
        n_std = check_real("n_std", self.n_std, low=0.0, closed="left")
        if sample_weight is None:  # in a third of the memory
            values = check_errors(errors)
            return float(values.mean() + n_std * values.std())
        values, counts = check_counts(errors, sample_weight)
        mean = np.average(values, weights=counts)
        variance = np.average((values - mean) ** 2, weights=counts)
        return float(mean + n_std * np.sqrt(variance))


class QuantileThreshold(BaseEstimator):
    """The quantile that flags a given share of the training rows.

    The same cut as scikit-learn's :class:`~sklearn.ensemble.IsolationForest` places with its
    `contamination`, interpolation included: minus ``percentile(-errors, 100 * contamination)``.

    Parameters
    ----------
    contamination : float, default=0.1
        Share of the training rows to flag, in (0, 0.5]. The share really flagged is within one
        row of it where no two errors are equal.

    Examples
    --------
    >>> from skae.thresholds import QuantileThreshold
    >>> QuantileThreshold(contamination=0.25).threshold([1.0, 2.0, 3.0, 4.0, 5.0])
    4.0
    """

    def __init__(self, contamination: float = 0.1) -> None:
        self.contamination = contamination

    def threshold(self, errors: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the cut: samples with a larger error are outliers.

        Parameters
        ----------
        errors : array-like of shape (n_samples,)
            Reconstruction errors of the training rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; whole numbers equal repetitions, others are scaled to mean 1.

        Returns
        -------
        cut : float
            In units of the error.

        Raises
        ------
        ValueError, TypeError
            If a parameter, an error or a weight is not acceptable.
        """
        contamination = check_contamination(self.contamination)
        values, counts = check_counts(errors, sample_weight)
        # By way of 100, as numpy.percentile does: 0.07 * 100 / 100 is not 0.07.
        return -weighted_quantile(-values, counts, 100.0 * contamination / 100.0)


class MADThreshold(BaseEstimator):
    r"""Median plus a number of median absolute deviations of the training errors.

    The cut is :math:`m + 1.4826\, n_\mathrm{mads}\, \mathrm{median}_i |e_i - m|` with the median
    :math:`m`; the factor makes the deviation that of a normal law [1]_. Up to half of the
    training rows may be outliers without carrying the cut away.

    Parameters
    ----------
    n_mads : float, default=3.0
        Number of scaled deviations above the median; not negative.

    Notes
    -----
    Where more than half of the errors are equal, the deviation is 0 and the cut is the median.

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

    def __init__(self, n_mads: float = 3.0) -> None:
        self.n_mads = n_mads

    def threshold(self, errors: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the cut: samples with a larger error are outliers.

        Parameters
        ----------
        errors : array-like of shape (n_samples,)
            Reconstruction errors of the training rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; whole numbers equal repetitions, others are scaled to mean 1.

        Returns
        -------
        cut : float
            In units of the error.

        Raises
        ------
        ValueError, TypeError
            If a parameter, an error or a weight is not acceptable.
        """
        n_mads = check_real("n_mads", self.n_mads, low=0.0, closed="left")
        values, counts = check_counts(errors, sample_weight)
        median = weighted_quantile(values, counts, 0.5)
        deviation = weighted_quantile(np.abs(values - median), counts, 0.5)
        return median + n_mads * NORMAL_MAD_SCALE * deviation


class IQRThreshold(BaseEstimator):
    r"""Third quartile plus a multiple of the interquartile range of the training errors.

    The cut is :math:`Q_3 + \mathrm{factor}\,(Q_3 - Q_1)`, the upper whisker of Tukey's box plot.

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

    def __init__(self, factor: float = 1.5) -> None:
        self.factor = factor

    def threshold(self, errors: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the cut: samples with a larger error are outliers.

        Parameters
        ----------
        errors : array-like of shape (n_samples,)
            Reconstruction errors of the training rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; whole numbers equal repetitions, others are scaled to mean 1.

        Returns
        -------
        cut : float
            In units of the error.

        Raises
        ------
        ValueError, TypeError
            If a parameter, an error or a weight is not acceptable.
        """
        factor = check_real("factor", self.factor, low=0.0, closed="left")
        values, counts = check_counts(errors, sample_weight)
        first = weighted_quantile(values, counts, 0.25)
        third = weighted_quantile(values, counts, 0.75)
        return third + factor * (third - first)


class FixedThreshold(BaseEstimator):
    """A cut that is known beforehand, whatever the training errors are.

    Parameters
    ----------
    value : float
        The cut, in units of the error; not negative.

    Examples
    --------
    >>> from skae.thresholds import FixedThreshold
    >>> FixedThreshold(0.5).threshold([1.0, 2.0, 3.0])
    0.5
    """

    def __init__(self, value: float) -> None:
        self.value = value

    def threshold(self, errors: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the cut: samples with a larger error are outliers.

        Parameters
        ----------
        errors : array-like of shape (n_samples,)
            Checked, but without influence.
        sample_weight : array-like of shape (n_samples,), default=None
            Checked, but without influence.

        Returns
        -------
        cut : float
            `value`.

        Raises
        ------
        ValueError, TypeError
            If `value`, an error or a weight is not acceptable.
        """
        value = check_real("value", self.value, low=0.0, closed="left")
        check_counts(errors, sample_weight)
        return value


def check_contamination(contamination: Any) -> float:
    """Return a share of outliers in (0, 0.5], as scikit-learn's detectors take it."""
    return check_real("contamination", contamination, low=0.0, high=0.5, closed="right")
