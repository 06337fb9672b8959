"""Traces functions of tensors, and calls what was traced by the shortest way."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Tensors = list[Any]


class NotPureError(Exception):
    """A model keeps state where a program can't take it in and give it out."""


def trace(
    function: Callable[..., Any], specs: Sequence[tf.TensorSpec], *, jit_compile: bool = False
) -> Callable[..., Tensors]:
    """Return a function as one program, which owns no variable.

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
        If it uses a variable, which all who call the program would share.
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
