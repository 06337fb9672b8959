"""A fit that builds no model equals the first fit of a process bit for bit."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae import AutoencoderTransformer, ReconstructionOutlierDetector, VariationalAutoencoder
from skae.engine import clear_cache

# So many batches of 4 rows that XLA would be chosen.
X = np.random.default_rng(0).random((96, 16), np.float32)
CASES = {
    "dense": {},
    "noisy": {"noise": "gaussian", "model__contraction": 0.1},
    "dropout": {"noise": keras.layers.GaussianDropout(0.2)},
    "linear": {"model": "linear", "model__tied": True},
    "conv": {"model": "conv", "input_shape": (4, 4, 1), "hidden_layer_sizes": (3,)},
    "upsampling": {"model": "conv", "input_shape": (4, 4), "model__upsampling": True},
    "lstm": {"model": "recurrent", "input_shape": (4, 4)},
    "gru": {"model": "recurrent", "input_shape": (4, 4), "model__cell": "gru"},
    "rate": {"optimizer": "sgd", "optimizer__learning_rate": 0.3, "optimizer__momentum": 0.9},
    "object": {"optimizer": keras.optimizers.Adam(0.02), "metrics": ["mae"]},
    "validated": {"validation_split": 0.2, "loss": "mae"},
}


def _make(case, kind=AutoencoderTransformer, **params):
    sizes = {"latent_dim": 3, "hidden_layer_sizes": (5,), "epochs": 2, "batch_size": 4}
    return kind(**{**sizes, "random_state": 7, **CASES[case], **params})


def _results(estimator):
    """Return the history, scores of many rows and few, a pickle and what it goes on to."""
    network = estimator._deferred
    found = [np.hstack(list(estimator.history_.values())), estimator.reconstruction_error(X)]
    found += [estimator.reconstruct(rows) for rows in (X, X[:3])]
    values, slots = network.state()
    found += [*values, *slots]
    pickled = pickle.dumps(estimator)
    if not isinstance(estimator.noise, keras.layers.Layer):  # Keras stores the time of saving.
        found.append(np.frombuffer(pickled, np.uint8))
    found.append(pickle.loads(pickled).partial_fit(X).reconstruct(X))
    return found


def _fit(case, **params):
    return _make(case, **params).fit(X)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_second_fit_equals_the_first(case, jit_compile):
    clear_cache()
    first = _results(_fit(case, jit_compile=jit_compile))
    _fit(case, jit_compile=jit_compile, random_state=8)
    second = _fit(case, jit_compile=jit_compile)
    assert second._deferred._network is None
    for got, wanted in zip(_results(second), first, strict=True):
        assert_array_equal(got, wanted)
    held = [np.asarray(value) for value in second._deferred.values()]
    for variable, value in zip(second.model_.trainable_variables, held, strict=False):
        assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("case", ["dense", "rate", "object"])
def test_another_rate_is_data(case):
    """The second fit takes the first one's program and optimizer, its rate aside."""
    name = "optimizer__learning_rate"
    slower = {name: 0.001} if case != "object" else {"optimizer": keras.optimizers.Adam(0.001)}
    clear_cache()
    wanted = _results(_fit(case, **slower))
    clear_cache()
    _fit(case, **(slower and {name: 0.5} if case == "dense" else {}))
    for got, expected in zip(_results(_fit(case, **slower)), wanted, strict=True):
        assert_array_equal(got, expected)


@pytest.mark.parametrize("kind", [ReconstructionOutlierDetector, VariationalAutoencoder])
def test_other_estimators(kind):
    given = {"model": "variational"} if kind is VariationalAutoencoder else {}
    clear_cache()
    first = _results(_fit("dense", kind=kind, **given))
    for got, wanted in zip(_results(_fit("dense", kind=kind, **given)), first, strict=True):
        assert_array_equal(got, wanted)


@pytest.mark.parametrize("case", ["dense", "conv"])
def test_a_model_that_is_looked_at_changes_nothing(case):
    plain, seen = (_fit(case) for _ in range(2))
    before = seen.model_.get_weights()
    for wanted, got in zip(_results(plain), _results(seen), strict=True):
        assert_array_equal(got, wanted)
    seen.partial_fit(X)
    both = (plain.partial_fit(X).model_.get_weights(), seen.model_.get_weights())
    for wanted, got in zip(*both, strict=True):
        assert_array_equal(got, wanted)
    assert not np.array_equal(before[0], seen.model_.get_weights()[0])
