"""Anomaly scores: against scikit-learn's covariance and neighbors, and by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import OAS
from sklearn.neighbors import NearestNeighbors

from skae.scores import NAMED, MahalanobisScore, NeighborScore

EACH = pytest.mark.parametrize("name", sorted(NAMED))


@pytest.fixture(scope="module")
def samples():
    """Return 200 samples of 5 correlated columns, and residuals of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 5))
    return X, rng.normal(size=X.shape) @ rng.normal(size=(5, 5))


@EACH
def test_parts_of_features_sum_to_the_score(name, samples):
    score = NAMED[name]().fit(*samples)
    others = (samples[0][::-1] * 2, samples[1] + 0.5)
    parts = score.feature_scores(*others)
    assert parts.shape == others[0].shape
    assert (parts >= 0).all()
    np.testing.assert_allclose(parts.sum(axis=1), score.score_samples(*others), rtol=1e-9)


@EACH
def test_a_weight_counts_as_repetition(name, samples):
    weight = np.random.default_rng(1).integers(1, 4, len(samples[0]))
    repeated = [np.repeat(part, weight, axis=0) for part in samples]
    weighted = NAMED[name]().fit(*samples, weight.astype(float))
    expected = NAMED[name]().fit(*repeated)
    np.testing.assert_allclose(
        weighted.score_samples(*samples), expected.score_samples(*samples), rtol=1e-9
    )


def test_mahalanobis_distance_is_that_of_scikit_learns_covariance(samples):
    X, residuals = samples
    distances = np.sqrt(OAS().fit(residuals).mahalanobis(residuals))
    expected = np.log1p(distances / np.median(distances))
    found = MahalanobisScore().fit(X, residuals).score_samples(X, residuals)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_mahalanobis_score_does_not_depend_on_the_unit(samples):
    X, residuals = samples
    plain, other = [MahalanobisScore().fit(X, residuals * unit) for unit in (1.0, 1e3)]
    np.testing.assert_allclose(
        plain.score_samples(X, residuals), other.score_samples(X, residuals * 1e3), rtol=1e-7
    )


def test_distance_is_that_of_scikit_learns_neighbors(samples):
    X, residuals = samples
    rank = int(np.sqrt(len(X)))
    distances = NearestNeighbors(n_neighbors=rank).fit(X).kneighbors(X)[0][:, -1]
    expected = np.log1p(distances / np.median(distances))
    found = NeighborScore().fit(X, residuals).score_samples(X, residuals)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@EACH
@pytest.mark.parametrize("shape", [(20, 3000), (3, 2), (1, 4)], ids=str)
def test_wide_tables_and_few_samples_have_finite_scores(name, shape):
    rng = np.random.default_rng(0)
    X, residuals = rng.normal(size=shape), rng.normal(size=shape)
    score = NAMED[name]().fit(X, residuals)
    assert np.isfinite(score.score_samples(X * 10, residuals * 10)).all()


@EACH
def test_equal_samples_have_finite_scores_and_another_sample_a_higher_one(name):
    X = np.ones((50, 3))
    score = NAMED[name]().fit(X, X * 0)
    same, other = score.score_samples(X[:1], X[:1] * 0), score.score_samples(X[:1] + 1, X[:1])
    assert np.isfinite([same, other]).all()
    assert other > same


@EACH
def test_a_huge_training_outlier_leaves_mean_and_deviation_of_the_scores(name, samples):
    X, residuals = (part.copy() for part in samples)
    before = NAMED[name]().fit(X, residuals).score_samples(X, residuals)
    X[0], residuals[0] = 1e4 * X[0], 1e4 * residuals[0]
    after = NAMED[name]().fit(X, residuals).score_samples(X, residuals)
    assert after.argmax() == 0
    assert after.mean() + 2 * after.std() < 2 * (before.mean() + 2 * before.std())


@EACH
def test_scores_can_be_cloned(name):
    score = NAMED[name]()
    assert clone(score).get_params() == score.get_params()
