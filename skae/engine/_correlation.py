"""Convolutions of any number of axes as matrix products, with their gradients.

A window relates a large image of `a` channels, a small image of `b` channels and a kernel of shape
(*window, a, b): a convolution makes the small image of the large one, a transposed one the large
image of the small one. Each is the other's gradient. Automatic differentiation of either would not
find that: it adds slopes up place by place, where a product of matrices can.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
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
            missing = [(-(-h // s) - 1) * s + k - h for h, k, s in axes]
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
        """Return how many values are laid out for one pair of images, at most."""
        of_large, of_small = channels
        laid_out = math.prod(self._blocks) * math.prod(self._reach) * of_small
        if self._overlaps(channels):
            seen = math.prod(self._large) * math.prod(self._window) * of_small
        else:
            seen = math.prod(self._small) * math.prod(self._window) * of_large
        return max(laid_out, seen)

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

        @tf.custom_gradient
        def down(large: Any, kernel: Any) -> Any:
            def slopes(slope: Any) -> tuple[Any, Any]:
                return self.up(slope, kernel), self._kernel_slope(large, slope)

            make = self._added_up if self._overlaps(kernel.shape[-2:]) else self._seen
            return make(large, kernel), slopes

        return down(large, kernel)

    def up(self, small: Any, kernel: Any) -> Any:
        """Return the large image of a small one; shapes as in `down`."""

        @tf.custom_gradient
        def up(small: Any, kernel: Any) -> Any:
            def slopes(slope: Any) -> tuple[Any, Any]:
                return self.down(slope, kernel), self._kernel_slope(slope, small)

            return self._spread(small, kernel), slopes

        return up(small, kernel)

    def _overlaps(self, channels: Sequence[int]) -> bool:
        """Tell whether a product comes first and its parts are added up, for less to lay out."""
        return channels[1] < channels[0] and max(self._strides) == 1

    def _seen(self, large: Any, kernel: Any) -> Any:
        """Return small images by the product of what windows see."""
        return _product(self._windows(large), tf.reshape(kernel, [-1, kernel.shape[-1]]))

    def _added_up(self, large: Any, kernel: Any) -> Any:
        """Return small images by adding up what each place of the window makes of the large one."""
        channels, filters = kernel.shape[-2:]
        matrix = tf.reshape(_with_first(kernel, [len(self._window)]), [channels, -1])
        extent = [v + k - 1 for v, k in zip(self._small, self._window, strict=True)]
        parts = _extended(_product(large, matrix), self._before, extent)
        shape = [parts.shape[0], *self._small, filters]
        places = enumerate(_places(self._window))
        return tf.add_n([tf.slice(parts, [0, *at, n * filters], shape) for n, at in places])

    def _spread(self, small: Any, kernel: Any) -> Any:
        """Return large images, block by block, by the product of what reaches a block."""
        n_axes, channels = len(self._large), kernel.shape[-2]
        matrix = self._kernel_of_blocks(kernel)
        blocks = _product(self._reaching(small), matrix)
        blocks = tf.reshape(blocks, [-1, *self._blocks, *self._strides, channels])
        pairs = [axis for i in range(n_axes) for axis in (1 + i, 1 + n_axes + i)]
        sides = [n * s for n, s in zip(self._blocks, self._strides, strict=True)]
        large = tf.reshape(_with_first(blocks, [0, *pairs]), [small.shape[0], *sides, channels])
        return _extended(large, [0] * n_axes, self._large)

    def _kernel_of_blocks(self, kernel: Any) -> Any:
        """Return a kernel as a matrix from what reaches a block to the block's places."""
        axes = zip(self._window, self._strides, self._before, self._back, self._reach, strict=True)
        pads, sides = [], []
        for k, s, before, back, reach in axes:
            ahead = (reach - 1 - back) * s - before
            pads.append((ahead, reach * s - ahead - k))
            sides += [reach, s]
        parts = tf.reshape(tf.pad(kernel, [*pads, (0, 0), (0, 0)]), [*sides, *kernel.shape[-2:]])
        reaching = [*range(0, len(sides), 2), len(sides) + 1]
        n_reaching = math.prod(self._reach) * kernel.shape[-1]
        return tf.reshape(_with_first(parts, reaching), [n_reaching, -1])

    def _kernel_slope(self, large: Any, small: Any) -> Any:
        """Return the slope of a kernel, given an image and the slope of the other one."""
        channels, filters = large.shape[-1], small.shape[-1]
        if self._overlaps((channels, filters)):
            product = tf.matmul(_rows(large), _rows(self._reaching(small)), transpose_a=True)
            slope = tf.reshape(product, [channels, *self._window, filters])
            return _with_first(slope, range(1, 1 + len(self._window)))
        # The many columns on the right: the product takes a quarter of the time of its transpose.
        product = tf.matmul(_rows(small), _rows(self._windows(large)), transpose_a=True)
        slope = tf.reshape(product, [filters, *self._window, channels])
        return _with_first(slope, range(1, 2 + len(self._window)))

    def _windows(self, large: Any) -> Any:
        """Return, for each place of small images, what its window sees."""
        axes = list(zip(self._small, self._strides, self._window, strict=True))
        large = _extended(large, self._before, [(v - 1) * s + k for v, s, k in axes])
        steps, parts = [1, *self._strides, 1], []
        for place in _places(self._window):
            ends = [p + (v - 1) * s + 1 for p, (v, s, _) in zip(place, axes, strict=True)]
            ends = [large.shape[0], *ends, large.shape[-1]]
            parts.append(tf.strided_slice(large, [0, *place, 0], ends, steps))
        return tf.concat(parts, -1)

    def _reaching(self, small: Any) -> Any:
        """Return, for each block of large images, what reaches it, the last place first."""
        extent = [n + reach - 1 for n, reach in zip(self._blocks, self._reach, strict=True)]
        small = _extended(small, self._back, extent)
        shape = [small.shape[0], *self._blocks, small.shape[-1]]
        places = reversed(_places(self._reach))
        return tf.concat([tf.slice(small, [0, *place, 0], shape) for place in places], -1)


def _places(sides: Sequence[int]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, sides)))


def _rows(image: Any) -> Any:
    return tf.reshape(image, [-1, image.shape[-1]])


def _product(image: Any, matrix: Any) -> Any:
    return tf.reshape(tf.matmul(_rows(image), matrix), [*image.shape[:-1], matrix.shape[-1]])


def _with_first(tensor: Any, axes: Iterable[int]) -> Any:
    """Return a tensor with these axes first, the others behind."""
    first = list(axes)
    return tf.transpose(tensor, [*first, *(i for i in range(len(tensor.shape)) if i not in first)])


def _extended(image: Any, before: Sequence[int], extent: Sequence[int]) -> Any:
    """Return as many places of images, from so far before the first, with zeros around them."""
    axes = zip(before, extent, image.shape[1:-1], strict=True)
    pads = [(b, max(e - b - side, 0)) for b, e, side in axes]
    shape = [image.shape[0], *extent, image.shape[-1]]
    return tf.slice(tf.pad(image, [(0, 0), *pads, (0, 0)]), [0] * len(shape), shape)
