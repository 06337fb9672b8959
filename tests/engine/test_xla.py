"""XLA compiles the convolutions of skae that gain from it, and trains them like Keras."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from skae._contracts import TrainingPlan
from skae.engine._program import Layout, build_program
from skae.networks import ContractiveEncoder
from skae.networks._convolutions import MatmulConv2D, MatmulConv2DTranspose
from tests.engine import _networks
from tests.engine._equality import PLAN, compare
from tests.engine._networks import built_in, model_of, network_of

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


def wants(network, **changes):
    plan = TrainingPlan(epochs=100, batch_size=10)
    return _networks.wants(network, 10**6, replace(plan, **changes))


def wants_stack(*layers, shape=SHAPE):
    return wants(network_of(lambda: stack(*layers, shape=shape)))


@pytest.mark.parametrize("options", [{}, {"upsampling": True}, {"contraction": 0.1}], ids=str)
def test_xla_is_for_the_built_in_network(options):
    small = built_in("conv", SHAPE, options=options, sizes={"hidden_layer_sizes": (4,)})
    assert wants(small)
    assert not wants(small, batch_size=10_000)
    wide = {"hidden_layer_sizes": (64, 32)}
    assert not wants(built_in("conv", SHAPE, options=options, sizes=wide))


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
    assert wants_stack(MatmulConv2D(4, 3))
    assert not wants_stack(MatmulConv2D(4, 3), layer)


def test_several_directions_are_not_for_xla():
    for n_directions, wanted in [(1, True), (2, False), (None, False)]:
        convolutions = ContractiveEncoder(convolutional(), weight=0.1, n_directions=n_directions)
        assert wants_stack(convolutions) == wanted
        dense = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
        dense = ContractiveEncoder(dense, weight=0.1, n_directions=n_directions)
        assert wants_stack(dense, keras.layers.Dense(6), shape=(6,))


def test_a_replaced_call_is_not_for_xla():
    network = network_of(convolutional)
    model_of(network).layers[0].call = lambda rows: rows[:, ::2, ::2]
    assert not wants(network)


def test_products_have_second_gradients():
    """The gradients that a contractive penalty is made of are trained on."""

    def make():
        encoder = ContractiveEncoder(convolutional((4, 4, 1)), weight=0.1, n_directions=None)
        return stack(encoder, convolutional((4, 4, 1)), shape=(4, 4, 1))

    compare(partial(network_of, make), "momentum", replace(PLAN, jit_compile=True))


def test_low_rank_adaptation_trains():
    def make():
        model = convolutional()
        model.layers[0].enable_lora(2, a_initializer="ones", b_initializer="ones")
        return model

    compare(partial(network_of, make), "momentum", replace(PLAN, jit_compile=True))


def test_a_program_takes_its_graph_along():
    """A graph that something of TensorFlow's own still knows would be there for good."""
    layout = Layout(SHAPE, None, weighted=False, training=True, batch_size=10, block_rows=20)
    program = build_program(model_of(network_of(convolutional)), layout, verifiable=True)
    graph = weakref.ref(program.function.graph)
    del program
    gc.collect()
    assert graph() is None


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3"])
def test_enlarged_images_train(interpolation, train):
    """XLA knows two of the ways to enlarge an image, and is not chosen for the others."""

    def make():
        enlarge = keras.layers.UpSampling2D(2, interpolation=interpolation)
        return stack(MatmulConv2D(1, 3, strides=2, padding="same"), enlarge)

    network, plan = network_of(make), TrainingPlan(epochs=50, batch_size=1)
    X = np.random.default_rng(0).random((32, *SHAPE), np.float32)
    assert _networks.wants(network, len(X), plan) == (interpolation in ("nearest", "bilinear"))
    losses = train(network, X, plan=plan)["loss"]
    assert losses[-1] < losses[0]
