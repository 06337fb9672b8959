"""No fit depends on an earlier fit of another model: attributes and arguments of layers."""

from __future__ import annotations

import abc
import functools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from tests.engine import _holders
from tests.engine._pairs import NAME, D, X, check_pair, graph, in_sequence, on_instance, stack

EXECUTED = """
import keras

class Executed(keras.layers.Layer):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def call(self, x):
        return x * self.k
"""


def _executed(k):
    names = {}
    exec(EXECUTED, names)
    return names["Executed"](k)


def _made_by_a_metaclass(k):
    def init(self):
        layers.Layer.__init__(self)
        self.k = k

    call = {"__init__": init, "call": lambda self, x: x * self.k}
    return abc.ABCMeta("Made", (layers.Layer,), call)()


def _partial_method(k):
    class Partial(layers.Layer):
        def scaled(self, k, x):
            return x * k

        call = functools.partialmethod(scaled, k)

    return Partial()


def _attribute_by_getattr(k):
    table = {"factor": k}

    class Asking(layers.Layer):
        def __getattr__(self, name):
            return table[name] if name == "factor" else super().__getattribute__(name)

        def call(self, x):
            return x * self.factor

    return Asking()


def _normalization(k):
    layer = layers.Normalization()
    layer.adapt(X * k + k)
    return layer


LAYERS = {
    "attribute": _holders.Holding,
    "nested attribute": lambda k: _holders.HoldingDeep({"a": {"b": (k,)}}),
    "object": lambda k: _holders.HoldingObject(_holders.Scale(k)),
    "tensor": lambda k: _holders.Holding(tf.constant(k)),
    "generator of Python": lambda k: _holders.Drawing(random.Random(k)),
    "generator of NumPy": lambda k: _holders.Drawing(np.random.default_rng(int(k))),
    "name": lambda k: _holders.ByName(name="big" if k > 1 else "small"),
    "trainable": lambda k: _holders.ByTrainable(trainable=k > 1),
    "added loss": lambda k: _holders.Penalized(lambda x: k * ops.mean(ops.abs(x))),
    "constraint": lambda k: _holders.Weighted(constraint=keras.constraints.MaxNorm(k / 4)),
    "regularizer": lambda k: _holders.Weighted(regularizer=keras.regularizers.L2(k / 4)),
    "function as regularizer": lambda k: _holders.Weighted(regularizer=lambda w: k * ops.sum(w**2)),
    "weight that is not trained": lambda k: _holders.Weighted(trainable=k > 1),
    "executed class": _executed,
    "class of a metaclass": _made_by_a_metaclass,
    "partial method": _partial_method,
    "attribute by __getattr__": _attribute_by_getattr,
    "lambda with arguments": lambda k: layers.Lambda(lambda x, s: x * s, arguments={"s": k}),
    "lambda with a tensor": lambda k: layers.Lambda(
        lambda x, s: x * s, arguments={"s": tf.constant(k)}
    ),
    "adapted normalization": _normalization,
    "given normalization": lambda k: layers.Normalization(mean=k, variance=k),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=list(LAYERS))
def test_what_a_layer_holds(layer):
    check_pair(*(lambda k=k: stack(layer(k)) for k in (1.0, 3.0)))


@pytest.mark.parametrize(
    "name",
    ["seed", "loss", "initializer", "kernel_initializer", "_self_held", "supports_masking"],
)
def test_names_of_attributes_that_keras_gives_a_meaning(name):
    check_pair(*(lambda k=k: stack(_holders.Under(name, k)) for k in (False, True)))


WRAPPERS = {
    "RNN": lambda k: layers.RNN(_holders.Cell(k), return_sequences=True),
    "StackedRNNCells": lambda k: layers.RNN(
        layers.StackedRNNCells([_holders.Cell(1.0), _holders.Cell(k)]), return_sequences=True
    ),
    "Bidirectional": lambda k: layers.Bidirectional(
        layers.RNN(_holders.Cell(k), return_sequences=True)
    ),
    "TimeDistributed": lambda k: layers.TimeDistributed(_holders.Holding(k)),
    "nested Sequential": lambda k: keras.Sequential([layers.Dense(3), _holders.Holding(k)]),
}


