"""Runs few rows through a stack of dense layers in NumPy.

A call of a compiled program costs some 0.3 ms before its first multiplication; the products for
one row of a small dense network cost 0.01 ms.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit

from skae._contracts import FloatArray, Shape
from skae.engine._cache import PROGRAMS
from skae.engine._variables import read

# Above this, TensorFlow's fused kernels and second core win.
MAX_ROWS = 128
# Numbers that a program compares on one core; where TensorFlow takes another, it takes 0.1 ms more.
_MAX_COMPARED = 2**14
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
_Arrays = list[FloatArray]
_Step = Callable[[FloatArray, _Arrays], FloatArray]


def _few_in_all(shapes: tuple[Shape, ...]) -> list[int]:
    """Return the places of the smallest variables, as many as are compared together."""
    sizes = [math.prod(shape) for shape in shapes]
    places = sorted(range(len(sizes)), key=sizes.__getitem__)
    ends = np.cumsum([sizes[place] for place in places])
    return places[: int(np.searchsorted(ends, _MAX_COMPARED, side="right"))]


def _build_watch(shapes: tuple[Shape, ...]) -> Any:
    """Return a program of kept values and handles, to whether they are equal and all large values.

    One call of it costs as much as three reads, and every tensor that it returns another
    microsecond or two, so that small variables are compared where they are.
    """
    small = _few_in_all(shapes)

    def watch(kept: Any, *handles: Any) -> list[Any]:
        values = [tf.raw_ops.ReadVariableOp(resource=h, dtype=tf.float32) for h in handles]
        equal = tf.reduce_all(tf.equal(_joined(values, small), kept))
        return [equal, *(value for i, value in enumerate(values) if i not in small)]

    specs = [tf.TensorSpec((None,), tf.float32), *[tf.TensorSpec((), tf.resource)] * len(shapes)]
    return tf.function(watch, autograph=False).get_concrete_function(*specs)


def _joined(values: list[Any], places: list[int]) -> Any:
    flat = [tf.reshape(values[place], [-1]) for place in places]
    return tf.concat(flat, 0) if flat else tf.zeros(0)


class _Kept(NamedTuple):
    """Values of all variables: the small ones joined, large ones in place, all in float64."""

    small: Any
    large: _Arrays
    arrays: _Arrays


class _Weights:
    """What the variables hold now, in float64, converted anew only where one has changed.

    Weights set by hand have to count, and TensorFlow gives no sign of a change. Small variables
    are compared by value. A large one has changed when it lies elsewhere: a buffer that somebody
    else holds is never written to, and an update puts the variable on a new one. So as long as a
    view of it is held, equal memory means equal content.
    """

    def __init__(self, variables: list[keras.Variable]) -> None:
        self._variables = variables
        self._shapes = tuple(tuple(variable.shape) for variable in variables)
        self._handles = [variable.value.handle for variable in variables]
        self._small = _few_in_all(self._shapes)
        # As the numbers that the C API wants: it takes 5 microseconds to look up twelve types.
        n_large = len(variables) - len(self._small)
        types = [tf.bool, *[tf.float32] * n_large]
        self._types = [kind.as_datatype_enum for kind in types]
        self._kept: _Kept | None = None

    def __call__(self) -> _Arrays:
        if not self._handles:
            return []
        kept = self._kept
        if kept is None or not self._holds(kept):
            kept = self._kept = self._read()
        return kept.arrays

    def _holds(self, kept: _Kept) -> bool:
        same, *large = tf.raw_ops.StatefulPartitionedCall(
            args=[kept.small, *self._handles], Tout=self._types, f=self._watch
        )
        views = map(np.asarray, large)
        return bool(same) and all(map(np.may_share_memory, views, kept.large))

    @functools.cached_property
    def _watch(self) -> Any:
        return PROGRAMS.get(("watch", self._shapes), lambda: _build_watch(self._shapes))

    def _read(self) -> _Kept:
        tensors = read(self._variables)
        views = list(map(np.asarray, tensors))
        large = [view for i, view in enumerate(views) if i not in self._small]
        arrays: _Arrays = [view.astype(np.float64) for view in views]
        return _Kept(_joined(tensors, self._small), large, arrays)


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
        self._weights, self._steps = _Weights(variables), steps

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

    def step(rows: FloatArray, weights: _Arrays) -> FloatArray:
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
        if type(layer) is keras.layers.Dense and not layer.lora_enabled:
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
