"""The table of an explanation: the features with the largest errors of each sample."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd


def row_labels(X: Any, n_samples: int) -> pd.Index:
    """Return the labels of the samples, or else their positions."""
    index = getattr(X, "index", None)
    return index if isinstance(index, pd.Index) else pd.RangeIndex(n_samples)


def column_labels(X: Any) -> list[Any] | None:
    """Return the labels of a frame's columns, None for what has none."""
    labels = getattr(X, "columns", None)
    return None if labels is None else list(getattr(X, "column_names", labels))


def top_features(
    errors: pd.DataFrame,
    values: pd.DataFrame,
    reconstruction: pd.DataFrame,
    *,
    positions: Any,
    n_features: int,
) -> pd.DataFrame:
    """Return a row for each of the features with the largest errors of each sample.

    Parameters
    ----------
    errors, values, reconstruction : DataFrame of shape (n_explained, n_features)
        NaN where missing; such errors are left out. The index of `errors` labels the samples.
    positions : ndarray of shape (n_explained,)
        Positions of the samples, counted from 0.
    n_features : int
        Number of features for each sample.
    """
    if not isinstance(n_features, Integral) or n_features < 1:
        raise ValueError(f"n_features must be a positive integer, got {n_features!r}.")
    table = errors.to_numpy()
    top = np.argsort(-table, axis=1, kind="stable")[:, :n_features]
    samples = np.arange(len(table))[:, None]
    totals = np.nansum(table, axis=1, keepdims=True)
    lines = pd.DataFrame(
        {
            "row": errors.index.repeat(top.shape[1]),
            "position": np.repeat(positions, top.shape[1]),
            "feature": errors.columns.take(top.ravel()),
            "value": values.to_numpy()[samples, top].ravel(),
            "reconstruction": reconstruction.to_numpy()[samples, top].ravel(),
            "error": table[samples, top].ravel(),
            "share": (table[samples, top] / totals).ravel(),
        }
    )
    return lines[lines["error"].notna()].reset_index(drop=True)
