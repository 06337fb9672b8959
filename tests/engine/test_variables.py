"""Scores and fits use the current values of variables."""

import keras
import numpy as np
import pytest

from skae import engine
from tests.engine._networks import built_in, defer, model_of, network_of


@pytest.fixture
def mixed():
    """Return a network of large and small variables."""

    def make():
        layers = [keras.layers.Dense(130), keras.layers.Dense(140), keras.layers.Dense(4)]
        return keras.Sequential([keras.Input((130,)), *layers])

    return network_of(make)


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
        for variable in model_of(mixed).variables:
            before = engine.run(mixed, X)
            CHANGES[change](variable)
            after = engine.run(mixed, X)
            np.testing.assert_allclose(after, _in_double_precision(model_of(mixed), X), rtol=1e-5)
            assert not np.array_equal(before, after)


def test_none_is_small():
    layer = keras.layers.Dense(130, use_bias=False)
    network = network_of(lambda: keras.Sequential([keras.Input((130,)), layer]))
    X = np.eye(2, 130, dtype=np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(engine.run(network, X), layer.kernel[:2])
        layer.kernel.assign(-layer.kernel)


def test_arrays_are_converted_once():
    fresh = built_in("dense", (6,))
    network = defer(fresh.recipe, fresh.state()[0])
    network.start()
    X, outputs = np.random.default_rng(0).random((2, 6), np.float32), []
    for _ in range(2):
        outputs.append(engine.run(network, X))
        held = network.doubles()
        assert network.doubles() is held
        network.take([value + 1 for value in network.values()], network.slots())
        assert network.doubles() is not held
    assert not np.array_equal(*outputs)
    np.testing.assert_allclose(engine.run(network, X), model_of(network)(X), rtol=1e-5)


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_weight_that_is_nan_gives_nan(is_shared, make_dense):
    engine.clear_cache()
    if is_shared:  # the steps are then those of another model, and verified
        engine.run(make_dense(), np.zeros((3, 6), np.float32))
    network = make_dense()
    bias = model_of(network).layers[0].bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    for _ in range(2):
        assert np.isnan(engine.run(network, np.zeros((3, 6), np.float32))).all()


# Keras's own, where it quantizes.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_quantized_model_is_no_stack(make_dense):
    network, X = make_dense(), np.random.default_rng(0).random((200, 6), np.float32)
    for layer in model_of(network).layers:
        layer.quantize("int8")
    np.testing.assert_allclose(engine.run(network, X[:2]), engine.run(network, X)[:2], rtol=1e-5)


def test_scoring_a_row_takes_no_place_among_the_programs(make_dense, empty_cache):
    engine.run(make_dense(), np.zeros((1, 6), np.float32))
    engine.run(make_dense(), np.ones((1, 6), np.float32))
    assert engine.cache_info().currsize == 0
