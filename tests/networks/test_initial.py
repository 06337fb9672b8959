"""Initial weights computed without building a network equal those of a built one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from skae import networks
from skae.noise import make_noise
from tests.networks._specs import equal, spec_of

CASES = {
    "dense": ("dense", (6,), {}),
    "latent activation": ("dense", (6,), {"latent_activation": "relu"}),
    "regularized": ("dense", (6,), {"activity_regularizer": "l1"}),
    "contraction": ("dense", (6,), {"contraction": 0.1}),
    "he normal": ("dense", (6,), {"kernel_initializer": "he_normal"}),
    "orthogonal": ("dense", (6,), {"kernel_initializer": "orthogonal"}),
    "zeros": ("dense", (6,), {"kernel_initializer": "zeros"}),
    "object": (
        "dense",
        (6,),
        {"kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.3)},
    ),
    "image": ("dense", (4, 5, 2), {}),
    "linear": ("linear", (6,), {}),
    "tied": ("linear", (6,), {"tied": True, "contraction": 0.1}),
    "conv": ("conv", (8, 8, 1), {}),
    "signal": ("conv", (9, 2), {"dimensions": 1}),
    "upsampling": ("conv", (8, 8, 1), {"upsampling": True, "kernel_initializer": "he_normal"}),
    "lstm": ("recurrent", (5, 2), {"cell": "lstm"}),
    "gru": ("recurrent", (5, 2), {"cell": "gru"}),
}
# A variational network has callbacks, so that it is built before every fit.
DEFERRED = sorted({*networks.NAMES} - {"variational"})
NOISES = ["gaussian", "uniform", "masking", "dropout", "salt_and_pepper"]
OBJECTS = [keras.layers.GaussianDropout(0.3), keras.layers.SpatialDropout1D(0.2)]


def _built(name, shape, options, *, seed, noise=None, **parameters):
    layer = make_noise(noise, seed)
    return networks.build(
        name, spec_of(name, shape, seed=seed, noise=layer, options=options, **parameters)
    )


def _weights(network):
    variables = (*network.model.trainable_variables, *network.model.non_trainable_variables)
    return [np.asarray(variable).copy() for variable in variables]


def _check(*case, **given):
    tell = _built(*case, seed=3, **given).initial_weights()
    for seed in (3, 4, 2**31 - 2):
        assert equal(tell(seed), _weights(_built(*case, seed=seed, **given)))
    assert not equal(tell(3), tell(4)) or case[2].get("kernel_initializer") == "zeros"


def test_every_network_that_can_be_deferred_is_tested():
    assert {name for name, *_ in CASES.values()} == {*DEFERRED}


@pytest.mark.parametrize("case", CASES)
def test_options(case):
    _check(*CASES[case])


def test_a_feature_map_as_the_code():
    _check("conv", (8, 8, 1), {}, latent_dim=None)


@pytest.mark.parametrize("noise", [*NOISES, *OBJECTS])
@pytest.mark.parametrize("name", DEFERRED)
def test_noise(name, noise):
    _check(name, (5, 2), {"contraction": 0.1}, noise=noise)


def test_the_arrays_are_not_shared():
    network = _built("dense", (6,), {}, seed=3)
    tell = network.initial_weights()
    wanted = [array.copy() for array in tell(3)]
    network.model.set_weights([weight + 1 for weight in network.model.get_weights()])
    assert equal(tell(3), wanted)


class Halves(keras.initializers.Initializer):
    """Draws nothing, and is none of those that are known."""

    def __call__(self, shape, dtype=None):
        return keras.ops.full(shape, 0.5, dtype)

    def get_config(self):
        return {}


class OwnNoise(keras.layers.Layer):
    """Has a weight that no initializer of the network made."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=input_shape[1:], initializer="random_normal")

    def call(self, inputs, training=False):
        return inputs + self.scale if training else inputs


@pytest.mark.parametrize(
    "given", [{"options": {"kernel_initializer": Halves()}}, {"noise": OwnNoise()}]
)
def test_what_can_not_be_told(given):
    given = {"options": {}, **given}
    assert _built("dense", (6,), given.pop("options"), seed=3, **given).initial_weights() is None
