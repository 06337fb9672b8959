"""All that a program's code depends on is in its key, or the program is not shared."""

from __future__ import annotations

import functools
from typing import NamedTuple

import keras
import numpy as np
import pytest

from skae.engine._fingerprint import UnshareableError
from skae.engine._keys import compile_key, model_key
from skae.engine._trust import is_trusted
from skae.networks import ContractiveEncoder
from skae.networks._variational import Sampling
from skae.noise import GaussianNoise, MaskingNoise, SaltAndPepperNoise, UniformNoise

D = 6


class Scaled(keras.layers.Layer):
    """A layer whose factor is a private attribute of its class."""

    _scale = 1.0

    def call(self, x):
        return x * self._scale


class Options(NamedTuple):
    """Settings with a method."""

    factor: float

    def apply(self, x):
        return x * self.factor


class Holding(keras.layers.Layer):
    """A layer that holds one thing and calls it."""

    def __init__(self, held):
        super().__init__()
        self.held = held

    def call(self, x):
        return self.held(x)


class Applying(Holding):
    """A layer that asks what it holds."""

    def call(self, x):
        return self.held.apply(x)


def _with(layer):
    return keras.Sequential([keras.Input((D,)), keras.layers.Dense(D), layer])


def _key(layer):
    return model_key(_with(layer))


def test_private_class_attributes(monkeypatch):
    before = _key(Scaled())
    assert _key(Scaled()) == before
    monkeypatch.setattr(Scaled, "_scale", 5.0)
    assert _key(Scaled()) != before


def test_attributes_of_functions():
    def scaled(x):
        return x * scaled.factor

    scaled.factor = 1.0
    before = _key(Holding(scaled))
    assert _key(Holding(scaled)) == before
    scaled.factor = 2.0
    assert _key(Holding(scaled)) != before


def test_imports_within_functions():
    def foreign(x):
        from random import random

        return x * random()

    def harmless(x):
        from keras import ops

        return ops.abs(x)

    with pytest.raises(UnshareableError, match="imports 'random' when it is called"):
        _key(_layer_of(foreign))
    assert _key(_layer_of(harmless)) == _key(_layer_of(harmless))


def _layer_of(function):
    layer = keras.layers.Activation("relu")
    layer.activation = function
    return layer


def test_methods_of_named_tuples(monkeypatch):
    before = _key(Applying(Options(2.0)))
    assert _key(Applying(Options(2.0))) == before
    assert _key(Applying(Options(3.0))) != before
    monkeypatch.setattr(Options, "apply", lambda self, x: x - self.factor)
    assert _key(Applying(Options(2.0))) != before


@pytest.mark.parametrize("base", [dict, list, float])
def test_collections_and_numbers_with_methods(base):
    def make(sign):
        class Own(base):
            def apply(self, x):
                return x * sign

        return Own

    def layer(held):
        # As an attribute, Keras would make it a collection of its own.
        return Holding(lambda x: held.apply(x) + 0)

    one, other = make(1), make(-1)
    assert _key(layer(one())) == _key(layer(one()))
    assert _key(layer(one())) != _key(layer(other()))
    if base is float:
        assert _key(layer(one(1.0))) != _key(layer(one(2.0)))


def test_a_schedule_of_ones_own_goes_by_its_code():
    @keras.saving.register_keras_serializable("skae-tests")
    class Halving(keras.optimizers.schedules.LearningRateSchedule):
        factor = 0.5

        def __call__(self, step):
            return 0.1 * self.factor

        def get_config(self):
            return {}

    def key():
        model = _with(keras.layers.ReLU())
        model.compile(keras.optimizers.SGD(Halving()), "mse")
        return compile_key(model)

    before = key()
    assert key() == before
    Halving.factor = 0.25
    assert key() != before


def test_epsilon():
    before = _key(keras.layers.ReLU())
    keras.config.set_epsilon(1e-3)
    try:
        assert _key(keras.layers.ReLU()) != before
    finally:
        keras.config.set_epsilon(1e-7)
    assert _key(keras.layers.ReLU()) == before


def test_activity_regularizers_of_layers_of_ones_own():
    def make(factor):
        layer = Scaled()
        layer.activity_regularizer = keras.regularizers.L1(factor)
        return layer

    assert _key(make(0.1)) == _key(make(0.1))
    assert _key(make(0.1)) != _key(make(0.2))


def test_seeds_of_layers_of_ones_own_are_data():
    def make(seed):
        layer = Scaled()
        layer.generator = keras.random.SeedGenerator(seed)
        return layer

    assert _key(make(1)) == _key(make(2))


def test_variables_without_a_value():
    model = _with(_layer_of(lambda x: x))
    model.layers[-1].activation = lambda x: x * later
    with pytest.raises(UnshareableError, match="no value yet"):
        model_key(model)
    later = 1.0
    model_key(model)


def test_deep_objects():
    deep = []
    for _ in range(3000):
        deep = [deep]
    layer = Scaled()
    vars(layer)["deep"] = deep
    with pytest.raises(UnshareableError, match="nested too deeply"):
        _key(layer)


