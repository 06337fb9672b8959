"""Which features made a sample an outlier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from skae import engine
from skae._contracts import FloatArray
from skae._explanations import row_labels, top_features
from skae._messages import did_you_mean
from skae.estimators._scaling import restored
from skae.estimators._scores import anomaly_scores, feature_parts

Groups = Mapping[str, Any] | None
# Columns that an error names.
_SHOWN = 20


def error_frame(detector: Any, X: Any, values: FloatArray, groups: Groups) -> pd.DataFrame:
    """Return the error of every value of checked samples, summed by group."""
    inputs = detector._network_inputs(values)
    errors = engine.run_errors(detector._deferred, inputs, detector._error, per="value")
    frame = pd.DataFrame(
        np.asarray(errors, np.float64).reshape(values.shape),
        index=row_labels(X, len(values)),
        columns=_feature_labels(detector),
    )
    return frame if groups is None else _summed(frame, groups)


def explanation(
    detector: Any, X: Any, values: FloatArray, n_features: int, groups: Groups
) -> pd.DataFrame:
    """Return the features with the largest errors of every outlier."""
    labels = row_labels(X, len(values))
    outliers = np.flatnonzero(anomaly_scores(detector, values) > detector.threshold_)
    values = values[outliers]
    errors = part_frame(detector, None, values, groups)
    reconstruction = restored(detector._run("model", values), detector._output_scaler)
    names = _feature_labels(detector)
    value, rebuilt = [
        pd.DataFrame(table, columns=names).reindex(columns=errors.columns)
        for table in (values, reconstruction.reshape(values.shape))
    ]
    errors = errors.set_axis(labels[outliers])
    return top_features(errors, value, rebuilt, positions=outliers, n_features=n_features)


def part_frame(detector: Any, X: Any, values: FloatArray, groups: Groups) -> pd.DataFrame:
    """Return the part of every value in the anomaly score; its error, where that is the score."""
    if detector.score_ is None:
        return error_frame(detector, X, values, groups)
    parts = feature_parts(detector, values)
    frame = pd.DataFrame(parts, row_labels(X, len(values)), _feature_labels(detector))
    return frame if groups is None else _summed(frame, groups)


def _summed(frame: pd.DataFrame, groups: Mapping[str, Any]) -> pd.DataFrame:
    if not isinstance(groups, Mapping):
        raise TypeError(
            f"groups must map a name to its columns, such as {{'drive': ['drive_gas', "
            f"'drive_diesel']}}; got {type(groups).__name__}."
        )
    owner = {name: name for name in frame.columns}
    grouped: set[Any] = set()
    for group, columns in groups.items():
        for column in _columns(frame, columns):
            name = _column_name(frame, column)
            if name not in owner:
                known = list(frame.columns)
                more = ", ..." if len(known) > _SHOWN else ""
                raise ValueError(
                    f"groups[{group!r}] names the column {column!r}, which the detector was not "
                    f"fitted on; its columns are {', '.join(map(repr, known[:_SHOWN]))}{more}"
                    f"{did_you_mean(str(column), map(str, known))}"
                )
            if name in grouped:
                raise ValueError(f"The column {name!r} is in more than one of the groups.")
            grouped.add(name)
            owner[name] = group
    for name in groups.keys() & set(frame.columns) - grouped:
        raise ValueError(
            f"groups has a group named {name!r}, which is also a column outside of the groups; "
            "give the group another name."
        )
    return _sums(frame, list(owner.values()))


def _sums(frame: pd.DataFrame, owners: list[Any]) -> pd.DataFrame:
    """Return the sum of the columns of each owner."""
    order = list(dict.fromkeys(owners))
    places = np.array([order.index(owner) for owner in owners])
    sums = [np.nansum(frame.to_numpy()[:, places == place], axis=1) for place in range(len(order))]
    columns = pd.Index(order, tupleize_cols=False)
    return pd.DataFrame(np.column_stack(sums), index=frame.index, columns=columns)


def _column_name(frame: pd.DataFrame, column: Any) -> Any:
    """Return a column's name; an integer is a position where no column has it for a name."""
    has_integers = any(isinstance(name, Integral) for name in frame.columns)
    by_position = isinstance(column, Integral) and not has_integers
    if by_position and 0 <= int(column) < frame.shape[1]:
        return frame.columns[int(column)]
    return column


def _columns(frame: pd.DataFrame, columns: Any) -> Sequence[Any]:
    known: set[Any] = set(frame.columns)
    is_one = isinstance(columns, (str, Integral)) or (
        isinstance(columns, tuple) and columns in known
    )
    return [columns] if is_one else list(columns)


def _feature_labels(detector: Any) -> pd.Index:
    """Return labels of the values of a sample: those of columns, or (step, channel)."""
    names = getattr(detector, "feature_names_in_", getattr(detector, "_column_labels", None))
    if names is None and len(detector._input_shape) > 1:
        names = list(np.ndindex(detector._input_shape))
    if names is None:
        names = [f"x{index}" for index in range(detector.n_features_in_)]
    return pd.Index(list(names), tupleize_cols=False)
