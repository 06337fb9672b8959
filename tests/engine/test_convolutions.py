"""Convolutions as matrix products do what TensorFlow's own do, and only where they gain."""

from __future__ import annotations

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from skae._contracts import TrainingPlan
from skae.engine._convolutions import as_products, suits
from skae.engine._correlation import Correlation
from skae.engine._xla import wants_xla
from skae.networks import ContractiveEncoder
from tests.engine._equality import PLAN, compare

CHANNELS = [(2, 3), (3, 2)]
# Of the large image, of the window and of the strides, longer and shorter than one another.
ONE_AXIS = list(itertools.product((5, 6, 9), (1, 2, 3, 5), (1, 2, 3)))
TWO_AXES = [((6, 9), (3, 3), (2, 2)), ((5, 6), (2, 3), (1, 1)), ((7, 9), (5, 1), (1, 3))]
GRIDS = [((side,), (window,), (stride,)) for side, window, stride in ONE_AXIS] + TWO_AXES


def normal(*shape):
    return tf.constant(np.random.default_rng(len(shape)).normal(size=shape))


def images(large, window, strides, padding, channels):
    """Return a large image, a small one and a kernel."""
    kernel, image = normal(*window, *channels), normal(2, *large, channels[0])
    shape = tf.nn.convolution(image, kernel, list(strides), padding.upper()).shape
    return image, normal(*shape), kernel


def slopes(make, weight, image, kernel):
    """Return an image, its slopes in both arguments, and the slopes of these."""
    arguments = [image, kernel]
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(arguments)
        with tf.GradientTape() as inner:
            inner.watch(arguments)
            made = make(image, kernel)
            # Not linear in what is made, or the second slopes would say nothing.
            total = tf.reduce_sum(weight * made**2)
        first = inner.gradient(total, arguments)
        size = tf.reduce_sum([tf.reduce_sum(slope**2) for slope in first])
    return [made, *first, *outer.gradient(size, arguments)]


@pytest.mark.parametrize("channels", CHANNELS, ids=str)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_products_are_tensorflows_convolutions(grid, padding, channels):
    large, small, kernel = images(*grid, padding, channels)
    correlation, strides, pads = Correlation(*grid, padding), list(grid[2]), padding.upper()
    pairs = [
        (
            (correlation.down, large, small),
            lambda image, kernel: tf.nn.convolution(image, kernel, strides, pads),
        ),
        (
            (correlation.up, small, large),
            lambda image, kernel: tf.nn.conv_transpose(image, kernel, large.shape, strides, pads),
        ),
    ]
    # In eager mode TensorFlow has no second slopes of transposed convolutions of two axes.
    told = tf.function(slopes, autograph=False) if len(strides) > 1 else slopes
    for (make, image, weight), oracle in pairs:
        got = told(make, weight, image, kernel)
        for value, wanted in zip(got, told(oracle, weight, image, kernel), strict=True):
            assert_allclose(value, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max(initial=1))


def stack(*layers, shape=(8, 8, 1)):
    return keras.Sequential([keras.Input(shape), *layers])


def convolutional(shape=(8, 8, 1)):
    options = {"strides": 2, "padding": "same", "activation": "relu"}
    return stack(
        keras.layers.Conv2D(4, 3, kernel_initializer=keras.initializers.HeUniform(1), **options),
        keras.layers.Conv2DTranspose(
            4, 3, kernel_initializer=keras.initializers.HeUniform(2), **options
        ),
        keras.layers.Conv2D(
            1, 3, padding="same", kernel_initializer=keras.initializers.HeUniform(3), use_bias=False
        ),
        shape=shape,
    )


def compiled(model):
    model.compile("adam", "mse")
    return model


def operations(model, batch_size):
    """Return the names of the operations that a model traced for XLA consists of."""
    rows = tf.TensorSpec((batch_size, *model.input_shape[1:]), tf.float32)
    with as_products(model, batch_size):
        graph = tf.function(model, autograph=False).get_concrete_function(rows).graph
    return {operation.type for operation in graph.get_operations()}


