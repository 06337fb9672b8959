"""Networks for the engine: a recipe, and a function that builds it."""

from __future__ import annotations

import functools
from dataclasses import replace

import keras
import numpy as np

from skae import AutoencoderTransformer
from skae._contracts import Batchable, Network, Recipe
from skae._private import fresh_names
from skae.engine import DeferredNetwork
from skae.engine._rows import Rows
from skae.engine._selection import traits_of, wants_xla
from skae.estimators._recipe import build_network
from tests.networks._specs import spec_of


def network_of(make, optimizer="adam", loss="mse", metrics=None, *, view=None, **compiled):
    """Return the network of a function that returns a Keras model.

    Whatever is made by a function is made anew for every model: an optimizer, `metrics`. A view is
    added as "view".
    """

    def arguments():
        made = [each() if callable(each) else each for each in (optimizer, metrics)]
        return {"optimizer": made[0], "loss": loss, "metrics": made[1], **compiled}

    def build():
        with fresh_names():
            model = make()
            model.compile(**arguments())
        return Network(model)

    recipe = Recipe(make, (), (), {}, {}, None, {}, {}, arguments(), "float32", 0)
    network = DeferredNetwork(recipe, build)
    if view is not None:
        network.views["view"] = view
    return network


def built_in(name, shape, *, seed=0, noise=None, options=None, sizes=None, **compiled):
    """Return a network of skae's own, which is arrays until its model is asked for."""
    spec = spec_of(name, shape, options=options, **(sizes or {}))
    compiled = {"optimizer": "adam", "loss": "mse", "metrics": None, **compiled}
    recipe = Recipe(
        builder=name,
        input_shape=spec.input_shape,
        output_shape=spec.output_shape,
        parameters=spec.parameters,
        options=spec.options,
        noise=noise,
        noise_options={},
        scikeras={},
        compiled={"jit_compile": "auto", **compiled},
        dtype_policy="float32",
        seed=seed,
    )
    return defer(recipe)


def defer(recipe, *state):
    """Return the network of a recipe for one of skae's own, with a state that it has learned."""
    build = functools.partial(build_network, AutoencoderTransformer, recipe)
    return DeferredNetwork(recipe, build, *state)


def copy_of(network, **changes):
    """Return a network of the same builder and state, compiled with something else."""
    return DeferredNetwork(replace(network.recipe, **changes), network._build, *network.state())


def wants(network, n_rows, plan):
    """Tell whether XLA is chosen to train a network on so many rows."""
    held = np.broadcast_to(np.float32(0), (n_rows, 1))  # whose number alone counts
    return wants_xla(traits_of(network, plan.batch_size), Rows(Batchable(held)), plan)


def model_of(network) -> keras.Model:
    """Return the Keras model of a network, built if it is not."""
    return network.network.model


def weights_of(network):
    """Return the weights of a network, those that are not trained among them."""
    return [np.array(value) for value in network.values()]
