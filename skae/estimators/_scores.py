"""How a detector scores samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone

from skae import engine, scores
from skae._contracts import FloatArray
from skae._statistics import counts_of

# A score learns from so many samples, a random choice of more.
_MOST_SAMPLES = 10_000
# Samples and residuals of wide tables are computed in blocks of this size.
_BLOCK_BYTES = 32 * 2**20


def new_score(detector: Any) -> Any:
    """Return the unfitted score that `anomaly_score` names; None for the reconstruction error."""
    score = detector.anomaly_score
    if isinstance(score, str) and score == "auto":
        is_plain = detector.scaler_ is None or detector.error != "auto"
        score = "error" if is_plain else "combined"
    if not isinstance(score, str):
        return clone(score, safe=False)
    if score == "error":
        return None
    kind = scores.NAMED[score]
    has_seed = "random_state" in kind().get_params()
    return kind(random_state=detector._seed) if has_seed else kind()


def learn_score(detector: Any, samples: Any) -> Any:
    """Return the fitted score of a detector whose network has been trained.

    Parameters
    ----------
    detector : ReconstructionOutlierDetector
    samples : Samples or StreamedSamples
    """
    score = new_score(detector)
    if score is None:
        return None
    inputs, weight = _chosen(samples, np.random.default_rng(detector._seed))
    X, residuals = next(_evidence(detector, inputs, len(inputs)))
    counts = None if weight is None else counts_of(np.asarray(weight, np.float64))
    return score.fit(X, residuals, counts)


def anomaly_scores(detector: Any, X: FloatArray) -> FloatArray:
    """Return the anomaly score of flat samples: by default their reconstruction error."""
    if detector.score_ is None:
        return detector._sample_errors(X)
    parts = [detector.score_.score_samples(*rows) for rows in _evidence(detector, X)]
    # Sums of products depend on how many rows there are, in digits that are rounded away here.
    return np.concatenate(parts).astype(np.float32).astype(np.float64)


def feature_parts(detector: Any, X: FloatArray) -> FloatArray:
    """Return the part that every value of flat samples has in the anomaly score."""
    parts = [detector.score_.feature_scores(*rows) for rows in _evidence(detector, X)]
    return np.concatenate(parts)


def _evidence(
    detector: Any, X: FloatArray, n_rows: int | None = None
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield samples and residuals in the units of the network, block by block."""
    size = n_rows or max(_BLOCK_BYTES // max(8 * X.shape[1], 1), 1)
    for start in range(0, max(len(X), 1), size):
        rows = X[start : start + size]
        inputs = detector._network_inputs(rows)[:]
        outputs = engine.run(
            detector._deferred, inputs, jit_compile=detector.jit_compile, exact=True
        )
        flat = inputs.reshape(rows.shape).astype(np.float64)
        yield flat, flat - outputs.reshape(rows.shape)


def _chosen(samples: Any, rng: np.random.Generator) -> tuple[FloatArray, FloatArray | None]:
    """Return at most `_MOST_SAMPLES` inputs and their weights, each sample equally likely."""
    kept: list[Any] = [None, None, None]
    for inputs, _, weight in samples.batches():
        batch = [inputs, weight, rng.random(len(inputs))]
        if kept[0] is not None:  # of the batches before
            pairs = zip(kept, batch, strict=True)
            batch = [None if now is None else np.concatenate([old, now]) for old, now in pairs]
        smallest = _smallest(batch[2])
        kept = [None if part is None else part[smallest] for part in batch]
    return kept[0], kept[1]


def _smallest(keys: FloatArray) -> Any:
    """Return where the smallest keys are, in order of place."""
    if len(keys) <= _MOST_SAMPLES:
        return np.arange(len(keys))
    return np.sort(np.argpartition(keys, _MOST_SAMPLES)[:_MOST_SAMPLES])
