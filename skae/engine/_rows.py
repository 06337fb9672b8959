"""Reads rows of training samples.

Arrays, memory maps and others that support slices are read in bounded memory, in an order that is
a pure function of seed and epoch, and converted to one float type.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from skae._contracts import Batchable, FloatArray, Shape

Indices = NDArray[np.int64]
# Rows are gathered from disk in chunks of this size, one at a time.
CHUNK_BYTES = 64 * 2**20


def epoch_order(
    n_samples: int, *, seed: int, epoch: int, shuffle: bool = True, chunk: int | None = None
) -> Indices:
    """Return the order of the rows in one epoch.

    It depends on its arguments alone, so that the compiled trainer and Keras's loop see the same
    batches, and a fit is repeatable without any global random state.

    Parameters
    ----------
    n_samples : int
    seed, epoch : int
    shuffle : bool, default=True
    chunk : int or None, default=None
        Rows in a chunk of data that does not fit into memory: the chunks are shuffled, then the
        rows within each, so that a pass reads every chunk once. None shuffles all rows alike.

    Returns
    -------
    order : ndarray of shape (n_samples,)
    """
    if not shuffle:
        return np.arange(n_samples)
    rng = np.random.default_rng([abs(seed), epoch])
    if chunk is None or chunk >= n_samples:
        return rng.permutation(n_samples)
    starts = rng.permutation(np.arange(0, n_samples, chunk))
    order = np.empty(n_samples, np.int64)
    filled = 0
    for start in starts:
        size = min(chunk, n_samples - start)
        order[filled : filled + size] = start + rng.permutation(size)
        filled += size
    return order


class Source:
    """One array-like, read by rows.

    Parameters
    ----------
    data : array-like of shape (n_samples, ...)
        Anything with ``shape`` and slices of rows; only an ndarray that is not a memory map, and
        rows that are ``computed_from`` one, are read in any order, all else chunk by chunk.
    """

    def __init__(self, data: Any) -> None:
        if not hasattr(data, "shape") or not hasattr(data, "__getitem__"):
            data = np.asarray(data)
        self.data = data
        self.dtype = np.dtype(keras.config.floatx())
        self.shape: Shape = tuple(int(size) for size in data.shape)
        self.row_bytes = max(int(np.prod(self.shape[1:])) * self.dtype.itemsize, 1)
        rows = max(CHUNK_BYTES // self.row_bytes, 1)
        held = getattr(data, "computed_from", data)
        outside = not isinstance(held, np.ndarray) or isinstance(held, np.memmap)
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
            plain = isinstance(self.data, np.ndarray) and self.data.flags.c_contiguous
            if plain and self.data.dtype == self.dtype:
                # "clip" spares a copy that "raise" makes to leave `out` alone in case of an error.
                self.data.take(indices, axis=0, out=out, mode="clip")
            else:
                # `take` would first make all columns of a data frame one contiguous array.
                out[...] = self.data[indices]
            return
        numbers = indices // self.chunk
        # An order goes through chunks one by one.
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


def shaped_weights(weights: Any, row_shape: Shape) -> FloatArray:
    """Return weights with the axes that Keras multiplies: all but the last one of a sample's."""
    weights = np.asarray(weights, keras.config.floatx())
    if (weights < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    return weights.reshape(-1, *[1] * (len(row_shape) - 1))


class Rows:
    """Inputs, targets and weights of the same rows, read together.

    Parameters
    ----------
    batchable : Batchable
        With array-likes, not streams.
    batch_size : int, default=1
    """

    def __init__(self, batchable: Batchable, batch_size: int = 1) -> None:
        self._batch_size = batch_size
        self.inputs = Source(batchable.inputs)
        same = batchable.targets is None or batchable.targets is batchable.inputs
        self.targets = None if same else Source(batchable.targets)
        self.weight: Source | None = None
        if batchable.sample_weight is not None:
            row_shape = (self.targets or self.inputs).shape[1:]
            self.weight = Source(shaped_weights(batchable.sample_weight, row_shape))
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
    def is_weighted(self) -> bool:
        """Whether the last of the parts is weights."""
        return self.weight is not None

    @property
    def shapes(self) -> list[Shape]:
        """Shapes of one row of inputs, and of targets and weights where there are any."""
        return [part.shape[1:] for part in self.parts]

    def take(self, indices: Indices, out: Sequence[FloatArray]) -> None:
        """Copy inputs, targets and weights at `indices` into as many arrays."""
        for part, rows in zip(self.parts, out, strict=True):
            part.take(indices, rows)

    @property
    def first_batch(self) -> list[FloatArray]:
        """Inputs, targets and weights of the first rows."""
        return [part.slice(0, min(self._batch_size, len(self))) for part in self.parts]