@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=list(WRAPPERS))
def test_what_a_wrapped_layer_holds(wrapper):
    check_pair(*(lambda k=k: in_sequence(wrapper(k)) for k in (1.0, 3.0)))


def test_what_a_subclassed_model_holds():
    check_pair(*(lambda k=k: _holders.Subclassed(k) for k in (1.0, 3.0)))


def test_what_a_subclass_of_functional_holds():
    class Graph(keras.Model):
        def __init__(self, k):
            inputs = keras.Input((D,))
            super().__init__(inputs, layers.Dense(D)(inputs), name=NAME)
            self.k = k

        def call(self, x, training=None):
            return self.k * super().call(x, training=training)

    check_pair(*(lambda k=k: Graph(k) for k in (1.0, 3.0)))


def _rewired(model):
    on_instance(
        model, "call", lambda self, x, training=None, mask=None: self.layers[2](self.layers[0](x))
    )


def _weighted_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
    return 5.0 * ops.mean(ops.square(y - y_pred))


def _train_step(self, data):
    self.layers[0].kernel.assign(self.layers[0].kernel * 0.9)
    return {"loss": ops.mean(ops.square(data[0]))}


class _Negated(layers.ReLU):
    def call(self, x):
        return -x


INSTANCE_CHANGES = {
    "call of a layer": lambda m: on_instance(m.layers[1], "call", lambda self, x: -x),
    "class of a layer": lambda m: setattr(m.layers[1], "__class__", _Negated),
    "call of a model": _rewired,
    "compute_loss": lambda m: on_instance(m, "compute_loss", _weighted_loss),
    "train_step": lambda m: on_instance(m, "train_step", _train_step),
    "activation": lambda m: setattr(m.layers[0], "activation", ops.sin),
    "own activation": lambda m: setattr(m.layers[0], "activation", lambda x: x * 3),
    "regularizer of a weight": lambda m: setattr(
        m.layers[0].kernel, "regularizer", keras.regularizers.L2(0.5)
    ),
    "constraint of a weight": lambda m: setattr(
        m.layers[0].kernel, "constraint", keras.constraints.MaxNorm(0.3)
    ),
    "activity regularizer": lambda m: setattr(
        m.layers[0], "activity_regularizer", keras.regularizers.L2(0.5)
    ),
    "frozen layer": lambda m: setattr(m.layers[0], "trainable", False),
    "frozen weight": lambda m: setattr(m.layers[0].kernel, "trainable", False),
    "low rank": lambda m: m.layers[0].enable_lora(2),
}


@pytest.mark.parametrize("change", INSTANCE_CHANGES.values(), ids=list(INSTANCE_CHANGES))
def test_what_is_set_on_an_instance(change):
    def changed():
        model = stack(layers.ReLU())
        change(model)
        return model

    check_pair(lambda: stack(layers.ReLU()), changed)


def test_a_hidden_attribute_of_a_layer_of_keras():
    def make(scale):
        layer = layers.MultiHeadAttention(1, 3)
        model = graph(lambda x: layers.Flatten()(_attended(layer, x)))()
        layer._inverse_sqrt_key_dim = scale
        return model

    check_pair(lambda: make(0.5), lambda: make(50.0))


def _attended(layer, x):
    rows = layers.Reshape((2, 3))(layers.Dense(D)(x))
    return layer(rows, rows)


def test_a_layer_frozen_before_and_after_its_model_is_made():
    def make(when):
        layer = layers.BatchNormalization(trainable=when != "before")
        model = in_sequence(layer)
        layer.trainable = when == "never"
        return model

    check_pair(lambda: make("never"), lambda: make("before"))
    check_pair(lambda: make("never"), lambda: make("after"))
