"""Checked errors with their weights, and the quantiles that every rule builds on."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

FloatVector = NDArray[np.float64]


def check_real(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    closed: str = "both",
) -> float:
    """Return `value` as a float, or raise an error that names the accepted interval."""
    opening = "[" if closed in ("both", "left") and math.isfinite(low) else "("
    closing = "]" if closed in ("both", "right") and math.isfinite(high) else ")"
    accepted = f"a finite number in {opening}{low:g}, {high:g}{closing}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {accepted}; got {value!r} of type {type(value).__name__}.")
    number = float(value)
    above = number >= low if opening == "[" else number > low
    below = number <= high if closing == "]" else number < high
    if not (math.isfinite(number) and above and below):
        raise ValueError(f"{name} must be {accepted}; got {value!r}.")
    return number


def check_errors(errors: ArrayLike) -> FloatVector:
    """Return `errors` as a float64 vector with at least one, finite, value."""
    checked: FloatVector = check_array(
        errors, ensure_2d=False, dtype=np.float64, input_name="errors"
    )
    if checked.ndim != 1:
        raise ValueError(
            "errors must be one-dimensional, one value for each sample; got an array of shape "
            f"{checked.shape}. Average over the features first."
        )
    return checked


def check_counts(
    errors: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[FloatVector, FloatVector]:
    """Return the errors of positive weight, and how many samples each stands for.

    Whole numbers are counts of repetitions and stay as they are. Other weights have no scale of
    their own (some sum to 1, some have mean 1), so they are scaled to mean 1: the number of rows
    stays what it is.
    """
    values = check_errors(errors)
    if sample_weight is None:
        return values, np.ones_like(values)
    weight: FloatVector = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.shape != values.shape:
        raise ValueError(
            f"sample_weight must hold one value for each of the {values.shape[0]} errors; got an "
            f"array of shape {weight.shape}."
        )
    if weight.min() < 0:
        raise ValueError(
            f"sample_weight must not be negative; got {weight.min():g}. Use 0 to leave a row out."
        )
    kept = weight > 0
    if not kept.any():
        raise ValueError("sample_weight is 0 for every row; at least one must be positive.")
    values, weight = values[kept], weight[kept]
    if np.any(weight != np.rint(weight)):
        weight = weight / weight.mean()
    return values, weight


def weighted_quantile(errors: FloatVector, counts: FloatVector, level: float) -> float:
    """Return `numpy.quantile` (linear) of the errors, each repeated as often as its count says.

    Nothing is repeated in memory: the two values around the quantile's place in the repeated
    sample are looked up in the running sum of counts.
    """
    order = np.argsort(errors, kind="stable")
    ordered = errors[order]
    # Scaled weights leave rounding in the sum, and 2.9999999999999996 would be another row.
    ends = np.round(np.cumsum(counts[order]), 9)
    place = max(float(ends[-1]) - 1.0, 0.0) * level
    start = math.floor(place)
    neighbours = np.searchsorted(ends, [start, start + 1], side="right")
    lower, upper = ordered[np.minimum(neighbours, ordered.shape[0] - 1)]
    fraction = place - start
    # NumPy interpolates from the nearer end; the same here, so that results are equal bit for bit.
    if fraction >= 0.5:
        return float(upper - (upper - lower) * (1.0 - fraction))
    return float(lower + (upper - lower) * fraction)
