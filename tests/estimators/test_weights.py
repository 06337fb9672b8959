"""Sample weights equal repetition, with a full batch and to float32 rounding."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
    networks,
)
from skae.estimators._scikeras import keras
from tests.estimators import tutorial_models
from tests.estimators._cases import ESTIMATORS, output, small, weights


class WithoutDraws(keras.callbacks.Callback):
    """Narrows the posterior to its mean: a row and its repetition draw different codes."""

    def on_train_begin(self, logs=None):
        bias = networks.posterior(self.model).get_layer("log_var").bias
        bias.assign(np.full(bias.shape, -60.0, np.float32))


# A beta of 0: Keras takes what a layer adds to the loss without the weights of the rows.
# No relu: a row that no hidden unit of the encoder sees has a code of 0 and of what is left of the
# draw, whose sign would decide whether a gradient passes.
VARIATIONAL = {"callbacks": [WithoutDraws()], "activation": "tanh"}
NETWORKS = {
    "dense": {},
    "linear": {},
    "conv": {"input_shape": (3, 2, 1), "hidden_layer_sizes": (2,)},
    "recurrent": {"input_shape": (3, 2), "hidden_layer_sizes": (2,)},
    "variational": {"model__beta": 0.0, **VARIATIONAL},
}
BY_NAME = (AutoencoderTransformer, DenoisingRegressor, ReconstructionOutlierDetector)
CASES = {
    f"{kind.__name__}-{name}": (kind, {"model": name, **params})
    for kind in BY_NAME
    for name, params in NETWORKS.items()
} | {
    "VariationalAutoencoder": (VariationalAutoencoder, {"beta": 0.0, **VARIATIONAL}),
    "tied": (AutoencoderTransformer, {"model": "linear", "model__tied": True}),
    "custom": (AutoencoderTransformer, {"model": tutorial_models.Bottleneck}),
    "keras, images": (AutoencoderTransformer, {"input_shape": (2, 3), "engine": "keras"}),
    "keras, detector": (ReconstructionOutlierDetector, {"engine": "keras"}),
    "errors": (ReconstructionOutlierDetector, {"anomaly_score": "error"}),
}
# Both fits add the same terms in float32, each in an order of its own: with the unit roundoff
# u = 6e-8, sums over n = 83 rows may differ by n u = 5e-6 of their terms. Losses, gradients and
# outputs are of order 1 at most, and ten steps of 0.1 carry one gradient's difference into the
# weights. A fit that ignores the weights of rows is off by hundreds of times as much.
ROUNDING = {"rtol": 5e-6, "atol": 5e-6}


@pytest.fixture(scope="module")
def repeats():
    return np.random.default_rng(3).integers(0, 4, size=60)


def _learned(kind, params, table, X, sample_weight=None):
    """Fit `X`; return weights, losses, what comes out for the table, and the threshold."""
    # A batch larger than either set of rows; SGD, since Adam divides a gradient by its own size and
    # makes whole steps of rounding; and clean rows for the denoiser, which then draws no noise.
    settings = {"batch_size": 1000, "optimizer": "sgd", "optimizer__learning_rate": 0.1}
    clean = {"y": X} if kind is DenoisingRegressor else {}
    estimator = small(kind, **settings, **{"epochs": 10, **params})
    estimator.fit(X, **clean, sample_weight=sample_weight)
    network = [weight.numpy().ravel() for weight in estimator.model_.trainable_weights]
    threshold = [np.array(estimator.threshold_)] if hasattr(estimator, "threshold_") else []
    losses = np.array(estimator.history_["loss"])
    return [np.concatenate(network), losses, output(estimator, table), *threshold]


def test_every_estimator_and_network_is_here():
    assert {kind for kind, _ in CASES.values()} == set(ESTIMATORS)
    assert set(NETWORKS) == set(networks.NAMES)


@pytest.mark.parametrize("case", CASES)
def test_weights_equal_repetition(case, table, repeats):
    """A weight of k is k copies, one of 0 is none, and the scale of weights is immaterial.

    Scores that learn from residuals and neighbors depend on how many samples there are.
    """
    kind, params = CASES[case]
    is_counting = kind is ReconstructionOutlierDetector and "anomaly_score" not in params
    weighted, repeated, ignored = (
        _learned(*CASES[case], table, X, sample_weight)
        for X, sample_weight in (
            (table, (1.0 if is_counting else 7.5) * repeats),
            (np.repeat(table, repeats, axis=0), None),
            (table[repeats > 0], None),
        )
    )
    for got, wanted, wrong in zip(weighted, repeated, ignored, strict=True):
        assert_allclose(got, wanted, **ROUNDING)
        assert np.abs(wrong - wanted).max() > 100 * ROUNDING["atol"]


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_rows_of_weight_zero_are_dropped(kind, table, repeats):
    is_positive = repeats > 0
    weighted = small(kind).fit(table, sample_weight=repeats.astype(float))
    dropped = small(kind).fit(table[is_positive], sample_weight=repeats[is_positive].astype(float))
    for one, two in zip(weights(weighted), weights(dropped), strict=True):
        assert_array_equal(one, two)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_only_ratios_of_weights_matter(kind, table, repeats):
    weighted, scaled = (
        small(kind).fit(table, sample_weight=scale * repeats) for scale in (1.0, 1024.0)
    )
    for one, two in zip(weights(weighted), weights(scaled), strict=True):
        assert_allclose(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_equal_weights_equal_none(kind, table):
    weighted = small(kind).fit(table, sample_weight=np.full(60, 3.0))
    plain = small(kind).fit(table)
    for one, two in zip(weights(weighted), weights(plain), strict=True):
        assert_allclose(one, two, rtol=1e-5, atol=1e-6)