def test_a_model_is_traced_without_convolutions():
    model = convolutional()
    found = operations(model, 10)
    assert "MatMul" in found
    assert not {name for name in found if "Conv" in name}
    assert "Conv2D" in operations(model, None)


def test_a_model_is_left_as_it_was():
    model = convolutional()
    before = [set(vars(layer)) for layer in model.layers]
    with as_products(model, 10):
        assert [set(vars(layer)) for layer in model.layers] != before
    assert [set(vars(layer)) for layer in model.layers] == before
    with pytest.raises(KeyError), as_products(model, 10):
        raise KeyError
    assert [set(vars(layer)) for layer in model.layers] == before


def test_rows_without_a_number_go_to_the_layers_own_call():
    model, X = convolutional(), np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
    spec = tf.TensorSpec((None, 8, 8, 1), tf.float32)
    with as_products(model, 3):
        traced = tf.function(model, autograph=False).get_concrete_function(spec)
    assert_allclose(traced(tf.constant(X)), model(X), rtol=1e-6)


@pytest.mark.parametrize("weighted", [True, False])
def test_products_train_as_keras_does(weighted):
    plan = replace(PLAN, jit_compile=True)
    compare(convolutional, "momentum", plan, weighted=weighted, n_val=13)


def test_products_have_second_slopes():
    """The slopes that a contractive penalty is made of are trained on."""

    def make():
        encoder = ContractiveEncoder(convolutional((4, 4, 1)), weight=0.1, n_directions=None)
        return stack(encoder, convolutional((4, 4, 1)), shape=(4, 4, 1))

    compare(make, "momentum", replace(PLAN, jit_compile=True))


PLAIN = {"kernel_size": 3, "padding": "same"}
UNSUITED = {
    "dilated": keras.layers.Conv2D(4, **PLAIN, dilation_rate=2),
    "grouped": keras.layers.Conv2D(4, **PLAIN, groups=2),
    "other axes": keras.layers.Conv2D(4, **PLAIN, data_format="channels_first"),
    "padded": keras.layers.Conv2DTranspose(4, 3, strides=2, output_padding=1),
    "separable": keras.layers.SeparableConv2D(4, **PLAIN),
    "float64": keras.layers.Conv2D(4, **PLAIN, dtype="float64"),
    "many filters": keras.layers.Conv2D(2000, **PLAIN),
}


@pytest.mark.parametrize("name", UNSUITED)
def test_what_has_no_products(name):
    stack(UNSUITED[name], shape=(8, 8, 2))
    assert not suits(UNSUITED[name], 10)


def test_what_suits():
    class Own(keras.layers.Conv2D):
        """Somebody's own, which may do anything in its `call`."""

    layer, own = keras.layers.Conv2D(4, **PLAIN), Own(4, **PLAIN)
    causal = keras.layers.Conv1D(4, 3, padding="causal")
    stack(layer, own)
    stack(causal, shape=(8, 2))
    assert suits(layer, 10)
    assert not suits(layer, 10**6)
    assert not suits(own, 10)
    assert not suits(causal, 10)
    assert not suits(stack(keras.layers.Conv2D(4, **PLAIN), shape=(None, 8, 1)).layers[0], 10)
    without_graph = keras.layers.Conv2D(4, **PLAIN)
    without_graph(np.zeros((1, 8, 8, 1), np.float32))
    assert not suits(without_graph, 10)


def test_xla_is_for_convolutions_that_suit():
    plan = TrainingPlan(epochs=100, batch_size=10)
    assert wants_xla(compiled(convolutional()), 1000, plan)
    assert not wants_xla(compiled(convolutional()), 1000, replace(plan, epochs=1))
    pooled = stack(keras.layers.Conv2D(4, **PLAIN), keras.layers.MaxPooling2D())
    assert not wants_xla(compiled(pooled), 1000, plan)
    large = stack(keras.layers.Conv2D(64, **PLAIN), keras.layers.Conv2D(64, **PLAIN))
    assert not wants_xla(compiled(large), 1000, plan)
