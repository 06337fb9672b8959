"""Statistics of samples that count for more or less than one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]


def counts_of(sample_weight: FloatVector) -> FloatVector:
    """Return how many samples each counts for.

    Weights that sum to less than their effective sample size, ``sum(w) ** 2 / sum(w ** 2)``, are
    too small to be counts and are scaled up to it.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,)
        Positive.
    """
    relative = sample_weight / sample_weight.max()  # squares of tiny or huge weights overflow
    effective = relative.sum() ** 2 / (relative**2).sum()
    # Continuous in the weights, and never true for whole numbers.
    if sample_weight.sum() < effective:
        return relative * (effective / relative.sum())
    return sample_weight


def effective_counts(sample_weight: Floats) -> FloatVector:
    """Return weights that sum to their effective sample size, ``sum(w) ** 2 / sum(w ** 2)``.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,)
        Positive.
    """
    relative = sample_weight / sample_weight.max()
    counts: FloatVector = relative * (relative.sum() / (relative**2).sum())
    return counts


def ranked(
    values: FloatVector, counts: FloatVector, level: float
) -> tuple[FloatVector, FloatVector, FloatVector]:
    """Return values in ascending order, their counts, and where their copies end.

    Every value takes as much of a line as its count. The ends are measured from the place of the
    quantile, which is the mean of the unit interval that follows.
    """
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(counts[order])
    return values[order], counts[order], ends - (ends[-1] - 1.0) * level


def weighted_quantile(values: FloatVector, counts: FloatVector, level: float) -> float:
    """Return `numpy.quantile` (linear) of values, each repeated as often as its count says.

    Linear interpolation between two samples is the mean over a unit interval of the line on which
    each sample takes 1, so the same mean extends it to counts with fractions, continuously.
    """
    ordered, _, ends = ranked(values, counts, level)
    fraction = np.diff(np.clip(ends, 0.0, 1.0), prepend=0.0)
    # From the value that takes most of the interval, as in NumPy: results are equal bit for bit.
    nearest = ordered[ordered.shape[0] - 1 - np.argmax(fraction[::-1])]
    return float(nearest + fraction @ (ordered - nearest))


def conformal_p_values(scores: Floats, reference: Floats, counts: Floats) -> FloatVector:
    """Return the fraction of normal samples, a new one among them, that score as high or higher.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Anomaly scores.
    reference : ndarray of shape (n_reference,)
        Anomaly scores of normal samples.
    counts : ndarray of shape (n_reference,)
        How many samples each of these counts for.
    """
    order = np.argsort(reference, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(counts[order])])
    place = np.searchsorted(reference[order], scores, side="left")
    p_values: FloatVector = (1.0 + below[-1] - below[place]) / (1.0 + below[-1])
    return p_values
