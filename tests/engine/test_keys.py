"""What a key distinguishes, and what it leaves out because it is an argument of a program."""

from __future__ import annotations

import threading
from dataclasses import replace

import keras
import numpy as np
import pytest

from skae._by_value import UnshareableError
from skae.engine._deferred import find_key, learning_rate
from skae.engine._sharing import LayerKeys as Keys
from skae.noise import GaussianNoise
from tests.engine._networks import built_in, defer

D = 6
SCALE = 2.0


def key(value):
    return Keys().of(value)


def graph(*layers):
    # Under one name at every build, as a network's layers are.
    inputs = keras.Input((D,), name="inputs")
    return Keys().of_graph(keras.Sequential([inputs, *layers], name="model"))


def dense(seed=None, name="dense", **options):
    init = keras.initializers.HeNormal(seed)
    return keras.layers.Dense(D, kernel_initializer=init, name=name, **options)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        (["a"], [b"a"]),
        ((1, 2), [1, 2]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.zeros(2), np.zeros(2, np.float32)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (keras.losses.Huber(1.0), keras.losses.Huber(2.0)),
        (keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.1, clipnorm=1.0)),
        (keras.optimizers.Adam(0.1), keras.optimizers.AdamW(0.1)),
        (keras.metrics.MeanSquaredError(), keras.metrics.MeanSquaredError(name="mine")),
    ],
)
def test_values_that_trace_differently(one, other):
    assert key(one) == key(one)
    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.2, name="mine")),
        (keras.losses.Huber(1.0), keras.losses.Huber(1.0, name="mine")),
        (keras.metrics.MeanSquaredError(), keras.metrics.MeanSquaredError()),
        (np.arange(3.0), np.arange(3.0)),
    ],
)
def test_values_that_trace_alike(one, other):
    keys = Keys()
    assert keys.of(one) == keys.of(other)
    assert not keys.has_user_code


def test_rates_are_data_and_schedules_are_not():
    decay = keras.optimizers.schedules.ExponentialDecay
    one, other = (keras.optimizers.Adam(decay(rate, 5, 0.5)) for rate in (0.1, 0.2))
    assert key(one) != key(other)


def test_code_of_the_users_goes_by_value():
    def make(power):
        return lambda x: x**power

    keys = Keys()
    assert keys.of(make(2)) == keys.of(make(2)) != keys.of(make(3))
    assert keys.has_user_code


def test_code_goes_with_the_globals_that_it_names(monkeypatch):
    def scaled(x):
        return x * SCALE

    before = key(scaled)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert key(scaled) != before


def test_a_registered_name_stands_for_what_is_registered_now():
    def register(power):
        keras.saving.register_keras_serializable("skae-tests", "raised")(lambda x: x**power)
        return key("skae-tests>raised")

    assert register(2) == register(2) != register(3)


def test_what_can_not_be_serialized_can_not_be_told():
    lock = threading.Lock()
    with pytest.raises(UnshareableError, match="can't be serialized"):
        key(lambda x: x if lock else None)


def test_seeds_and_initializers_of_layers_are_data():
    one, other = (
        graph(keras.layers.Dropout(0.2, seed=seed, name="dropout"), dense(seed)) for seed in (1, 2)
    )
    assert one == other


@pytest.mark.parametrize(
    "options",
    [{"activation": "tanh"}, {"use_bias": False}, {"dtype": "float64"}, {"trainable": False}],
)
def test_settings_of_layers_are_not(options):
    assert graph(dense(**options)) == graph(dense(**options)) != graph(dense())


def _subtracted(order):
    inputs = keras.Input((D,), name="inputs")
    parts = [keras.layers.Dense(D, name, name=name)(inputs) for name in ("relu", "tanh")]
    outputs = keras.layers.Subtract(name="subtract")([parts[i] for i in order])
    return Keys().of_graph(keras.Model(inputs, outputs, name="model"))


def test_wiring_counts():
    assert _subtracted([0, 1]) == _subtracted([0, 1]) != _subtracted([1, 0])


