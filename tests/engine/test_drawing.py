"""Layers draw the same random numbers in a compiled fit and in ``keras.Model.fit``."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from skae.engine import _selection
from skae.noise import make_noise
from tests.engine._equality import PLAN, rows_of
from tests.engine._networks import built_in, model_of, network_of, wants, weights_of

NOISES = ["gaussian", "uniform", "masking", "salt_and_pepper"]
KERAS_LAYERS = {
    "dropout": lambda: keras.layers.Dropout(0.3, seed=3),
    "gaussian_dropout": lambda: keras.layers.GaussianDropout(0.3, seed=3),
    "gaussian_noise": lambda: keras.layers.GaussianNoise(0.3, seed=3),
}
# Two batches of 10 and a short one.
N_ROWS = 23


def noisy(noise):
    """Return a maker of a small autoencoder behind a noise."""

    def make():
        first, last = (keras.initializers.GlorotUniform(seed) for seed in (1, 2))
        return keras.Sequential(
            [
                keras.Input((6,)),
                KERAS_LAYERS[noise]() if noise in KERAS_LAYERS else make_noise(noise, 3),
                keras.layers.Dense(8, "tanh", kernel_initializer=first),
                keras.layers.Dense(6, kernel_initializer=last),
            ]
        )

    return make


def sgd(rate=0.1):
    return keras.optimizers.SGD(rate, momentum=0.9)


def compiled(name, rate=0.1, jit_compile="auto"):
    """Return a network that draws, behind a noise or by itself."""
    if name in OWN:
        kind, options = OWN[name]
        given = {"optimizer": sgd(rate), "jit_compile": jit_compile}
        return built_in(kind, (6,), options=options, **given)
    return network_of(noisy(name), lambda: sgd(rate), jit_compile=jit_compile)


OWN = {
    "variational": ("variational", {"beta": 0.5}),
    "contracted": ("dense", {"contraction": 0.1}),
}


@pytest.fixture
def eager_xla(monkeypatch):
    """Have jit_compile="auto" take XLA for few steps, wherever layers allow it."""
    monkeypatch.setattr(_selection, "_MIN_STEPS", 1)
    monkeypatch.setattr(_selection, "_MIN_EPOCH_STEPS", 1)


@pytest.fixture
def losses(train):
    """Return a function that trains by one engine and returns the losses."""

    def run(network, plan, name="compiled", rows=None):
        rows = rows_of(model_of(network), N_ROWS) if rows is None else rows
        return train(network, rows, plan=plan, name=name)["loss"]

    return run


@pytest.fixture
def check_engines_agree(losses):
    """Return a function that trains by both engines and compares."""

    def check(name, plan):
        found, weights = [], []
        for engine in ("compiled", "keras"):
            network = compiled(name, jit_compile=plan.jit_compile)
            found.append(losses(network, plan, engine))
            weights.append(weights_of(network))
        np.testing.assert_allclose(*found, rtol=2e-5)
        for got, wanted in zip(*weights, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-6)

    return check


@pytest.mark.parametrize("jit_compile", [False, True, "auto"])
@pytest.mark.parametrize("name", [*NOISES, *OWN])
def test_engines_agree(name, jit_compile, eager_xla, check_engines_agree):
    """Whichever of their programs XLA compiles."""
    check_engines_agree(name, replace(PLAN, jit_compile=jit_compile))


@pytest.mark.parametrize("jit_compile", [False, "auto"])
@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_engines_agree_on_layers_of_keras(name, jit_compile, eager_xla, check_engines_agree):
    check_engines_agree(name, replace(PLAN, jit_compile=jit_compile))


def test_xla_is_chosen_where_it_draws_the_same(eager_xla):
    chosen = {}
    for name in (*NOISES, *KERAS_LAYERS):
        chosen[name] = wants(compiled(name), N_ROWS, PLAN)
    assert chosen == {**dict.fromkeys(NOISES, True), **dict.fromkeys(KERAS_LAYERS, False)}


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_new_in_every_epoch(name, losses):
    """At a learning rate of 0 nothing else changes."""
    found = losses(compiled(name, rate=0.0), PLAN, rows=np.ones((10, 6), np.float32))
    assert len(set(found)) == PLAN.epochs


@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_on_goes_on_with_other_noise(jit_compile, losses):
    plan = replace(PLAN, jit_compile=jit_compile, epochs=4)
    once = losses(compiled("gaussian"), plan)
    network = compiled("gaussian")
    halves = [losses(network, replace(plan, epochs=2, initial_epoch=start)) for start in (0, 2)]
    assert once == [*halves[0], *halves[1]]
