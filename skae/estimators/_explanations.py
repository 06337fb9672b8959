"""Which features made a sample an outlier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skae import engine
from skae._contracts import FloatArray
from skae._explanations import Groups, positions_of, row_labels, summed, top_features


def error_frame(detector: Any, X: Any, values: FloatArray, groups: Groups) -> pd.DataFrame:
    """Return the error of every value of checked samples, summed by group."""
    shaped = values.reshape(-1, *detector._input_shape)
    errors = engine.run_errors(detector._deferred, shaped, detector._error, per="value")
    frame = pd.DataFrame(
        np.asarray(errors, np.float64).reshape(values.shape),
        index=row_labels(X, len(values)),
        columns=_feature_labels(detector),
    )
    return frame if groups is None else summed(frame, groups, list(frame.columns))


def explanation(
    detector: Any, X: Any, values: FloatArray, *, n_features: int | None, groups: Groups, rows: Any
) -> pd.DataFrame:
    """Return the features with the largest errors of every outlier, or of selected samples."""
    labels = row_labels(X, len(values))
    positions = positions_of(
        rows,
        len(values),
        lambda: np.flatnonzero(detector._sample_errors(values) > detector.threshold_),
    )
    picked = values[positions]
    errors = error_frame(detector, None, picked, groups)
    reconstruction = detector._run("model", picked).reshape(picked.shape)
    names = _feature_labels(detector)
    value, rebuilt = [
        pd.DataFrame(table, columns=names).reindex(columns=errors.columns)
        for table in (picked, reconstruction)
    ]
    errors = errors.set_axis(labels[positions])
    return top_features(errors, value, rebuilt, positions=positions, n_features=n_features)


def _feature_labels(detector: Any) -> pd.Index:
    """Return labels of the values of a sample: those of columns, or (step, channel)."""
    names = getattr(detector, "feature_names_in_", getattr(detector, "_column_labels", None))
    if names is None and len(detector._input_shape) > 1:
        names = list(np.ndindex(detector._input_shape))
    if names is None:
        names = [f"x{index}" for index in range(detector.n_features_in_)]
    return pd.Index(list(names), tupleize_cols=False)
