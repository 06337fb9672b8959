"""Weights joined into one vector are trained like separate weights."""

from __future__ import annotations

import warnings
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from skae import engine
from skae._private import build_optimizer
from skae.engine import _tensors
from skae.engine._tensors import Groups, is_packable, pack
from tests.engine._equality import OPTIMIZERS, compare
from tests.engine._networks import model_of, network_of, weights_of
from tests.engine.conftest import dense_model


def _groups_of(model, *, packed=True):
    build_optimizer(model)
    return pack(model, packed=packed)


@pytest.mark.parametrize("small", [(), (0, 1, 2), (1, 3)])
def test_groups_are_joined_and_parted(small):
    tensors = [tf.random.normal(shape) for shape in ((2, 3), (3,), (), (4, 1))]
    groups = Groups.of(tensors, small)
    joined = groups.join(tensors)
    assert len(joined) == len(tensors) - max(len(small) - 1, 0)
    for wanted, got in zip(tensors, groups.part(joined), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "adafactor"])
def test_slots_follow_their_weights(make_dense, optimizer):
    model = model_of(make_dense(optimizer=OPTIMIZERS[optimizer]))
    packing = _groups_of(model)
    assert packing.weights.members == ((0, 1, 2, 3),)
    names = [variable.path for variable in model.optimizer.variables]
    for group in packing.slots.members:
        if len(group) > 1:
            kinds = {names[i].rpartition("_")[2] for i in group}
            assert len(kinds) == 1
            weights = [weight.path.replace("/", "_") for weight in model.trainable_variables]
            for weight, slot in zip(weights, group, strict=True):
                assert weight in names[slot]


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "amsgrad", "schedule"])
def test_large_weights_beside_small_ones(make_dense, optimizer, monkeypatch):
    monkeypatch.setattr(_tensors, "_MAX_SIZE", 10)
    engine.clear_cache()
    assert _groups_of(model_of(make_dense())).weights.members == ((1, 3), (0,), (2,))
    compare(partial(network_of, dense_model), optimizer, n_val=7)
    engine.clear_cache()


def test_what_is_not_packed(make_dense):
    assert is_packable(OPTIMIZERS["adam"]())
    # Clipped by the norm of each weight, or of all of them; and one that looks at rows and columns.
    for name in ("adamw", "sgd", "adafactor"):
        assert not is_packable(OPTIMIZERS[name]())
    model = model_of(make_dense())
    model.layers[0].kernel.constraint = keras.constraints.MaxNorm(1)
    assert _groups_of(model).weights.members == ((1, 2, 3), (0,))
    assert _groups_of(model, packed=False).weights.members == ((0,), (1,), (2,), (3,))


class Unused(keras.layers.Layer):
    """Has a weight that the output does not depend on."""

    def build(self, input_shape):
        self.unused = self.add_weight(shape=(2,), name="unused")

    def call(self, inputs):
        return inputs


def test_a_weight_without_gradient_is_left_alone_and_told_of(rows, train):
    def make():
        dense = keras.layers.Dense(6, kernel_initializer="ones", name="dense")
        return keras.Sequential([keras.Input((6,)), Unused(name="unused"), dense], name="model")

    def adamw():
        return keras.optimizers.AdamW(0.01, weight_decay=0.5)

    networks, messages = [network_of(make, adamw, jit_compile=False) for _ in range(2)], []
    model_of(networks[1]).set_weights(model_of(networks[0]).get_weights())
    before = weights_of(networks[0])[0]
    for name, network in zip(("keras", "compiled"), networks, strict=True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train(network, validation=rows, name=name)
        messages.append({str(warning.message) for warning in caught})
    assert any("Gradients do not exist" in message for message in messages[1])
    assert messages[1] == messages[0]
    np.testing.assert_array_equal(weights_of(networks[1])[0], before)
    for wanted, got in zip(*map(weights_of, networks), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
