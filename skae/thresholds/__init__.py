"""Rules that compute a threshold from training errors, and thresholds chosen from labels."""

from skae._docs import hide_annotations_of

from ._conformal import ConformalThreshold
from ._labels import threshold_from_labels
from ._peaks import POTThreshold
from ._resolve import resolve_threshold
from ._rules import (
    FixedThreshold,
    IQRThreshold,
    MADThreshold,
    QuantileThreshold,
    StdThreshold,
)

__all__ = [
    "ConformalThreshold",
    "FixedThreshold",
    "IQRThreshold",
    "MADThreshold",
    "POTThreshold",
    "QuantileThreshold",
    "StdThreshold",
    "resolve_threshold",
    "threshold_from_labels",
]

hide_annotations_of(*(globals()[name] for name in __all__))