@pytest.mark.filterwarnings("error")
def test_lambdas_go_by_their_code_without_a_warning():
    def make(power):
        inputs = keras.Input((D,))
        x = keras.layers.Lambda(lambda x: x**power)(inputs)
        x = keras.layers.Dense(D, activation=lambda x: x + power)(x)
        return keras.Model(inputs, x + inputs)

    assert model_key(make(2)) == model_key(make(2))
    assert model_key(make(2)) != model_key(make(3))


def test_operations_and_shared_layers_of_a_graph():
    def make(swap=False, factor=2.0, twice=True):
        inputs = keras.Input((D,))
        shared, other = keras.layers.Dense(D), keras.layers.Dense(D)
        parts = [shared(inputs), (shared if twice else other)(inputs * factor), other(inputs)]
        first, second, third = parts[::-1] if swap else parts
        return keras.Model(inputs, (first - second) * third)

    assert model_key(make()) == model_key(make())
    for change in ({"swap": True}, {"factor": 3.0}, {"twice": False}):
        assert model_key(make(**change)) != model_key(make())


def test_a_part_of_a_graph_is_another_model():
    inputs = keras.Input((D,))
    middle = keras.layers.Dense(D)(inputs)
    whole = keras.Model(inputs, keras.layers.ReLU()(middle))
    part, again = keras.Model(inputs, middle), keras.Model(inputs, middle)
    assert model_key(part) == model_key(again) != model_key(whole)


@pytest.mark.parametrize("kind", [keras.layers.Dense, keras.layers.GRU])
def test_precision_of_a_layer(kind):
    def key(dtype):
        rows = (3, D) if kind is keras.layers.GRU else (D,)
        return model_key(keras.Sequential([keras.Input(rows), kind(D, dtype=dtype)]))

    keys = [key(dtype) for dtype in ("float32", "mixed_bfloat16", "mixed_float16", "float32")]
    assert keys[0] == keys[3]
    assert len(set(keys)) == 3


def test_a_wrapper_is_not_trusted_for_the_name_of_what_it_wraps():
    def scaled(factor):
        @functools.wraps(keras.activations.relu)
        def relu(x):
            return factor * keras.activations.relu(x)

        return relu

    first, second = (keras.layers.Activation(scaled(factor)) for factor in (1.0, 2.0))
    assert not is_trusted(scaled(1.0))
    assert _key(first) != _key(second)
    assert _key(keras.layers.Activation(scaled(2.0))) == _key(second)


def test_wrappers_of_keras_are_trusted_for_its_own_functions_alone():
    from keras.src.utils.traceback_utils import filter_traceback

    def twice(x):
        return 2 * x

    assert is_trusted(filter_traceback(keras.activations.relu))
    assert not is_trusted(filter_traceback(twice))


def _sampled(**options):
    posterior = keras.Input((D,))
    layer = Sampling(**{"n_features": D, "seed": 0, **options})
    return keras.Model(posterior, layer([posterior, posterior]))


def _contracted(**options):
    encoder = keras.Sequential([keras.Input((D,)), keras.layers.Dense(2, activation="tanh")])
    return keras.Sequential([keras.Input((D,)), ContractiveEncoder(encoder, **options)])


# Every argument of every layer of skae's own, and a value that is not the default.
ARGUMENTS = {
    GaussianNoise: {"stddev": 0.3, "clip": (0.0, 0.5)},
    UniformNoise: {"amplitude": 0.3, "clip": (0.0, 0.5)},
    MaskingNoise: {"rate": 0.3},
    SaltAndPepperNoise: {"rate": 0.3, "low": 0.25, "high": 0.75},
    Sampling: {"n_features": 3, "capacity": 0.5},
    ContractiveEncoder: {"weight": 0.5, "n_directions": 2},
}
MAKE = {Sampling: _sampled, ContractiveEncoder: _contracted}


def _model_of(kind, **options):
    return MAKE.get(kind, lambda **given: _with(kind(**given)))(**options)


@pytest.mark.parametrize("kind", list(ARGUMENTS))
def test_arguments_of_layers_of_skae_are_told_apart(kind):
    default = _model_of(kind)
    layer = next(layer for layer in default.layers if type(layer) is kind)
    base = {*keras.layers.Layer().get_config(), "layer"}
    assert set(layer.get_config()) - base == {*ARGUMENTS[kind], "seed"}
    for name, value in ARGUMENTS[kind].items():
        assert model_key(_model_of(kind, **{name: value})) != model_key(default), name


@pytest.mark.parametrize("kind", list(ARGUMENTS))
def test_seeds_of_layers_of_skae_are_data(kind):
    X = np.random.default_rng(0).uniform(size=(40, D)).astype(np.float32)
    one, other = (_model_of(kind, seed=seed) for seed in (0, 1))
    assert model_key(one) == model_key(other)
    for mine, others in zip(one.variables, other.variables, strict=True):
        others.assign(mine)
    drawn = []
    for model in (one, other):
        drawn.append([np.asarray(model(X, training=True)), *map(float, model.losses)])
    for mine, others in zip(*drawn, strict=True):
        np.testing.assert_array_equal(mine, others)
