"""Layers that draw draw the same in a compiled fit and in ``keras.Model.fit``."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from skae import engine, networks
from skae._contracts import Batchable
from skae.engine import _xla
from skae.noise import make_noise
from tests.engine._equality import PLAN, rows_of
from tests.networks._specs import spec_of

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


def network(name, **options):
    return lambda: networks.build(name, spec_of(name, (6,), options=options)).model


MODELS = {
    **{noise: noisy(noise) for noise in NOISES},
    "variational": network("variational", beta=0.5),
    "contracted": network("dense", contraction=0.1),
}


@pytest.fixture
def eager_xla(monkeypatch):
    """Have jit_compile="auto" take XLA for few steps, wherever layers allow it."""
    monkeypatch.setattr(_xla, "_MIN_STEPS", 1)
    monkeypatch.setattr(_xla, "_MIN_EPOCH_STEPS", 1)


def compiled(make, rate=0.1, jit_compile="auto"):
    model = make()
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), "mse", jit_compile=jit_compile)
    return model


def train(model, plan, name="compiled", rows=None):
    """Return the losses of a fit by one engine."""
    rows = Batchable(rows_of(model, N_ROWS) if rows is None else rows)
    return engine.select_trainer(name, model, []).train(model, rows, None, plan, [])["loss"]


def check_engines_agree(make, plan):
    losses, weights = [], []
    for name in ("compiled", "keras"):
        model = compiled(make, jit_compile=plan.jit_compile)
        losses.append(train(model, plan, name))
        weights.append(model.get_weights())
    np.testing.assert_allclose(*losses, rtol=2e-5)
    for got, wanted in zip(*weights, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("jit_compile", [False, True, "auto"])
@pytest.mark.parametrize("name", MODELS)
def test_engines_agree(name, jit_compile, eager_xla):
    """Whichever of their programs XLA compiles."""
    check_engines_agree(MODELS[name], replace(PLAN, jit_compile=jit_compile))


@pytest.mark.parametrize("jit_compile", [False, "auto"])
@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_engines_agree_on_layers_of_keras(name, jit_compile, eager_xla):
    check_engines_agree(noisy(name), replace(PLAN, jit_compile=jit_compile))


def test_xla_is_chosen_where_it_draws_the_same(eager_xla):
    chosen = {}
    for name in (*NOISES, *KERAS_LAYERS):
        chosen[name] = _xla.wants_xla(compiled(noisy(name)), N_ROWS, PLAN)
    assert chosen == {**dict.fromkeys(NOISES, True), **dict.fromkeys(KERAS_LAYERS, False)}


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_new_in_every_epoch(name):
    """At a learning rate of 0 nothing else changes."""
    model = compiled(MODELS[name], rate=0.0)
    losses = train(model, PLAN, rows=np.ones((10, 6), np.float32))
    assert len(set(losses)) == PLAN.epochs


@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_on_goes_on_with_other_noise(jit_compile):
    plan = replace(PLAN, jit_compile=jit_compile, epochs=4)
    once = train(compiled(MODELS["gaussian"]), plan)
    model = compiled(MODELS["gaussian"])
    halves = [train(model, replace(plan, epochs=2, initial_epoch=start)) for start in (0, 2)]
    assert once == [*halves[0], *halves[1]]
