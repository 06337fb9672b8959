"""Which features made a sample an outlier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skae import engine
from skae._contracts import FloatArray
from skae._explanations import (
    Groups,
    positions_of,
    row_labels,
    summed,
    top_features,
    without_groups,
)
from skae.estimators._scaling import restored
from skae.estimators._scores import anomaly_scores, feature_parts


def error_frame(detector: Any, X: Any, values: FloatArray, groups: Groups) -> pd.DataFrame:
    """Return the error of every value of checked samples, summed by group."""
    inputs = detector._network_inputs(values)
    errors = engine.run_errors(detector._deferred, inputs, detector._error, per="value")
    return _frame(detector, X, np.asarray(errors, np.float64).reshape(values.shape), groups)


def explanation(
    detector: Any, X: Any, values: FloatArray, *, n_features: int | None, groups: Groups, rows: Any
) -> pd.DataFrame:
    """Return the features with the largest parts in the score of outliers or selected samples."""
    labels = row_labels(X, len(values))
    positions = positions_of(
        rows,
        len(values),
        lambda: np.flatnonzero(anomaly_scores(detector, values) > detector.threshold_),
    )
    picked = values[positions]
    errors = part_frame(detector, None, picked, groups)
    reconstruction = restored(detector._run("model", picked), detector._output_scaler)
    names = _feature_labels(detector)
    value, rebuilt = [
        without_groups(pd.DataFrame(table, columns=names), groups, errors.columns)
        for table in (picked, reconstruction.reshape(picked.shape))
    ]
    errors = errors.set_axis(labels[positions])
    return top_features(errors, value, rebuilt, positions=positions, n_features=n_features)


def part_frame(detector: Any, X: Any, values: FloatArray, groups: Groups) -> pd.DataFrame:
    """Return the part of every value in the anomaly score; its error, where that is the score."""
    if detector.score_ is None:
        return error_frame(detector, X, values, groups)
    return _frame(detector, X, feature_parts(detector, values), groups)


def _frame(detector: Any, X: Any, table: FloatArray, groups: Groups) -> pd.DataFrame:
    """Return a number for every value of samples with labels, summed by group."""
    frame = pd.DataFrame(table, row_labels(X, len(table)), _feature_labels(detector))
    return frame if groups is None else summed(frame, groups, list(frame.columns))


def _feature_labels(detector: Any) -> pd.Index:
    """Return labels of the values of a sample: those of columns, or (step, channel)."""
    names = getattr(detector, "feature_names_in_", getattr(detector, "_column_labels", None))
    if names is None and len(detector._input_shape) > 1:
        names = list(np.ndindex(detector._input_shape))
    if names is None:
        names = [f"x{index}" for index in range(detector.n_features_in_)]
    return pd.Index(list(names), tupleize_cols=False)
