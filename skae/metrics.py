"""Scorers of outlier detectors, for ``scoring=`` of scikit-learn's searches and cross-validation.

scikit-learn's scorers of two classes score the class of +1, which are the normal samples. These
score the outliers, by labels of +1 (normal) and -1 (outlier). They take any of scikit-learn's
outlier detectors, and pipelines that end in one.
"""

from __future__ import annotations

from typing import Any

from sklearn.metrics import (
    average_precision_score,
    f1_score,
    make_scorer,
    precision_score,
    recall_score,
    roc_auc_score,
)

from skae._validation import check_outlier_labels

__all__ = [
    "outlier_average_precision",
    "outlier_f1",
    "outlier_precision",
    "outlier_recall",
    "outlier_roc_auc",
]


def _average_precision(y: Any, scores: Any, **kwargs: Any) -> float:
    return float(average_precision_score(check_outlier_labels(y), -scores, **kwargs))


def _roc_auc(y: Any, scores: Any, **kwargs: Any) -> float:
    return float(roc_auc_score(check_outlier_labels(y), -scores, **kwargs))


def _precision(y: Any, labels: Any, **kwargs: Any) -> float:
    outliers = check_outlier_labels(y)
    return float(precision_score(outliers, labels == -1, zero_division=0.0, **kwargs))


def _recall(y: Any, labels: Any, **kwargs: Any) -> float:
    return float(recall_score(check_outlier_labels(y), labels == -1, **kwargs))


def _f1(y: Any, labels: Any, **kwargs: Any) -> float:
    return float(f1_score(check_outlier_labels(y), labels == -1, zero_division=0.0, **kwargs))


outlier_average_precision = make_scorer(_average_precision, response_method="decision_function")
outlier_roc_auc = make_scorer(_roc_auc, response_method="decision_function")
outlier_precision = make_scorer(_precision)
outlier_recall = make_scorer(_recall)
outlier_f1 = make_scorer(_f1)
