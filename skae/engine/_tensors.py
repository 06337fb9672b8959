"""Converts a model's state between variables, arrays and the tensors that a program takes.

A program takes small weights joined into one vector.

TensorFlow dispatches its kernels one by one, and a step of Adam is a dozen of them for every
weight, however small. Joined weights need them once, and a call takes 8 tensors instead of 37:
on two cores an epoch of 2,359 x 140 in batches of 512 through 32-16-8-16-32 units takes 3.3 ms
instead of 4.4. XLA joins such steps by itself, and gains nothing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import Arrays, Shape
from skae._private import slot_names

Tensors = list[Any]

# Eager arithmetic and that of a graph round differently; what is computed from wrong numbers, or by
# other code, is off by far more.
_ROUNDING = 1e-5
# Beyond this, copying a weight into the vector and out of it costs more than its kernels.
_MAX_SIZE = 2**14
# Optimizers that treat every element of a weight alike, so that weights can be joined.
_ELEMENTWISE = (
    keras.optimizers.SGD,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Adamax,
    keras.optimizers.RMSprop,
    keras.optimizers.Adagrad,
    keras.optimizers.Adadelta,
)


def read(variables: Sequence[keras.Variable]) -> list[Any]:
    """Return a tensor for each variable, which shares its memory until the variable changes."""
    # The raw operations take a quarter of the time of the variables' own methods, of which a fit
    # of a small network makes seventy.
    values = [variable.value for variable in variables]
    try:
        return [tf.raw_ops.ReadVariableOp(resource=v.handle, dtype=v.dtype) for v in values]
    except ValueError:  # a variable of a distribution strategy has several handles
        return [tf.convert_to_tensor(v) for v in values]


def assign(variables: Sequence[keras.Variable], values: Sequence[Any]) -> None:
    """Write values into variables."""
    for variable, value in zip(variables, values, strict=True):
        # TensorFlow may make the memory of an array the variable's own instead of copying it.
        variable.assign(value.copy() if isinstance(value, np.ndarray) else value)


def copied(variables: Sequence[keras.Variable]) -> Arrays:
    """Return copies of the values of variables."""
    # `np.array` does not copy a tensor, whose memory a variable may overwrite.
    return [np.asarray(tensor).copy() for tensor in read(variables)]


def joined(tensors: Sequence[Any]) -> Any:
    """Return all values as one vector, which may be empty."""
    flat = [tf.reshape(tensor, [-1]) for tensor in tensors]
    return tf.concat(flat, 0) if flat else tf.zeros(0)


def divided(flat: Sequence[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """Split a list into lists of these sizes."""
    ends = itertools.accumulate(sizes)
    return [list(flat[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


class NotPureError(Exception):
    """A model keeps state that a program can't take and return."""


class NotPackableError(Exception):
    """A weight has no gradient, or a sparse one."""


def _new_variable(variables: Sequence[keras.Variable]) -> keras.Variable:
    return keras.Variable(np.zeros(sum(_sizes([v.shape for v in variables])), np.float32))


def _sizes(shapes: Sequence[Shape]) -> list[int]:
    return [int(np.prod(shape)) for shape in shapes]


def _parted(vector: Any, shapes: Sequence[Shape]) -> list[Any]:
    pieces = zip(tf.split(vector, _sizes(shapes)), shapes, strict=True)
    return [tf.reshape(piece, shape) for piece, shape in pieces]


# Outside of a program the same is done in NumPy, whose operations take a microsecond where those of
# TensorFlow take thirty: a fit of a small network is 5 ms shorter for it, and so is every epoch
# that callbacks watch.
def _joined_values(tensors: Sequence[Any]) -> Any:
    return tf.convert_to_tensor(np.concatenate([np.asarray(tensor).ravel() for tensor in tensors]))


def _parted_values(vector: Any, shapes: Sequence[Shape]) -> list[Any]:
    pieces = np.split(vector.numpy(), np.cumsum(_sizes(shapes))[:-1])
    return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _tensor(value: Any) -> Any:
    # A tensor may lie in the memory of the array that it is made of.
    return tf.convert_to_tensor(value.copy() if isinstance(value, np.ndarray) else value)


@dataclass(frozen=True)
class Groups:
    """Groups of tensors that are joined into one vector; a group of one is not changed.

    Parameters
    ----------
    members : tuple of tuple of int
        Indices of tensors, group by group.
    shapes : tuple of tuple of int
        Shapes of the tensors.
    """

    members: tuple[tuple[int, ...], ...]
    shapes: tuple[Shape, ...]

    @classmethod
    def of(cls, tensors: Sequence[Any], small: Sequence[int] = ()) -> Groups:
        """Return groups that join the tensors at the indices `small` alone."""
        others = [(i,) for i in range(len(tensors)) if i not in set(small)]
        joined = [tuple(small)] if small else []
        return cls((*joined, *others), tuple(tuple(tensor.shape) for tensor in tensors))

    def join(self, tensors: Sequence[Any], joined: Callable[..., Any] = joined) -> list[Any]:
        """Return one tensor for each group; `joined` makes one of several."""
        return [
            joined([tensors[i] for i in group]) if len(group) > 1 else tensors[group[0]]
            for group in self.members
        ]

    def join_variables(self, variables: Sequence[keras.Variable]) -> list[keras.Variable]:
        """Return a variable for each group: its only member, or a new one for all of them."""
        return self.join(variables, _new_variable)

    def join_gradients(self, gradients: Sequence[Any]) -> list[Any]:
        """Return one gradient for each group, or raise NotPackableError."""
        for group in self.members:
            if len(group) > 1 and not all(tf.is_tensor(gradients[i]) for i in group):
                raise NotPackableError
        return self.join(gradients)

    def part(self, vectors: Sequence[Any], parted: Callable[..., Any] = _parted) -> list[Any]:
        """Return the tensors of the groups in order; `parted` makes several of one."""
        tensors: list[Any] = [None] * len(self.shapes)
        for group, vector in zip(self.members, vectors, strict=True):
            shapes = [self.shapes[i] for i in group]
            pieces = parted(vector, shapes) if len(group) > 1 else [vector]
            for i, piece in zip(group, pieces, strict=True):
                tensors[i] = piece
        return tensors


