"""Keras's convolutions, which XLA compiles as matrix products where that is faster.

XLA's own convolutions are slow on a CPU, and TensorFlow's kernels hardly use a second core for few
filters. A batch of 32 images of 28 x 28 through the denoiser of 16 and 8 filters, forward and back,
takes XLA's convolutions 15 ms on two cores, TensorFlow's 3.4, and products in XLA 2.5.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from skae._contracts import Shape
from skae._xla_context import compiled_by_xla
from skae.networks._correlation import Correlation

# XLA compiles a slice for every place of a window: five layers take it 1 s longer than TensorFlow
# with windows of 3, 2 s with 3 x 3, and 14 s with 7 x 7.
_MAX_WINDOW = 9
# The operands of a product have to fit into the cache: relative to TensorFlow's kernels, an
# epoch of 28 x 28, 16 and 8 filters takes 0.70 in batches of 32, 0.84 in batches of 64, which does
# not pay for compiling, and of 64 x 64 x 3 1.6.
_MAX_VALUES = 2**20
# The more filters, the better are TensorFlow's kernels: 140 steps, 16 and 8 filters take 0.33, 32
# and 16 take 0.49, and 64 and 32 take 0.95.
_MAX_KERNEL = 512


class _Matmul(keras.layers.Layer):
    """Base of the four layers: a `call` that may compute a matrix product."""

    _transposed = False

    def call(self, inputs: Any) -> Any:
        """Return the convolution of `inputs`."""
        correlation = self._correlation(tuple(inputs.shape)) if compiled_by_xla() else None
        if correlation is None:
            return super().call(inputs)
        convolve = correlation.up if self._transposed else correlation.down
        outputs = convolve(inputs, keras.ops.convert_to_tensor(self.kernel))
        if self.use_bias:
            outputs = keras.ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def gains_from_xla(self, batch_size: int) -> bool:
        """Return whether training is faster if XLA compiles the layer, which must be built."""
        shape = self.get_build_config()["input_shape"]
        return self._correlation((batch_size, *shape[1:])) is not None

    def _correlation(self, shape: Shape) -> Correlation | None:
        """Return what the window relates, None where Keras's own `call` is to be used."""
        has_product = (
            self.compute_dtype == "float32"
            and self.data_format == "channels_last"
            and self.padding in ("same", "valid")
            and set(self.dilation_rate) == {1}
            and getattr(self, "groups", 1) == 1
            and getattr(self, "output_padding", None) is None
        )
        if not has_product or None in shape or tf.config.list_logical_devices("GPU"):
            return None
        large, channels = shape, (shape[-1], self.filters)
        if self._transposed:
            large, channels = self.compute_output_shape(shape), channels[::-1]
        correlation = Correlation(large[1:-1], self.kernel_size, self.strides, self.padding)
        gains = (
            shape[0] * correlation.n_values(channels) <= _MAX_VALUES
            and math.prod(channels) <= _MAX_KERNEL
            and math.prod(self.kernel_size) <= _MAX_WINDOW
        )
        return correlation if gains else None


@keras.saving.register_keras_serializable(package="skae")
class MatmulConv1D(_Matmul, keras.layers.Conv1D):
    """``keras.layers.Conv1D``, as a product under XLA."""


@keras.saving.register_keras_serializable(package="skae")
class MatmulConv2D(_Matmul, keras.layers.Conv2D):
    """``keras.layers.Conv2D``, as a product under XLA."""


@keras.saving.register_keras_serializable(package="skae")
class MatmulConv1DTranspose(_Matmul, keras.layers.Conv1DTranspose):
    """``keras.layers.Conv1DTranspose``, as a product under XLA."""

    _transposed = True


@keras.saving.register_keras_serializable(package="skae")
class MatmulConv2DTranspose(_Matmul, keras.layers.Conv2DTranspose):
    """``keras.layers.Conv2DTranspose``, as a product under XLA."""

    _transposed = True
