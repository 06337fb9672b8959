"""Anomaly scores: from samples and their reconstructions to one number each.

A detector's parameter `anomaly_score` takes the name of one or an object like these; "error", the
reconstruction error itself, needs none. They know NumPy alone, and no network.
"""

from skae._docs import hide_annotations_of
from skae.scores._base import BaseScore, DistanceScore
from skae.scores._combined import CombinedScore
from skae.scores._mahalanobis import MahalanobisScore
from skae.scores._neighbors import NeighborScore

NAMED: dict[str, type[BaseScore]] = {
    "mahalanobis": MahalanobisScore,
    "neighbors": NeighborScore,
    "combined": CombinedScore,
}

__all__ = ["BaseScore", "CombinedScore", "DistanceScore", "MahalanobisScore", "NeighborScore"]

hide_annotations_of(*(globals()[name] for name in __all__))
