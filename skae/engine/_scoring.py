"""Runs models on many rows: reconstruct, encode, decode, errors.

Owns slices and shapes. Weights go into a program with every call, so that one program serves
every model of an architecture and weights set by hand count.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import ErrorFunction, FloatArray
from skae._forks import check_not_forked
from skae.engine._dense_stack import MAX_ROWS, DenseStack, dense_stack
from skae.engine._rows import Source
from skae.engine._store import scoring_program
from skae.engine._tracing import NotPureError
from skae.engine._variables import read

# Two cores have enough to do in a slice, and what a deep network keeps of it is still small.
SLICE_BYTES = 8 * 2**20
# Fewer rows are filled up: a product of one row adds in another order than one of twenty, and a
# row of a convolutional or recurrent network would have another last digit.
_SMALLEST_PADDED = 32


def run(model: keras.Model, X: Any, *, jit_compile: bool | str = "auto") -> FloatArray:
    """Return the output of `model` for the rows of `X`, in inference mode.

    Parameters
    ----------
    model : keras.Model
        A whole network, an encoder or a decoder.
    X : array-like of shape (n_samples, ...)
    jit_compile : bool or "auto", default="auto"
        Whether XLA compiles the program. "auto" leaves it out: for one way through the data,
        TensorFlow's fused kernels are as fast, take any number of rows, and need no compiling.

    Returns
    -------
    outputs : ndarray of shape (n_samples, ...)

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skae.engine import run
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> run(model, np.ones((5, 2))).shape
    (5, 3)
    """
    check_not_forked()
    return _score(model, X, None, None, jit_compile=jit_compile)


def run_errors(
    model: keras.Model,
    X: Any,
    error: ErrorFunction,
    *,
    targets: Any = None,
    per: Literal["row", "value"] = "row",
    jit_compile: bool | str = "auto",
) -> FloatArray:
    """Return the error of the reconstruction of `X`, by row or by value.

    Parameters
    ----------
    model : keras.Model
    X : array-like of shape (n_samples, ...)
    error : ErrorFunction
        Computed inside the compiled program.
    targets : array-like or None, default=None
        What the output is compared with; None: `X`.
    per : {"row", "value"}, default="row"
    jit_compile : bool or "auto", default="auto"
        As in `run`.

    Returns
    -------
    errors : ndarray of shape (n_samples,), float64, or of the shape of `X`
        "row": the mean over all axes but that of samples.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skae.engine import run_errors
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> run_errors(model, np.ones((5, 2)), lambda x, r: abs(x - r)).shape
    (5,)
    """
    check_not_forked()
    if per not in ("row", "value"):
        raise ValueError(f"per must be 'row' or 'value'; got {per!r}.")
    errors = _score(model, X, _Measure(error, per), targets, jit_compile=jit_compile)
    return errors.astype(np.float64, copy=False) if per == "row" else errors


@functools.lru_cache(8)
def _ones(n: int) -> FloatArray:
    return np.ones(n)


class _Measure:
    """An error function, and whether its values are averaged by row."""

    def __init__(self, error: ErrorFunction, per: str) -> None:
        self.error, self.per = error, per

    def __call__(self, targets: Any, outputs: Any) -> Any:
        if not isinstance(outputs, np.ndarray):
            # A model of another precision than Keras's float type answers in its own.
            wide = keras.backend.result_type(targets.dtype, outputs.dtype)
            targets, outputs = tf.cast(targets, wide), tf.cast(outputs, wide)
        errors = self.error(targets, outputs)
        if self.per == "value":
            return errors
        if isinstance(errors, np.ndarray):
            flat = errors.reshape(len(errors), math.prod(errors.shape[1:]))
            # For one row, a product takes half the time of a sum.
            return flat.dot(_ones(flat.shape[1])) / flat.shape[1]
        axes = tuple(range(1, len(errors.shape)))
        return tf.cast(tf.reduce_mean(errors, axis=axes), keras.config.floatx())


def _score(
    model: keras.Model,
    X: Any,
    measure: _Measure | None,
    targets: Any,
    *,
    jit_compile: bool | str,
) -> FloatArray:
    if isinstance(X, np.ndarray) and len(X) <= MAX_ROWS and jit_compile is not True:
        stack = dense_stack(model)
        if stack is not None:
            return _few(stack, X, measure, targets)
    source = Source(X)
    wanted = None if targets is None else Source(targets)
    score = _scorer(model, source, measure, wanted, jit_compile=jit_compile)
    parts = [score(*bounds) for bounds in _bounds(source)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _few(stack: DenseStack, X: FloatArray, measure: _Measure | None, targets: Any) -> FloatArray:
    # Rounded where a program rounds, so that a row has one result, however many come with it.
    floating = keras.config.floatx()
    rows = X.astype(floating, copy=False).astype(np.float64)
    outputs = stack(rows)
    if measure is None:
        return outputs.astype(np.float32)
    if targets is not None:
        rows = np.asarray(targets).astype(floating).astype(np.float64)
    return np.asarray(measure(rows, outputs), floating)


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
    model: keras.Model,
    source: Source,
    measure: _Measure | None,
    targets: Source | None,
    *,
    jit_compile: bool | str,
) -> Callable[[int, int], FloatArray]:
    shapes = (source.shape[1:], None if targets is None else targets.shape[1:])
    xla = jit_compile is True
    sources = [source] if targets is None else [source, targets]
    try:
        program = scoring_program(model, shapes, measure, xla=xla)
    except NotPureError:
        return lambda start, stop: _by_keras(
            model, [s.slice(start, stop) for s in sources], measure
        )
    weights = read(model.variables)
    largest = _slice_rows(source)

    def score(start: int, stop: int) -> FloatArray:
        parts = [part.slice(start, stop) for part in sources]
        if xla or stop - start < _SMALLEST_PADDED:
            parts = [_padded(part, largest) for part in parts]
        (result,) = program(*weights, *(tf.convert_to_tensor(part) for part in parts))
        return result.numpy()[: stop - start].astype(source.dtype, copy=False)

    return score


def _by_keras(model: keras.Model, parts: list[FloatArray], measure: _Measure | None) -> FloatArray:
    outputs = model(parts[0], training=False)
    result = outputs if measure is None else measure(parts[-1], outputs)
    return np.asarray(result).astype(parts[0].dtype, copy=False)
