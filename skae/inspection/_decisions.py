"""Decisions of a detector as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skae._docs import hide_annotations
from skae._explanations import row_labels
from skae.inspection._explain import explain
from skae.inspection._plotting import unwrap


@hide_annotations
def decision_table(estimator: Any, X: Any, *, n_features: int = 3) -> pd.DataFrame:
    """Return the label of every sample, and what it was decided from.

    Parameters
    ----------
    estimator : ReconstructionOutlierDetector, Pipeline or search over one, fitted
        As :func:`skae.inspection.explain` takes it.
    X : array-like or dataframe of shape (n_samples, n_features)
        Samples, as `predict` of the estimator takes them.
    n_features : int, default=3
        Number of columns to name for an outlier.

    Returns
    -------
    table : DataFrame of shape (n_samples, 5)
        Indexed like `X`: "label" (+1, or -1 for an outlier), "score" and "threshold" (an outlier
        has a score above the threshold), "p_value" (NaN if the detector has none, see its
        `p_values`), and "top_features" (for an outlier the columns that add most to its score,
        separated by commas; empty for others).

    Examples
    --------
    >>> import pandas as pd
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.inspection import decision_table
    >>> X = pd.DataFrame({"a": [0.0, 1, 2, 3] * 30, "b": [0.0, 2, 4, 6] * 30})
    >>> detector = ReconstructionOutlierDetector(epochs=50, random_state=0).fit(X)
    >>> decision_table(detector, X.assign(b=99.0)[:2], n_features=1)[["label", "top_features"]]
       label top_features
    0     -1            b
    1     -1            b
    """
    detector, encoded = unwrap(estimator, X, "feature_scores", "decision_table")
    scores = -detector.score_samples(encoded)
    has_p_values = detector._reference is not None
    lines = explain(estimator, X, n_features=n_features)
    names = lines["feature"].astype(str).groupby(lines["position"]).agg(", ".join)
    return pd.DataFrame(
        {
            "label": detector.predict(encoded),
            "score": scores,
            "threshold": detector.threshold_,
            "p_value": detector.p_values(encoded) if has_p_values else np.nan,
            "top_features": names.reindex(range(len(scores)), fill_value="").to_numpy(),
        },
        index=row_labels(X, len(scores)),
    )
