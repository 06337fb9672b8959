"""No fit depends on an earlier fit of another model: graphs of stock layers are told apart."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops, regularizers

from tests.engine._pairs import D, check_pair, graph, in_sequence, stack


def _two(x):
    return layers.Dense(D, "tanh")(x), layers.Dense(D, "relu")(x)


def _swapped(order):
    def build(x):
        parts = _two(x)
        return layers.Subtract()([parts[i] for i in order])

    return graph(build)


def _skipped(skip):
    def build(x):
        first, second = _two(x)
        return layers.Dense(D)(layers.Add()([first, x if skip else second]))

    return graph(build)


def _twice(shared):
    def build(x):
        one, other = layers.Dense(D, "tanh"), layers.Dense(D, "tanh")
        return other(one(one(x))) if shared else one(other(other(x)))

    return graph(build)


def _taken(index):
    def build(x):
        inner = keras.Input((D,))
        both = keras.Model(inner, list(_two(inner)))
        return both(x)[index] + 0.1 * both(x)[1 - index]

    return graph(build)


def _operation(function):
    return graph(lambda x: layers.Dense(D)(function(layers.Dense(D)(x))))


def _normalized(**options):
    return lambda: stack(layers.BatchNormalization(**options))


def _recurrent(kind, **options):
    return lambda: in_sequence(kind(3, return_sequences=True, **options))


class OwnL2(regularizers.Regularizer):
    """A user-defined regularizer with an empty configuration."""

    def __init__(self, k):
        self.k = k

    def __call__(self, w):
        return self.k * ops.sum(w**2)

    def get_config(self):
        return {}


def _penalized(k):
    return lambda: stack(layers.Dense(D, kernel_regularizer=OwnL2(k)))


def _dense(**options):
    return lambda: stack(layers.Dense(D, **options))


def _bidirectional(mode):
    return lambda: in_sequence(
        layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True), merge_mode=mode)
    )


def _stacked(*units):
    cells = lambda: [layers.SimpleRNNCell(n) for n in units]  # noqa: E731
    return lambda: in_sequence(layers.RNN(layers.StackedRNNCells(cells()), return_sequences=True))


GRAPHS = {
    "order of operands": (_swapped([0, 1]), _swapped([1, 0])),
    "skip connection": (_skipped(False), _skipped(True)),
    "layer used twice": (_twice(False), _twice(True)),
    "output of another layer": (_taken(0), _taken(1)),
    "constant": tuple(_operation(lambda h, k=k: h * k) for k in (1.0, 3.0)),
    "array": tuple(_operation(lambda h, k=k: h * np.full(D, k, "float32")) for k in (1, 3)),
    "constant on the other side": (_operation(lambda h: h - 2.0), _operation(lambda h: 2.0 - h)),
    "slice": (_operation(lambda h: h[:, :3]), _operation(lambda h: h[:, 3:])),
    "power": tuple(_operation(lambda h, k=k: ops.power(h, k)) for k in (1, 2)),
    "function of the same name": tuple(
        _dense(activation=f)
        for f in (tf.nn.leaky_relu, functools.partial(tf.nn.leaky_relu, alpha=1))
    ),
    "layer as activation": tuple(
        _dense(activation=layers.LeakyReLU(negative_slope=k)) for k in (0.0, 0.9)
    ),
    "momentum": (_normalized(), _normalized(momentum=0.5)),
    "epsilon": (_normalized(), _normalized(epsilon=0.5)),
    "scale": tuple(lambda k=k: stack(layers.Rescaling(np.full(D, k))) for k in (1.0, 3.0)),
    "penalty": (_dense(), _dense(kernel_regularizer=regularizers.L2(0.5))),
    "penalty of outputs": (_dense(), _dense(activity_regularizer=regularizers.L2(0.5))),
    "penalty by a function": tuple(
        _dense(kernel_regularizer=lambda w, k=k: k * ops.sum(w**2)) for k in (0.01, 0.5)
    ),
    "user-defined penalty": (_penalized(0.01), _penalized(0.5)),
    "constraint": (_dense(), _dense(kernel_constraint=keras.constraints.MaxNorm(0.3))),
    "frozen": (_dense(), _dense(trainable=False)),
    "dtype of a layer": (_dense(), _dense(dtype="float64")),
    "rate": tuple(lambda k=k: stack(layers.Dropout(k, seed=1)) for k in (0.1, 0.5)),
    "axes": tuple(lambda k=k: in_sequence(layers.Softmax(axis=k)) for k in (1, 2)),
    "permutation": (
        lambda: in_sequence(layers.Reshape((2, 3))),
        lambda: in_sequence(layers.Permute((2, 1))),
    ),
    "direction": tuple(_recurrent(layers.SimpleRNN, go_backwards=k) for k in (False, True)),
    "activation of a cell": tuple(_recurrent(layers.GRU, activation=k) for k in ("tanh", "relu")),
    "merged directions": (_bidirectional("sum"), _bidirectional("mul")),
    "order of cells": (_stacked(2, 3), _stacked(3, 2)),
    "power iterations": tuple(
        lambda k=k: stack(layers.SpectralNormalization(layers.Dense(D), power_iterations=k))
        for k in (1, 20)
    ),
}


@pytest.mark.parametrize("pair", GRAPHS.values(), ids=list(GRAPHS))
def test_graphs_of_stock_layers_are_told_apart(pair):
    check_pair(*pair)
