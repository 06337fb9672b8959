"""Samples that come in batches by themselves, with the methods of `Rows`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skae._contracts import Batchable, FloatArray, Shape
from skae.engine import Stream


class StreamedRows:
    """Samples of a fit that are never in memory all at once.

    Parameters
    ----------
    source : tf.data.Dataset, keras.utils.PyDataset or callable
        As `skae.engine.Stream` takes it.
    """

    sample_weight = None

    def __init__(self, source: Any) -> None:
        self._stream = Stream(source)
        first = self._stream.first_batch
        self.inputs, self.targets = first[0], first[1] if len(first) > 1 else None

    @property
    def sample_shape(self) -> Shape:
        """Shape of one sample."""
        return tuple(self.inputs.shape[1:])

    def batches(self) -> Iterator[FloatArray]:
        """Go through the inputs once, flattened."""
        for inputs, *_ in self._stream.batches():
            yield inputs.reshape(len(inputs), -1)

    def with_weight(self) -> StreamedRows:
        """Return all samples; the weights of a batch are its own."""
        return self

    def held_out(self, share: float, seed: int) -> Any:
        """Refuse: samples that only pass by can't be drawn from."""
        raise ValueError(
            f"A share of {share} can't be held out of a {type(self._stream.source).__name__}; pass "
            "X_val, or set validation_split=0 and early_stopping=False."
        )

    def batchable(self, input_shape: Shape, output_shape: Shape) -> Batchable:
        """Hand the source on as it is."""
        return Batchable(self._stream.source)
