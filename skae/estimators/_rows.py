"""Rows on their way into training: weights scaled, rows held out, the model's shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from skae._contracts import Batchable, FloatArray, Shape


@dataclass(frozen=True)
class Rows:
    """Checked rows of a fit.

    Parameters
    ----------
    inputs : ndarray of shape (n_samples, n_features)
    targets : ndarray of shape (n_samples, ...) or None
        None: the inputs themselves.
    sample_weight : ndarray of shape (n_samples,) or None
    """

    inputs: FloatArray
    targets: FloatArray | None = None
    sample_weight: FloatArray | None = None

    def take(self, indices: Any) -> Rows:
        """Return some of the rows."""
        pick = lambda array: None if array is None else array[indices]  # noqa: E731
        return Rows(self.inputs[indices], pick(self.targets), pick(self.sample_weight))

    def batches(self) -> Iterator[FloatArray]:
        """Go through the inputs; they are one batch."""
        yield self.inputs

    def with_weight(self) -> Rows:
        """Return the rows whose weight is not zero."""
        if self.sample_weight is None or self.sample_weight.all():
            return self
        return self.take(self.sample_weight > 0)

    def held_out(self, share: float, seed: int) -> tuple[Rows, Rows]:
        """Split off a share of the rows, drawn at random."""
        n_samples = len(self.inputs)
        if n_samples < 2:
            raise ValueError(
                f"Holding out validation rows needs at least 2 rows, got n_samples={n_samples}; "
                "set validation_split=0 and early_stopping=False, or pass X_val."
            )
        n_held = min(max(1, round(share * n_samples)), n_samples - 1)
        kept, held = train_test_split(np.arange(n_samples), test_size=n_held, random_state=seed)
        return self.take(np.sort(kept)), self.take(np.sort(held))

    def batchable(self, input_shape: Shape, output_shape: Shape) -> Batchable:
        """Give the arrays the shapes that the model takes, and the weights a mean of 1.

        Keras divides a batch's loss by its rows, not by the sum of its weights, so that unscaled
        weights would change the size of the steps.
        """
        targets, weights = self.targets, self.sample_weight
        if targets is None and input_shape != output_shape:
            targets = self.inputs
        return Batchable(
            self.inputs.reshape(-1, *input_shape),
            None if targets is None else targets.reshape(-1, *output_shape),
            None if weights is None else _scaled(weights).astype(np.float32),
        )


def _scaled(weights: FloatArray) -> FloatArray:
    weights = weights / weights.max()  # the sum of huge weights overflows
    return weights / weights.mean()
