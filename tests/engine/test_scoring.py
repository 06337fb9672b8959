"""Scores equal the model's own output, whichever path computes them."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

import keras
import numpy as np
import pytest

from skae import engine
from skae.engine import _scoring, _sharing
from skae.engine._dense_stack import MAX_ROWS, dense_stack
from skae.errors import AbsoluteError, CustomError
from tests.engine._networks import model_of, network_of

D = 6
SIZES = [1, 2, MAX_ROWS, MAX_ROWS + 1, 300]


def absolute(inputs, outputs):
    return abs(inputs - outputs)


def expected(network, X):
    return model_of(network)(X, training=False).numpy()


def has_stack(network):
    return dense_stack(model_of(network), network.variables) is not None


def _rows(n, *shape):
    return np.random.default_rng(2).normal(size=(n, *(shape or (D,)))).astype(np.float32)


@pytest.fixture
def small_slices(monkeypatch):
    """Cut scores into slices of 64 rows of 6."""
    monkeypatch.setattr(_scoring, "SLICE_BYTES", 64 * 4 * D)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("jit_compile", ["auto", True, False])
def test_run(n, jit_compile, make_dense, small_slices):
    network, X = make_dense(), _rows(n)
    got = engine.run(network, X, jit_compile=jit_compile)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected(network, X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", SIZES)
def test_errors(n, make_dense, small_slices):
    network, X = make_dense(), _rows(n)
    values = np.abs(X - expected(network, X))
    by_row = engine.run_errors(network, X, absolute)
    assert by_row.dtype == np.float64
    np.testing.assert_allclose(by_row, values.mean(axis=1), rtol=1e-5)
    by_value = engine.run_errors(network, X, absolute, per="value")
    np.testing.assert_allclose(by_value, values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [3, 300])
@pytest.mark.parametrize("how", ["set_weights", "assign", "assign_add", "numpy"])
def test_weights_set_by_hand_count(n, how, make_dense):
    network, X = make_dense(), _rows(n)
    engine.run(network, X)
    model = model_of(network)
    kernel = model.layers[0].kernel
    if how == "set_weights":
        model.set_weights([w + 1 for w in model.get_weights()])
    elif how == "assign":
        kernel.assign(kernel * 2)
    elif how == "assign_add":
        kernel.value.assign_add(np.ones(kernel.shape, np.float32))
    else:
        model.layers[1].bias.assign(np.arange(D, dtype=np.float32))
    np.testing.assert_allclose(engine.run(network, X), expected(network, X), rtol=1e-5, atol=1e-6)


def test_equal_models_share_a_program_not_weights(make_dense, empty_cache):
    X = _rows(300)
    outputs = [engine.run(network, X) for network in (make_dense(0), make_dense(1))]
    assert engine.cache_info().misses == 1
    assert not np.allclose(*outputs)
    np.testing.assert_allclose(outputs[1], expected(make_dense(1), X), rtol=1e-5, atol=1e-6)


def test_error_functions_are_told_apart(make_dense):
    network, X = make_dense(), _rows(300)
    squared = engine.run_errors(network, X, lambda x, r: (x - r) ** 2)
    np.testing.assert_allclose(squared, ((X - expected(network, X)) ** 2).mean(axis=1), rtol=1e-5)
    assert not np.allclose(engine.run_errors(network, X, absolute), squared)


@pytest.mark.parametrize("shareable", [True, False])
def test_equal_errors_are_one_program(shareable, make_dense, empty_cache, monkeypatch):
    network, X = make_dense(), _rows(300)
    if not shareable:
        model_of(network).layers[0].thing = iter([])
        unknown = Lock()
        network.recipe = replace(network.recipe, builder=lambda: unknown)
    built, keys = [], []
    build, find = _scoring._traced, network.programs._find_key
    monkeypatch.setattr(_scoring, "_traced", lambda *a: built.append(1) or build(*a))
    monkeypatch.setattr(
        network.programs, "_find_key", lambda *a, **k: keys.append(1) or find(*a, **k)
    )
    for _ in range(5):
        engine.run_errors(network, X, AbsoluteError())
        engine.run_errors(network, X, CustomError(absolute))
    assert len(built) == len(network.programs._kept) == 2
    assert len(keys) == 1
    assert (network.programs.key("model", compiled=False) is not None) == shareable


def test_ever_new_errors_are_not_kept_for_ever(make_dense, empty_cache, monkeypatch):
    monkeypatch.setattr(_sharing, "_MAX_OWN", 2)
    network, X = make_dense(), _rows(300)
    for factor in (1.0, 2.0, 3.0):
        got = engine.run_errors(network, X, lambda x, r, f=factor: f * abs(x - r))
        wanted = factor * engine.run_errors(network, X, absolute)
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert len(network.programs._kept) == 2


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "elu", "selu", None, "softplus"])
def test_activations(activation, make_dense):
    network, X = make_dense(activation=activation), _rows(9)
    assert has_stack(network) == (activation != "softplus")
    np.testing.assert_allclose(engine.run(network, X), expected(network, X), rtol=1e-5, atol=1e-6)


def _functional():
    inputs = keras.Input((2, 3))
    encoder = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Activation("tanh"),
            keras.layers.Dense(6, use_bias=False),
            keras.layers.Reshape((2, 3)),
        ]
    )
    noisy = keras.layers.GaussianNoise(0.5)(inputs)
    return keras.Model(inputs, decoder(encoder(noisy)))


def _branching():
    inputs = keras.Input((D,))
    return keras.Model(inputs, keras.layers.Add()([inputs, keras.layers.Dense(D)(inputs)]))


def test_shapes_and_nested_models():
    network, X = network_of(_functional), _rows(7, 2, 3)
    assert has_stack(network)
    np.testing.assert_allclose(engine.run(network, X), expected(network, X), rtol=1e-5, atol=1e-6)
    assert engine.run_errors(network, X, absolute).shape == (7,)


def test_what_is_no_chain_has_no_numpy_steps():
    network, X = network_of(_branching), _rows(7)
    assert not has_stack(network)
    np.testing.assert_allclose(engine.run(network, X), expected(network, X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [3, 300])
def test_input_is_left_as_it_is(n, make_dense):
    X = _rows(n)
    before = X.copy()
    X.setflags(write=False)
    outputs = engine.run(make_dense(activation="relu"), X)
    outputs += 1
    np.testing.assert_array_equal(X, before)


def test_float64_and_lists(make_dense):
    network, X = make_dense(), _rows(5)
    for given in (X.astype(np.float64), X.tolist(), np.asfortranarray(X)):
        np.testing.assert_allclose(
            engine.run(network, given), expected(network, X), rtol=1e-5, atol=1e-6
        )


def test_no_rows(make_dense):
    assert engine.run(make_dense(), _rows(0)).shape == (0, D)
    assert engine.run_errors(make_dense(), _rows(0), absolute).shape == (0,)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("activation", ["relu", "tanh", "selu"])
def test_a_row_has_one_error_however_many_come_with_it(seed, activation, make_dense):
    network = make_dense(seed, activation=activation)
    X = np.random.default_rng(seed).normal(size=(201, D))
    together = engine.run_errors(network, X, AbsoluteError())
    alone = [engine.run_errors(network, X[i : i + 1], AbsoluteError())[0] for i in range(len(X))]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("n", [3, 300])
def test_rows_are_rounded_to_the_float_type_first(n, make_dense):
    network, X = make_dense(), np.random.default_rng(0).normal(size=(n, D))
    np.testing.assert_array_equal(engine.run(network, X), engine.run(network, X.astype(np.float32)))


def test_scores_follow_the_float_type(make_dense, set_floatx):
    network, X = make_dense(), np.random.default_rng(0).normal(size=(300, D))
    engine.run_errors(network, X, AbsoluteError())
    set_floatx("float64")
    got = engine.run_errors(network, X, AbsoluteError())
    alone = [engine.run_errors(network, X[i : i + 1], AbsoluteError())[0] for i in range(len(X))]
    np.testing.assert_allclose(got, alone, rtol=1e-13)


@pytest.mark.parametrize("n", [3, 300])
@pytest.mark.parametrize("policy", ["float64", "mixed_float16"])
@pytest.mark.parametrize("per", ["row", "value"])
def test_models_of_another_precision(n, policy, per):
    def make():
        layers = [keras.layers.Dense(size, dtype=policy) for size in (3, D)]
        return keras.Sequential([keras.Input((D,)), *layers])

    network, X = network_of(make), _rows(n)
    values = np.abs(X - expected(network, X))
    got = engine.run_errors(network, X, absolute, per=per)
    wanted = values if per == "value" else values.mean(axis=1, dtype=np.float64)
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)
    assert engine.run(network, X).shape == X.shape


@pytest.mark.parametrize("n", [3, 300])
@pytest.mark.parametrize("per", ["row", "value"])
def test_errors_made_of_operations(n, per, make_dense):
    network, X = make_dense(), _rows(n)
    got = engine.run_errors(network, X, lambda x, r: keras.ops.abs(x - r), per=per)
    np.testing.assert_allclose(
        got, engine.run_errors(network, X, absolute, per=per), rtol=1e-5, atol=1e-6
    )
