"""Random numbers inside models: distribution, independence, the same in all programs."""

from __future__ import annotations

import math
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from skae import _random

SHAPE = (300, 701)
DRAWS = {"normal": _random.normal, "uniform": _random.uniform}
FITS = {"normal": stats.norm(), "uniform": stats.uniform()}
EACH = pytest.mark.parametrize("name", DRAWS)


def batches(name, n, *, seed=7, shape=SHAPE):
    """Return `n` batches, one after the other."""
    generator = keras.random.SeedGenerator(seed)
    return [DRAWS[name](shape, generator).numpy() for _ in range(n)]


def correlation(a, b):
    """Return the correlation in units of its standard error, were `a` and `b` independent."""
    return abs(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]) * math.sqrt(np.size(a))


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0x00000000, 0x00000000), 0x00000000, (0xFF1DAE59, 0x6CD10DF2)),
        ((0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        ((0x243F6A88, 0x85A308D3), 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_the_bits_are_philox(counter, key, words):
    """The results that the authors publish with their library, Random123."""
    drawn = _random.philox(*(tf.constant(word, tf.uint32) for word in (*counter, key)))
    assert tuple(map(int, drawn)) == words


def test_normal_numbers_are_the_transform_of_box_and_muller():
    place = np.arange(10_000, dtype=np.uint32)
    first, second = (
        word.numpy() / 2**32
        for word in _random.philox(*map(tf.constant, (place, 0 * place, np.uint32(7))))
    )
    expected = np.sqrt(-2 * np.log(first + 2**-33)) * np.cos(2 * np.pi * second)
    (drawn,) = batches("normal", 1, shape=place.shape)
    np.testing.assert_allclose(drawn, expected, rtol=0, atol=2e-5)


@EACH
@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_distribution(name, seed):
    for drawn in batches(name, 3, seed=seed):
        assert drawn.dtype == np.float32
        assert stats.kstest(drawn.ravel(), FITS[name].cdf).pvalue > 1e-3


def test_tails_are_those_of_the_normal_distribution():
    drawn = np.abs(batches("normal", 1, shape=(10**7,))[0])
    for bound in (3.0, 4.0, 5.0):
        expected = 2 * stats.norm.sf(bound) * drawn.size
        assert abs(np.sum(drawn > bound) - expected) < 5 * math.sqrt(expected)


def test_uniform_numbers_are_below_one():
    drawn = batches("uniform", 1, shape=(10**7,))[0]
    assert drawn.min() < 1e-6
    assert 1 - 1e-6 < drawn.max() < 1


@EACH
@pytest.mark.parametrize("lag", [1, 2, 64, 128, SHAPE[1], 2**16])
def test_neighbours_are_independent(name, lag):
    (drawn,) = batches(name, 1)
    first, second = drawn.ravel()[:-lag], drawn.ravel()[lag:]
    assert correlation(first, second) < 5
    assert correlation(first**2, second**2) < 5


@EACH
def test_successive_batches_are_independent(name):
    for first, second in pairwise(batches(name, 6)):
        assert correlation(first, second) < 5
        assert correlation(first**2, second**2) < 5


@EACH
def test_seeds_are_independent(name):
    for first, second in pairwise(batches(name, 1, seed=seed)[0] for seed in (0, 1, 2, 2**20)):
        assert correlation(first, second) < 5


def test_pairs_fill_the_plane():
    """Independent neighbours fall into all cells of a grid alike."""
    x, y = batches("uniform", 1, shape=(200_000, 2))[0].T
    counts, _, _ = np.histogram2d(x, y, bins=20, range=[[0, 1], [0, 1]])
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_nothing_is_drawn_twice():
    """Of 48 bits, 200,000 coincide once in 14,000 seeds; a pattern that came again would always."""
    drawn = np.ravel(batches("uniform", 20, shape=(10_000,)))
    pairs = drawn[:-1].astype(np.float64) + drawn[1:] * 2.0**24
    assert len(np.unique(pairs)) == len(pairs)


@EACH
def test_a_batch_is_the_same_in_eager_mode_in_a_graph_and_under_xla(name):
    draw = DRAWS[name]
    expected = batches(name, 1, shape=(33, 141))[0]
    rows = tf.zeros((33, 141))
    for signature in (tf.TensorSpec((33, 141)), tf.TensorSpec((None, None))):
        for jit_compile in (None, True):
            generator = keras.random.SeedGenerator(7)
            function = tf.function(
                # As of a layer's inputs: XLA follows the shape through what came before.
                lambda x, g=generator: draw(keras.ops.shape(x @ tf.eye(141)), g),
                input_signature=[signature],
                jit_compile=jit_compile,
            )
            if name == "uniform":
                np.testing.assert_array_equal(function(rows), expected)
            else:
                np.testing.assert_allclose(function(rows), expected, rtol=0, atol=2e-6)


@EACH
def test_the_arithmetic_needs_no_xla(name):
    expected = batches(name, 1)[0]
    tf.config.run_functions_eagerly(True)
    try:
        by_operation = batches(name, 1)[0]
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(by_operation, expected, rtol=0, atol=2e-6)


@EACH
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (5, 1), (3, 4, 5, 2)])
def test_a_number_depends_on_its_place_alone(name, shape):
    (drawn,), (more,) = batches(name, 1, shape=shape), batches(name, 1, shape=(200,))
    assert drawn.shape == shape
    np.testing.assert_allclose(drawn.ravel(), more[: drawn.size], rtol=0, atol=2e-6)


@EACH
def test_an_integer_seed_always_draws_the_same(name):
    first, second = (DRAWS[name]((50,), 3).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, batches(name, 1, seed=3, shape=(50,))[0])


def test_sizes_that_xla_compiles_are_few_and_large_enough():
    wanted = np.geomspace(1, 1.8e9, 3000).astype(np.int32)
    few = np.array([int(_random._one_of_few(size)) for size in wanted])
    assert np.all((few >= wanted) & (few <= np.maximum(1.25 * wanted, 1024)))
    assert len(np.unique(few)) < 100
