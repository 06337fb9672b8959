"""A compiled fit equals ``keras.Model.fit`` on the same batches: losses, metrics and weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from tests.engine._equality import OPTIMIZERS, PLAN, compare
from tests.engine._networks import network_of, weights_of

D = 6


def _init(seed):
    return keras.initializers.GlorotUniform(seed)


def _sequential(*layers, shape=(D,)):
    return keras.Sequential([keras.Input(shape), *layers])


def _dense(seed, units=3, **options):
    return keras.layers.Dense(units, kernel_initializer=_init(seed), **options)


def _norm():
    return _sequential(_dense(1, 4), keras.layers.BatchNormalization(), _dense(2, D))


def _regularized():
    l2 = keras.regularizers.L2(0.1)
    first = _dense(1, kernel_regularizer=l2, activity_regularizer=keras.regularizers.L1(0.1))
    return _sequential(first, _dense(2, D, kernel_constraint=keras.constraints.MaxNorm(0.5)))


def _random():
    noise = keras.layers.GaussianNoise(0.3, seed=3)
    return _sequential(noise, _dense(1, 8), keras.layers.Dropout(0.5, seed=4), _dense(2, D))


def _convolutional():
    down = keras.layers.Conv2D(
        2, 3, strides=2, padding="same", activation="relu", kernel_initializer=_init(1)
    )
    up = keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same", kernel_initializer=_init(2))
    return _sequential(down, up, shape=(4, 4, 1))


class Wrapped(keras.Model):
    """A subclass with sub-models, as tutorials write it."""

    def __init__(self):
        super().__init__()
        self.encoder = _sequential(_dense(1, activation="relu"))
        self.decoder = _sequential(_dense(2, D, activation="sigmoid"), shape=(3,))

    def call(self, x):
        return self.decoder(self.encoder(x))


def _subclass():
    model = Wrapped()
    model(np.zeros((1, D), np.float32))
    return model


class Untold(keras.Model):
    """A subclass whose `call` does not take `training`."""

    def __init__(self):
        super().__init__()
        self.part = _random()

    def call(self, x):
        return self.part(x)


def _untold():
    model = Untold()
    model(np.zeros((1, D), np.float32))
    return model


def _frozen():
    model = _sequential(_dense(1), _dense(2, D))
    model.layers[0].trainable = False
    return model


MODELS = {
    "dense": lambda: _sequential(_dense(1, activation="relu"), _dense(2, D)),
    "norm": _norm,
    "regularized": _regularized,
    "random": _random,
    "conv": _convolutional,
    "subclass": _subclass,
    "frozen": _frozen,
    "untold": _untold,
}


DENSE = partial(network_of, MODELS["dense"])


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    compare(partial(network_of, MODELS[name]), "adam", n_val=13)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer):
    compare(DENSE, optimizer)


def test_weights_targets_and_metrics():
    compare(
        partial(network_of, _norm),
        "adam",
        weighted=True,
        targets=True,
        n_val=7,
        metrics=["mae", "cosine_similarity"],
    )


@pytest.mark.parametrize("name", ["dense", "norm", "regularized"])
def test_xla(name):
    # Not Adam: batch normalisation leaves the bias before it a gradient of mere rounding errors,
    # which Adam scales up to whole steps.
    compare(
        partial(network_of, MODELS[name]),
        "sgd",
        replace(PLAN, jit_compile=True),
        weighted=True,
        n_val=13,
    )


@pytest.mark.parametrize(("n", "size"), [(3, 10), (20, 10), (1, 1), (11, 10)])
def test_batch_sizes(n, size):
    compare(DENSE, "sgd", replace(PLAN, batch_size=size), n=n)


def test_without_shuffling():
    compare(DENSE, "adam", replace(PLAN, shuffle=False))


def test_two_ways_of_training_agree(make_dense, rows, train):
    histories, weights = [], []
    for name in ("keras", "compiled"):
        network = make_dense()
        histories.append(train(network, validation=rows[:7], name=name))
        weights.append(weights_of(network))
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)
    np.testing.assert_allclose(histories[0]["val_loss"], histories[1]["val_loss"], rtol=1e-5)
    for wanted, got in zip(*weights, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_optimizer_goes_on_where_it_was(make_dense, train, plan):
    once, twice = make_dense(), make_dense()
    train(once, plan=replace(plan, epochs=4))
    train(twice, plan=replace(plan, epochs=2))
    train(twice, plan=replace(plan, epochs=2, initial_epoch=2))
    for wanted, got in zip(weights_of(once), weights_of(twice), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_comparison_can_fail(make_dense, train, rows):
    first, second = make_dense(0), make_dense(0)
    train(first)
    train(second, rows[::-1].copy())
    assert not np.allclose(weights_of(first)[0], weights_of(second)[0], rtol=1e-4)
