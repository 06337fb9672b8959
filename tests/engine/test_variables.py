"""What variables hold now counts, however it was changed."""

import keras
import numpy as np
import pytest

from skae import engine
from skae.engine._dense_stack import dense_stack


@pytest.fixture
def mixed():
    """Return a model with variables that are compared by value, and with others by address."""
    layers = [keras.layers.Dense(130), keras.layers.Dense(140), keras.layers.Dense(4)]
    return keras.Sequential([keras.Input((130,)), *layers])


def _in_double_precision(model, X):
    for layer in model.layers:
        X = X @ layer.kernel.numpy().astype(float) + layer.bias.numpy()
    return X


def test_every_variable_counts(mixed):
    """Large and small, one after the other, also when it was changed before."""
    X = np.random.default_rng(0).random((2, 130), np.float32)
    for change in (keras.ops.negative, lambda value: value + 1):
        for variable in mixed.variables:
            before = engine.run(mixed, X)
            variable.assign(change(variable.value))
            after = engine.run(mixed, X)
            np.testing.assert_allclose(after, _in_double_precision(mixed, X), rtol=1e-5)
            assert np.any(variable.numpy()) == (not np.array_equal(before, after))


def test_a_changed_variable_is_converted_once(mixed):
    X = np.random.default_rng(0).random((2, 130), np.float32)
    stack = dense_stack(mixed)
    engine.run(mixed, X)
    mixed.layers[1].bias.assign(np.ones(140, np.float32))
    engine.run(mixed, X)
    held = stack._weights()
    assert stack._weights() is held


def test_a_weight_that_is_nan_gives_nan(make_dense):
    model = make_dense()
    model.layers[0].bias.assign(np.full(model.layers[0].bias.shape, np.nan, np.float32))
    for _ in range(2):
        assert np.isnan(engine.run(model, np.zeros((3, 6), np.float32))).all()
