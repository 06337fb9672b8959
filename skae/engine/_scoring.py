"""Runs networks on many rows: reconstruct, encode, decode, errors.

Weights are arguments of a program, so that all networks of an architecture share it, and weights
set by the user take effect.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from skae._by_value import Keys, UnshareableError
from skae._contracts import ErrorFunction, FloatArray
from skae._forks import check_not_forked
from skae._private import mask_of, problem
from skae.engine._deferred import DeferredNetwork, is_changed
from skae.engine._dense_stack import MAX_ROWS, DenseStack, dense_stack, double_precision
from skae.engine._rows import Source
from skae.engine._tensors import NotPureError, Tensors, all_close, trace

# Two cores have enough to do in a slice, and what a deep network keeps of it is still small.
SLICE_BYTES = 8 * 2**20
# Fewer rows are filled up: a product of one row adds in another order than one of twenty, and a
# row of a convolutional or recurrent network would have another last digit.
_SMALLEST_PADDED = 32


@dataclass(frozen=True)
class Task:
    """What to compute with a part of a network: its output, or errors.

    Parameters
    ----------
    part : str
    error : ErrorFunction or None
        None for the output itself.
    per : {"row", "value"}
    jit_compile : bool
    exact : bool, default=False
        Whether a stack of dense layers computes in float64, as errors always do.
    """

    part: str
    error: ErrorFunction | None
    per: str
    jit_compile: bool
    exact: bool = False

    def name(self, shape: tuple[int, ...]) -> tuple[Hashable, bool]:
        """Return a key of this task, and whether it determines the task."""
        keys = Keys()
        try:
            error = keys.of(self.error)
        except UnshareableError:  # the same object is the same error
            error = _Identity(self.error)
        name = ("score", self.part, error, self.per, self.jit_compile, self.exact, shape)
        return name, not keys.has_user_code

    def measure(self, targets: Any, outputs: Any) -> Any:
        """Return outputs, or errors of them."""
        if self.error is None:
            return outputs
        mask = mask_of(outputs)
        if not isinstance(outputs, np.ndarray):
            # The precision of a model may differ from Keras's float type.
            wide = keras.backend.result_type(targets.dtype, outputs.dtype)
            targets, outputs = tf.cast(targets, wide), tf.cast(outputs, wide)
        errors = self.error(targets, outputs)
        if mask is not None:
            return _masked(errors, mask, self.per)
        if self.per == "value":
            return errors
        if isinstance(errors, np.ndarray):
            flat = errors.reshape(len(errors), math.prod(errors.shape[1:]))
            # For one row, a product takes half the time of a sum.
            return flat.dot(_ones(flat.shape[1])) / flat.shape[1]
        axes = tuple(range(1, len(errors.shape)))
        return tf.cast(tf.reduce_mean(errors, axis=axes), keras.config.floatx())


def _masked(errors: Any, mask: Any, per: str) -> Any:
    """Apply a mask to errors, as Keras's losses do: NaN by value, or means by row."""
    while len(mask.shape) < len(errors.shape):
        mask = mask[..., None]
    mask = tf.broadcast_to(mask, tf.shape(errors))
    if per == "value":
        return tf.where(mask, errors, tf.cast(math.nan, errors.dtype))
    axes = tuple(range(1, len(errors.shape)))
    total = tf.reduce_sum(tf.where(mask, errors, tf.zeros_like(errors)), axis=axes)
    means = tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(mask, errors.dtype), axis=axes))
    return tf.cast(means, keras.config.floatx())


