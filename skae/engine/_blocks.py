"""Blocks of batches, each read while a program trains on the previous one.

A block is a few megabytes of batches of one size, which one call of a program goes through. Arrays
are gathered in the epoch's order into memory that TensorFlow reads in place, and that is used again
for the next block but one, so that an epoch allocates and copies nothing beyond the gather: on two
cores an epoch of 60,000 x 784 in batches of 32 takes 0.51 s; with a new array and a copy for every
block it takes 0.59 s. Streams are joined batch by batch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import Batchable, FloatArray, Shape, TrainingPlan
from skae.engine._rows import Indices, Rows
from skae.engine._streams import Stream, is_stream

# Few calls for an epoch, which cost a millisecond or two each, and bounded memory: a pass holds two
# blocks. On two cores an epoch of 60,000 x 784 takes 0.54 s with 4 MB, 0.51 s with 16, 0.50 s with
# 32.
BLOCK_BYTES = 16 * 2**20
# What TensorFlow's and XLA's kernels expect of an array's address.
_ALIGNMENT = 64


@dataclass(frozen=True)
class Layout:
    """The shapes and sizes of a program's blocks.

    Parameters
    ----------
    input_shape, target_shape : tuple of int, or None for no targets of their own
        Shapes of one sample.
    weighted : bool
    training : bool
        Whether the weights are trained; otherwise losses and metrics are measured.
    batch_size, block_rows : int or None
        Fixed sizes, as XLA needs them; None: any number of rows, the last batch shorter.
    packed : bool
        Whether small weights travel as one vector.
    """

    input_shape: Shape
    target_shape: Shape | None
    weighted: bool
    training: bool
    batch_size: int | None = None
    block_rows: int | None = None
    packed: bool = False

    @property
    def jit_compile(self) -> bool:
        """Whether XLA compiles the program."""
        return self.batch_size is not None

    def specs(self, n_rows: int | None) -> list[tf.TensorSpec]:
        """Return what inputs, targets and weights of a number of rows are."""
        shapes = [self.input_shape]
        if self.target_shape is not None:
            shapes.append(self.target_shape)
        if self.weighted:
            shapes.append((1,) * (len(shapes[-1]) - 1))
        return [tf.TensorSpec((n_rows, *shape), keras.config.floatx()) for shape in shapes]


class Block(NamedTuple):
    """Batches of one size, as the tensors that a program takes.

    Parameters
    ----------
    tensors : list of Tensor
        Inputs, and targets and weights if there are any; they may have more rows than `n_rows`.
    n_rows : int
        Number of rows in use.
    batch_size : int
    is_full : bool
        Whether all batches have the full, fixed size.
    """

    tensors: list[Any]
    n_rows: int
    batch_size: int
    is_full: bool


class BlockSource(Protocol):
    """The blocks of every epoch."""

    block_rows: int
    batch_size: int
    kinds: tuple[bool, ...]

    def epoch(self, epoch: int) -> Iterator[Block]:
        """Yield the blocks of an epoch; each is valid until the next one is requested."""
        ...


def _aligned(shape: Shape, dtype: np.dtype[Any]) -> FloatArray:
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(n_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


class _Buffer:
    """Memory for one block: inputs, and targets and weights if there are any."""

    def __init__(self, shapes: list[Shape], dtype: np.dtype[Any], n_rows: int) -> None:
        self.parts = [_aligned((n_rows, *shape), dtype) for shape in shapes]
        self._tensors: dict[int, list[Any]] = {}

    def tensors(self, n_rows: int) -> list[Any]:
        """Return the first rows as tensors over the same memory."""
        if n_rows not in self._tensors:
            self._tensors[n_rows] = [
                tf.experimental.dlpack.from_dlpack(part[:n_rows].__dlpack__())
                for part in self.parts
            ]
        return self._tensors[n_rows]


def _ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield blocks, each made in another thread while the previous one is used."""
    with ThreadPoolExecutor(1, "skae-rows") as pool:

        def started() -> Callable[[], Block | None]:
            following = partial(next, blocks, None)
            try:
                return pool.submit(following).result
            except RuntimeError:  # the interpreter exits while a daemon thread fits
                return following

        waiting = started()
        while (block := waiting()) is not None:
            waiting = started()
            yield block


def _power_of_four(number: float) -> int:
    """Return the smallest power of four that is not below `number`."""
    return int(4 ** math.ceil(math.log(max(number, 1), 4)))


