"""Every built-in network is trained by the engine as ``keras.Model.fit`` trains it."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from skae import engine, networks
from skae._contracts import Batchable
from tests.engine._equality import PLAN, compare
from tests.networks._specs import spec_of

CASES = {
    "dense": ("dense", (6,), {"latent_activation": "relu"}),
    "linear": ("linear", (6,), {}),
    "tied": ("linear", (6,), {"tied": True}),
    "conv": ("conv", (8, 8, 1), {}),
    "signal": ("conv", (9, 2), {"dimensions": 1}),
    "upsampling": ("conv", (8, 8, 1), {"upsampling": True}),
    "lstm": ("recurrent", (5, 2), {"cell": "lstm"}),
    "gru": ("recurrent", (5, 2), {"cell": "gru"}),
    "variational": ("variational", (6,), {"beta": 0.5, "capacity": 0.1}),
}


def _maker(case, **options):
    name, shape, own = CASES[case]
    penalty = keras.regularizers.L1(0.01)
    spec = spec_of(name, shape, options={**own, "activity_regularizer": penalty, **options})
    return lambda: networks.build(name, spec).model


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop", "decaying"])
@pytest.mark.parametrize("case", CASES)
def test_networks(case, optimizer):
    """Weighted, validated, regularised, with a short last batch."""
    compare(_maker(case), optimizer, weighted=True, n_val=13, metrics=["mae"])


@pytest.mark.parametrize("case", ["dense", "linear", "conv", "upsampling", "signal", "variational"])
def test_networks_under_xla(case):
    plan = replace(PLAN, jit_compile=True)
    compare(_maker(case), "momentum", plan, weighted=True, n_val=13)


@pytest.mark.parametrize("case", ["dense", "conv"])
def test_contracted_networks(case):
    compare(_maker(case, contraction=0.1), "adam", n_val=13)


@pytest.mark.parametrize("case", ["dense", "variational"])
def test_programs_know_no_seed(case, empty_cache):
    """What a program took from the first network's seed would be in the second one's losses."""
    name, shape, own = CASES[case]
    X = np.random.default_rng(0).random((23, *shape), np.float32)

    def losses(seed):
        spec = spec_of(name, shape, seed=seed, options={**own, "contraction": 1.0})
        model = networks.build(name, spec).model
        model.compile("adam", "mse")
        trainer = engine.select_trainer("compiled", model, [])
        return trainer.train(model, Batchable(X), Batchable(X), PLAN, [])

    first = losses(0)
    engine.clear_cache()
    losses(1)
    assert losses(0) == first
