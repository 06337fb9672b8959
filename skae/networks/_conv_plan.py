"""Computes the sizes of a convolutional network before any layer is created."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import keras
import numpy as np

from skae._contracts import Shape
from skae.networks import _convolutions, _parts


@dataclass(frozen=True)
class Plan:
    """Sizes of a convolutional network, checked and complete."""

    grid: Shape
    channels: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    decoder_sizes: tuple[int, ...]
    decoder_strides: tuple[int, ...]
    kernel_size: int | tuple[int, ...]
    upsampling: bool
    activation: Any
    initializer: Any
    dense_initializer: Any

    def layer(self, kind: str, argument: Any, name: str) -> keras.layers.Layer:
        """Return a layer of Keras for this network's number of axes: ``"Cropping"``."""
        axes = len(self.grid)
        # 1D layers always have the channels last.
        options = {} if axes == 1 else {"data_format": "channels_last"}
        return getattr(keras.layers, f"{kind}{axes}D")(argument, name=name, **options)

    def convolution(
        self,
        filters: int,
        name: str,
        seeds: _parts.Seeds,
        *,
        transposed: bool = False,
        **options: Any,
    ) -> keras.layers.Layer:
        """Return a convolution with a name and a seeded initializer."""
        kind = f"MatmulConv{len(self.grid)}D{'Transpose' if transposed else ''}"
        return getattr(_convolutions, kind)(
            filters,
            self.kernel_size,
            padding="same",
            data_format="channels_last",
            kernel_initializer=_parts.make_initializer(self.initializer, seeds),
            name=name,
            **{"activation": self.activation, **options},
        )


def plan_layers(
    input_shape: Shape,
    *,
    hidden_layer_sizes: Any,
    strides: Any,
    decoder_sizes: Any,
    decoder_strides: Any,
    dimensions: Any,
    kernel_size: Any,
    upsampling: bool,
    activation: Any,
    initializer: Any,
    dense_initializer: Any,
) -> Plan:
    """Return checked, complete sizes; the arguments are those of ``build_conv``."""
    grid, channels = _grid(input_shape, dimensions)
    sizes, factors = _layers(hidden_layer_sizes, strides, "hidden_layer_sizes", "model__strides")
    decoder_sizes, decoder_factors = _decoder_layers(sizes, factors, decoder_sizes, decoder_strides)
    kernel_size = _kernel_size(kernel_size, len(grid))
    enlarged = () if upsampling else decoder_factors
    if np.max(kernel_size) == 1 < max([*factors, *enlarged]):
        # TensorFlow 2.21 writes outside of its memory for windows of 1 and strides of 2.
        raise ValueError(
            f"model__kernel_size={kernel_size} sees one value of each stride ({factors} in the "
            f"encoder, {decoder_factors} in the decoder) and leaves the others out; set "
            "model__strides=1, or a kernel_size of at least 2."
        )
    return Plan(
        grid=grid,
        channels=channels,
        sizes=sizes,
        strides=_fitting_strides(grid, factors),
        decoder_sizes=decoder_sizes,
        decoder_strides=decoder_factors,
        kernel_size=kernel_size,
        upsampling=bool(upsampling),
        activation=_parts.check_activation(activation, "activation"),
        initializer=initializer,
        dense_initializer=dense_initializer,
    )


def _grid(shape: Shape, dimensions: Any) -> tuple[Shape, int]:
    """Return the axes that are convolved, and the number of channels."""
    if dimensions not in {None, 1, 2}:
        raise ValueError(f"model__dimensions must be None, 1 or 2; got {dimensions!r}.")
    axes = dimensions or (1 if len(shape) == 1 else 2)
    if len(shape) == axes:
        return shape, 1
    if len(shape) == axes + 1:
        return shape[:-1], shape[-1]
    raise ValueError(
        f"model='conv' can't convolve samples of shape {shape} along {axes} axes; set input_shape "
        "to (height, width) or (height, width, n_channels) for images, to (n_steps,) for signals, "
        "or to (n_steps, n_channels) with model__dimensions=1."
    )


def _layers(
    sizes: Any, strides: Any, sizes_name: str, strides_name: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sizes = _parts.check_sizes(sizes, sizes_name)
    if not sizes:
        raise ValueError(
            f"model='conv' needs at least one convolution, but {sizes_name}=(); set it to (16, 8), "
            "for example."
        )
    if isinstance(strides, Integral):
        strides = (strides,) * len(sizes)
    strides = _parts.check_sizes(strides, strides_name)
    if len(strides) != len(sizes):
        raise ValueError(
            f"{strides_name} must be one integer, or one for each of the {len(sizes)} layers of "
            f"{sizes_name}; got {strides}."
        )
    return sizes, strides


def _decoder_layers(
    sizes: Sequence[int], strides: Sequence[int], decoder_sizes: Any, decoder_strides: Any
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    names = ("model__decoder_sizes", "model__decoder_strides")
    chosen = sizes[::-1] if decoder_sizes is None else _parts.check_sizes(decoder_sizes, names[0])
    if decoder_strides is None:
        decoder_strides = strides[::-1]
        if len(chosen) != len(sizes):
            decoder_strides = tuple(stride for stride in decoder_strides if stride > 1)
    return _layers(chosen, decoder_strides, *names)


def _fitting_strides(grid: Shape, strides: tuple[int, ...]) -> tuple[int, ...]:
    """Return strides that shrink; an axis of one value can't be shrunk any more."""
    fitting: list[int] = []
    image = grid
    for stride in strides:
        if stride > 1 and min(grid) == 1 and len(grid) > 1:
            raise ValueError(
                f"Images of {image} are too small for {len(strides)} layers with strides "
                f"{strides}: one side is down to 1 before the last. Set hidden_layer_sizes to "
                "fewer layers, or model__strides to smaller strides."
            )
        # A table of a few columns is allowed.
        fitting.append(1 if grid == (1,) else stride)
        grid = tuple(math.ceil(side / fitting[-1]) for side in grid)
    return tuple(fitting)


def _kernel_size(kernel_size: Any, axes: int) -> int | tuple[int, ...]:
    if isinstance(kernel_size, Integral):
        return _parts.check_size(kernel_size, "model__kernel_size")
    sides = _parts.check_sizes(kernel_size, "model__kernel_size")
    if len(sides) != axes:
        raise ValueError(
            f"model__kernel_size must be one integer, or one for each of {axes} axes; got {sides}."
        )
    return sides
