"""Checks that tables are numeric, by their types, before NumPy converts them.

NumPy and scikit-learn silently convert dates to numbers, and their errors about text name no
column. Frames of polars and pyarrow are recognized by their attributes, without an import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

_TIME_TYPES = "date|time|duration|period|interval|timestamp"
_NUMBER_TYPES = "u?int|float|double|half|bool|decimal|sparse|complex"
_ADVICE = (
    "Turn them into numbers that mean something, such as the hour of the day or the seconds since "
    "the sample before, or leave them out."
)
# Number of columns in an error message.
_SHOWN = 5


def check_numbers(X: Any, name: str) -> None:
    """Raise an error if a table is not numeric; name its columns, and say what to do.

    Parameters
    ----------
    X : object
    name : str
        Name in error messages.

    Raises
    ------
    TypeError, ValueError
        If it is None, a dict, lazy, masked, a list of dicts or an array of arrays, or has dates or
        text.
    """
    _check_container(X, name)
    if getattr(getattr(X, "dtype", None), "kind", None) in ("M", "m"):
        raise TypeError(f"{name} has values of type {X.dtype}. {_ADVICE}")
    if not hasattr(X, "columns"):
        return
    names, kinds = _columns(X)
    times = [name for name, kind in zip(names, kinds, strict=True) if re.match(_TIME_TYPES, kind)]
    if times:
        raise TypeError(f"Columns of {name} with dates or times: {_listed(times)}. {_ADVICE}")
    texts = [
        each
        for number, (each, kind) in enumerate(zip(names, kinds, strict=True))
        if not re.match(_NUMBER_TYPES, kind) and not _is_numeric(X, number, each)
    ]
    if texts:
        raise ValueError(
            f"Columns of {name} that are not numbers: {_listed(texts)}. Encode categories, for "
            "example with OneHotEncoder in a ColumnTransformer, turn text that holds numbers into "
            "numbers with pandas.to_numeric, and missing values (pd.NA, None) into numpy.nan to "
            "impute them."
        )


def _check_container(X: Any, name: str) -> None:
    kind = type(X).__name__
    if X is None:
        raise TypeError(f"{name} is None; pass a table, images or sequences.")
    if isinstance(X, Mapping) and not hasattr(X, "shape"):  # a sparse array may be a dict, too
        raise TypeError(
            f"{name} is a {kind}; pass a table, such as pandas.DataFrame({name}) if it maps the "
            "names of columns to their values."
        )
    if hasattr(X, "collect") and hasattr(X, "collect_schema"):
        raise TypeError(f"{name} is a {kind}, which has no rows yet; pass {name}.collect().")
    if np.ma.is_masked(X):
        raise ValueError(
            f"{name} is a masked array with masked values, which would count as they are; fill "
            f"them, for example with scikit-learn's SimpleImputer on {name}.filled(numpy.nan)."
        )
    if isinstance(X, (list, tuple)) and X and isinstance(X[0], dict):
        raise TypeError(f"{name} is a {kind} of dicts; pass pandas.DataFrame({name}).")
    is_series = getattr(X, "ndim", 0) == 1 and str(getattr(X, "dtype", "")) == "object"
    if is_series and len(X) and isinstance(next(iter(X)), (list, tuple, np.ndarray)):
        raise TypeError(
            f"{name} is a {kind} of arrays; pass numpy.stack({name}), whose first axis is that of "
            "samples."
        )


def _columns(table: Any) -> tuple[list[Any], list[str]]:
    """Return names and types of the columns of a frame of pandas, polars or pyarrow."""
    schema: Any = getattr(table, "schema", None)
    types = schema.types if hasattr(schema, "types") else table.dtypes
    names = getattr(table, "column_names", table.columns)
    return list(names), [str(each).lower() for each in types]


def _is_numeric(table: Any, number: int, name: Any) -> bool:
    column = table.iloc[:, number] if hasattr(table, "iloc") else table[name]
    try:
        values = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return values.ndim == 1


def _listed(names: list[Any]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
