"""Has XLA compute a model's convolutions as matrix products.

XLA's own convolutions are slow on a CPU, and TensorFlow's kernels hardly use a second core for few
filters. A batch of 32 images of 28 x 28 through the denoiser of 16 and 8 filters, forward and back,
takes XLA's convolutions 15 ms on two cores, TensorFlow's 3.4, and products in XLA 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from skae._contracts import Shape
from skae.engine._correlation import Correlation

_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, *_TRANSPOSED)
# What is laid out for a product has to stay near the cores, and the more filters a layer has, the
# better TensorFlow's kernels are. An epoch takes products, by the time that kernels take: 28 x 28,
# 16 and 8 filters: 0.71 in batches of 32, 0.78 of 64 and 1.07 of 256; 32 and 16: 0.85, and 1.17 in
# batches of 128; 64 and 32: 0.97; 64 x 64 x 3, 16 and 8: 1.7; 140 steps, 16 and 8: 0.37.
_MAX_VALUES = 2**21
_MAX_KERNEL = 512


def suits(layer: keras.layers.Layer, batch_size: int) -> bool:
    """Tell whether a layer is a convolution that gains from being products.

    Parameters
    ----------
    layer : keras.layers.Layer
    batch_size : int
    """
    if not _is_plain(layer) or tf.config.list_logical_devices("GPU"):
        return False
    try:
        correlation = _correlation(layer, layer.input.shape)
    except AttributeError:  # called by code that Keras does not know
        return False
    if correlation is None:
        return False
    channels = tuple(layer.kernel.shape[-2:])
    n_values = batch_size * correlation.n_values(channels)
    return n_values <= _MAX_VALUES and math.prod(channels) <= _MAX_KERNEL


def _is_plain(layer: Any) -> bool:
    return (
        type(layer) in _CONVOLUTIONS
        and layer.compute_dtype == "float32"
        and layer.data_format == "channels_last"
        and layer.padding in ("same", "valid")
        and set(layer.dilation_rate) == {1}
        and getattr(layer, "groups", 1) == 1
        and getattr(layer, "output_padding", None) is None
    )


def _correlation(layer: Any, shape: Shape) -> Correlation | None:
    """Return what a layer's window relates in inputs of a shape, None where that isn't fixed."""
    large = layer.compute_output_shape(shape) if type(layer) in _TRANSPOSED else shape
    if None in large[1:]:
        return None
    return Correlation(large[1:-1], layer.kernel_size, layer.strides, layer.padding)


@contextmanager
def as_products(model: keras.Model, batch_size: int | None) -> Iterator[None]:
    """Have the convolutions that suit computed as products, while the model is traced for XLA.

    Parameters
    ----------
    model : keras.Model
    batch_size : int or None
        None, where XLA does not compile what is traced, changes nothing.
    """
    own = [] if batch_size is None else _suited(model, batch_size)
    # Not set as attributes: Keras and TensorFlow would note them as parts of the layers.
    for layer in own:
        vars(layer)["call"] = partial(_call, layer)
    try:
        yield
    finally:
        for layer in own:
            del vars(layer)["call"]


def _suited(model: keras.Model, batch_size: int) -> list[Any]:
    layers = model._flatten_layers()
    return [layer for layer in layers if suits(layer, batch_size) and "call" not in vars(layer)]


def _call(layer: Any, inputs: Any) -> Any:
    """Compute what the layer's own `call` does."""
    correlation = _correlation(layer, inputs.shape)
    if correlation is None or inputs.shape[0] is None:
        return type(layer).call(layer, inputs)
    image = correlation.up if type(layer) in _TRANSPOSED else correlation.down
    outputs = image(inputs, keras.ops.convert_to_tensor(layer.kernel))
    if layer.use_bias:
        outputs = keras.ops.add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)