class Own(keras.layers.Layer):
    """A user-defined layer."""


def _with_an_attribute():
    layer = dense()
    layer.thing = 1.0
    return layer


def _with_a_method():
    layer = dense()
    layer.call = lambda x: x
    return layer


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Own, "Own is not one of Keras's plain layers"),
        (_with_an_attribute, "'thing' was set on a Dense itself"),
        (_with_a_method, "its attribute 'call' is user-defined code"),
        (lambda: dense(activation=lambda x: x), "'activation' is user-defined code"),
    ],
)
def test_layers_whose_configuration_is_not_all(make, reason):
    with pytest.raises(UnshareableError, match=reason):
        graph(make())


def test_a_model_with_a_method_of_its_own_is_no_graph():
    model = keras.Sequential([keras.Input((D,)), dense()])
    model.call = lambda x, **_: x
    with pytest.raises(UnshareableError, match="'call' was set on the model itself"):
        Keys().of_graph(model)


def _recipe(**changes):
    return replace(built_in("dense", (D,)).recipe, **changes)


def recipe_key(recipe, *, compiled=False):
    found = find_key(defer(recipe), "model", compiled=compiled)
    assert found.is_whole_truth
    return found.value


@pytest.mark.parametrize(
    "changes",
    [
        {"builder": "linear"},
        {"input_shape": (7,)},
        {"output_shape": (7,)},
        {"parameters": {"latent_dim": 3}},
        {"options": {"contraction": 0.1}},
        {"noise": "gaussian"},
        {"noise": GaussianNoise(0.5)},
        {"noise_options": {"stddev": 0.2}},
        {"scikeras": {"meta": {"n_features_in_": 6}}},
        {"dtype_policy": "mixed_float16"},
    ],
)
def test_all_of_a_recipe_counts(changes):
    one, again, other = _recipe(**changes), _recipe(**changes), _recipe()
    keys = [recipe_key(recipe) for recipe in (one, again, other)]
    assert keys[0] == keys[1] != keys[2]


def test_seeds_of_a_recipe_are_data():
    recipes = [_recipe(seed=seed, noise=GaussianNoise(0.5, seed=seed)) for seed in (1, 2)]
    one, other = (recipe_key(recipe, compiled=True) for recipe in recipes)
    assert one == other


def test_what_is_compiled_counts_in_training_alone():
    recipes = [_recipe(compiled={"optimizer": "adam", "loss": loss}) for loss in ("mse", "mae")]
    one, other = (recipe_key(recipe) for recipe in recipes)
    assert one == other
    one, other = (recipe_key(recipe, compiled=True) for recipe in recipes)
    assert one != other


def test_the_learning_rate_that_a_key_leaves_out_is_known():
    routed = [{"optimizer": "adam", "optimizer__learning_rate": rate} for rate in (0.1, 0.2, 1)]
    objects = [{"optimizer": keras.optimizers.Adam(rate)} for rate in (0.1, 0.2, 1.0)]
    for arguments in (routed, objects):
        recipes = [_recipe(compiled=each) for each in arguments]
        assert len({recipe_key(recipe, compiled=True) for recipe in recipes}) == 1
        np.testing.assert_allclose(list(map(learning_rate, recipes)), [0.1, 0.2, 1], rtol=1e-6)
    assert learning_rate(_recipe()) == pytest.approx(keras.optimizers.Adam().learning_rate)
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)
    scheduled = {"optimizer": "adam", "optimizer__learning_rate": decay}
    assert learning_rate(_recipe(compiled=scheduled)) is None


@pytest.mark.parametrize("change", ["epsilon", "floatx"])
def test_settings_of_keras_count(change, set_floatx):
    def now():
        return recipe_key(_recipe())

    before = now()
    previous = keras.config.epsilon()
    try:
        keras.config.set_epsilon(1e-3) if change == "epsilon" else set_floatx("float64")
        assert now() != before
    finally:
        keras.config.set_epsilon(previous)