class RowBlocks:
    """Blocks of arrays, in an order that depends on the plan's seed and the epoch.

    Parameters
    ----------
    rows : Rows
    plan : TrainingPlan
    shuffle : bool
    fixed : bool
        Whether a program takes blocks of one fixed size; the last, short batch has a block of its
        own then.
    """

    def __init__(self, rows: Rows, plan: TrainingPlan, *, shuffle: bool, fixed: bool) -> None:
        self._rows, self._seed, self._shuffle, self._fixed = rows, plan.seed, shuffle, fixed
        self.batch_size = plan.batch_size
        row_bytes = sum(part.row_bytes for part in rows.parts)
        batches = max(BLOCK_BYTES // (row_bytes * plan.batch_size), 1)
        # A small table fills no block of that size; few sizes keep programs few.
        batches = min(batches, _power_of_four(len(rows) / plan.batch_size))
        self.block_rows = batches * plan.batch_size
        # Of blocks: full ones of a fixed size, and any others.
        full, rest = divmod(len(rows), plan.batch_size)
        self.kinds: tuple[bool, ...] = (
            ((True,) * bool(full) + (False,) * bool(rest)) if fixed else (False,)
        )
        self._buffers: list[_Buffer] = []

    def epoch(self, epoch: int) -> Iterator[Block]:
        """Yield the blocks of an epoch; each is valid until the next one is requested."""
        order = self._rows.order(self._seed, epoch, self._shuffle)
        parts = list(self._parts(order))
        while len(self._buffers) < min(len(parts), 2):
            # A program of one fixed size takes a block of it, however few rows there are.
            n_rows = self.block_rows if self._fixed else min(self.block_rows, len(self._rows))
            self._buffers.append(_Buffer(self._rows.shapes, self._rows.dtype, n_rows))
        if len(parts) == 1:
            yield self._read(0, *parts[0])
            return
        yield from _ahead(self._read(number, *part) for number, part in enumerate(parts))

    def _read(self, number: int, indices: Indices, is_full: bool) -> Block:
        buffer = self._buffers[number % 2]
        self._rows.take(indices, [part[: len(indices)] for part in buffer.parts])
        n_rows = self.block_rows if is_full else len(indices)
        return Block(buffer.tensors(n_rows), len(indices), self.batch_size, is_full)

    def _parts(self, order: Indices) -> Iterator[tuple[Indices, bool]]:
        # XLA knows one size of batch; the short one is done by TensorFlow's kernels.
        full = len(order) - len(order) % self.batch_size if self._fixed else 0
        yield from ((part, True) for part in self._blocks_of(order[:full]))
        yield from ((part, False) for part in self._blocks_of(order[full:]))

    def _blocks_of(self, order: Indices) -> Iterator[Indices]:
        # Nothing is trained while the first block is read, so it is a short one: an epoch of 60,000
        # x 140 takes 0.100 s instead of 0.104.
        first = self.block_rows
        if len(order) > first:
            first = max(first // 8 // self.batch_size, 1) * self.batch_size
        edges = [0, *range(first, len(order), self.block_rows), len(order)]
        for start, stop in itertools.pairwise(edges):
            if start < stop:
                yield order[start:stop]


class StreamBlocks:
    """Blocks of a stream's batches, in the stream's order; each batch is one step of training.

    Parameters
    ----------
    stream : Stream
    fixed : bool
        Whether a program takes blocks of one fixed size, made of batches as large as the first.
    training : bool
    """

    def __init__(self, stream: Stream, *, fixed: bool, training: bool) -> None:
        self._stream, self._fixed, self._training = stream, fixed, training
        self.batch_size = len(stream.first_batch[0])
        row_bytes = sum(part[:1].nbytes for part in stream.first_batch)
        self.block_rows = max(BLOCK_BYTES // (row_bytes * self.batch_size), 1) * self.batch_size
        self.kinds: tuple[bool, ...] = (True, False) if fixed else (False,)

    def epoch(self, epoch: int) -> Iterator[Block]:
        """Yield the blocks of an epoch; each is valid until the next one is requested."""
        yield from _ahead(self._groups())

    def _groups(self) -> Iterator[Block]:
        batches: list[list[FloatArray]] = []
        for number, batch in enumerate(self._stream.batches(training=self._training)):
            self._check(number, batch)
            size = len(batches[0][0]) if batches else 0
            if batches and (len(batch[0]) != size or size * (len(batches) + 1) > self.block_rows):
                yield self._joined(batches)
                batches = []
            batches.append(batch)
        if batches:
            yield self._joined(batches)

    def _check(self, number: int, batch: list[FloatArray]) -> None:
        shapes = [part.shape[1:] for part in batch]
        if shapes != self._stream.shapes:
            raise ValueError(
                f"Batch {number} of {self._stream.name}, counted from 0, has samples of shapes "
                f"{shapes}, but the first batch has {self._stream.shapes}; all batches must have "
                "the same shapes."
            )

    def _joined(self, batches: list[list[FloatArray]]) -> Block:
        size = len(batches[0][0])
        n_rows = size * len(batches)
        is_full = self._fixed and size == self.batch_size
        parts = [np.concatenate(part) for part in zip(*batches, strict=True)]
        if is_full and n_rows < self.block_rows:
            rest = self.block_rows - n_rows
            parts = [np.pad(part, [(0, rest)] + [(0, 0)] * (part.ndim - 1)) for part in parts]
        return Block([tf.convert_to_tensor(part) for part in parts], n_rows, size, is_full)


def as_samples(rows: Batchable, batch_size: int = 1) -> Rows | Stream:
    """Return `Rows` or a `Stream` of the samples."""
    if isinstance(rows.inputs, Stream):
        return rows.inputs
    return Stream(rows.inputs) if is_stream(rows.inputs) else Rows(rows, batch_size)
