"""Convolutions of any number of axes as matrix products.

A window relates a large image of `a` channels, a small image of `b` channels and a kernel of shape
(*window, a, b): a convolution makes the small image of the large one, a transposed one the large
image of the small one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from skae._contracts import Shape


class Correlation:
    """The places of two images that a window relates.

    Parameters
    ----------
    large, window, strides : sequence of int
        Places of the large image, of the window, and from one window to the next, along each axis.
    padding : {"same", "valid"}
    """

    def __init__(
        self, large: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: str
    ) -> None:
        self._large, self._window, self._strides = tuple(large), tuple(window), tuple(strides)
        axes = list(zip(large, window, strides, strict=True))
        # A block of the large image is as many places as the window moves.
        self._blocks = tuple(-(-h // s) for h, _, s in axes)
        if padding == "same":
            self._small = self._blocks
            pairs = zip(self._small, axes, strict=True)
            missing = [(v - 1) * s + k - h for v, (h, k, s) in pairs]
            self._before = tuple(max(places, 0) // 2 for places in missing)
        else:
            self._small = tuple((h - k) // s + 1 for h, k, s in axes)
            self._before = (0,) * len(axes)
        # The places of the small image that reach a block: from so many before its own, on.
        starts = list(zip(window, strides, self._before, strict=True))
        self._back = tuple((k - 1 - before) // s for k, s, before in starts)
        self._reach = tuple(
            back + 1 + (s - 1 + before) // s
            for back, (_, s, before) in zip(self._back, starts, strict=True)
        )

    def n_values(self, channels: Shape) -> int:
        """Return how many values one pair of images has laid out for a product, at most."""
        of_large, of_small = channels
        reaching = math.prod(self._blocks) * math.prod(self._reach) * of_small
        if self._overlaps(channels):
            return max(reaching, math.prod(self._large) * math.prod(self._window) * of_small)
        return max(reaching, math.prod(self._small) * math.prod(self._window) * of_large)

    def down(self, large: Any, kernel: Any) -> Any:
        """Return the small image of a large one.

        Parameters
        ----------
        large : Tensor of shape (n, *large, a)
        kernel : Tensor of shape (*window, a, b)

        Returns
        -------
        small : Tensor of shape (n, *small, b)
        """
        axes, filters = range(len(self._window)), len(self._window) + 1
        if self._overlaps(kernel.shape[-2:]):
            return self._added_up(_product(large, _with_first(kernel, [*axes, filters])))
        return _product(self._windows(large), _with_first(kernel, [filters]))

    def up(self, small: Any, kernel: Any) -> Any:
        """Return the large image of a small one; shapes as in `down`."""
        n_axes, channels = len(self._large), kernel.shape[-2]
        blocks = _product(self._reaching(small), self._kernel_of_blocks(kernel))
        blocks = tf.reshape(blocks, [-1, *self._blocks, *self._strides, channels])
        pairs = [axis for i in range(n_axes) for axis in (1 + i, 1 + n_axes + i)]
        sides = [n * s for n, s in zip(self._blocks, self._strides, strict=True)]
        large = tf.reshape(_with_first(blocks, [0, *pairs]), [small.shape[0], *sides, channels])
        return _extended(large, [0] * n_axes, self._large)

    def _overlaps(self, channels: Sequence[int]) -> bool:
        """Tell whether a product comes first and its parts are added up, for less to lay out."""
        return channels[1] < channels[0] and max(self._strides) == 1

    def _added_up(self, parts: Any) -> Any:
        """Add up what each place of the window makes of the large image."""
        extent = [v + k - 1 for v, k in zip(self._small, self._window, strict=True)]
        places = _places(self._window)
        moved = []
        for place, part in zip(places, tf.split(parts, len(places), -1), strict=True):
            moved.append(_cut(_extended(part, self._before, extent), place, self._small))
        return tf.add_n(moved)

    def _windows(self, large: Any) -> Any:
        """Return, for each place of the small image, what its window sees."""
        axes = zip(self._small, self._strides, self._window, strict=True)
        large = _extended(large, self._before, [(v - 1) * s + k for v, s, k in axes])
        places = _places(self._window)
        return tf.concat([_cut(large, place, self._small, self._strides) for place in places], -1)

    def _reaching(self, small: Any) -> Any:
        """Return, for each block of the large image, what reaches it, the last place first."""
        extent = [n + reach - 1 for n, reach in zip(self._blocks, self._reach, strict=True)]
        small = _extended(small, self._back, extent)
        places = reversed(_places(self._reach))
        return tf.concat([_cut(small, place, self._blocks) for place in places], -1)

    def _kernel_of_blocks(self, kernel: Any) -> Any:
        """Return a kernel from what reaches a block to the block's places, these first."""
        axes = zip(self._window, self._strides, self._before, self._back, self._reach, strict=True)
        pads, sides = [], []
        for k, s, before, back, reach in axes:
            ahead = (reach - 1 - back) * s - before
            pads.append((ahead, reach * s - ahead - k))
            sides += [reach, s]
        padded = tf.pad(kernel, [*pads, (0, 0), (0, 0)])
        parts = tf.reshape(padded, [*sides, *kernel.shape[-2:]])
        return _with_first(parts, [*range(1, len(sides), 2), len(sides)])


def _places(sides: Sequence[int]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, sides)))


def _product(image: Any, kernel: Any) -> Any:
    """Multiply what is laid out at every place with a kernel, whose last axes are as laid out.

    In this order of its axes a kernel's gradient is a product with the fewer rows on the left, which
    takes a quarter of the time of its transpose.
    """
    size = image.shape[-1]
    matrix = tf.reshape(kernel, [-1, size])
    made = tf.matmul(tf.reshape(image, [-1, size]), matrix, transpose_b=True)
    return tf.reshape(made, [*image.shape[:-1], matrix.shape[0]])


def _with_first(tensor: Any, axes: Sequence[int]) -> Any:
    """Return a tensor with these axes first, the others behind."""
    others = [axis for axis in range(len(tensor.shape)) if axis not in axes]
    return tf.transpose(tensor, [*axes, *others])


def _extended(image: Any, before: Sequence[int], extent: Sequence[int]) -> Any:
    """Return as many places of images, from so far before the first, with zeros around them."""
    axes = zip(before, extent, image.shape[1:-1], strict=True)
    pads = [(b, max(e - b - side, 0)) for b, e, side in axes]
    return _cut(tf.pad(image, [(0, 0), *pads, (0, 0)]), [0] * len(pads), extent)


def _cut(
    image: Any, begin: Sequence[int], extent: Sequence[int], steps: Sequence[int] | None = None
) -> Any:
    """Return as many places of images, from a place on and in steps."""
    steps = steps or [1] * len(begin)
    ends = [b + (e - 1) * s + 1 for b, e, s in zip(begin, extent, steps, strict=True)]
    # Not `tf.slice`, whose slope under XLA has no slope.
    return tf.strided_slice(
        image, [0, *begin, 0], [image.shape[0], *ends, image.shape[-1]], [1, *steps, 1]
    )
