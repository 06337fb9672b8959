"""Small models and rows for the engine's tests."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest

from skae import engine
from skae._contracts import Batchable, TrainingPlan
from tests.engine._networks import network_of

N_FEATURES = 6


def dense_model(seed=0, activation="tanh", units=3):
    """Return 6-units-6."""
    return keras.Sequential(
        [
            keras.Input((N_FEATURES,)),
            keras.layers.Dense(
                units,
                activation,
                kernel_initializer=keras.initializers.GlorotUniform(seed),
                name="hidden",
            ),
            keras.layers.Dense(
                N_FEATURES, kernel_initializer=keras.initializers.GlorotUniform(seed + 1)
            ),
        ]
    )


@pytest.fixture
def make_dense():
    """Return a function that makes the network of a dense autoencoder."""

    def make(seed=0, optimizer="adam", loss="mse", metrics=None, **options):
        return network_of(partial(dense_model, seed, **options), optimizer, loss, metrics)

    return make


@pytest.fixture
def rows():
    """Return 23 rows: two batches of 10 and a short one."""
    return np.random.default_rng(1).normal(size=(23, N_FEATURES)).astype(np.float32)


@pytest.fixture
def plan():
    """Return three epochs of batches of 10."""
    return TrainingPlan(epochs=3, batch_size=10, seed=5)


@pytest.fixture
def train(rows, plan):
    """Return a function that trains, by the compiled engine, and returns the history."""

    def run(network, X=None, *, validation=None, plan=plan, name="compiled", **given):
        callbacks = given.pop("callbacks", ())
        data = Batchable(rows if X is None else X, **given)
        held = None if validation is None else Batchable(validation)
        result = engine.train(network, data, held, plan, callbacks=callbacks, engine=name)
        assert result.engine == name
        return result.history

    return run


@pytest.fixture
def empty_cache():
    """Start from an empty program cache."""
    engine.clear_cache()


@pytest.fixture
def set_floatx():
    """Return a function that sets Keras's float type, which is put back afterwards."""
    before = keras.config.floatx()
    yield keras.config.set_floatx
    keras.config.set_floatx(before)
