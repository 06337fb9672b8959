"""Anomaly scores and p-values as nodes, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skae import scores
from skae._statistics import Floats
from skae.onnx._graph import DOUBLE, Graph


class Evidence(NamedTuple):
    """Samples and residuals in the units of the network."""

    X: str
    residuals: str


def score_nodes(graph: Graph, score: Any, evidence: Evidence) -> str:
    """Return the anomaly score of samples.

    Raises
    ------
    NotImplementedError
        If the score is a user's own.
    """
    if type(score) not in _SCORES:
        raise NotImplementedError(
            f"anomaly_score={score!r} is user-defined and can't be converted to ONNX; use one of "
            f"{['error', *scores.NAMED]}."
        )
    return _SCORES[type(score)](graph, score, evidence)


def _combined(graph: Graph, score: Any, evidence: Evidence) -> str:
    parts = [score_nodes(graph, part, evidence) for part in score.scores_]
    return str(graph.add("Add", *parts))


def _mahalanobis(graph: Graph, score: Any, evidence: Evidence) -> str:
    centred = graph.add("Sub", evidence.residuals, score.location_)
    is_diagonal = score.whitening_.ndim == 1
    whitened = graph.add("Mul" if is_diagonal else "MatMul", centred, score.whitening_)
    squares = graph.row_sums(graph.add("Mul", whitened, whitened))
    return _logarithm(graph, squares, score.median_)


def _neighbors(graph: Graph, score: Any, evidence: Evidence) -> str:
    center = score.neighbors_.mean(axis=0)
    kept = score.neighbors_ - center
    rows = graph.add("Sub", evidence.X, center)
    doubled = graph.add("Mul", graph.add("MatMul", rows, np.ascontiguousarray(kept.T)), 2.0)
    squares = graph.add("Sub", np.einsum("ij,ij->i", kept, kept), doubled)
    chosen = graph.add("Gather", kept, _chosen(graph, score, squares))
    differences = graph.add("Sub", rows, graph.rows(chosen, [kept.shape[1]]))
    nearest = graph.row_sums(graph.add("Mul", differences, differences))
    return _logarithm(graph, nearest, score.median_)


def _chosen(graph: Graph, score: Any, squares: str) -> str:
    """Return, as a column, the neighbor at which those up to it have the fraction of all counts."""
    counts, wanted = score.counts_, score.fraction_ * score.counts_.sum()
    is_plain = bool((counts == counts[0]).all())
    n_sorted = math.ceil(score.fraction_ * len(counts)) if is_plain else len(counts)
    # Equal values are sorted by their place, as by a stable sort.
    size = np.array([n_sorted], np.int64)
    _, order = graph.add("TopK", squares, size, n_outputs=2, largest=0, axis=1)
    if is_plain:
        return str(graph.add("Gather", order, np.array([n_sorted - 1], np.int64), axis=1))
    totals = graph.add("CumSum", graph.add("Gather", counts, order), np.array(1, np.int64))
    is_reached = graph.cast(graph.add("GreaterOrEqual", totals, wanted), DOUBLE)
    return str(graph.add("GatherElements", order, graph.add("ArgMax", is_reached, axis=1), axis=1))


def _logarithm(graph: Graph, squares: str, median: float) -> str:
    ratio = graph.add("Div", graph.add("Sqrt", squares), float(median))
    return str(graph.add("Log", graph.add("Add", ratio, 1.0)))


_SCORES: dict[type, Callable[[Graph, Any, Evidence], str]] = {
    scores.CombinedScore: _combined,
    scores.MahalanobisScore: _mahalanobis,
    scores.NeighborScore: _neighbors,
}


def p_value_nodes(graph: Graph, found: str, reference: Floats, counts: Floats) -> str:
    """Return conformal p-values of anomaly scores, by a binary search among those of a reference.

    Parameters
    ----------
    graph : Graph
    found : str
        Anomaly scores.
    reference, counts : ndarray of shape (n_reference,)
        Anomaly scores of normal samples, and how many each counts for.
    """
    order = np.argsort(reference, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(counts[order])])
    n_steps = len(reference).bit_length()
    # The first is before all places, and those that fill it up are behind all scores.
    ordered = np.full(2**n_steps, np.inf)
    ordered[1 : len(reference) + 1] = reference[order]
    ordered_name = graph.constant(ordered)
    place: Any = np.int64(0)
    for step in 2 ** np.arange(n_steps)[::-1]:
        ahead = graph.add("Add", place, np.int64(step))
        is_less = graph.add("Less", graph.add("Gather", ordered_name, ahead), found)
        place = graph.add("Where", is_less, ahead, place)
    p_values = (1.0 + below[-1] - below) / (1.0 + below[-1])
    p_value = graph.add("Gather", p_values, place)
    return str(graph.add("Where", graph.add("IsNaN", found), np.nan, p_value))
