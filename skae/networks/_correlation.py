"""Convolutions of any number of axes as matrix products.

A window relates a large image of `a` channels, a small image of `b` channels and a kernel of shape
(*window, a, b): a convolution makes the small image of the large one, a transposed one the large
image of the small one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from skae._contracts import Shape


class _Axis:
    """Places along one axis of a large and a small image, and of the window that relates them."""

    def __init__(self, large: int, window: int, stride: int, padding: str) -> None:
        self.large, self.window, self.stride = large, window, stride
        # A block of the large image is as many places as the window moves.
        self.blocks = -(-large // stride)
        if padding == "same":
            self.small = self.blocks
            self.before = max((self.small - 1) * stride + window - large, 0) // 2
        else:
            self.small, self.before = (large - window) // stride + 1, 0
        # The places of the small image that reach a block: from so many before its own, on.
        self.back = (window - 1 - self.before) // stride
        self.reach = self.back + 1 + (stride - 1 + self.before) // stride


class Correlation:
    """A window that relates the places of two images.

    Parameters
    ----------
    large, window, strides : sequence of int
        Places of the large image, of the window, and from one window to the next, along each axis.
    padding : {"same", "valid"}
    """

    def __init__(
        self, large: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: str
    ) -> None:
        sides = zip(large, window, strides, strict=True)
        self._axes = [_Axis(*side, padding) for side in sides]

    def n_values(self, channels: Shape) -> int:
        """Return the largest number of values in an operand of a product, for one image."""
        of_large, of_small = channels
        up = math.prod(axis.blocks * axis.reach for axis in self._axes) * of_small
        if self._adds_products(channels):
            down = math.prod(axis.large * axis.window for axis in self._axes) * of_small
        else:
            down = math.prod(axis.small * axis.window for axis in self._axes) * of_large
        return max(up, down)

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
        n_axes, small = len(self._axes), [axis.small for axis in self._axes]
        if not self._adds_products(kernel.shape[-2:]):
            return _product(self._windows(large), _with_first(kernel, [n_axes + 1]))
        products = _product(large, _with_first(kernel, [*range(n_axes), n_axes + 1]))
        places = _places((axis.window, axis.before) for axis in self._axes)
        parts = zip(tf.split(products, len(places), -1), places, strict=True)
        return tf.add_n([_slice(part, place, small) for part, place in parts])

    def up(self, small: Any, kernel: Any) -> Any:
        """Return the large image of a small one; shapes as in `down`."""
        axes, channels = self._axes, kernel.shape[-2]
        parts = _product(self._reaching(small), self._kernel_of_blocks(kernel))
        blocks, strides = [axis.blocks for axis in axes], [axis.stride for axis in axes]
        parts = tf.reshape(parts, [-1, *blocks, *strides, channels])
        pairs = [i for axis in range(1, len(axes) + 1) for i in (axis, axis + len(axes))]
        sides = [axis.blocks * axis.stride for axis in axes]
        large = tf.reshape(_with_first(parts, [0, *pairs]), [-1, *sides, channels])
        return _slice(large, [0] * len(axes), [axis.large for axis in axes])

    def _adds_products(self, channels: Sequence[int]) -> bool:
        """Return whether `down` multiplies before it sums, which takes less memory."""
        return channels[1] < channels[0] and all(axis.stride == 1 for axis in self._axes)

    def _windows(self, large: Any) -> Any:
        """Return, for each place of the small image, what its window sees."""
        small, strides = [axis.small for axis in self._axes], [axis.stride for axis in self._axes]
        places = _places((axis.window, axis.before) for axis in self._axes)
        return tf.concat([_slice(large, place, small, strides) for place in places], -1)

    def _reaching(self, small: Any) -> Any:
        """Return, for each block of the large image, what reaches it, the last place first."""
        blocks = [axis.blocks for axis in self._axes]
        places = _places((axis.reach, axis.back) for axis in self._axes)[::-1]
        return tf.concat([_slice(small, place, blocks) for place in places], -1)

    def _kernel_of_blocks(self, kernel: Any) -> Any:
        """Return a kernel from what reaches a block to the block's places, these first."""
        pads, sides = [], []
        for axis in self._axes:
            ahead = (axis.reach - 1 - axis.back) * axis.stride - axis.before
            pads.append((ahead, axis.reach * axis.stride - ahead - axis.window))
            sides += [axis.reach, axis.stride]
        padded = tf.pad(kernel, [*pads, (0, 0), (0, 0)])
        parts = tf.reshape(padded, [*sides, *kernel.shape[-2:]])
        return _with_first(parts, [*range(1, len(sides), 2), len(sides)])


def _places(axes: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return the places of a window of so many places, which begins so far before its own."""
    return list(itertools.product(*(range(-before, side - before) for side, before in axes)))


def _product(image: Any, kernel: Any) -> Any:
    """Multiply what is laid out at every place with a kernel, whose last axes are as laid out.

    In this order of its axes a kernel's gradient is a product with the fewer rows on the left,
    which takes a quarter of the time of its transpose.
    """
    size = image.shape[-1]
    matrix = tf.reshape(kernel, [-1, size])
    made = tf.matmul(tf.reshape(image, [-1, size]), matrix, transpose_b=True)
    return tf.reshape(made, [*image.shape[:-1], matrix.shape[0]])


def _with_first(tensor: Any, axes: Sequence[int]) -> Any:
    """Return a tensor with these axes first, the others behind."""
    others = [axis for axis in range(len(tensor.shape)) if axis not in axes]
    return tf.transpose(tensor, [*axes, *others])


def _slice(
    image: Any, begin: Sequence[int], extent: Sequence[int], steps: Sequence[int] | None = None
) -> Any:
    """Return so many places of images, from `begin` on and in steps; zeros lie around an image."""
    steps = steps or [1] * len(begin)
    axes = list(zip(begin, extent, steps, image.shape[1:-1], strict=True))
    pads = [(max(-b, 0), max(b + (e - 1) * s + 1 - side, 0)) for b, e, s, side in axes]
    begins = [max(b, 0) for b in begin]
    ends = [b + (e - 1) * s + 1 for b, (_, e, s, _) in zip(begins, axes, strict=True)]
    # Not `tf.slice`: under XLA its gradient has no gradient.
    return tf.strided_slice(
        tf.pad(image, [(0, 0), *pads, (0, 0)]),
        [0, *begins, 0],
        [image.shape[0], *ends, image.shape[-1]],
        [1, *steps, 1],
    )
