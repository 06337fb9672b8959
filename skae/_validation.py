"""Checks of parameters and data, before a network is built or trained."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skae._contracts import FloatArray, Shape
from skae._messages import warn
from skae._sklearn import Interval, InvalidParameterError, check_sample_weight
from skae._tables import check_numbers
from skae.exceptions import OutlierLabelWarning

# As dtype objects, which compare without a conversion.
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
# Types whose values are all float32, as NumPy, pandas and polars call them.
_SHORT = {"float32", "float16", "int8", "int16", "uint8", "uint16", "bool", "boolean"}
# A limit of type float32 would pull comparisons into float32, where they overflow.
_FLOAT32_MAX = float(np.finfo(np.float32).max)
# Number of columns in an error message.
_SHOWN = 5
NON_NEGATIVE = Interval(Real, 0, np.inf, closed="left")
FRACTION = Interval(Real, 0, 1, closed="both")


def check_number(name: str, value: Any, interval: Interval) -> Any:
    """Return `value` if it is in `interval`; scikit-learn's own check takes True for 1."""
    if isinstance(value, bool | np.bool_) or not interval.is_satisfied_by(value):
        raise InvalidParameterError(
            f"{name} must be {interval}; got {value!r} of type {type(value).__name__}."
        )
    return value


def check_threshold(threshold: Any, rule: Any) -> float:
    """Return the result of a rule as a float, or raise an error if it is not finite."""
    if not np.isfinite(threshold):
        raise ValueError(
            f"{rule!r} returned {threshold}, but a threshold must be finite. Use another rule, or "
            "scale X: errors may be too large for its arithmetic."
        )
    return float(threshold)


def check_outlier_labels(y: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return where `y` is -1 (outlier); raise an error for other labels than +1 and -1."""
    labels = np.asarray(y)
    values = set(np.unique(labels).tolist())
    if labels.dtype.kind in "iuf" and values <= {1, -1}:
        return np.asarray(labels == -1)
    shown = sorted(values, key=str)[:_SHOWN]
    if values <= {0, 1}:
        raise ValueError(
            f"y holds {shown}, but labels 0 and 1 mean opposite things in this field: 1 is the "
            "outlier in some data sets and the normal class in others. Give +1 for normal and -1 "
            "for outliers: numpy.where(is_outlier, -1, 1)."
        )
    raise ValueError(f"y must hold +1 (normal) and -1 (outlier) only; got {shown}.")


def warn_of_labels(y: Any) -> None:
    """Warn about labels 0 and 1: scorers would take the normal class for the outliers."""
    labels = np.asarray(y)
    if labels.dtype.kind in "biuf" and labels.size and set(np.unique(labels)) in ({0}, {0, 1}):
        warn(
            "y holds labels 0 and 1, while a detector predicts +1 for normal samples and -1 for "
            "outliers. fit ignores y, but a scorer such as 'roc_auc' would rank candidates the "
            "wrong way round where 1 means outlier; pass numpy.where(is_outlier, -1, 1).",
            OutlierLabelWarning,
        )


def check_rows(
    estimator: BaseEstimator,
    X: Any,
    *,
    reset: bool,
    shape: Shape | None = None,
    name: str = "X",
) -> tuple[FloatArray, Shape]:
    """Check samples that go into an estimator.

    Parameters
    ----------
    estimator : estimator
        `n_features_in_` and `feature_names_in_` are set if `reset` is true, and checked
        otherwise.
    X : array-like or dataframe of shape (n_samples, ...)
        A table, or images or sequences with more axes.
    reset : bool
        Whether the estimator is being fitted.
    shape : tuple of int or None
        Required shape of one sample if `X` has more than two axes.
    name : str, default="X"
        Name in error messages.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        float32 or float64; a view where possible.
    shape : tuple of int
        Shape of one sample before it was flattened.
    """
    if not reset and _is_plain_table(estimator, X):
        return X, X.shape[1:]
    check_numbers(X, name)
    X = _as_rows(X)
    sample_shape = tuple(X.shape[1:]) if getattr(X, "ndim", 0) > 2 else None
    if sample_shape is not None:
        if not reset and sample_shape != shape:
            raise ValueError(
                f"{name} has samples of shape {sample_shape}, but {type(estimator).__name__} was "
                f"fitted on samples of shape {shape}. Reshape {name}, or pass one flat row "
                "for each sample."
            )
        if 0 in X.shape:
            raise ValueError(
                f"Found array with 0 sample(s) or feature(s) (shape={X.shape}) while a minimum "
                "of 1 is required."
            )
        X = X.reshape(len(X), -1)
    mapped = isinstance(X, np.memmap)
    with _columns_named(X if sample_shape is None else None, name):
        X = validate_data(estimator, X, reset=reset, dtype=float_dtypes(X))
        check_float32_range(X, name)
    if mapped and X.base is not None:
        # The engine reads a file in chunks; scikit-learn returns a plain view of it.
        X = X.view(np.memmap)
    return X, sample_shape or (X.shape[1],)


@contextmanager
def _columns_named(table: Any, name: str) -> Iterator[None]:
    """Name `table`, and its columns with unusable values, in messages of scikit-learn."""
    try:
        with _warnings_named(name):
            yield
    except ValueError as error:
        # scikit-learn always uses the name X.
        message = re.sub(r"\bX\b", name, str(error))
        columns = _unusable_columns(table) if re.search("NaN|infinity", message) else []
        if not columns:
            raise type(error)(message) from None
        more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
        raise ValueError(
            f"{message}\nColumns of {name} with such values (and how many): "
            f"{', '.join(columns[:_SHOWN])}{more}."
        ) from None


@contextmanager
def _warnings_named(name: str) -> Iterator[None]:
    """Put another name in the place of X in warnings, such as those about names of columns."""
    if name == "X":
        yield
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for each in caught:
        warn(re.sub(r"\bX\b", name, str(each.message)), each.category)


def _unusable_columns(table: Any) -> list[str]:
    """Return names or numbers of columns with values that are not finite in float32."""
    try:
        values = check_array(table, dtype=np.float64, ensure_all_finite=False)
    except (TypeError, ValueError):
        return []
    counts = np.sum(~(np.abs(values) <= _FLOAT32_MAX), axis=0)
    names = getattr(table, "columns", range(len(counts)))
    return [f"{name!r} ({n})" for name, n in zip(names, counts, strict=True) if n]


def _is_plain_table(estimator: Any, X: Any) -> bool:
    """Return whether `validate_data` would accept `X` unchanged.

    scikit-learn takes 0.1 ms to find out that an array is no dataframe: two thirds of the time in
    which a small network scores one sample.
    """
    if type(X) is not np.ndarray or X.dtype not in _FLOATS or X.ndim != 2 or len(X) == 0:
        return False
    if not X.flags.c_contiguous:  # the product below would copy it
        return False
    if X.shape[1] != estimator.n_features_in_ or hasattr(estimator, "feature_names_in_"):
        return False
    # Four times as fast as looking for the largest value. NaN and infinity propagate; if the sum
    # of squares is too large, scikit-learn checks each value.
    return bool(np.vdot(X, X) <= _FLOAT32_MAX)


def float_dtypes(X: Any) -> list[Any]:
    """Return the float types that samples may have; others are converted to the first.

    Whole numbers of up to 16 bits are float32. Of others, such as times in seconds, float32 would
    lose the differences that count.
    """
    types = getattr(X, "dtypes", None) if hasattr(X, "columns") else [getattr(X, "dtype", None)]
    names = {str(each).lower() for each in types} if types is not None else {""}
    return list(_FLOATS if names <= _SHORT else _FLOATS[::-1])


def _as_rows(X: Any) -> Any:
    """Convert lists and tensors to an array; leave data frames to scikit-learn."""
    if hasattr(X, "columns") or isinstance(X, np.ndarray) or hasattr(X, "toarray"):
        return X
    if hasattr(X, "shape") and len(X.shape) > 2:
        return np.asarray(X)
    if hasattr(X, "__array__"):
        return np.asarray(X)
    if isinstance(X, (list, tuple)) and X and np.ndim(X[0]) >= 2:
        return np.asarray(X)
    return X


def check_targets(y: Any, n_samples: int, name: str = "y", inputs: str = "X") -> FloatArray:
    """Check a denoiser's clean samples, of any shape."""
    check_numbers(y, name)
    y = _as_rows(y)
    with _columns_named(y, name):
        dtype = float_dtypes(y)
        y = check_array(y, ensure_2d=False, allow_nd=True, dtype=dtype, input_name=name)
        check_float32_range(y, name)
    if len(y) != n_samples:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{inputs} has {n_samples} samples and {name} has {len(y)}; pass one clean sample for "
            "each noisy one."
        )
    return y


