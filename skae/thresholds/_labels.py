"""A threshold chosen on labelled errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skae._statistics import FloatVector
from skae._validation import FRACTION, NON_NEGATIVE, check_number, check_outlier_labels

from ._base import check_errors


def threshold_from_labels(
    errors: ArrayLike,
    y: ArrayLike,
    *,
    beta: float = 1.0,
    max_fpr: float | None = None,
) -> float:
    r"""Choose the threshold that separates labelled errors best.

    Every threshold that flags another set of samples is tried. Without `max_fpr` the chosen one
    has the largest

    .. math:: F_\beta = \frac{(1 + \beta^2)\, TP}{(1 + \beta^2)\, TP + \beta^2\, FN + FP}

    of the outlier class; with it, the largest recall of outliers among the thresholds that flag
    at most that fraction of the normal samples.

    Parameters
    ----------
    errors : array-like of shape (n_samples,)
        Reconstruction errors.
    y : array-like of shape (n_samples,)
        +1 for a normal sample, -1 for an outlier, as `predict` of an outlier detector returns.
    beta : float, default=1.0
        Weight of recall against precision; above 1 favors recall. Ignored if `max_fpr` is given.
    max_fpr : float, default=None
        Largest acceptable fraction of flagged normal samples, in [0, 1].

    Returns
    -------
    threshold : float
        Samples with a larger error are outliers. It lies midway between the two neighboring
        errors that it separates; at the largest error if nothing is to be flagged, and below the
        smallest if everything is.

    Raises
    ------
    ValueError
        If `y` holds anything but +1 and -1, or lacks a class that is needed.

    Notes
    -----
    Of several thresholds equally good by the criterion, the highest is chosen: the one that flags
    the fewest samples. Both classes are needed, except with `max_fpr`, which takes normal samples
    alone and then returns the lowest threshold within the bound, best for any outliers to come.

    References
    ----------
    .. [1] C. J. van Rijsbergen, "Information Retrieval", 2nd ed., Butterworth-Heinemann, 1979.

    Examples
    --------
    >>> from skae.thresholds import threshold_from_labels
    >>> threshold_from_labels([1.0, 2.0, 3.0, 6.0, 7.0], [1, 1, 1, -1, -1])
    4.5
    >>> threshold_from_labels([1.0, 4.0, 2.0, 3.0], [1, 1, -1, -1], max_fpr=0.5)
    1.5
    """
    weight = float(check_number("beta", beta, NON_NEGATIVE)) ** 2
    values = check_errors(errors)
    if np.shape(y) != values.shape:
        raise ValueError(
            f"y must hold one label for each of the {values.shape[0]} errors; got an array of "
            f"shape {np.shape(y)}."
        )
    outlier = check_outlier_labels(y)
    if outlier.all() or (max_fpr is None and not outlier.any()):
        raise ValueError(
            f"y holds only {'outliers (-1)' if outlier.all() else 'normal samples (+1)'}; a "
            "threshold from labels needs both classes. With normal samples alone, give max_fpr, "
            "or recalibrate without y."
        )
    candidates, hits, false_alarms = _count_flagged(values, outlier)
    if max_fpr is None:
        # The denominator is 0 only where beta is, and nothing is flagged.
        merit = (1.0 + weight) * hits / np.maximum(weight * hits[0] + hits + false_alarms, 1e-300)
    else:
        check_number("max_fpr", max_fpr, FRACTION)
        # Without outliers every flagged sample counts, so that the lowest one allowed wins.
        gain = hits if outlier.any() else false_alarms
        merit = np.where(false_alarms / false_alarms[0] <= max_fpr, gain, -1.0)
    return float(candidates[np.flatnonzero(merit == merit.max())[-1]])


def _count_flagged(
    errors: FloatVector, outlier: NDArray[np.bool_]
) -> tuple[FloatVector, FloatVector, FloatVector]:
    """Return all thresholds, ascending, with the outliers and the normal samples above each."""
    values, group = np.unique(errors, return_inverse=True)
    hits, false_alarms = (
        np.bincount(group, weights=among, minlength=len(values) + 1)[::-1].cumsum()[::-1]
        for among in (outlier, ~outlier)
    )
    middle = values[:-1] + np.diff(values) / 2.0
    # Between adjacent floats the middle rounds up to the larger, which would then not be flagged.
    middle = np.where(middle < values[1:], middle, values[:-1])
    return np.concatenate([[_below(values[0])], middle, values[-1:]]), hits, false_alarms


def _below(smallest: float) -> float:
    """Return a threshold under the smallest error: half of it, as errors start at 0."""
    if smallest > 0.0:
        return smallest / 2.0
    # A subnormal number could be flushed to zero on the way, hence at least `tiny`.
    return float(min(np.nextafter(smallest, -np.inf), smallest - np.finfo(np.float64).tiny))
