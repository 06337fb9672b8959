"""Which features made a sample an outlier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from skae import engine
from skae._contracts import FloatArray

Groups = Mapping[str, Any] | None


def error_frame(detector: Any, X: Any, values: FloatArray, groups: Groups) -> pd.DataFrame:
    """Return the error of every value of checked rows, summed by group."""
    shaped = values.reshape(-1, *detector._input_shape)
    errors = engine.run_errors(detector._deferred, shaped, detector._error, per="value")
    frame = pd.DataFrame(
        np.asarray(errors, np.float64).reshape(len(values), -1),
        index=_row_labels(X, len(values)),
        columns=_feature_names(detector),
    )
    return frame if groups is None else _summed(frame, groups)


def explanation(
    detector: Any, X: Any, values: FloatArray, n_features: int, groups: Groups
) -> pd.DataFrame:
    """Return the features with the largest errors of every row that is an outlier."""
    if not isinstance(n_features, Integral) or n_features < 1:
        raise ValueError(f"n_features must be a positive integer, got {n_features!r}.")
    labels = _row_labels(X, len(values))
    outliers = np.flatnonzero(detector._sample_errors(values) > detector.threshold_)
    values = values[outliers]
    if len(outliers) == 0:
        columns = ["row", "feature", "value", "reconstruction", "error", "share"]
        return pd.DataFrame(columns=columns)
    errors = error_frame(detector, None, values, groups)
    reconstruction = detector._run("model", values).reshape(values.shape)
    names = _feature_names(detector)
    return _top_lines(
        errors,
        pd.DataFrame(values, columns=names).reindex(columns=errors.columns),
        pd.DataFrame(reconstruction, columns=names).reindex(columns=errors.columns),
        labels[outliers],
        int(n_features),
    )


def _top_lines(
    errors: pd.DataFrame,
    values: pd.DataFrame,
    reconstruction: pd.DataFrame,
    labels: pd.Index,
    n_features: int,
) -> pd.DataFrame:
    table = errors.to_numpy()
    top = np.argsort(-table, axis=1, kind="stable")[:, :n_features]
    rows = np.arange(len(table))[:, None]
    totals = table.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "row": labels.repeat(top.shape[1]),
            "feature": errors.columns.to_numpy()[top].ravel(),
            "value": values.to_numpy()[rows, top].ravel(),
            "reconstruction": reconstruction.to_numpy()[rows, top].ravel(),
            "error": table[rows, top].ravel(),
            "share": (table[rows, top] / totals).ravel(),
        }
    )


def _summed(frame: pd.DataFrame, groups: Mapping[str, Any]) -> pd.DataFrame:
    if not isinstance(groups, Mapping):
        raise TypeError(
            f"groups must map a name to its columns, such as {{'drive': ['drive_gas', "
            f"'drive_diesel']}}; got {type(groups).__name__}."
        )
    owner = {name: name for name in frame.columns}
    grouped: set[Any] = set()
    for group, columns in groups.items():
        for column in _listed(columns):
            name = _column_name(frame, column)
            if name not in owner:
                raise ValueError(
                    f"groups[{group!r}] names the column {column!r}, which the detector was not "
                    f"fitted on; its columns are {list(frame.columns)[:20]}."
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
    order = dict.fromkeys(owner.values())
    summed = frame.T.groupby(pd.Series(owner)).sum().T
    return summed[list(order)]


def _column_name(frame: pd.DataFrame, column: Any) -> Any:
    by_position = isinstance(column, Integral) and 0 <= int(column) < frame.shape[1]
    return frame.columns[int(column)] if by_position else column


def _listed(columns: Any) -> Sequence[Any]:
    return [columns] if isinstance(columns, (str, Integral)) else list(columns)


def _feature_names(detector: Any) -> list[str]:
    names = getattr(detector, "feature_names_in_", None)
    if names is not None:
        return list(names)
    return [f"x{index}" for index in range(detector.n_features_in_)]


def _row_labels(X: Any, n_samples: int) -> pd.Index:
    index = getattr(X, "index", None)
    return index if isinstance(index, pd.Index) else pd.RangeIndex(n_samples)
