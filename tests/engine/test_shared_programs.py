"""Equal models share their programs: a second fit or score compiles nothing."""

from __future__ import annotations

import numpy as np
import pytest
from keras import layers

from skae import ReconstructionOutlierDetector
from skae.engine import cache_info, clear_cache
from tests.engine._pairs import D, X, graph
from tests.estimators import tutorial_models

BUILT_IN = {
    "dense": X,
    "linear": X,
    "variational": X,
    "conv": X[:, :4].reshape(-1, 2, 2, 1).repeat(2, 1).repeat(2, 2),
    "recurrent": X.reshape(-1, 3, 2),
}


def _fit(model, rows, **params):
    given = {"epochs": 1, "random_state": 0, "jit_compile": False, **params}
    fitted = ReconstructionOutlierDetector(model, **given).fit(rows)
    fitted.score_samples(rows)
    fitted.reconstruct(rows)
    assert fitted.engine_ == "compiled"
    return fitted


def _compiles_nothing(model, rows, **params):
    """Whether fits of another seed, learning rate and number of rows find their programs."""
    clear_cache()
    first = _fit(model, rows, **params)
    before = cache_info()
    _fit(model, rows, **params, optimizer__learning_rate=0.02)
    _fit(model, rows[:150], **{**params, "random_state": 7, "epochs": 2})
    np.testing.assert_array_equal(
        _fit(model, rows, **params).history_["loss"], first.history_["loss"]
    )
    after = cache_info()
    return after.misses == before.misses and after.hits > before.hits


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_networks_are_shared(name):
    assert _compiles_nothing(name, BUILT_IN[name], latent_dim=2, hidden_layer_sizes=(3,))


def _function(latent_dim):
    return graph(lambda x: layers.Dense(D)(layers.Dense(latent_dim, "relu")(x)))()


def test_graphs_that_a_function_builds_are_shared():
    assert _compiles_nothing(_function, X, latent_dim=2)


def test_subclassed_models_are_shared():
    rows = np.abs(np.resize(X, (60, 140))) % 1
    assert _compiles_nothing(tutorial_models.AnomalyDetector, rows)


def test_weights_set_by_hand_count_though_programs_are_shared():
    one, other = (_fit(_function, X, latent_dim=2, random_state=seed) for seed in (0, 1))
    one.model_.set_weights(other.model_.get_weights())
    np.testing.assert_array_equal(one.reconstruct(X), other.reconstruct(X))
