"""Results do not depend on earlier fits in the process."""

from __future__ import annotations

import random

import numpy as np
import pytest
from keras import layers, ops

from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae.engine import clear_cache
from tests.engine._pairs import X, applying, stack
from tests.estimators._cases import output, weights
from tests.estimators.tutorial_models import Bottleneck

SMALL = {"epochs": 2, "batch_size": 16, "random_state": 0}
SIZES = {"latent_dim": 2, "hidden_layer_sizes": (4,)}
SHIFTED = np.float32(3 * X + 1)


def _normalizing(rows):
    def make():
        normalization = layers.Normalization()
        normalization.adapt(rows)
        return stack(normalization)

    return make


def _own_loss(k):
    return lambda y, p: k * ops.mean(ops.square(y - p), axis=-1)


def _dropping():
    return stack(layers.Dropout(0.3), layers.BatchNormalization())


def _detector(model="dense", **params):
    return ReconstructionOutlierDetector(model, **{**SMALL, "calibration": "training", **params})


# Functions, each of which makes an estimator, and the rows that it is fitted on.
FITS = {
    "dense": (lambda: _detector(**SIZES), X),
    "dense on other rows": (lambda: _detector(**SIZES, random_state=3), SHIFTED[:150]),
    "dense with another loss": (lambda: _detector(**SIZES, loss="mae", optimizer="sgd"), X),
    "noise": (lambda: DenoisingRegressor(**SMALL, **SIZES, noise="gaussian"), X),
    "variational": (lambda: VariationalAutoencoder(**SMALL, **SIZES), X),
    "transformer": (lambda: AutoencoderTransformer(**SMALL, **SIZES, validation_split=0.2), X),
    "random layers": (lambda: _detector(_dropping), X),
    "random layers, other seed": (lambda: _detector(_dropping, random_state=5), SHIFTED),
    "closure": (lambda: _detector(applying(lambda x: x * 2.0)), X),
    "another closure": (lambda: _detector(applying(lambda x: x * 0.5)), X),
    "loss": (lambda: _detector(stack, loss=_own_loss(1.0)), X),
    "another loss": (lambda: _detector(stack, loss=_own_loss(4.0)), X),
    "subclass": (lambda: _detector(Bottleneck), X),
    "subclass with an option": (lambda: _detector(Bottleneck, model__dropout=0.5), X),
    "normalization": (lambda: _detector(_normalizing(X)), X),
    "another normalization": (lambda: _detector(_normalizing(SHIFTED)), SHIFTED),
    "several days": (lambda: _detector(lambda: stack(layers.ReLU()), warm_start=True), X),
}


def _results(name):
    make, rows = FITS[name]
    fitted = make().fit(rows)
    if name == "several days":
        fitted.fit(SHIFTED).partial_fit(X)
    found = [np.asarray(values) for _, values in sorted(fitted.history_.items())]
    found += [*weights(fitted), output(fitted, rows), output(fitted, rows[:3])]
    return [*found, fitted.reconstruct(rows) if hasattr(fitted, "reconstruct") else rows]


def _equal(one, other):
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def _sequence(names):
    clear_cache()
    return {name: _results(name) for name in names}


def test_two_orders_give_the_same_bits():
    """Backwards, too, so that each of two fits has once been the earlier one."""
    names = random.Random(0).sample(list(FITS), len(FITS))
    forwards, backwards = _sequence(names), _sequence(names[::-1])
    changed = [name for name in names if not _equal(forwards[name], backwards[name])]
    assert changed == []


def test_fits_again_and_again_give_the_same_bits():
    """The second finds its program, the third after it was forgotten, the fourth after others."""
    clear_cache()
    first = _results("random layers")
    again = [_results("random layers")]
    clear_cache()
    again.append(_results("random layers"))
    _results("random layers, other seed")
    again.append(_results("random layers"))
    assert [_equal(results, first) for results in again] == [True] * 3


def test_the_comparison_can_fail():
    assert not _equal(_results("closure"), _results("another closure"))


@pytest.mark.parametrize("model", ["dense", "variational"])
def test_programs_know_no_seed(model):
    """What a program took from the first network's seed would be in the second one's results."""

    def results(seed):
        options = {"model__contraction": 1.0, "noise": "gaussian"}
        fitted = _detector(model, **SIZES, **options, random_state=seed).fit(X)
        return [np.asarray(fitted.history_["loss"]), *weights(fitted), fitted.score_samples(X)]

    clear_cache()
    first = results(0)
    clear_cache()
    results(1)
    assert _equal(results(0), first)
