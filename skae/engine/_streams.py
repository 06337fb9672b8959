"""Reads batches of training samples from datasets, sequences and functions, in their own order."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import FloatArray, Shape
from skae._validation import float_dtypes, is_finite
from skae.engine._rows import shaped_weights


def is_stream(inputs: Any) -> bool:
    """Return whether inputs are a stream of batches (datasets, generators), not an array-like.

    Iterators are streams too, although training does not support them.
    """
    if isinstance(inputs, keras.utils.PyDataset):
        return True
    if hasattr(inputs, "shape") or hasattr(inputs, "__array__"):
        return False
    return callable(inputs) or (hasattr(inputs, "__iter__") and not hasattr(inputs, "__getitem__"))


class Stream:
    """A stream of batches, of any supported kind.

    Parameters
    ----------
    source : tf.data.Dataset, keras.utils.PyDataset or callable
        Batches ``inputs``, ``(inputs, targets)`` or ``(inputs, targets, sample_weight)``. A
        callable returns a new iterator over them at every call.
    name : str, default="X"
        Name in error messages.

    Raises
    ------
    TypeError
        If the source can be iterated over only once.
    ValueError
        If it is infinite, gives no batch, or a batch without samples.
    """

    def __init__(self, source: Any, name: str = "X") -> None:
        self.source, self.name = source, name
        self._iterate = _iteration(source, name)
        self._function: Callable[[list[FloatArray]], list[FloatArray]] | None = None
        first = next(self.batches(as_given=True), None)
        if first is None or len(first[0]) == 0:
            raise ValueError(
                f"{name}, a {type(source).__name__}, gave no batch of samples; it must give at "
                "least one, and a function must return a new iterator at every call."
            )
        self.first_given, self.first_batch = first, _cast(first)
        if first[0].ndim < 2:
            raise ValueError(
                f"{name} gave a batch of shape {first[0].shape}; batches must have the shape "
                "(n_samples, n_features) or (n_samples, ...)."
            )

    @property
    def is_weighted(self) -> bool:
        """Whether the last of the parts is weights."""
        return len(self.first_batch) == 3

    @property
    def shapes(self) -> list[Shape]:
        """Shapes of one row of inputs, and of targets and weights where there are any."""
        return [part.shape[1:] for part in self.first_batch]

    def mapped(self, function: Callable[[list[FloatArray]], list[FloatArray]]) -> Stream:
        """Return the same stream with a function applied to the parts of every batch."""
        other = copy.copy(self)
        other._function, other.first_batch = function, _cast(function(self.first_given))
        return other

    def batches(
        self, *, training: bool = False, as_given: bool = False
    ) -> Iterator[list[FloatArray]]:
        """Iterate over all batches once.

        Parameters
        ----------
        as_given : bool, default=False
            Whether to leave units and precision as the source has them.
        training : bool, default=False
            Whether to call ``on_epoch_begin`` and ``on_epoch_end`` of a ``PyDataset``.

        Yields
        ------
        batch : list of ndarray
            Inputs, and targets and weights where the batch has them, in Keras's float type, or
            as given in float32 or float64.

        Raises
        ------
        ValueError
            If a value is not finite.
        """
        for number, batch in enumerate(self._iterate(training)):
            arrays = list(map(_as_floats, _parts(batch, self.name)))
            if len(arrays[0]) == 0:
                continue
            if not all(map(is_finite, _cast(arrays))):
                what = f"NaN, infinity or a value too large for {keras.config.floatx()}"
                raise ValueError(f"Batch {number} of {self.name}, counted from 0, contains {what}.")
            if len(arrays) == 3:
                arrays[2] = shaped_weights(arrays[2], arrays[1].shape[1:])
            if as_given:
                yield arrays
            else:
                yield _cast(arrays if self._function is None else self._function(arrays))


def _as_floats(part: Any) -> FloatArray:
    """Return numbers as float32 or float64, whichever keeps them."""
    array = np.asarray(part)
    return np.asarray(array, float_dtypes(array)[0] if array.dtype.kind != "f" else array.dtype)


def _cast(arrays: list[FloatArray]) -> list[FloatArray]:
    """Return arrays in the float type of Keras; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return [np.asarray(array, keras.config.floatx()) for array in arrays]


def _iteration(source: Any, name: str) -> Callable[[bool], Iterator[Any]]:
    """Return a function that iterates over a source's batches from the start."""
    if isinstance(source, tf.data.Dataset):
        if source.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                f"{name} is a tf.data.Dataset without an end; remove repeat(), since every epoch "
                f"goes through {name} once."
            )
        return lambda _: iter(source.as_numpy_iterator())
    if isinstance(source, keras.utils.PyDataset):
        return partial(_items, source)
    if callable(source):
        return lambda _: _called(source, name)
    raise TypeError(
        f"{name} gives batches, but a {type(source).__name__} can be iterated over only once; "
        "pass a function that returns a new iterator at every call, or a dataset."
    )


def _called(source: Callable[[], Any], name: str) -> Iterator[Any]:
    batches = source()
    if not hasattr(batches, "__iter__"):
        raise TypeError(
            f"{name} is a function that returned {_kind(batches)}, but it must return a new "
            "iterator over batches at every call: write yield batch in it, or return "
            "iter(list_of_batches)."
        )
    return iter(batches)


def _parts(batch: Any, name: str) -> list[Any]:
    """Return the inputs of a batch, and its targets and weights where it has them."""
    parts = [*batch] if isinstance(batch, (tuple, list)) else [batch]
    wrong = [part for part in parts if part is None or isinstance(part, Mapping)]
    if wrong:
        advice = ""
        if isinstance(wrong[0], Mapping):
            advice = (
                " Make one array of a dict's columns: dataset.map(lambda batch: tf.stack("
                "list(batch.values()), axis=1))."
            )
        raise TypeError(
            f"{name} gave a batch with {_kind(wrong[0])}; batches must be arrays of shape "
            f"(n_samples, n_features) or (n_samples, ...), or tuples of arrays.{advice}"
        )
    return parts


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _items(source: keras.utils.PyDataset, training: bool) -> Iterator[Any]:
    if training:
        source.on_epoch_begin()
    for index in range(len(source)):
        yield source[index]
    if training:
        source.on_epoch_end()
