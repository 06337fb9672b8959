"""skae works, more slowly, without any of its private names of Keras and SciKeras."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pytest

from skae import AutoencoderTransformer, ReconstructionOutlierDetector, _private, engine
from tests.estimators import tutorial_models

X = np.random.default_rng(0).random((200, 6), np.float32)
CACHED = (_private.problem, _private._stateless_class)
# Those without which the compiled engine is off; the others concern single features.
NEEDED = {
    "counters module",
    "counters of a thread",
    "neutral optimizer",
    "key of a variable",
    "weight decay",
    "update step",
    "clipping by norm",
}


def _forget():
    for cached in CACHED:
        cached.cache_clear()
    engine.clear_cache()


@pytest.fixture
def rename(monkeypatch):
    """Return a function that gives one private name another one."""
    yield lambda what: (monkeypatch.setitem(_private._NAMES, what, "_renamed"), _forget())
    monkeypatch.undo()
    _forget()


# Built-in networks and a model of one's own, for two estimators. Each name that turns the engine
# off has both kinds and both models, in turn one way round and the other; the others have all four.
ALL = (0, 1, 2, 3)
TAKEN = {
    what: (ALL[1:3], ALL[::3])[number % 2] if what in NEEDED else ALL
    for number, what in enumerate(sorted(_private._NAMES, key=lambda what: what in NEEDED))
}


def _estimators(name, taken=ALL):
    sizes = {"latent_dim": 2, "hidden_layer_sizes": (4,), "epochs": 1, "random_state": 0}
    own = {"model": tutorial_models.functional, "epochs": 1, "random_state": 0}
    every = [
        kind(**given, engine=name, optimizer="sgd")
        for kind in (AutoencoderTransformer, ReconstructionOutlierDetector)
        for given in (sizes, own)
    ]
    return [every[number] for number in taken]


def _results(estimator):
    estimator.fit(X)
    copied = pickle.loads(pickle.dumps(estimator))
    for each in (estimator, copied):
        yield each.score(X)
        yield each.history_["loss"]
        for rows in (X, X[:5]):
            yield each.reconstruct(rows)
            yield each.transform(rows) if hasattr(each, "transform") else each.predict(rows)
    yield copied.partial_fit(X).reconstruct(X)


@pytest.fixture(scope="module")
def expected():
    """Return what Keras's own loop gives."""
    return [list(_results(estimator)) for estimator in _estimators("keras")]


@pytest.mark.parametrize("what", _private._NAMES)
def test_every_name_may_be_missing(what, expected, rename, caplog):
    rename(what)
    with caplog.at_level(logging.WARNING, "skae"):
        taken = TAKEN[what]
        for number, estimator in zip(taken, _estimators("auto", taken), strict=True):
            wanted = expected[number]
            for value, other in zip(_results(estimator), wanted, strict=True):
                np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-5)
            if what in NEEDED:
                assert estimator.engine_ == "keras"
    reasons = [record.getMessage() for record in caplog.records]
    assert len(reasons) == (what in NEEDED)
    assert all("skae's compiled engine is off" in reason for reason in reasons)


def test_every_name_is_there_in_this_version_of_keras():
    _forget()
    assert _private.problem() is None


@pytest.mark.parametrize("what", sorted(NEEDED))
def test_compiled_by_wish_says_what_is_missing(what, rename):
    rename(what)
    with pytest.raises(ValueError, match=r"engine='compiled' can't train .* has no "):
        AutoencoderTransformer(latent_dim=2, engine="compiled", epochs=1).fit(X)
