"""Convolutions as matrix products do what TensorFlow's own do, and only where they gain."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from skae import engine
from skae._contracts import Batchable, TrainingPlan
from skae.engine._convolutions import all_suit, as_products
from skae.engine._correlation import Correlation
from skae.engine._program import Layout, build_program
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


PLAIN = {"kernel_size": 3, "padding": "same"}


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_what_is_laid_out_is_counted(grid, padding):
    large, small, _ = images(*grid, padding, CHANNELS[0])
    correlation = Correlation(*grid, padding)
    laid_out = [correlation._windows(large), correlation._reaching(small)]
    assert len(large) * correlation.n_values(CHANNELS[0]) == max(map(np.size, laid_out))


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


def traced(model, batch_size=10):
    """Return the program of a model's training under XLA, or outside of it for no batch size."""
    shape, rows = model.input_shape[1:], None if batch_size is None else 2 * batch_size
    layout = Layout(shape, None, weighted=False, training=True)
    layout = replace(layout, batch_size=batch_size, block_rows=rows)
    return build_program(compiled(model), layout)


def operations(program):
    """Return the types of the operations that a program under XLA consists of."""
    graph = program.function.graph.as_graph_def()
    return {node.op for function in graph.library.function for node in function.node_def}


def test_a_program_has_products_only():
    found = operations(traced(convolutional()))
    assert "MatMul" in found
    assert not {name for name in found if "Conv" in name}


def test_layers_that_do_not_suit_keep_their_own_call():
    model = stack(keras.layers.Conv2D(2, **PLAIN), keras.layers.Conv2D(1, 5, padding="same"))
    found = operations(traced(model))
    assert {"MatMul", "Conv2D"} <= found


def test_a_program_takes_its_graph_along():
    """A graph that something of TensorFlow's own still knows would be there for good."""
    program = traced(convolutional())
    graph = weakref.ref(program.function.graph)
    del program
    gc.collect()
    assert graph() is None


def test_a_model_is_left_as_it_was():
    model = convolutional()
    before = [set(vars(layer)) for layer in model.layers]
    with as_products(model):
        assert [set(vars(layer)) for layer in model.layers] != before
    assert [set(vars(layer)) for layer in model.layers] == before
    with pytest.raises(KeyError), as_products(model):
        raise KeyError
    assert [set(vars(layer)) for layer in model.layers] == before


def test_rows_without_a_number_go_to_the_layers_own_call():
    model, X = convolutional(), np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
    spec = tf.TensorSpec((None, 8, 8, 1), tf.float32)
    with as_products(model):
        function = tf.function(model, autograph=False).get_concrete_function(spec)
    # The last layer adds terms of both signs: next to zero, rounding is no fraction of a sum.
    assert_allclose(function(tf.constant(X)), model(X), rtol=1e-6, atol=1e-6)


def test_threads_may_share_a_layer():
    model, done = convolutional(), []

    def trace():
        for _ in range(5):
            with as_products(model):
                done.append(all("call" in vars(layer) for layer in model.layers))

    threads = [threading.Thread(target=trace) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [True] * 20
    assert not any("call" in vars(layer) for layer in model.layers)


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


class Own(keras.layers.Conv2D):
    """Somebody's own, which may do anything in its `call`."""


UNSUITED = {
    "dilated": lambda: keras.layers.Conv2D(4, **PLAIN, dilation_rate=2),
    "grouped": lambda: keras.layers.Conv2D(4, **PLAIN, groups=2),
    "other axes": lambda: keras.layers.Conv2D(4, **PLAIN, data_format="channels_first"),
    "padded": lambda: keras.layers.Conv2DTranspose(4, 3, strides=2, output_padding=1),
    "float64": lambda: keras.layers.Conv2D(4, **PLAIN, dtype="float64"),
    "many filters": lambda: keras.layers.Conv2D(2000, **PLAIN),
    "large window": lambda: keras.layers.Conv2D(4, 7),
    "own": lambda: Own(4, **PLAIN),
}


@pytest.mark.parametrize("name", UNSUITED)
def test_what_does_not_suit(name):
    model = stack(UNSUITED[name](), shape=(8, 8, 2))
    assert not all_suit(model, 10)


@pytest.mark.parametrize("name", ["call", "convolution_op"])
def test_a_replaced_method_counts(name):
    model = convolutional()
    setattr(model.layers[0], name, getattr(model.layers[0], name))
    assert not all_suit(model, 10)
    assert "Conv2D" in operations(traced(model))


def test_what_suits():
    assert all_suit(convolutional(), 10)
    assert not all_suit(convolutional(), 10**6)
    assert not all_suit(stack(keras.layers.Conv2D(4, **PLAIN), shape=(None, 8, 1)), 10)
    causal = stack(keras.layers.Conv1D(4, 3, padding="causal"), shape=(8, 2))
    assert not all_suit(causal, 10)


def test_kernels_of_a_gpu_are_left_alone(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert not all_suit(convolutional(), 10)
    assert "Conv2D" in operations(traced(convolutional()))


def test_a_models_own_shapes_count():
    """Where a layer was called before says nothing of this model."""
    small, large = (8, 8, 1), (400, 400, 1)
    for first, second, suited in [(small, large, False), (large, small, True)]:
        layer = keras.layers.Conv2D(4, **PLAIN)
        stack(layer, shape=first)
        assert all_suit(stack(layer, shape=second), 10) == suited


def test_a_contractive_encoder_counts_its_directions():
    for n_directions, suited in [(1, True), (2, False), (None, False)]:
        encoder = ContractiveEncoder(convolutional(), weight=0.1, n_directions=n_directions)
        assert all_suit(stack(encoder), 10) == suited


def test_low_rank_adaptation_trains():
    def make():
        model = convolutional()
        model.layers[0].enable_lora(2, a_initializer="ones", b_initializer="ones")
        return model

    compare(make, "momentum", replace(PLAN, jit_compile=True))


def test_xla_is_for_convolutions_that_suit():
    plan = TrainingPlan(epochs=100, batch_size=10)
    assert wants_xla(compiled(convolutional()), 1000, plan)
    assert not wants_xla(compiled(convolutional()), 1000, replace(plan, epochs=1))
    pooled = stack(keras.layers.Conv2D(4, **PLAIN), keras.layers.MaxPooling2D())
    assert not wants_xla(compiled(pooled), 1000, plan)
    large = stack(keras.layers.Conv2D(64, **PLAIN), keras.layers.Conv2D(64, **PLAIN))
    assert not wants_xla(compiled(large), 1000, plan)
    without_graph = keras.layers.Conv2D(4, **PLAIN)
    assert not wants_xla(compiled(_Subclass(without_graph)), 1000, plan)


class _Subclass(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3"])
def test_enlarged_images_train(interpolation):
    """XLA knows two of the ways to enlarge an image, and is not chosen for the others."""
    enlarge = keras.layers.UpSampling2D(2, interpolation=interpolation)
    model = compiled(stack(keras.layers.Conv2D(1, **PLAIN, strides=2), enlarge))
    X = np.random.default_rng(0).random((32, 8, 8, 1), np.float32)
    plan = TrainingPlan(epochs=50, batch_size=1)
    assert wants_xla(model, len(X), plan) == (interpolation in ("nearest", "bilinear"))
    trainer = engine.select_trainer("compiled", model, [])
    losses = trainer.train(model, Batchable(X), None, plan, [])["loss"]
    assert losses[-1] < losses[0]
