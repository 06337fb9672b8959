"""Only equal models share programs, and results do not depend on the cache."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import keras
import numpy as np
import pytest

from skae import engine
from skae._store import Store
from skae.engine import _program
from tests.engine._networks import built_in, network_of, weights_of

D = 6


@pytest.fixture
def traces(monkeypatch, empty_cache):
    """Count how often a batch is traced."""
    counted = []
    step = _program._Steps.step

    def counting(self, *arguments):
        counted.append(1)
        return step(self, *arguments)

    monkeypatch.setattr(_program._Steps, "step", counting)
    return counted


def test_second_fit_compiles_nothing(traces, make_dense, rows, train, plan):
    train(make_dense(0, optimizer=lambda: keras.optimizers.Adam(0.1)))
    assert traces
    first = len(traces)
    train(make_dense(7, optimizer=lambda: keras.optimizers.Adam(0.5)), rows[:17])
    train(
        make_dense(8, optimizer=keras.optimizers.Adam),
        plan=replace(plan, batch_size=4, seed=9, epochs=1, shuffle=False),
    )
    assert len(traces) == first
    assert engine.cache_info().currsize == 1
    assert engine.cache_info().misses == 1


@pytest.mark.parametrize(
    "change",
    [
        {"activation": "relu"},
        {"units": 4},
        {"loss": "mae"},
        {"optimizer": "sgd"},
        {"optimizer": lambda: keras.optimizers.Adam(beta_1=0.5)},
        {"metrics": ["mae"]},
    ],
)
def test_another_architecture_or_setting_compiles(traces, make_dense, train, change):
    train(make_dense(0))
    first = len(traces)
    train(make_dense(0, **change))
    assert len(traces) > first


@pytest.mark.parametrize("is_deferred", [False, True])
def test_same_bits_with_an_empty_and_a_full_cache(is_deferred, make_dense, train, empty_cache):
    weights = []
    for step in range(3):
        if step == 2:
            engine.clear_cache()
        network = built_in("dense", (D,)) if is_deferred else make_dense()
        train(network)
        weights.append(weights_of(network))
    for other in weights[1:]:
        for wanted, got in zip(weights[0], other, strict=True):
            np.testing.assert_array_equal(got, wanted)


class Sampling(keras.layers.Layer):
    """Draws in every call, as the layer of a variational autoencoder in a tutorial does."""

    def __init__(self, seed=3):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed_generator)


def test_a_layer_that_always_draws_is_the_same_with_any_cache(train, empty_cache):
    def make():
        init = keras.initializers.GlorotUniform(1)
        layers = [keras.layers.Dense(D, kernel_initializer=init), Sampling()]
        return keras.Sequential([keras.Input((D,)), *layers])

    losses = [train(network_of(make, "sgd"))["loss"] for _ in range(2)]
    assert engine.cache_info().currsize == 1
    expected = train(network_of(make, "sgd"), name="keras")["loss"]
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], expected, rtol=1e-5)


def test_threads_give_the_bits_of_one(make_dense, train, rows, empty_cache):
    def fit(network):
        train(network)
        return engine.run(network, rows, jit_compile=False)

    for make in (make_dense, lambda seed: built_in("dense", (D,), seed=seed)):
        networks, alone = ([make(seed) for seed in range(4)] for _ in range(2))
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(fit, networks))
        for got, wanted in zip(together, map(fit, alone), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_global_random_state_is_untouched(make_dense, train):
    import random

    network = make_dense()
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(network)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def _stored(store, key, make):
    with store.locked(key) as stored:
        value = make() if stored is None else stored
        if stored is None:
            store.put(key, value)
    return value


def test_cache_drops_what_was_unused_for_longest():
    store = Store(maxsize=2)
    for key in "abac":
        _stored(store, key, key.upper)
    assert store.info() == (1, 3, 2, 2)
    assert _stored(store, "a", lambda: "anew") == "A"
    assert _stored(store, "b", lambda: "anew") == "anew"


def test_a_failed_build_leaves_nothing():
    store = Store(maxsize=2)
    with pytest.raises(ZeroDivisionError):
        _stored(store, "a", lambda: 1 / 0)
    assert _stored(store, "a", lambda: 1) == 1


def test_a_program_is_built_once_by_many_threads():
    store, built, waiting = Store(maxsize=2), [], threading.Barrier(4)

    def build():
        built.append(1)
        time.sleep(0.05)
        return object()

    def ask(_):
        waiting.wait()
        return _stored(store, "a", build)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == len(built) == 1


def test_what_can_not_be_told_gets_a_program_of_its_own(rows, train, empty_cache):
    def make(number):
        layer = keras.layers.Dense(D)
        # An open file, a lock, a generator: nothing to compare.
        layer.thing = iter([number])
        return keras.Sequential([keras.Input((D,)), layer])

    unknown = threading.Lock()  # nor can the code be told by what it names
    for number in range(2):
        network = network_of(lambda number=number: make(number) if unknown else None, "sgd")
        assert network.programs.key("model", compiled=True) is None
        train(network)
    assert engine.cache_info().currsize == 0
