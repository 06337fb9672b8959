"""XLA is for the convolutions of skae that gain from it, and trains them as Keras does."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import keras
import numpy as np
import pytest

from skae import engine, networks
from skae._contracts import Batchable, TrainingPlan
from skae.engine._program import Layout, build_program
from skae.engine._xla import wants_xla
from skae.networks import ContractiveEncoder
from skae.networks._convolutions import MatmulConv2D, MatmulConv2DTranspose
from tests.engine._equality import PLAN, compare
from tests.networks._specs import make_spec

SHAPE = (8, 8, 1)


def stack(*layers, shape=SHAPE):
    return keras.Sequential([keras.Input(shape), *layers])


def seeded(number):
    return {"padding": "same", "kernel_initializer": keras.initializers.HeUniform(number)}


def convolutional(shape=SHAPE):
    return stack(
        MatmulConv2D(4, 3, strides=2, activation="relu", **seeded(1)),
        MatmulConv2DTranspose(4, 3, strides=2, activation="relu", **seeded(2)),
        MatmulConv2D(1, 3, use_bias=False, **seeded(3)),
        shape=shape,
    )


def built_in(**parameters):
    return networks.build("conv", make_spec(SHAPE, **parameters)).model


def wants(model, **changes):
    model.compile("adam", "mse")
    plan = TrainingPlan(epochs=100, batch_size=10)
    return wants_xla(model, 10**6, replace(plan, **changes))


@pytest.mark.parametrize("options", [{}, {"upsampling": True}, {"contraction": 0.1}], ids=str)
def test_xla_is_for_the_built_in_network(options):
    model = built_in(options=options)
    assert wants(model)
    assert not wants(model, batch_size=10_000)
    assert not wants(built_in(options=options, hidden_layer_sizes=(64, 32)))


@pytest.mark.parametrize(
    "layer",
    [
        MatmulConv2D(4, 3, dilation_rate=2),
        MatmulConv2D(4, 5),
        keras.layers.Conv2D(4, 3),
        keras.layers.MaxPooling2D(),
    ],
    ids=str,
)
def test_one_layer_that_does_not_gain_is_enough(layer):
    assert wants(stack(MatmulConv2D(4, 3)))
    assert not wants(stack(MatmulConv2D(4, 3), layer))


def test_several_directions_are_not_for_xla():
    for n_directions, wanted in [(1, True), (2, False), (None, False)]:
        convolutions = ContractiveEncoder(convolutional(), weight=0.1, n_directions=n_directions)
        assert wants(stack(convolutions)) == wanted
        dense = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
        dense = ContractiveEncoder(dense, weight=0.1, n_directions=n_directions)
        assert wants(stack(dense, keras.layers.Dense(6), shape=(6,)))


def test_a_replaced_call_is_not_for_xla():
    model = convolutional()
    model.layers[0].call = lambda rows: rows[:, ::2, ::2]
    assert not wants(model)


def test_products_have_second_gradients():
    """The gradients that a contractive penalty is made of are trained on."""

    def make():
        encoder = ContractiveEncoder(convolutional((4, 4, 1)), weight=0.1, n_directions=None)
        return stack(encoder, convolutional((4, 4, 1)), shape=(4, 4, 1))

    compare(make, "momentum", replace(PLAN, jit_compile=True))


def test_low_rank_adaptation_trains():
    def make():
        model = convolutional()
        model.layers[0].enable_lora(2, a_initializer="ones", b_initializer="ones")
        return model

    compare(make, "momentum", replace(PLAN, jit_compile=True))


def test_a_program_takes_its_graph_along():
    """A graph that something of TensorFlow's own still knows would be there for good."""
    layout = Layout(SHAPE, None, weighted=False, training=True, batch_size=10, block_rows=20)
    model = convolutional()
    model.compile("adam", "mse")
    program = build_program(model, layout)
    graph = weakref.ref(program.function.graph)
    del program
    gc.collect()
    assert graph() is None


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3"])
def test_enlarged_images_train(interpolation):
    """XLA knows two of the ways to enlarge an image, and is not chosen for the others."""
    enlarge = keras.layers.UpSampling2D(2, interpolation=interpolation)
    model = stack(MatmulConv2D(1, 3, strides=2, padding="same"), enlarge)
    model.compile("adam", "mse")
    X = np.random.default_rng(0).random((32, *SHAPE), np.float32)
    plan = TrainingPlan(epochs=50, batch_size=1)
    assert wants_xla(model, len(X), plan) == (interpolation in ("nearest", "bilinear"))
    trainer = engine.select_trainer("compiled", model, [])
    losses = trainer.train(model, Batchable(X), None, plan, [])["loss"]
    assert losses[-1] < losses[0]
