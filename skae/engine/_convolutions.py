"""Has XLA compute a model's convolutions as matrix products.

XLA's own convolutions are slow on a CPU, and TensorFlow's kernels hardly use a second core for few
filters. A batch of 32 images of 28 x 28 through the denoiser of 16 and 8 filters, forward and back,
takes XLA's convolutions 15 ms on two cores, TensorFlow's 3.4, and products in XLA 2.5.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from skae._contracts import Shape
from skae.engine._correlation import Correlation

_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)
CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, *_TRANSPOSED)
# XLA compiles a slice for every place of a window: five layers take it 1 s longer than TensorFlow
# with windows of 3, 2 s with 3 x 3, and 14 s with 7 x 7.
_MAX_WINDOW = 9
# What is laid out for a product has to stay near the cores: by what TensorFlow's kernels take, an
# epoch of 28 x 28, 16 and 8 filters takes 0.70 in batches of 32, 0.84 in batches of 64, which does
# not pay for compiling, and of 64 x 64 x 3 1.6.
_MAX_VALUES = 2**20
# The more filters, the better are TensorFlow's kernels: 140 steps, 16 and 8 filters take 0.33, 32
# and 16 take 0.49, and 64 and 32 take 0.95.
_MAX_KERNEL = 512
# Two threads may trace models that share a layer.
_LOCK = threading.RLock()


def all_suit(model: keras.Model, batch_size: int) -> bool:
    """Tell whether all convolutions of a model gain from being products.

    Parameters
    ----------
    model : keras.Model
    batch_size : int
    """
    layers = model._flatten_layers()
    convolutions = [layer for layer in layers if isinstance(layer, CONVOLUTIONS)]
    if not convolutions:
        return True
    # A contractive encoder takes every row through its layers once for each direction.
    if any(getattr(layer, "n_directions", 1) != 1 for layer in layers):
        return False
    calls = [call for layer in layers for call in _calls(layer)]
    called = {id(layer) for layer, _ in calls}
    return all(id(layer) in called for layer in convolutions) and all(
        _is_plain(layer) and _suited(layer, (batch_size, *shape[1:])) for layer, shape in calls
    )


def _calls(model: Any) -> list[tuple[keras.layers.Layer, Shape]]:
    """Return a graph's convolutions, with the shapes of their inputs there."""
    by_depth = getattr(getattr(model, "_functional", model), "_nodes_by_depth", {})
    return [
        (node.operation, node.input_tensors[0].shape)
        for nodes in by_depth.values()
        for node in nodes
        if isinstance(node.operation, CONVOLUTIONS)
    ]


def _suited(layer: Any, shape: Shape) -> Correlation | None:
    """Return what a plain layer's window relates, None where products gain nothing."""
    if None in shape or tf.config.list_logical_devices("GPU"):
        return None
    large, channels = shape, (shape[-1], layer.filters)
    if type(layer) in _TRANSPOSED:
        large, channels = layer.compute_output_shape(shape), channels[::-1]
    correlation = Correlation(large[1:-1], layer.kernel_size, layer.strides, layer.padding)
    small = (
        shape[0] * correlation.n_values(channels) <= _MAX_VALUES
        and math.prod(channels) <= _MAX_KERNEL
        and math.prod(layer.kernel_size) <= _MAX_WINDOW
    )
    return correlation if small else None


def _is_plain(layer: Any) -> bool:
    return (
        type(layer) in CONVOLUTIONS
        and vars(layer).keys().isdisjoint({"call", "convolution_op"})
        and layer.compute_dtype == "float32"
        and layer.data_format == "channels_last"
        and layer.padding in ("same", "valid")
        and set(layer.dilation_rate) == {1}
        and getattr(layer, "groups", 1) == 1
        and getattr(layer, "output_padding", None) is None
    )


@contextmanager
def as_products(model: keras.Model) -> Iterator[None]:
    """Have the convolutions that suit computed as products, while a model is traced for XLA."""
    with _LOCK:
        layers = [layer for layer in model._flatten_layers() if _is_plain(layer)]
        # Not set as attributes: Keras and TensorFlow would note them as parts of the layers.
        for layer in layers:
            vars(layer)["call"] = partial(_call, layer)
        try:
            yield
        finally:
            for layer in layers:
                del vars(layer)["call"]


def _call(layer: Any, inputs: Any) -> Any:
    """Compute what the layer's own `call` does."""
    correlation = _suited(layer, tuple(inputs.shape))
    if correlation is None:
        return type(layer).call(layer, inputs)
    image = correlation.up if type(layer) in _TRANSPOSED else correlation.down
    outputs = image(inputs, keras.ops.convert_to_tensor(layer.kernel))
    if layer.use_bias:
        outputs = keras.ops.add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)
