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


def _step(variable):
    keras.optimizers.SGD(1.0).apply([keras.ops.ones(variable.shape)], [variable])


CHANGES = {
    "new values": lambda variable: variable.assign(variable.value * 2 + 1),
    "in place": lambda variable: variable.value.assign_add(np.ones(variable.shape, np.float32)),
    "a step": _step,
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_variable_counts(mixed, change):
    """Large and small, one after the other, also when it was changed before."""
    X = np.random.default_rng(0).random((2, 130), np.float32)
    for _ in range(2):
        for variable in mixed.variables:
            before = engine.run(mixed, X)
            CHANGES[change](variable)
            after = engine.run(mixed, X)
            np.testing.assert_allclose(after, _in_double_precision(mixed, X), rtol=1e-5)
            assert not np.array_equal(before, after)


def test_none_is_small():
    layer = keras.layers.Dense(130, use_bias=False)
    model, X = keras.Sequential([keras.Input((130,)), layer]), np.eye(2, 130, dtype=np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(engine.run(model, X), layer.kernel[:2])
        layer.kernel.assign(-layer.kernel)


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


# Keras's own, where it quantizes.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_quantized_model_is_no_stack(make_dense):
    model, X = make_dense(), np.random.default_rng(0).random((200, 6), np.float32)
    for layer in model.layers:
        layer.quantize("int8")
    np.testing.assert_allclose(engine.run(model, X[:2]), engine.run(model, X)[:2], rtol=1e-5)


def test_scoring_a_row_takes_no_place_among_the_programs(make_dense, empty_cache):
    engine.run(make_dense(), np.zeros((1, 6), np.float32))
    engine.run(make_dense(), np.ones((1, 6), np.float32))
    assert engine.cache_info().currsize == 0
