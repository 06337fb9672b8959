"""Helpers to make a `NetworkSpec`."""

from __future__ import annotations

import random

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import NetworkSpec

BUILT_IN = {
    "dense": {},
    "linear": {},
    "conv": {"hidden_layer_sizes": (2,)},
    "recurrent": {"hidden_layer_sizes": (3,)},
    "variational": {},
}


def make_spec(shape, output_shape=None, *, seed=0, noise=None, options=None, **parameters):
    """Return a spec with a small network's parameters."""
    parameters = {"latent_dim": 2, "hidden_layer_sizes": (4,), **parameters}
    return NetworkSpec(shape, output_shape or shape, parameters, options or {}, seed, noise)


def spec_of(name, shape, output_shape=None, **arguments):
    """Return a spec with the sizes that suit the named network."""
    return make_spec(shape, output_shape, **{**BUILT_IN[name], **arguments})


def weights_of(network):
    """Return every weight of the model."""
    return network.model.get_weights()


def equal(first, second):
    """Say whether two lists of arrays are the same bit for bit."""
    return len(first) == len(second) and all(
        np.array_equal(one, other) for one, other in zip(first, second, strict=True)
    )


def global_draws(act):
    """Return what the global generators of Python, NumPy and TensorFlow draw after `act`.

    All three are seeded before, which TensorFlow needs: its state can't be read.
    """
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the state that must not change
    tf.random.set_seed(1)
    act()
    return random.random(), np.random.uniform(), float(tf.random.uniform(()))  # noqa: NPY002


def variable_names(model: keras.Model):
    """Return the names under which TensorFlow knows the variables."""
    return [variable.value.name for variable in model.variables]
