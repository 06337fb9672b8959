"""Fits two models in one process; the first must not influence the second."""

from __future__ import annotations

import types
import warnings
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers
from sklearn.exceptions import ConvergenceWarning

from skae import ReconstructionOutlierDetector
from skae.engine import clear_cache
from skae.exceptions import UnsharedProgramWarning

D = 6
X = np.random.default_rng(0).normal(size=(200, D)).astype(np.float32)
X.setflags(write=False)
NAME = "tested"


@dataclass
class Step:
    """One fit: a function that makes the model, and the estimator's other parameters."""

    make: object
    params: dict = field(default_factory=dict)

    def fit(self, engine, rows=X):
        """Return a fitted detector; the seed is for models that draw while they are traced."""
        np.random.seed(0)  # noqa: NPY002 - the state that they draw from
        given = {"epochs": 2, "batch_size": 16, "random_state": 0, "optimizer": "sgd"}
        params = {**given, **self.params}
        return ReconstructionOutlierDetector(self.make, engine=engine, **params).fit(rows)


def step(make, **params):
    """Return a step of a pair that has parameters of its own."""
    return Step(make, params)


def check_pair(first, second, between=None, squared=lambda x, r: (x - r) ** 2):
    """Fit `first`, do what comes `between`, and compare `second` with Keras's own loop.

    Parameters
    ----------
    first, second : Step, or function that makes a model
    between : callable or None
        Changes the world.
    squared : callable
        The error of a value that the detectors score by.

    Returns
    -------
    warned : list of str
        The warnings of the second fit; each of them names the model.
    """
    first, second = (part if isinstance(part, Step) else Step(part) for part in (first, second))
    clear_cache()
    before = _outcome(first.fit("auto"))
    if between is not None:
        between()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)  # after so few epochs
        found = second.fit("auto")
        outcome = _outcome(found)
    with warnings.catch_warnings():  # the detector's scores are shared and verified, too
        warnings.simplefilter("ignore", UnsharedProgramWarning)
        expected = _outcome(second.fit("keras"), scores=False)
    _assert_close(outcome, expected, rtol=1e-4)
    live = np.asarray(found.model_(X, training=False), np.float32)
    errors = np.asarray(squared(X, live), np.float64).mean(axis=1)
    _assert_close(outcome, {"reconstruct": live, "score_samples": -errors}, rtol=1e-4)
    assert _differ(outcome, before), "the pair shows nothing"
    warned = [str(warning.message) for warning in caught]
    assert all(NAME in message for message in warned), warned
    assert len(warned) <= 1, warned
    return warned


def _outcome(detector, *, scores=True):
    """Return all that a fit gave; scores come from programs of their own."""
    outcome = {f"history {name}": np.array(v) for name, v in detector.history_.items()}
    for number, weight in enumerate(detector.model_.trainable_variables):
        outcome[f"weight {number}"] = np.asarray(weight, np.float32)
    if scores:
        outcome["reconstruct"] = detector.reconstruct(X)
        outcome["score_samples"] = detector.score_samples(X)
    return outcome


def _assert_close(outcome, expected, rtol):
    for name, wanted in expected.items():
        scale = max(np.abs(wanted).max(initial=0.0), 1e-3)
        np.testing.assert_allclose(outcome[name], wanted, rtol, rtol * scale, err_msg=name)


def _differ(one, other):
    if one.keys() != other.keys() or any(one[name].shape != other[name].shape for name in one):
        return True
    return not all(np.allclose(one[name], other[name], rtol=2e-3, atol=1e-5) for name in one)


def stack(*inner):
    """Return a Sequential of stock layers around those given."""
    return keras.Sequential(
        [keras.Input((D,)), layers.Dense(D), *inner, layers.Dense(D)], name=NAME
    )


def of(kind):
    """Return a function that makes a model with a layer of a class."""
    return lambda: stack(kind())


def applying(function):
    """Return a function that makes a model that applies `function`."""
    return lambda: stack(layers.Activation(function))


def graph(build):
    """Return a function that makes the model of a tensor that `build` makes of another."""

    def make():
        inputs = keras.Input((D,))
        return keras.Model(inputs, build(inputs), name=NAME)

    return make


def in_sequence(*inner):
    """Return a model whose inner layers take sequences."""
    inputs = keras.Input((D,))
    rows = layers.Reshape((2, 3))(layers.Dense(D)(inputs))
    for layer in inner:
        rows = layer(rows)
    return keras.Model(inputs, layers.Dense(D)(layers.Flatten()(rows)), name=NAME)


def on_instance(owner, name, function):
    """Set a method on an instance."""
    setattr(owner, name, types.MethodType(function, owner))