@dataclass(frozen=True)
class Packing:
    """The groups of a model's trainable weights, of its other variables, and of its optimizer's."""

    weights: Groups
    fixed: Groups
    slots: Groups

    def joined(self, values: Sequence[Any]) -> list[Tensors]:
        """Return weights, other variables, and the optimizer's, joined.

        Parameters
        ----------
        values : sequence of array or Tensor
            In the order of `weight_variables`, then the optimizer's.
        """
        parts = divided(values, [len(groups.shapes) for groups in self._all])
        return [
            [_tensor(value) for value in groups.join(own, _joined_values)]
            for groups, own in zip(self._all, parts, strict=True)
        ]

    def parted(self, state: Sequence[Tensors]) -> tuple[list[Any], list[Any]]:
        """Return weights and other variables, and the optimizer's, in parts again."""
        pairs = zip(self._all, state, strict=True)
        weights, fixed, slots = (groups.part(part, _parted_values) for groups, part in pairs)
        return [*weights, *fixed], slots

    @property
    def _all(self) -> tuple[Groups, Groups, Groups]:
        return self.weights, self.fixed, self.slots


def is_packable(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether an optimizer's step is the same for joined weights."""
    norms = (optimizer.clipnorm, optimizer.global_clipnorm)
    return type(optimizer) in _ELEMENTWISE and norms == (None, None)


def pack(model: keras.Model, *, packed: bool) -> Packing:
    """Return how to pack a model's state.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    packed : bool
        Whether to join its small weights.
    """
    weights, slots = model.trainable_variables, model.optimizer.variables
    fixed = Groups.of(model.non_trainable_variables)
    small = [i for i, weight in enumerate(weights) if packed and _is_small(weight)]
    if len(small) < 2:
        return Packing(Groups.of(weights), fixed, Groups.of(slots))
    groups = Groups.of(weights, small)
    index = {name: i for i, name in enumerate(slot_names(model.optimizer, len(weights)))}
    # As the optimizer of the joined weights names its variables, in its order.
    members = [
        [index[i, kind] for i in ((None,) if group is None else groups.members[group])]
        for group, kind in slot_names(model.optimizer, len(groups.members))
    ]
    shapes = tuple(tuple(slot.shape) for slot in slots)
    return Packing(groups, fixed, Groups(tuple(map(tuple, members)), shapes))


def weight_variables(model: keras.Model) -> list[keras.Variable]:
    """Return the trainable variables of a model, then the others.

    Unlike ``get_weights`` this includes the seeds of noise and dropout layers, which an unpickled
    model needs to continue training.
    """
    return [*model.trainable_variables, *model.non_trainable_variables]


def _is_small(weight: keras.Variable) -> bool:
    plain = weight.constraint is None and not getattr(weight, "overwrite_with_gradient", False)
    return plain and weight.dtype == "float32" and int(np.prod(weight.shape)) <= _MAX_SIZE


def trace(
    function: Callable[..., Any], specs: Sequence[tf.TensorSpec], *, jit_compile: bool = False
) -> Callable[..., Tensors]:
    """Return a function of tensors as one program, which must not use variables.

    Parameters
    ----------
    function : callable
        Of tensors, to a sequence of tensors.
    specs : sequence of tf.TensorSpec
        Of its arguments.
    jit_compile : bool, default=False
        Whether XLA compiles it.

    Raises
    ------
    NotPureError
        If it uses a variable, which all callers of the program would share.
    """
    traced = tf.function(function, jit_compile=jit_compile or None, autograph=False)
    concrete = traced.get_concrete_function(*specs)
    captured = concrete.captured_inputs
    hidden = [tensor for tensor in captured if tensor.dtype == tf.resource]
    if hidden:
        raise NotPureError(f"it uses {len(hidden)} variables that Keras does not list as its own")
    if jit_compile:  # XLA is entered by this way alone
        called: Callable[..., Tensors] = concrete
        return called
    # TensorFlow checks and packs the arguments of a traced function in Python, for 0.5 ms where
    # there are twelve of them: a seventh of the time of a small epoch. Types go in as the numbers
    # that the C API wants: it takes another 5 microseconds to look up twelve.
    types = [output.dtype.as_datatype_enum for output in concrete.outputs]
    launch = functools.partial(tf.raw_ops.StatefulPartitionedCall, Tout=types, f=concrete)

    def call(*arguments: Any) -> Tensors:
        outputs: Tensors = launch(args=[*arguments, *captured])
        return outputs

    return call


def all_close(shared: Sequence[Any], own: Sequence[Any]) -> bool:
    """Return whether tensors are equal up to rounding, relative to the largest value of each."""
    if [np.shape(x) for x in shared] != [np.shape(x) for x in own]:
        return False
    for pair in zip(shared, own, strict=True):
        a, b = (np.asarray(x, np.float64) for x in pair)
        largest = np.abs(b[np.isfinite(b)]).max(initial=0)
        if not np.allclose(a, b, rtol=0, atol=_ROUNDING * largest, equal_nan=True):
            return False
    return True
