"""Reads what Keras variables hold, and what they hold still."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import FloatArray, Shape
from skae.engine._tracing import trace

Arrays = list[FloatArray]
# Numbers that a program compares on one core; where TensorFlow takes another, it takes 0.1 ms more.
_MAX_COMPARED = 2**14


def read(variables: Sequence[keras.Variable]) -> list[Any]:
    """Return a tensor for each variable, which shares its memory until the variable changes."""
    # The raw operations take a quarter of the time of the variables' own methods, of which a fit
    # of a small network makes seventy.
    held = [variable.value for variable in variables]
    return [tf.raw_ops.ReadVariableOp(resource=v.handle, dtype=v.dtype) for v in held]


def joined(tensors: Sequence[Any]) -> Any:
    """Return all values as one vector, of no length where there are none."""
    flat = [tf.reshape(tensor, [-1]) for tensor in tensors]
    return tf.concat(flat, 0) if flat else tf.zeros(0)


def _smallest(shapes: tuple[Shape, ...]) -> list[int]:
    """Return the places of the smallest variables, as many as are compared together."""
    sizes = [math.prod(shape) for shape in shapes]
    places = sorted(range(len(sizes)), key=sizes.__getitem__)
    ends = np.cumsum([sizes[place] for place in places])
    return places[: int(np.searchsorted(ends, _MAX_COMPARED, side="right"))]


@functools.lru_cache(64)
def _watch(shapes: tuple[Shape, ...]) -> Any:
    """Return a program of kept values and handles, to whether they are equal and all large values.

    One call of it costs as much as three reads, and every tensor that it returns another
    microsecond or two, so that small variables are compared where they are.
    """
    small = _smallest(shapes)

    def watch(kept: Any, *handles: Any) -> list[Any]:
        values = [tf.raw_ops.ReadVariableOp(resource=h, dtype=tf.float32) for h in handles]
        equal = tf.reduce_all(tf.equal(joined([values[i] for i in small]), kept))
        return [equal, *(value for i, value in enumerate(values) if i not in small)]

    specs = [tf.TensorSpec((None,), tf.float32), *[tf.TensorSpec((), tf.resource)] * len(shapes)]
    return trace(watch, specs)


class _Kept(NamedTuple):
    """What variables held: small ones joined, views of large ones, and copies of all in float64."""

    small: Any
    large: Arrays
    arrays: Arrays


class CurrentValues:
    """What the variables hold now, in float64, converted anew only when one may have changed.

    Weights set by hand have to count, and TensorFlow gives no sign of a change. Small variables
    are compared by value. A large one has changed when it lies elsewhere: a buffer that somebody
    else holds is never written to, and an update puts the variable on a new one. So as long as a
    view of it is held, equal memory means equal content.

    Parameters
    ----------
    variables : list of keras.Variable
        Of float32.
    """

    def __init__(self, variables: list[keras.Variable]) -> None:
        self._variables = variables
        self._shapes = tuple(tuple(variable.shape) for variable in variables)
        self._handles = [variable.value.handle for variable in variables]
        self._small = _smallest(self._shapes)
        self._watch: Any = None
        self._kept: _Kept | None = None

    def __call__(self) -> Arrays:
        """Return the values now, which nobody may write to."""
        if not self._handles:
            return []
        kept = self._kept
        if kept is None or not self._holds(kept):
            kept = self._kept = self._read()
        return kept.arrays

    def _holds(self, kept: _Kept) -> bool:
        if self._watch is None:
            self._watch = _watch(self._shapes)
        same, *large = self._watch(kept.small, *self._handles)
        views = map(np.asarray, large)
        return bool(same) and all(map(np.may_share_memory, views, kept.large))

    def _read(self) -> _Kept:
        tensors = read(self._variables)
        views = list(map(np.asarray, tensors))
        large = [view for i, view in enumerate(views) if i not in self._small]
        arrays: Arrays = [view.astype(np.float64) for view in views]
        return _Kept(joined([tensors[i] for i in self._small]), large, arrays)
