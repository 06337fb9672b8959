"""The table of an explanation: the features with the largest errors of each sample."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from skae._messages import did_you_mean

Groups = Mapping[str, Any] | None
# Columns that an error names.
_SHOWN = 20


def row_labels(X: Any, n_samples: int) -> pd.Index:
    """Return the labels of the samples, or else their positions."""
    index = getattr(X, "index", None)
    return index if isinstance(index, pd.Index) else pd.RangeIndex(n_samples)


def column_labels(X: Any) -> list[Any] | None:
    """Return the labels of a frame's columns, None for what has none."""
    labels = getattr(X, "columns", None)
    return None if labels is None else list(getattr(X, "column_names", labels))


def positions_of(rows: Any, n_samples: int, flagged: Callable[[], Any]) -> Any:
    """Return the positions of the samples to explain.

    Parameters
    ----------
    rows : array-like of int or bool, "all" or None
        Positions, a mask of all samples, or None for the outliers.
    n_samples : int
    flagged : callable
        Returns the positions of the outliers.
    """
    if rows is None:
        return flagged()
    if isinstance(rows, str) and rows == "all":
        return np.arange(n_samples)
    found = np.atleast_1d(np.asarray(rows))
    found = found if found.size else found.astype(np.intp)
    if found.dtype.kind == "b" and found.shape == (n_samples,):
        return np.flatnonzero(found)
    is_valid = found.dtype.kind in "iu" and found.ndim == 1
    if not is_valid or not ((found >= 0) & (found < n_samples)).all():
        raise ValueError(
            f"rows must be positions from 0 to {n_samples - 1}, a mask of {n_samples} booleans, "
            f"'all', or None for all outliers; got {reprlib.repr(rows)} of shape {found.shape}."
        )
    return found


def summed(frame: pd.DataFrame, groups: Mapping[str, Any], names: Sequence[Any]) -> pd.DataFrame:
    """Return a table of errors with the columns of each group summed under the group's name.

    Parameters
    ----------
    frame : DataFrame
    groups : mapping of str to list of str or int
    names : sequence
        Of all columns, by the positions that groups may give.
    """
    if not isinstance(groups, Mapping):
        raise TypeError(
            f"groups must map a name to its columns, such as {{'drive': ['drive_gas', "
            f"'drive_diesel']}}; got {type(groups).__name__}."
        )
    owner = {name: name for name in frame.columns}
    grouped: set[Any] = set()
    for group, columns in groups.items():
        for column in _columns(frame, columns):
            name = _column_name(names, column)
            if name not in owner:
                known = list(frame.columns)
                more = " and others" if len(known) > _SHOWN else ""
                raise ValueError(
                    f"groups[{group!r}] names the column {column!r}, which is none of the "
                    f"columns {', '.join(map(repr, known[:_SHOWN]))}{more}."
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


def _column_name(names: Sequence[Any], column: Any) -> Any:
    """Return a column's name; an integer is a position where no column has it for a name."""
    has_integers = any(isinstance(name, Integral) for name in names)
    by_position = isinstance(column, Integral) and not has_integers
    if by_position and 0 <= int(column) < len(names):
        return names[int(column)]
    return column


def _columns(frame: pd.DataFrame, columns: Any) -> Sequence[Any]:
    known: set[Any] = set(frame.columns)
    is_one = isinstance(columns, (str, Integral)) or (
        isinstance(columns, tuple) and columns in known
    )
    return [columns] if is_one else list(columns)


def without_groups(values: pd.DataFrame, groups: Groups, columns: pd.Index) -> pd.DataFrame:
    """Return values of columns; NaN for groups, which may be named like one of their columns."""
    is_column = [name not in (groups or {}) for name in values.columns]
    return values.loc[:, is_column].reindex(columns=columns)


def top_features(
    errors: pd.DataFrame,
    values: pd.DataFrame,
    reconstruction: pd.DataFrame,
    *,
    positions: Any,
    n_features: int | None,
) -> pd.DataFrame:
    """Return a row for each of the features with the largest errors of each sample.

    Parameters
    ----------
    errors, values, reconstruction : DataFrame of shape (n_explained, n_features)
        NaN where missing; such errors are left out. The index of `errors` labels the samples.
    positions : ndarray of shape (n_explained,)
        Positions of the samples, counted from 0.
    n_features : int or None
        Number of features for each sample; None for all.
    """
    if n_features is not None and not (isinstance(n_features, Integral) and n_features > 0):
        raise ValueError(
            f"n_features must be a positive integer, got {n_features!r}; None explains all."
        )
    table = errors.to_numpy()
    top = np.argsort(-table, axis=1, kind="stable")[:, :n_features]
    samples = np.arange(len(table))[:, None]
    totals = np.nansum(table, axis=1, keepdims=True)
    shares = np.divide(table, totals, out=np.zeros_like(table), where=totals > 0)
    lines = pd.DataFrame(
        {
            "row": errors.index.repeat(top.shape[1]),
            "position": np.repeat(positions, top.shape[1]),
            "feature": errors.columns.take(top.ravel()),
            "value": values.to_numpy()[samples, top].ravel(),
            "reconstruction": reconstruction.to_numpy()[samples, top].ravel(),
            "error": table[samples, top].ravel(),
            "share": shares[samples, top].ravel(),
        }
    )
    return lines[lines["error"].notna()].reset_index(drop=True)
