"""A cut chosen on labelled errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._samples import FloatVector, check_errors, check_real


def threshold_from_labels(
    errors: ArrayLike,
    y: ArrayLike,
    *,
    beta: float = 1.0,
    max_fpr: float | None = None,
) -> float:
    r"""Choose the cut that separates labelled errors best.

    Every cut that flags another set of samples is tried. Without `max_fpr` the chosen one has the
    largest

    .. math:: F_\beta = \frac{(1 + \beta^2)\, TP}{(1 + \beta^2)\, TP + \beta^2\, FN + FP}

    of the outlier class; with it, the largest recall of outliers among the cuts that flag at
    most that share of the normal samples.

    Parameters
    ----------
    errors : array-like of shape (n_samples,)
        Reconstruction errors.
    y : array-like of shape (n_samples,)
        +1 for a normal sample, -1 for an outlier, as `predict` of an outlier detector returns.
    beta : float, default=1.0
        Weight of recall against precision; above 1 favours recall. Without influence if
        `max_fpr` is given.
    max_fpr : float, default=None
        Largest acceptable share of flagged normal samples, in [0, 1].

    Returns
    -------
    cut : float
        Samples with a larger error are outliers. It lies midway between the two neighbouring
        errors that it separates; at the largest error if nothing is to be flagged, and below the
        smallest if everything is.

    Raises
    ------
    ValueError
        If `y` holds anything but +1 and -1, or lacks a class that is needed.

    Notes
    -----
    Of several cuts equally good by the criterion, the highest is chosen: the one that flags the
    fewest samples. Both classes are needed, except with `max_fpr`, which takes normal samples
    alone and then returns the lowest cut within the bound, best for any outliers to come.

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
    beta = check_real("beta", beta, low=0.0, closed="left")
    values = check_errors(errors)
    outlier = _check_labels(y, values.shape[0])
    if not outlier.all() and max_fpr is not None:
        max_fpr = check_real("max_fpr", max_fpr, low=0.0, high=1.0)
    elif outlier.all() or not outlier.any():
        raise ValueError(
            f"y holds only {'outliers (-1)' if outlier.all() else 'normal samples (+1)'}; a cut "
            "from labels needs both classes. With normal samples alone, give max_fpr, or "
            "recalibrate without y."
        )
    cuts, hits, false_alarms = _count_by_cut(values, outlier)
    if max_fpr is None:
        weight = beta**2
        misses = hits[0] - hits
        denominator = (1.0 + weight) * hits + weight * misses + false_alarms
        merit = np.divide(
            (1.0 + weight) * hits, denominator, where=hits > 0, out=np.zeros(len(cuts))
        )
    else:
        n_normal = false_alarms[0]
        # Without outliers every flagged sample counts, so that the lowest cut allowed wins.
        gain = hits if outlier.any() else false_alarms
        merit = np.where(false_alarms / n_normal <= max_fpr, gain, -1.0)
    best = merit.shape[0] - 1 - int(np.argmax(merit[::-1]))
    return float(cuts[best])


def _check_labels(y: ArrayLike, n_samples: int) -> NDArray[np.bool_]:
    """Return where `y` says outlier; refuse labels that can be read both ways."""
    labels = np.asarray(y)
    if labels.shape != (n_samples,):
        raise ValueError(
            f"y must hold one label for each of the {n_samples} errors; got an array of shape "
            f"{labels.shape}."
        )
    values = set(np.unique(labels).tolist())
    if labels.dtype.kind in "iuf" and values <= {1, -1}:
        return np.asarray(labels == -1)
    shown = sorted(values, key=str)[:5]
    if labels.dtype.kind == "b" or values <= {0, 1}:
        raise ValueError(
            f"y holds {shown}, but labels 0 and 1 mean opposite things in this field: 1 is the "
            "outlier in some data sets and the normal class in others. Give +1 for normal and -1 "
            "for outliers: numpy.where(is_outlier, -1, 1)."
        )
    raise ValueError(f"y must hold +1 (normal) and -1 (outlier) only; got {shown}.")


def _count_by_cut(
    errors: FloatVector, outlier: NDArray[np.bool_]
) -> tuple[FloatVector, FloatVector, FloatVector]:
    """Return all cuts, ascending, with the outliers and the normal samples above each."""
    values, group = np.unique(errors, return_inverse=True)
    n_values = values.shape[0]
    outliers = np.bincount(group, weights=outlier, minlength=n_values)
    normals = np.bincount(group, weights=~outlier, minlength=n_values)
    cuts = np.concatenate([[_below(values[0])], values])
    middle = values[:-1] + np.diff(values) / 2.0
    # Between adjacent floats the middle rounds up to the larger, which would then not be flagged.
    cuts[1:-1] = np.where(middle < values[1:], middle, values[:-1])
    return cuts, _count_above(outliers), _count_above(normals)


def _count_above(counts: NDArray[Any]) -> FloatVector:
    """Return how many lie above each cut, the one below all values first."""
    return np.concatenate([np.cumsum(counts[::-1])[::-1], [0.0]])


def _below(smallest: float) -> float:
    """Return a cut under the smallest error: half of it, as errors start at 0."""
    if smallest > 0.0:
        return smallest / 2.0
    # A subnormal number could be flushed to zero on the way, hence at least `tiny`.
    return float(min(np.nextafter(smallest, -np.inf), smallest - np.finfo(np.float64).tiny))
