"""Runs few rows through a stack of dense layers in NumPy.

A call of a compiled program costs some 0.3 ms before its first multiplication; the products for
one row of a small dense network cost 0.01 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit

from skae._contracts import FloatArray
from skae.engine._variables import Arrays, CurrentValues

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
    """A chain of dense layers as NumPy steps over the model's own variables.

    Parameters
    ----------
    variables : list of keras.Variable
        In the order in which the steps know them.
    steps : list of callable
        Each takes rows and all weights, and may overwrite the rows that an earlier step returned.
    """

    def __init__(self, variables: list[keras.Variable], steps: list[_Step]) -> None:
        self._weights, self._steps = CurrentValues(variables), steps

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Return the output for rows of float64, which are left as they are.

        In float32 a product of one row and the same row of a product of twenty differ in the last
        digit, because BLAS adds in another order; scikit-learn asks for the same prediction.
        """
        weights = self._weights()
        for step in self._steps:
            rows = step(rows, weights)
        return rows


def _dense(layer: keras.layers.Dense, variables: list[keras.Variable]) -> _Step:
    place = len(variables)
    variables.append(layer.kernel)
    if layer.use_bias:
        variables.append(layer.bias)
    use_bias, activate = layer.use_bias, _ACTIVATIONS[layer.activation]

    def step(rows: FloatArray, weights: Arrays) -> FloatArray:
        z = rows.dot(weights[place])  # half the time of "@" for one row
        if use_bias:
            z += weights[place + 1]
        return z if activate is None else activate(z)

    return step


def _activation(layer: keras.layers.Activation) -> _Step | None:
    activate = _ACTIVATIONS[layer.activation]
    return None if activate is None else lambda rows, _: activate(rows.copy())


def _reshape(shape: tuple[int, ...]) -> _Step:
    return lambda rows, _: rows.reshape(len(rows), *shape)


def _step(layer: Any, variables: list[keras.Variable]) -> _Step | None:
    """Return the step of a layer, None for one that does nothing; raise where there is none."""
    if type(layer) in _IDENTITIES:
        return None
    if type(layer) is keras.layers.Flatten:
        return _reshape((-1,))
    if type(layer) is keras.layers.Reshape:
        return _reshape(layer.target_shape)
    if getattr(layer, "compute_dtype", None) == "float32":
        if type(layer) is keras.layers.Activation:
            return _activation(layer)
        if type(layer) is keras.layers.Dense and not (
            layer.lora_enabled or layer.quantization_mode
        ):
            return _dense(layer, variables)
    raise TypeError(f"{layer!r} has no NumPy step")


def _chain(model: keras.Model) -> Iterator[Any]:
    """Yield the layers of a model that is one chain; raise where it is none."""
    if type(model) is keras.Sequential:
        layers = model.layers
    elif type(model).__name__ == "Functional" and len(model.inputs) == len(model.outputs) == 1:
        layers = _path(model)
    else:
        raise TypeError(f"{model!r} is no chain of layers")
    for layer in layers:
        if isinstance(layer, keras.Model):
            yield from _chain(layer)
        else:
            yield layer


def _path(model: keras.Model) -> list[Any]:
    """Return the operations from the one input of a graph to its one output."""
    tensor, path = model.outputs[0], []
    while tensor is not model.inputs[0]:
        operation, node, _ = tensor._keras_history
        tensors = operation._inbound_nodes[node].input_tensors
        if len(tensors) != 1:
            raise TypeError(f"{operation!r} joins several inputs")
        path.append(operation)
        tensor = tensors[0]
    return path[::-1]


_STACKS: WeakKeyDictionary[keras.Model, tuple[int, DenseStack | None]] = WeakKeyDictionary()


def dense_stack(model: keras.Model) -> DenseStack | None:
    """Return the NumPy steps of a model, or None where it is more than a stack of dense layers."""
    # Only a Sequential can grow after it was asked for the first time.
    size = len(model.layers) if isinstance(model, keras.Sequential) else 0
    kept = _STACKS.get(model)
    if kept is not None and kept[0] == size:
        return kept[1]
    try:
        variables: list[keras.Variable] = []
        steps = [_step(layer, variables) for layer in _chain(model)]
        stack = DenseStack(variables, [step for step in steps if step is not None])
    except (KeyError, TypeError):
        stack = None
    _STACKS[model] = (size, stack)
    return stack


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
