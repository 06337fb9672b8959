"""Reads rows out of arrays, memory maps and whatever else yields slices, in bounded memory.

Owns where the rows lie, how they are read and that they come out in one float type. Never holds
batches, epochs or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from skae._contracts import Batchable, FloatArray, Shape
from skae.engine._order import Indices, epoch_order

# Rows are gathered from disk in chunks of this size, one at a time.
CHUNK_BYTES = 64 * 2**20


class Source:
    """One array-like, read by rows.

    Parameters
    ----------
    data : array-like of shape (n_samples, ...)
        Anything with ``shape`` and slices of rows; only an ndarray that is not a memory map is
        read in any order, all else chunk by chunk.
    """

    def __init__(self, data: Any) -> None:
        if not hasattr(data, "shape") or not hasattr(data, "__getitem__"):
            data = np.asarray(data)
        self.data = data
        self.dtype = np.dtype(keras.config.floatx())
        self.shape: Shape = tuple(int(size) for size in data.shape)
        self.row_bytes = max(int(np.prod(self.shape[1:])) * self.dtype.itemsize, 1)
        rows = max(CHUNK_BYTES // self.row_bytes, 1)
        outside = not isinstance(data, np.ndarray) or isinstance(data, np.memmap)
        self.chunk = rows if outside and rows < self.shape[0] else None
        if outside and self.chunk is None:
            self.data = self.slice(0, len(self))
        self._held: tuple[int, FloatArray] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def slice(self, start: int, stop: int) -> FloatArray:
        """Return rows `start` to `stop`, without a copy where they have the float type."""
        return np.asarray(self.data[start:stop], dtype=self.dtype)

    def take(self, indices: Indices, out: FloatArray) -> None:
        """Copy the rows at `indices` into `out`, of the float type."""
        if self.chunk is None:
            if self.data.dtype == self.dtype and self.data.flags.c_contiguous:
                # "clip" spares a copy that "raise" makes to leave `out` alone in case of an error.
                self.data.take(indices, axis=0, out=out, mode="clip")
            else:
                # `take` would first make all columns of a data frame one contiguous array.
                out[...] = self.data[indices]
            return
        numbers = indices // self.chunk
        # An order goes through chunks one by one: one is done with when the next begins.
        ends = [*np.flatnonzero(np.diff(numbers)) + 1, len(indices)]
        for start, end in pairwise([0, *ends]):
            number = int(numbers[start])
            out[start:end] = self._read(number)[indices[start:end] - number * self.chunk]

    def _read(self, number: int) -> FloatArray:
        if self._held is None or self._held[0] != number:
            assert self.chunk is not None
            self._held = None  # not two chunks at a time
            start = number * self.chunk
            self._held = (number, self.slice(start, min(start + self.chunk, len(self))))
        return self._held[1]


class Rows:
    """Inputs, targets and weights of the same rows, read together.

    Parameters
    ----------
    batchable : Batchable
        With array-likes, not streams.
    """

    def __init__(self, batchable: Batchable) -> None:
        self.inputs = Source(batchable.inputs)
        same = batchable.targets is None or batchable.targets is batchable.inputs
        self.targets = None if same else Source(batchable.targets)
        self.weight: Source | None = None
        if batchable.sample_weight is not None:
            weight = np.asarray(batchable.sample_weight, self.inputs.dtype)
            # Keras averages a value over its last axis and multiplies what is left by the weights.
            axes = len((self.targets or self.inputs).shape) - 2
            self.weight = Source(weight.reshape(-1, *[1] * axes))
        parts = (self.inputs, self.targets, self.weight)
        self.parts = [part for part in parts if part is not None]
        self.dtype = self.inputs.dtype
        self._chunk = min(
            (part.chunk for part in self.parts if part.chunk is not None), default=None
        )
        for part in self.parts:  # an order that suits all of them reads each chunk once
            part.chunk = part.chunk and self._chunk

    def __len__(self) -> int:
        return len(self.inputs)

    def order(self, seed: int, epoch: int, shuffle: bool) -> Indices:
        """Return the order of the rows in an epoch."""
        return epoch_order(len(self), seed=seed, epoch=epoch, shuffle=shuffle, chunk=self._chunk)

    @property
    def shapes(self) -> list[Shape]:
        """Shapes of one row of inputs, and of targets and weights where there are any."""
        return [part.shape[1:] for part in self.parts]

    def take(self, indices: Indices, out: Sequence[FloatArray]) -> None:
        """Copy inputs, targets and weights at `indices` into as many arrays."""
        for part, rows in zip(self.parts, out, strict=True):
            part.take(indices, rows)


def is_stream(inputs: Any) -> bool:
    """Tell batches that come by themselves (datasets, generators) from rows to be cut.

    An iterator is one too: it holds no rows, though training refuses what can be gone through once.
    """
    if isinstance(inputs, keras.utils.PyDataset):
        return True
    if hasattr(inputs, "shape") or hasattr(inputs, "__array__"):
        return False
    return callable(inputs) or (hasattr(inputs, "__iter__") and not hasattr(inputs, "__getitem__"))
