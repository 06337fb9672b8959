"""Trainings that have failed warn, and others don't."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning

from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae.exceptions import FeatureScaleWarning


@pytest.fixture(scope="module")
def near_a_plane():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 3)) @ rng.normal(size=(3, 12)) + 0.05 * rng.normal(size=(300, 12))


FAILED = {
    "a learning rate of 1": (lambda X: X, {"optimizer__learning_rate": 1.0}),
    "shifted columns": (lambda X: X + 1e5, {"scale": False}),
    "tiny columns": (lambda X: X * 1e-4, {"scale": False}),
    "one epoch": (lambda X: X, {"epochs": 1}),
    "an output that reaches half of the values": (lambda X: X, {"output_activation": "relu"}),
}


@pytest.mark.parametrize("case", sorted(FAILED))
@pytest.mark.parametrize("kind", [AutoencoderTransformer, ReconstructionOutlierDetector])
def test_a_network_that_is_no_match_for_pca_warns(case, kind, near_a_plane):
    change, params = FAILED[case]
    params = {"epochs": 30, "random_state": 0, **params}
    with pytest.warns(ConvergenceWarning, match="explains"):
        kind(**params).fit(change(near_a_plane))


@pytest.mark.parametrize(
    "estimator",
    [
        DenoisingRegressor(optimizer__learning_rate=1.0, epochs=30, random_state=0),
        VariationalAutoencoder(beta=1e4, epochs=30, random_state=0),
    ],
    ids=["a denoiser", "a collapsed posterior"],
)
def test_a_network_that_is_no_better_than_the_mean_warns(estimator, near_a_plane):
    with pytest.warns(ConvergenceWarning, match="their mean 0"):
        estimator.fit(near_a_plane)


TABLES = {
    "cancer": lambda: load_breast_cancer().data,
    "digits": lambda: load_digits().data[:500],
    "iris": lambda: load_iris().data,
    "wine": lambda: load_wine().data,
    "normal noise": lambda: np.random.default_rng(0).normal(size=(200, 10)),
    "few samples": lambda: load_wine().data[:12],
}


@pytest.mark.parametrize("name", sorted(TABLES))
@pytest.mark.parametrize(
    "kind", [AutoencoderTransformer, DenoisingRegressor, ReconstructionOutlierDetector]
)
def test_defaults_do_not_warn(name, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        params = {"calibration": "training"} if kind is ReconstructionOutlierDetector else {}
        kind(random_state=0, **params).fit(TABLES[name]())


def test_the_warning_points_at_the_call_of_fit(near_a_plane):
    with pytest.warns(ConvergenceWarning) as caught:
        AutoencoderTransformer(epochs=1, random_state=0).fit(near_a_plane)
    assert caught[0].filename == __file__


def test_an_identifier_that_outweighs_all_columns_is_named(near_a_plane):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(near_a_plane, columns=[f"sensor_{i}" for i in range(12)])
    frame["id"] = np.arange(300) * 10.0
    with pytest.warns(FeatureScaleWarning, match="'id' has"):
        AutoencoderTransformer(scale=False, epochs=2).fit(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FeatureScaleWarning)
        AutoencoderTransformer(epochs=2).fit(frame)


def test_partial_fit_does_not_warn(near_a_plane):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoencoderTransformer(random_state=0).partial_fit(near_a_plane)


def test_sorted_samples_do_not_warn():
    rng = np.random.default_rng(0)
    table = np.repeat(5 * rng.normal(size=(4, 6)), 1000, axis=0)
    table += 0.02 * rng.normal(size=table.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = AutoencoderTransformer(latent_dim=2, epochs=20, random_state=0).fit(table)
    assert fitted.score(table) > 0.9


def test_epochs_auto_makes_a_thousand_steps():
    few, many = np.eye(20), np.tile(np.eye(20), (30, 1))
    for table, n_epochs in ((few, 1000), (many, 334)):
        assert AutoencoderTransformer(random_state=0).fit(table).n_iter_ == n_epochs
    stream = AutoencoderTransformer(random_state=0)
    stream.fit(lambda: (many[start : start + 300] for start in (0, 300)))
    assert stream.n_iter_ == 500
