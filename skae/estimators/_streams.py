"""Rows that come in batches by themselves: datasets and generator functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import Batchable, FloatArray, Shape


class StreamedRows:
    """Rows of a fit that are never in memory all at once; has the methods of `Rows`.

    Parameters
    ----------
    source : tf.data.Dataset, keras.utils.PyDataset or callable
        Of batches ``inputs``, ``(inputs, targets)`` or ``(inputs, targets, sample_weight)``. A
        callable returns a new iterator over them at every call.
    """

    sample_weight = None

    def __init__(self, source: Any) -> None:
        if (
            isinstance(source, tf.data.Dataset)
            and source.cardinality() == tf.data.INFINITE_CARDINALITY
        ):
            raise ValueError(
                "X is a tf.data.Dataset without an end; remove repeat(), since every epoch goes "
                "through X once."
            )
        self.source = source
        first = next(self._parts(), None)
        if first is None or len(first[0]) == 0:
            raise ValueError(
                f"X, a {type(source).__name__}, gave no batch of rows; it must give at least one, "
                "and a function must return a new iterator at every call."
            )
        self.inputs, self.targets = first[0], first[1] if len(first) > 1 else None
        if self.inputs.ndim < 2:
            raise ValueError(
                f"X gave a batch of shape {self.inputs.shape}; batches must have the shape "
                "(n_samples, n_features) or (n_samples, ...)."
            )

    @property
    def sample_shape(self) -> Shape:
        """Shape of one sample."""
        return tuple(self.inputs.shape[1:])

    def batches(self) -> Iterator[FloatArray]:
        """Go through the inputs once, flattened."""
        for inputs, *_ in self._parts():
            yield inputs.reshape(len(inputs), -1)

    def with_weight(self) -> StreamedRows:
        """Return all rows; a batch's own weights are Keras's affair."""
        return self

    def held_out(self, share: float, seed: int) -> Any:
        """Refuse: rows that only pass by can't be drawn from."""
        raise ValueError(
            f"A share of {share} can't be held out of a {type(self.source).__name__}; pass X_val, "
            "or set validation_split=0 and early_stopping=False."
        )

    def batchable(self, input_shape: Shape, output_shape: Shape) -> Batchable:
        """Hand the source on as it is."""
        return Batchable(self.source)

    def _parts(self) -> Iterator[tuple[FloatArray, ...]]:
        for batch in _iterate(self.source):
            parts = batch if isinstance(batch, (tuple, list)) else (batch,)
            yield tuple(np.asarray(part, np.float32) for part in parts)


def _iterate(source: Any) -> Iterator[Any]:
    if isinstance(source, tf.data.Dataset):
        return iter(source.as_numpy_iterator())
    if isinstance(source, keras.utils.PyDataset):
        return (source[index] for index in range(len(source)))
    if callable(source):
        return iter(source())
    raise TypeError(
        f"X gives batches, but as a {type(source).__name__} it can be gone through only once; pass "
        "a function that returns a new iterator at every call, a tf.data.Dataset, or a "
        "keras.utils.PyDataset."
    )
