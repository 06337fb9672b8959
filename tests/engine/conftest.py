"""Small models and rows for the engine's tests."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from skae import engine
from skae._contracts import Batchable, TrainingPlan

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
    """Return a function that makes a compiled dense autoencoder."""

    def make(seed=0, optimizer="adam", loss="mse", metrics=None, **options):
        model = dense_model(seed, **options)
        model.compile(optimizer, loss, metrics=metrics)
        return model

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
    """Return a function that trains by the compiled engine and returns its history."""

    def run(model, X=None, *, validation=None, callbacks=(), plan=plan, **batchable):
        trainer = engine.select_trainer("compiled", model, list(callbacks))
        given = Batchable(rows if X is None else X, **batchable)
        history = trainer.train(model, given, validation, plan, list(callbacks))
        assert trainer.name == "compiled"
        return history

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
