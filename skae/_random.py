"""Random numbers inside a model, the same in eager mode, in TensorFlow's graphs and under XLA.

Keras draws by ``tf.random.stateless_*``, which takes one algorithm under XLA and another without
it, so that a fit would depend on how its program was compiled. It is also slow: one normal number
costs 490 ns under XLA on a CPU; TensorFlow's Philox, selected by name, 22 ns, and 6 ns without
XLA. Training a small autoencoder on the number costs 9 ns. The numbers here cost 2 to 3 ns, because
XLA compiles the whole draw into one loop, in graphs that are not compiled otherwise, too.

The bits are those of Philox2x32-10 [1]_: a block of two words for every key, here the seed, and
counter, here the batch and the place in it. Blocks of one seed never repeat, and a number depends
on its place alone, not on how many are drawn. A normal number is made of both words [2]_.

.. [1] J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw (2011). "Parallel Random Numbers: As
   Easy as 1, 2, 3". SC11. https://doi.org/10.1145/2063384.2063405
.. [2] G. E. P. Box and M. E. Muller (1958). "A Note on the Generation of Random Normal Deviates".
   Annals of Mathematical Statistics 29(2). https://doi.org/10.1214/aoms/1177706645
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from skae import _tensorflow  # noqa: F401  quiet import, before anything imports TensorFlow

# isort: split
import keras
import numpy as np
import tensorflow as tf

_MULTIPLIER, _WEYL, _ROUNDS = 0xD256D193, 0x9E3779B9, 10
# Sizes to draw if the size is not known when a function is traced: four for each power of two. XLA
# takes 0.1 s to compile each size, and keeps 0.6 MB of it until the process ends.
_SIZES = np.array([digit << power for power in range(8, 29) for digit in (4, 5, 6, 7)], np.int32)


def normal(shape: Sequence[Any], seed: keras.random.SeedGenerator | int) -> Any:
    """Return numbers of the standard normal distribution.

    Parameters
    ----------
    shape : sequence of int or Tensor
        As `keras.ops.shape` gives it.
    seed : keras.random.SeedGenerator or int
        A generator advances to its next batch of numbers; an integer always gives the same ones.

    Examples
    --------
    >>> from skae._random import normal
    >>> tuple(normal((2, 3), seed=0).shape)
    (2, 3)
    """
    return _drawn(_draw_normal, shape, seed)


def uniform(shape: Sequence[Any], seed: keras.random.SeedGenerator | int) -> Any:
    """Return numbers that are uniform in [0, 1): multiples of ``2**-24``.

    Parameters
    ----------
    shape : sequence of int or Tensor
        As `keras.ops.shape` gives it.
    seed : keras.random.SeedGenerator or int
        A generator advances to its next batch of numbers; an integer always gives the same ones.

    Examples
    --------
    >>> from skae._random import uniform
    >>> bool((uniform((5,), seed=0).numpy() < 1).all())
    True
    """
    return _drawn(_draw_uniform, shape, seed)


def philox(left: Any, right: Any, key: Any) -> tuple[Any, Any]:
    """Return Philox2x32-10's block of two words for a counter of two uint32 words and a key."""
    for _ in range(_ROUNDS):
        product = tf.cast(left, tf.uint64) * tf.constant(_MULTIPLIER, tf.uint64)
        high = tf.cast(tf.bitwise.right_shift(product, tf.constant(32, tf.uint64)), tf.uint32)
        left = tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(high, key), right)
        right = tf.cast(product, tf.uint32)
        key += tf.constant(_WEYL, tf.uint32)
    return left, right


def _as_uniform(first: Any, _second: Any) -> Any:
    return tf.cast(tf.bitwise.right_shift(first, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


def _as_normal(first: Any, second: Any) -> Any:
    radius = tf.sqrt(-2.0 * tf.math.log((tf.cast(first, tf.float32) + 0.5) * 2.0**-32))
    # XLA calls the C library's cosine, which takes twice as long as all else. So it is the Taylor
    # series for half the angle, in [-pi/2, pi/2], which is then doubled.
    half = tf.cast(tf.bitcast(second, tf.int32), tf.float32) * (2.0**-32 * math.pi)
    square = half * half
    cosine: Any = 0.0
    for power in range(12, -1, -2):
        cosine = cosine * square + (-1) ** (power // 2) / math.factorial(power)
    cosine = 2.0 * cosine * cosine - 1.0
    return radius * cosine


def _compiled(as_numbers: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def draw(state: Any, size: Any) -> Any:
        key, batch = tf.unstack(tf.cast(state, tf.uint32))
        place = tf.bitcast(tf.range(size), tf.uint32)
        return as_numbers(*philox(place, tf.fill(tf.shape(place), batch), key))

    signature = [tf.TensorSpec((2,), tf.int64), tf.TensorSpec((), tf.int32)]
    function: Callable[..., Any] = tf.function(
        draw, input_signature=signature, autograph=False, jit_compile=True
    )
    return function


_draw_uniform, _draw_normal = map(_compiled, (_as_uniform, _as_normal))


def _drawn(
    draw: Callable[..., Any], shape: Sequence[Any], seed: keras.random.SeedGenerator | int
) -> Any:
    state = tf.constant([seed, 0], tf.int64) if isinstance(seed, int) else seed.next()
    fixed = all(isinstance(length, int) for length in shape)
    size = math.prod(shape) if fixed else tf.reduce_prod(shape)
    fixed = fixed and not tf.executing_eagerly()
    return tf.reshape(draw(state, size if fixed else _one_of_few(size))[:size], shape)


def _one_of_few(size: Any) -> Any:
    return tf.reduce_min(tf.where(size <= _SIZES, _SIZES, _SIZES[-1]))
