"""One integer makes a fit repeatable in any thread, and global random states are unchanged."""
# ruff: noqa: NPY002  NumPy's global state is what is looked at

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skae import AutoencoderTransformer
from skae.estimators._scikeras import keras
from tests.estimators import tutorial_models
from tests.estimators._cases import ESTIMATORS, output, small, weights

NOISY = {"noise": "gaussian", "validation_split": 0.2}


def _global_state():
    return (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        np.random.get_state()[2],
        tf.random.get_global_generator().state.numpy().tolist(),
        tf.config.experimental.get_synchronous_execution(),
    )


def _same_weights(one, two):
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(two), strict=True))


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_one_seed_gives_one_fit(kind, table):
    first, second, other = (
        small(kind, **NOISY, random_state=seed).fit(table) for seed in (3, 3, 4)
    )
    assert _same_weights(first, second)
    assert first.history_ == second.history_
    assert_array_equal(output(first, table), output(second, table))
    assert not _same_weights(first, other)


@pytest.mark.parametrize(
    "params",
    [
        {"model": "linear"},
        {"model": "linear", "model__tied": True},
        {"model": "conv", "input_shape": (3, 2, 1), "hidden_layer_sizes": (2,)},
        {"model": "recurrent", "input_shape": (3, 2), "hidden_layer_sizes": (2,)},
        {"model": tutorial_models.Bottleneck, "model__dropout": 0.3},
        {"noise": keras.layers.Dropout(0.4)},
        {"noise": "masking"},
        {"shuffle": False},
    ],
    ids=str,
)
def test_every_network_and_noise_is_seeded(params, table):
    before = _global_state()
    first, second = (small(AutoencoderTransformer, **params).fit(table) for _ in range(2))
    assert _global_state() == before
    assert _same_weights(first, second)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_global_state_is_untouched(kind, table):
    before = _global_state()
    estimator = small(kind, **NOISY)
    assert _global_state() == before
    estimator.fit(table)
    output(estimator, table)
    estimator.partial_fit(table)
    estimator.score(table)
    clone(estimator)
    assert _global_state() == before


def test_global_seed_of_tensorflow_does_not_matter(table):
    expected = small(AutoencoderTransformer, **NOISY).fit(table)
    # Process-wide, so it is put back: None is TensorFlow's own default.
    tf.random.set_seed(7)
    try:
        assert _same_weights(small(AutoencoderTransformer, **NOISY).fit(table), expected)
    finally:
        tf.random.set_seed(None)


def test_no_integer_draws_from_numpys_global_state(table):
    previous = np.random.get_state()
    try:
        np.random.seed(5)
        first = small(AutoencoderTransformer, random_state=None).fit(table)
        drawn = np.random.get_state()[2]
        second = small(AutoencoderTransformer, random_state=None).fit(table)
        np.random.seed(5)
        again = small(AutoencoderTransformer, random_state=None).fit(table)
    finally:
        np.random.set_state(previous)
    assert drawn == 1
    assert _same_weights(first, again)
    assert not _same_weights(first, second)


def test_random_state_instance_is_drawn_from(table):
    rng = np.random.RandomState(0)
    first, second = (small(AutoencoderTransformer, random_state=rng).fit(table) for _ in range(2))
    assert not _same_weights(first, second)
    again = small(AutoencoderTransformer, random_state=np.random.RandomState(0)).fit(table)
    assert _same_weights(first, again)


@pytest.mark.parametrize("params", [NOISY, {"model": tutorial_models.Bottleneck}], ids=str)
def test_threads_equal_one_thread(params, table):
    def fit(seed):
        estimator = small(AutoencoderTransformer, **params, random_state=seed).fit(table)
        return weights(estimator), estimator.transform(table)

    seeds = [0, 1, 2, 3, 0, 1, 2, 3]
    expected = [fit(seed) for seed in seeds[:4]] * 2
    before = _global_state()
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(fit, seeds))
    assert _global_state() == before
    for (expected_weights, expected_codes), (got_weights, got_codes) in zip(
        expected, got, strict=True
    ):
        for one, two in zip(expected_weights, got_weights, strict=True):
            assert_array_equal(one, two)
        assert_array_equal(expected_codes, got_codes)


def test_threads_score_one_estimator(table, fitted):
    estimator = fitted[AutoencoderTransformer]
    expected = estimator.transform(table)
    with ThreadPoolExecutor(4) as pool:
        for codes in pool.map(estimator.transform, [table] * 16):
            assert_array_equal(codes, expected)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_scores_are_the_same_at_every_call(kind, table, fitted):
    assert_array_equal(output(fitted[kind], table), output(fitted[kind], table))
    assert fitted[kind].score(table) == fitted[kind].score(table)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_parameters_are_unchanged_by_fit(kind, table):
    estimator = small(
        kind,
        hidden_layer_sizes=[4],
        noise=keras.layers.GaussianNoise(0.1),
        optimizer=keras.optimizers.Adam(0.01),
        callbacks=[keras.callbacks.TerminateOnNaN()],
        metrics=["mae"],
        random_state=0,
        early_stopping=True,
    )
    before = estimator.get_params(deep=False)
    described = {name: repr(value) for name, value in before.items()}
    estimator.fit(table)
    after = estimator.get_params(deep=False)
    assert {name: id(value) for name, value in after.items()} == {
        name: id(value) for name, value in before.items()
    }
    assert {name: repr(value) for name, value in after.items()} == described


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_fit_twice_equals_fit_once(kind, table):
    once = small(kind, **NOISY).fit(table)
    twice = small(kind, **NOISY).fit(table[:30, :3]).fit(table)
    assert _same_weights(once, twice)
    assert once.history_ == twice.history_
