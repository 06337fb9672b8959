"""Reads training samples: rows of arrays, and streams of batches.

Arrays, memory maps and others that support slices are read in bounded memory, in an order that is
a pure function of seed and epoch, and converted to one float type. Streams have their own order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from skae._contracts import Batchable, FloatArray, Shape
from skae._validation import is_finite

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


def is_stream(inputs: Any) -> bool:
    """Return whether inputs are a stream of batches (datasets, generators), not an array-like.

    Iterators are streams too, although training does not support them.
    """
    if isinstance(inputs, keras.utils.PyDataset):
        return True
    if hasattr(inputs, "shape") or hasattr(inputs, "__array__"):
        return False
    return callable(inputs) or (hasattr(inputs, "__iter__") and not hasattr(inputs, "__getitem__"))


class Stream:
    """A stream of batches, of any supported kind.

    Parameters
    ----------
    source : tf.data.Dataset, keras.utils.PyDataset or callable
        Batches ``inputs``, ``(inputs, targets)`` or ``(inputs, targets, sample_weight)``. A
        callable returns a new iterator over them at every call.
    name : str, default="X"
        Name in error messages.

    Raises
    ------
    TypeError
        If the source can be iterated over only once.
    ValueError
        If it is infinite, gives no batch, or a batch without samples.
    """

    def __init__(self, source: Any, name: str = "X") -> None:
        self.source, self.name = source, name
        self._iterate = _iteration(source, name)
        self._function: Callable[[list[FloatArray]], list[FloatArray]] | None = None
        first = next(self.batches(), None)
        if first is None or len(first[0]) == 0:
            raise ValueError(
                f"{name}, a {type(source).__name__}, gave no batch of samples; it must give at "
                "least one, and a function must return a new iterator at every call."
            )
        self.first_batch = first
        if first[0].ndim < 2:
            raise ValueError(
                f"{name} gave a batch of shape {first[0].shape}; batches must have the shape "
                "(n_samples, n_features) or (n_samples, ...)."
            )

    @property
    def is_weighted(self) -> bool:
        """Whether the last of the parts is weights."""
        return len(self.first_batch) == 3

    @property
    def shapes(self) -> list[Shape]:
        """Shapes of one row of inputs, and of targets and weights where there are any."""
        return [part.shape[1:] for part in self.first_batch]

    def mapped(self, function: Callable[[list[FloatArray]], list[FloatArray]]) -> Stream:
        """Return the same stream with a function applied to the parts of every batch."""
        other = copy.copy(self)
        other._function, other.first_batch = function, function(self.first_batch)
        return other

    def batches(self, *, training: bool = False) -> Iterator[list[FloatArray]]:
        """Iterate over all batches once.

        Parameters
        ----------
        training : bool, default=False
            Whether to call ``on_epoch_begin`` and ``on_epoch_end`` of a ``PyDataset``.

        Yields
        ------
        batch : list of ndarray
            Inputs, and targets and weights where the batch has them, in Keras's float type.

        Raises
        ------
        ValueError
            If a value is not finite.
        """
        dtype = keras.config.floatx()
        for number, batch in enumerate(self._iterate(training)):
            parts = [*batch] if isinstance(batch, (tuple, list)) else [batch]
            arrays = [np.asarray(part, dtype) for part in parts]
            if len(arrays[0]) == 0:
                continue
            if not all(map(is_finite, arrays)):
                what = f"NaN, infinity or a value too large for {dtype}"
                raise ValueError(f"Batch {number} of {self.name}, counted from 0, contains {what}.")
            if len(arrays) == 3:
                arrays[2] = shaped_weights(arrays[2], arrays[1].shape[1:])
            yield arrays if self._function is None else self._function(arrays)


def _iteration(source: Any, name: str) -> Callable[[bool], Iterator[Any]]:
    """Return a function that iterates over a source's batches from the start."""
    if isinstance(source, tf.data.Dataset):
        if source.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                f"{name} is a tf.data.Dataset without an end; remove repeat(), since every epoch "
                f"goes through {name} once."
            )
        return lambda _: iter(source.as_numpy_iterator())
    if isinstance(source, keras.utils.PyDataset):
        return partial(_items, source)
    if callable(source):
        return lambda _: iter(source())
    raise TypeError(
        f"{name} gives batches, but a {type(source).__name__} can be iterated over only once; "
        "pass a function that returns a new iterator at every call, or a dataset."
    )


def _items(source: keras.utils.PyDataset, training: bool) -> Iterator[Any]:
    if training:
        source.on_epoch_begin()
    for index in range(len(source)):
        yield source[index]
    if training:
        source.on_epoch_end()
