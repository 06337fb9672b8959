"""Noise has the stated mean, variance and fraction, is seeded, and acts in training alone."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from scipy import stats

from skae.noise import GaussianNoise, MaskingNoise, make_noise

NAMES = ["gaussian", "uniform", "masking", "dropout", "salt_and_pepper"]
ROWS = np.full((200, 500), 0.5, np.float32)


def corrupt(noise, seed=0, rows=ROWS, **options):
    return np.asarray(make_noise(noise, seed, options)(rows, training=True))


def check_mean(values, expected, stddev):
    """Five standard errors: wrong once in two million seeds, and the seed is fixed."""
    assert abs(values.mean() - expected) < 5 * stddev / np.sqrt(values.size)


@pytest.mark.parametrize("stddev", [0.1, 2.5])
def test_gaussian(stddev):
    added = corrupt("gaussian", stddev=stddev) - ROWS
    check_mean(added, 0, stddev)
    check_mean(added**2, stddev**2, stddev**2 * np.sqrt(2))
    check_mean(added**4, 3 * stddev**4, stddev**4 * np.sqrt(96))


def test_gaussian_is_one_tenth_by_default():
    assert make_noise("gaussian", 0).stddev == 0.1


def test_uniform():
    added = corrupt("uniform", amplitude=0.3) - ROWS
    check_mean(added, 0, 0.3 / np.sqrt(3))
    check_mean(added**2, 0.03, 0.03)
    assert 0.299 < np.abs(added).max() <= 0.3 + 1e-6


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("gaussian", {"stddev": 0.3}, stats.norm(0, 0.3)),
        ("uniform", {"amplitude": 0.3}, stats.uniform(-0.3, 0.6)),
    ],
)
def test_distribution_of_what_is_added(name, options, expected):
    added = corrupt(name, rows=np.zeros_like(ROWS), **options)
    assert stats.kstest(added.ravel(), expected.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", ["masking", "dropout"])
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_masking(name, rate):
    values = corrupt(name, rate=rate)
    assert set(np.unique(values)) <= {np.float32(0), np.float32(0.5)}  # nothing is rescaled
    check_mean(values == 0, rate, np.sqrt(rate * (1 - rate)) + 1e-12)


def test_salt_and_pepper():
    values = corrupt("salt_and_pepper", rate=0.4, low=-1, high=2)
    assert set(np.unique(values)) == {-1.0, 0.5, 2.0}
    check_mean(values == -1, 0.2, 0.4)
    check_mean(values == 2, 0.2, 0.4)


@pytest.mark.parametrize("name", ["gaussian", "uniform"])
def test_clip(name):
    strength = {"gaussian": "stddev", "uniform": "amplitude"}[name]
    values = corrupt(name, clip=(0.25, 1), **{strength: 1.0})
    assert values.min() == 0.25
    assert values.max() == 1.0


def test_clip_leaves_inference_alone():
    layer = make_noise("gaussian", 0, {"clip": (0, 0.1)})
    np.testing.assert_array_equal(layer(ROWS), ROWS)


@pytest.mark.parametrize("name", NAMES)
def test_training_alone(name):
    layer = make_noise(name, 0)
    np.testing.assert_array_equal(layer(ROWS), ROWS)
    np.testing.assert_array_equal(layer(ROWS, training=False), ROWS)
    assert (np.asarray(layer(ROWS, training=True)) != ROWS).any()


@pytest.mark.parametrize("name", NAMES)
def test_seeds(name):
    layer = make_noise(name, 1)
    first, second = (np.asarray(layer(ROWS, training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(corrupt(name, 1), first)
    assert (corrupt(name, 2) != first).any()


@pytest.mark.parametrize("name", NAMES)
def test_global_random_state_is_left_alone(name):
    before = random.getstate()
    corrupt(name)
    assert random.getstate() == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float64", "float16", "mixed_float16", "bfloat16"])
def test_every_type_has_the_same_noise(name, dtype):
    layer = make_noise(name, 3)
    typed = type(layer).from_config({**layer.get_config(), "dtype": dtype})
    wanted, got = (x(keras.ops.cast(ROWS, x.compute_dtype), training=True) for x in (layer, typed))
    assert keras.backend.standardize_dtype(got.dtype) == typed.compute_dtype
    precision = {"float64": 1e-7, "bfloat16": 1e-2}.get(typed.compute_dtype, 1e-3)
    np.testing.assert_allclose(keras.ops.cast(got, "float32"), wanted, rtol=precision, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(12,), (3, 4), (2, 1, 3, 2)])
def test_every_rank(name, shape):
    rows, layer = np.full(shape, 0.5, np.float32), make_noise(name, 3)
    flat = corrupt(name, 3, rows=rows.ravel())
    np.testing.assert_array_equal(np.ravel(layer(rows, training=True)), flat)


@pytest.mark.parametrize("name", NAMES)
def test_configuration_survives(name):
    layer = make_noise(name, 1)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize("name", NAMES)
def test_names_are_the_same_every_time(name):
    first, second = make_noise(name, 1), make_noise(name, 2)
    assert first.name == second.name
    names = [[v.value.name for v in layer.variables] for layer in (first, second)]
    assert names[0] == names[1]


def test_none():
    assert make_noise(None, 0) is None


def test_a_layer_is_copied_with_a_seed_of_its_own():
    layer = keras.layers.GaussianDropout(0.3, seed=5)
    first, again, other = (make_noise(layer, seed) for seed in (1, 1, 2))
    assert first is not layer
    assert type(first) is keras.layers.GaussianDropout
    assert first.rate == 0.3
    one, same, different = (np.asarray(x(ROWS, training=True)) for x in (first, again, other))
    np.testing.assert_array_equal(one, same)
    assert (one != different).any()


def test_layers_inside_a_layer_are_reseeded():
    both = keras.Sequential([GaussianNoise(0.1), MaskingNoise(0.2)], name="both")
    copies = [make_noise(both, seed) for seed in (1, 2)]
    seeds = [layer.seed for copy in copies for layer in copy.layers]
    assert len(set(seeds)) == 4
    assert copies[0].layers[1].rate == 0.2


class NoConfig(keras.layers.Layer):
    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def get_config(self):
        raise NotImplementedError


def test_a_layer_that_cannot_be_copied():
    with pytest.raises(TypeError, match="can't be copied, because NoConfig has no get_config"):
        make_noise(NoConfig(object()), 0)


@pytest.mark.parametrize(
    ("noise", "options", "message"),
    [
        ("gausian", {}, "noise='gausian' is not known. Did you mean 'gaussian'?"),
        ("gaussian", {"std": 1}, "no option 'std'.*It accepts .*'stddev'"),
        ("gaussian", {"stddev": -1}, "stddev must be a finite number of at least 0; got -1"),
        ("gaussian", {"stddev": "x"}, "stddev must be a finite number of at least 0; got 'x'"),
        ("uniform", {"amplitude": float("inf")}, "amplitude must be a finite number"),
        ("masking", {"rate": 1.5}, r"rate must be a finite number in \[0, 1\]; got 1.5"),
        ("gaussian", {"clip": (1, 0)}, r"clip must be None or a pair \(low, high\)"),
        ("gaussian", {"clip": 1}, r"clip must be None or a pair \(low, high\)"),
        (None, {"stddev": 1}, "noise=None takes no options, but"),
    ],
)
def test_bad_values(noise, options, message):
    with pytest.raises(ValueError, match=message):
        make_noise(noise, 0, options)


def test_neither_name_nor_layer():
    with pytest.raises(TypeError, match=r"noise=0\.1 is neither a name nor a Keras layer"):
        make_noise(0.1, 0)
