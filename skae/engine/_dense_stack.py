"""Runs few rows through a stack of dense layers in NumPy.

A call of a compiled program costs some 0.3 ms before its first multiplication; the products for
one row of a small dense network cost 0.01 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit

from skae._by_value import UnshareableError
from skae._contracts import Arrays, FloatArray
from skae.engine._sharing import LayerKeys

# Above this, TensorFlow's fused kernels and second core win.
MAX_ROWS = 128
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805

# One row is rectified in half the time that a Python number takes.
_ZERO = np.zeros(())

_ACTIVATIONS: dict[Any, Callable[[FloatArray], FloatArray] | None] = {
    keras.activations.linear: None,
    keras.activations.relu: lambda z: np.maximum(z, _ZERO, out=z),
    keras.activations.tanh: lambda z: np.tanh(z, out=z),
    keras.activations.sigmoid: lambda z: expit(z, out=z),
    keras.activations.elu: lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    keras.activations.selu: lambda z: (
        _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * np.expm1(np.minimum(z, 0)))
    ),
}
_IDENTITIES = (
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.InputLayer,
)
_Step = Callable[[FloatArray, Arrays], FloatArray]


class DenseStack:
    """A chain of dense layers as NumPy steps, without weights.

    Parameters
    ----------
    steps : list of callable
        Each takes rows and the weights of the whole network, and may overwrite the rows that an
        earlier step returned.
    """

    def __init__(self, steps: list[_Step]) -> None:
        self._steps = steps

    def __call__(self, rows: FloatArray, weights: Arrays) -> FloatArray:
        """Return the output for rows of float64, which are not changed.

        In float32 a product of one row and the same row of a product of twenty differ in the last
        digit, because BLAS adds in another order; scikit-learn requires the same prediction.
        """
        for step in self._steps:
            rows = step(rows, weights)
        return rows


def _dense(layer: keras.layers.Dense, places: Mapping[int, int]) -> _Step:
    kernel = places[id(layer.kernel)]
    bias = places[id(layer.bias)] if layer.use_bias else None
    activate = _ACTIVATIONS[layer.activation]

    def step(rows: FloatArray, weights: Arrays) -> FloatArray:
        z = rows.dot(weights[kernel])  # half the time of "@" for one row
        if bias is not None:
            z += weights[bias]
        return z if activate is None else activate(z)

    return step


def _activation(layer: keras.layers.Activation) -> _Step | None:
    activate = _ACTIVATIONS[layer.activation]
    return None if activate is None else lambda rows, _: activate(rows.copy())


def _reshape(shape: tuple[int, ...]) -> _Step:
    return lambda rows, _: rows.reshape(len(rows), *shape)


def _step(layer: Any, places: Mapping[int, int]) -> _Step | None:
    """Return the step of a layer, None for the identity; raise TypeError if there is none."""
    if type(layer) in _IDENTITIES:
        return None
    if type(layer) is keras.layers.Flatten and layer.data_format == "channels_last":
        return _reshape((-1,))
    if type(layer) is keras.layers.Reshape:
        return _reshape(layer.target_shape)
    if getattr(layer, "compute_dtype", None) == "float32":
        if type(layer) is keras.layers.Activation:
            return _activation(layer)
        if type(layer) is keras.layers.Dense and not (
            layer.lora_enabled or layer.quantization_mode
        ):
            return _dense(layer, places)
    raise TypeError(f"{layer!r} has no NumPy step")


def _chain(model: keras.Model) -> Iterator[Any]:
    """Yield the layers of a model that is one chain; raise TypeError otherwise."""
    if type(model) is keras.Sequential:
        layers = model.layers
    elif type(model).__name__ == "Functional":
        layers = _path(model)
    else:
        raise TypeError(f"{model!r} is no chain of layers")
    for layer in layers:
        if isinstance(layer, keras.Model):
            yield from _chain(layer)
        else:
            yield layer


def _path(model: keras.Model) -> list[Any]:
    """Return the layers of a graph that is one chain."""
    layers = model.layers
    if len(layers) != len(model.operations):
        raise TypeError(f"{model!r} has operations that are no layers")
    config = model.get_config()
    before = layers[0].name
    for described in config["layers"][1:]:
        calls = described["inbound_nodes"]
        sources = [t["config"]["keras_history"] for t in _tensors_of(calls)]
        if len(calls) != 1 or [source[0] for source in sources] != [before]:
            raise TypeError(f"{described['name']!r} does not take what {before!r} gives")
        before = described["name"]
    if not _names(config["output_layers"]) == [before]:
        raise TypeError(f"{before!r} is not the output of {model!r}")
    return layers


def _tensors_of(config: Any) -> Iterator[Any]:
    """Yield the tensors of a graph's configuration."""
    if isinstance(config, dict) and config.get("class_name") == "__keras_tensor__":
        yield config
    elif isinstance(config, (dict, list, tuple)):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _tensors_of(part)


def _names(ends: Any) -> list[str]:
    """Return the names of a graph's input or output layers."""
    return [ends[0]] if isinstance(ends[0], str) else [end[0] for end in ends]


def dense_stack(model: keras.Model, variables: Sequence[keras.Variable]) -> DenseStack | None:
    """Return the NumPy steps of a model, or None if it is not a stack of dense layers.

    Parameters
    ----------
    model : keras.Model
    variables : sequence of keras.Variable
        In the order of the weights that the steps get.
    """
    places = {id(variable): place for place, variable in enumerate(variables)}
    try:
        LayerKeys().of_graph(model)  # raises an error unless the configuration determines it
        steps = [_step(layer, places) for layer in _chain(model)]
    except (KeyError, TypeError, UnshareableError):
        return None
    return DenseStack([step for step in steps if step is not None])


def double_precision(model: keras.Model, rows: Any) -> Any:
    """Return the output of a stack of dense layers for a tensor of rows, in float64.

    Parameters
    ----------
    model : keras.Model
        One for which there is a `dense_stack`.
    rows : tensor
    """
    rows = tf.cast(rows, tf.float64)
    for layer in _chain(model):
        if isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape)):
            shape = getattr(layer, "target_shape", (-1,))
            rows = tf.reshape(rows, (tf.shape(rows)[0], *shape))
        elif isinstance(layer, keras.layers.Dense):
            rows = tf.matmul(rows, tf.cast(layer.kernel.value, tf.float64))
            if layer.use_bias:
                rows += tf.cast(layer.bias.value, tf.float64)
            rows = layer.activation(rows)
        elif isinstance(layer, keras.layers.Activation):
            rows = layer.activation(rows)
    return rows