class _Identity:
    """A hashable reference to an object, equal for the same object only."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value


@functools.lru_cache(8)
def _ones(n: int) -> FloatArray:
    return np.ones(n)


def run(
    network: DeferredNetwork,
    X: Any,
    part: str = "model",
    *,
    jit_compile: bool | str = "auto",
    exact: bool = False,
) -> FloatArray:
    """Return the output of a network for the rows of `X`, in inference mode.

    Parameters
    ----------
    network : DeferredNetwork
    X : array-like of shape (n_samples, ...)
    part : str, default="model"
        "model", "encoder", "decoder", or the name of a view that was added.
    jit_compile : bool or "auto", default="auto"
        Whether XLA compiles the program. "auto" leaves it out: for one way through the data,
        TensorFlow's fused kernels are as fast, take any number of rows, and need no compiling.
    exact : bool, default=False
        Whether a stack of dense layers computes many rows in float64, too, as it does few ones:
        the output of a row then doesn't depend on the number of rows.

    Returns
    -------
    outputs : ndarray of shape (n_samples, ...)
    """
    return _score(network, X, Task(part, None, "value", jit_compile is True, exact))


def run_errors(
    network: DeferredNetwork,
    X: Any,
    error: ErrorFunction,
    *,
    per: Literal["row", "value"] = "row",
) -> FloatArray:
    """Return the error of the reconstruction of `X`, by row or by value.

    Parameters
    ----------
    network : DeferredNetwork
    X : array-like of shape (n_samples, ...)
    error : ErrorFunction
        Computed inside the compiled program.
    per : {"row", "value"}, default="row"

    Returns
    -------
    errors : ndarray of shape (n_samples,), float64, or of the shape of `X`
        "row": the mean over all axes but that of samples. What a mask of the outputs leaves out
        doesn't count; by value it is NaN, and a row that is masked as a whole has an error of 0.
    """
    errors = _score(network, X, Task("model", error, per, jit_compile=False))
    return errors.astype(np.float64, copy=False) if per == "row" else errors


def _score(network: DeferredNetwork, X: Any, task: Task) -> FloatArray:
    check_not_forked()
    is_small = isinstance(X, np.ndarray) and len(X) <= MAX_ROWS and not is_changed(network)
    if is_small and not task.jit_compile and problem() is None:
        stack = _stack(network, task.part, X)
        if stack is not None:
            return _few(stack, network, X, task)
    source = Source(X)
    score = _scorer(network, source, task)
    parts = [score(*bounds) for bounds in _bounds(source)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _stack(network: DeferredNetwork, part: str, X: FloatArray) -> DenseStack | None:
    """Return the NumPy steps of a network's part, None where there are none."""

    def alike(found: tuple[DenseStack | None]) -> bool:
        if found[0] is None:
            return True
        outputs = network.view(part)(X.astype(np.float32), training=False)
        return all_close([found[0](X, network.doubles())], [outputs])

    with network.programs.place("stack", part, traits=True) as place:
        place.verify(alike)
        place.program = place.program or (
            dense_stack(place.network.view(part), place.network.variables),
        )
    stack: DenseStack | None = place.program[0]
    return stack


def _few(stack: DenseStack, network: DeferredNetwork, X: FloatArray, task: Task) -> FloatArray:
    # Rounded like a program, so that the result of a row does not depend on the number of rows.
    floating = keras.config.floatx()
    rows = X.astype(floating, copy=False).astype(np.float64)
    outputs = stack(rows, network.doubles())
    if task.error is None:
        return outputs.astype(np.float32)
    return np.asarray(task.measure(rows, outputs), floating)


def _slice_rows(source: Source) -> int:
    return 2 ** int(np.log2(max(SLICE_BYTES // source.row_bytes, _SMALLEST_PADDED)))


def _bounds(source: Source) -> Iterator[tuple[int, int]]:
    size = _slice_rows(source)
    for start in range(0, max(len(source), 1), size):
        yield start, min(start + size, len(source))


def _padded(rows: FloatArray, largest: int) -> FloatArray:
    """Return `rows` filled up to a power of two."""
    size = min(max(2 ** int(np.ceil(np.log2(max(len(rows), 1)))), _SMALLEST_PADDED), largest)
    return np.pad(rows, [(0, size - len(rows))] + [(0, 0)] * (rows.ndim - 1))


def _scorer(
    network: DeferredNetwork, source: Source, task: Task
) -> Callable[[int, int], FloatArray]:
    def by_keras(start: int, stop: int) -> FloatArray:
        rows = source.slice(start, stop)
        result = task.measure(rows, network.view(task.part)(rows, training=False))
        return np.asarray(result).astype(source.dtype, copy=False)

    if problem() is not None or is_changed(network):
        return by_keras

    def alike(program: Any) -> bool | None:
        rows = source.slice(0, _SMALLEST_PADDED)
        own = [by_keras(0, len(rows))]
        if all_close(program(*network.values(), tf.constant(rows)), own):
            return True
        return False if all_close([by_keras(0, len(rows))], own) else None

    name, is_known = task.name(source.shape[1:])
    try:
        with network.programs.place(name, task.part, is_known=is_known) as place:
            place.verify(alike)
            place.program = place.program or _traced(place.network, source.shape[1:], task)
    except NotPureError:
        return by_keras
    values, largest = network.values(), _slice_rows(source)

    def score(start: int, stop: int) -> FloatArray:
        rows = source.slice(start, stop)
        if task.jit_compile or stop - start < _SMALLEST_PADDED:
            rows = _padded(rows, largest)
        (result,) = place.program(*values, tf.convert_to_tensor(rows))
        return result.numpy()[: stop - start].astype(source.dtype, copy=False)

    return score


def _traced(network: DeferredNetwork, shape: tuple[int, ...], task: Task) -> Callable[..., Tensors]:
    """Trace a part of a network in inference mode, with all weights as arguments."""
    variables = network.variables
    model = network.view(task.part)
    # As few rows are measured in NumPy: a row that lies on a detector's threshold stays there.
    is_exact = task.exact or task.error is not None
    exact = is_exact and dense_stack(model, variables) is not None

    def score(*arguments: Any) -> tuple[Any]:
        weights, rows = arguments[:-1], arguments[-1]
        with keras.StatelessScope(list(zip(variables, weights, strict=True))):
            outputs = double_precision(model, rows) if exact else model(rows, training=False)
        return (task.measure(rows, outputs),)

    specs = [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]
    specs.append(tf.TensorSpec((None, *shape), keras.config.floatx()))
    return trace(score, specs, jit_compile=task.jit_compile)