def _magnitude(X: FloatArray) -> float:
    """Return the largest absolute value; NaN if `X` contains one."""
    return max(float(X.max()), -float(X.min()))


def is_finite(X: FloatArray) -> bool:
    """Return whether all values are finite, by the sum of their squares if that is enough."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.vdot(X, X))) or bool(np.isfinite(X).all())


def check_float32_range(X: FloatArray, name: str) -> None:
    """Raise an error for values beyond float32, in which networks are trained."""
    if X.dtype == np.float32 or X.size == 0:
        return
    largest = _magnitude(X)
    if largest > _FLOAT32_MAX:
        raise ValueError(
            f"{name} contains infinity or a value too large for dtype('float32'): the largest "
            f"magnitude is {largest:.3g}, and networks are trained in float32, which ends at "
            f"{_FLOAT32_MAX:.3g}. Scale {name}, for instance with StandardScaler."
        )


def check_weights(sample_weight: Any, X: FloatArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Check sample weights: finite, not negative, one for each sample, not all zero."""
    weights = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError(
            "sample_weight is zero for every sample, so there is nothing to train on; give at "
            "least one sample a positive weight."
        )
    return weights


def check_input_shape(input_shape: Any, n_features: int) -> Shape:
    """Check that one flat sample can be reshaped to `input_shape`."""
    shape = tuple(input_shape)
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise InvalidParameterError(
            f"input_shape must be a tuple of positive integers, got {input_shape!r}."
        )
    if math.prod(shape) != n_features:
        raise InvalidParameterError(
            f"input_shape={shape} holds {math.prod(shape)} values, but X has {n_features} "
            "features; set input_shape so that its product is the number of features."
        )
    return shape
