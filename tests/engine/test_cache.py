"""Programs are shared by equal models only, and what is in the cache never shows in a result."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import keras
import numpy as np
import pytest

from skae import engine
from skae._contracts import Batchable
from skae.engine import _program
from skae.engine._cache import ProgramCache
from skae.engine._fingerprint import UnshareableError
from skae.engine._keys import compile_key, model_key

D = 6
SCALE = 2.0


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
    train(make_dense(0))
    assert traces
    first = len(traces)
    train(make_dense(7, optimizer=keras.optimizers.Adam(0.5)), rows[:17])
    train(make_dense(8), plan=replace(plan, batch_size=4, seed=9, epochs=1, shuffle=False))
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
        {"optimizer": keras.optimizers.Adam(beta_1=0.5)},
        {"metrics": ["mae"]},
    ],
)
def test_another_architecture_or_setting_compiles(traces, make_dense, train, change):
    train(make_dense(0))
    first = len(traces)
    train(make_dense(0, **change))
    assert len(traces) > first


def test_same_bits_with_an_empty_and_a_full_cache(make_dense, train, empty_cache):
    weights = []
    for step in range(3):
        if step == 2:
            engine.clear_cache()
        model = make_dense()
        train(model)
        weights.append(model.get_weights())
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


def test_a_layer_that_always_draws_is_the_same_with_any_cache(rows, train, plan, empty_cache):
    def make():
        init = keras.initializers.GlorotUniform(1)
        layers = [keras.layers.Dense(D, kernel_initializer=init), Sampling()]
        model = keras.Sequential([keras.Input((D,)), *layers])
        model.compile("sgd", "mse")
        return model

    cold, warm, plain = make(), make(), make()
    losses = [train(cold)["loss"], train(warm)["loss"]]
    assert engine.cache_info().currsize == 1
    trainer = engine.select_trainer("keras", plain, [])
    expected = trainer.train(plain, Batchable(rows), None, plan, [])["loss"]
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], expected, rtol=1e-5)


def test_threads_give_the_bits_of_one(make_dense, train, rows, empty_cache):
    models = [make_dense(seed) for seed in range(4)]
    alone = [make_dense(seed) for seed in range(4)]

    def fit(model):
        train(model)
        return engine.run(model, rows, jit_compile=False)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, models))
    for model, got, wanted in zip(models, together, map(fit, alone), strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert model.built


def test_global_random_state_is_untouched(make_dense, train):
    import random

    model = make_dense()
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(model)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_cache_drops_what_was_unused_for_longest():
    cache = ProgramCache(maxsize=2)
    for key in "abac":
        cache.get(key, lambda key=key: key.upper())
    assert cache.info() == (1, 3, 2, 2)
    assert cache.get("a", lambda: "anew") == "A"
    assert cache.get("b", lambda: "anew") == "anew"


def test_a_failed_build_leaves_nothing():
    cache = ProgramCache()
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 / 0)
    assert cache.get("a", lambda: 1) == 1


def _with(activation=None, layer=None):
    inner = layer or keras.layers.Dense(D, activation=activation)
    return keras.Sequential([keras.Input((D,)), inner])


def _same(first, second):
    return model_key(first) == model_key(second)


def test_key_leaves_out_names_seeds_and_initializers():
    def make(name, seed):
        init = keras.initializers.HeNormal(seed)
        layers = [
            keras.layers.Dropout(0.2, seed=seed),
            keras.layers.Dense(D, kernel_initializer=init, name=name),
        ]
        return keras.Sequential([keras.Input((D,)), *layers])

    assert _same(make("a", 1), make("b", 2))


def test_key_tells_functions_of_one_name_apart():
    def make(power):
        def activation(x):
            return x**power

        return activation

    assert _same(_with(make(2)), _with(make(2)))
    assert not _same(_with(make(2)), _with(make(3)))
    assert not _same(_with(lambda x: x + 1), _with(lambda x: x + 2))
    power = functools.partial
    assert _same(_with(power(keras.ops.power, x2=2)), _with(power(keras.ops.power, x2=2)))
    assert not _same(_with(power(keras.ops.power, x2=2)), _with(power(keras.ops.power, x2=3)))


def test_key_reads_the_globals_that_code_reads(monkeypatch):
    model = _with(lambda x: x * SCALE)
    before = model_key(model)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert model_key(model) != before


def test_key_tells_integers_from_floats():
    def make(value):
        return _with(lambda x: x * value)

    assert not _same(make(1), make(1.0))


def _layer_class(shift):
    class Shift(keras.layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, x):
            return x * self.factor + shift

    return Shift


def test_key_of_layers_without_get_config():
    one, other = _layer_class(1), _layer_class(2)
    assert _same(_with(layer=one(2)), _with(layer=one(2)))
    assert not _same(_with(layer=one(2)), _with(layer=one(3)))
    assert not _same(_with(layer=one(2)), _with(layer=other(2)))


def test_what_can_not_be_told_gets_a_program_of_its_own(rows, train, empty_cache):
    kind = _layer_class(1)
    models = [_with(layer=keras.layers.Dense(D)) for _ in range(2)]
    for number, model in enumerate(models):
        model.add(kind(2.0))
        # An open file, a lock, a generator: nothing to compare.
        model.layers[-1].thing = iter([number])
        model.compile("sgd", "mse")
        with pytest.raises(UnshareableError):
            model_key(model)
        train(model)
    assert engine.cache_info().currsize == 0


def test_wiring_is_part_of_the_key():
    def make(order):
        inputs = keras.Input((D,))
        parts = [keras.layers.Dense(D, name)(inputs) for name in ("relu", "tanh")]
        return keras.Model(inputs, keras.layers.Subtract()([parts[i] for i in order]))

    assert _same(make([0, 1]), make([0, 1]))
    assert not _same(make([0, 1]), make([1, 0]))


def test_compile_key_leaves_out_only_the_learning_rate(make_dense):
    def key(optimizer, loss="mse"):
        return compile_key(make_dense(optimizer=optimizer, loss=loss))

    adam = keras.optimizers.Adam
    decay = keras.optimizers.schedules.ExponentialDecay
    assert key(adam(0.1)) == key(adam(0.2))
    assert key(adam(0.1)) != key(adam(0.1, clipnorm=1.0))
    assert key(adam(decay(0.1, 5, 0.5))) != key(adam(decay(0.2, 5, 0.5)))
    assert key("adam", lambda y, p: abs(y - p)) != key("adam", lambda y, p: (y - p) ** 2)
    assert key("adam", keras.losses.Huber(1.0)) != key("adam", keras.losses.Huber(2.0))
