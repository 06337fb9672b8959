"""Weights of rows equal their repetition, with a full batch and to float32 rounding."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from tests.estimators import tutorial_models
from tests.estimators._cases import ESTIMATORS, output, small, weights

IMAGES = [
    {"model": "conv", "input_shape": (3, 2, 1), "hidden_layer_sizes": (2,)},
    {"model": "recurrent", "input_shape": (3, 2), "hidden_layer_sizes": (2,)},
    {"model": "dense", "input_shape": (2, 3), "engine": "keras"},
]
NETWORKS = [
    {"model": "dense"},
    {"model": "linear"},
    {"model": "linear", "model__tied": True},
    {"model": tutorial_models.Bottleneck},
]
CASES = [
    *((AutoencoderTransformer, network) for network in NETWORKS),
    *((AutoencoderTransformer, network) for network in IMAGES),
    *((kind, {}) for kind in (DenoisingRegressor, ReconstructionOutlierDetector)),
    (ReconstructionOutlierDetector, {"engine": "keras"}),
]


def _name(case):
    return case.__name__ if isinstance(case, type) else "-".join(map(str, case.values()))


@pytest.fixture(scope="module")
def repeats():
    return np.random.default_rng(3).integers(0, 4, size=60)


@pytest.mark.parametrize(("kind", "params"), CASES, ids=_name)
def test_weights_equal_repetition(kind, params, table, repeats):
    # A batch larger than either set of rows, SGD so that rounding is not blown up, no noise.
    settings = {"batch_size": 1000, "optimizer": "sgd", "epochs": 3, "shuffle": False, **params}
    repeated = np.repeat(table, repeats, axis=0)
    given = (table, repeated) if kind is DenoisingRegressor else (None, None)
    weighted = small(kind, **settings).fit(table, given[0], sample_weight=7.5 * repeats)
    repetition = small(kind, **settings).fit(repeated, given[1])
    for one, two in zip(weights(weighted), weights(repetition), strict=True):
        assert_allclose(one, two, rtol=2e-5, atol=2e-6)
    assert_allclose(weighted.history_["loss"], repetition.history_["loss"], rtol=1e-5)
    assert_allclose(output(weighted, table), output(repetition, table), rtol=1e-4, atol=1e-5)
    if hasattr(weighted, "threshold_"):
        assert_allclose(weighted.threshold_, repetition.threshold_, rtol=1e-4)


def test_weights_of_the_variational_reconstruction_equal_repetition(table, repeats):
    """As far as it goes: a row and its repetition draw different codes."""
    settings = {"batch_size": 1000, "optimizer": "sgd", "epochs": 1, "beta": 0.0}
    weighted = small(VariationalAutoencoder, **settings).fit(table, sample_weight=repeats)
    repetition = small(VariationalAutoencoder, **settings).fit(np.repeat(table, repeats, axis=0))
    assert_allclose(weighted.history_["loss"], repetition.history_["loss"], rtol=0.2)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_rows_of_weight_zero_are_dropped(kind, table, repeats):
    kept = repeats > 0
    weighted = small(kind).fit(table, sample_weight=repeats.astype(float))
    dropped = small(kind).fit(table[kept], sample_weight=repeats[kept].astype(float))
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


def test_weights_matter(table, repeats):
    weighted = small(AutoencoderTransformer).fit(table, sample_weight=repeats)
    plain = small(AutoencoderTransformer).fit(table[repeats > 0])
    assert np.abs(weighted.transform(table) - plain.transform(table)).max() > 1e-4
