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


@pytest.mark.parametrize("weight", [1.0, 10.0, 1e3, 1e6])
def test_equal_weights_and_samples_of_no_weight_change_nothing_of_neighbors(weight, samples):
    plain = NeighborScore().fit(*samples).score_samples(*samples)
    more = [np.concatenate([part, part + 1]) for part in samples]
    weights = np.repeat([weight, 0.0], 200)
    weighted = NeighborScore().fit(*more, weights).score_samples(*samples)
    np.testing.assert_allclose(weighted, plain, rtol=0.01)


@pytest.mark.parametrize("n_copies", [2, 40, 500])
def test_weights_and_copies_of_neighbors_are_the_same(n_copies):
    rows = np.random.default_rng(0).normal(size=(12, 8))
    copies, others = np.repeat(rows, n_copies, axis=0)[:480], rows[:3] + 0.01
    counts = np.unique(copies, axis=0, return_counts=True)[1].astype(float)
    kept = np.unique(copies, axis=0)
    weighted = NeighborScore().fit(kept, kept, counts)
    repeated = NeighborScore().fit(copies, copies)
    np.testing.assert_allclose(repeated.median_, weighted.median_)
    np.testing.assert_allclose(
        repeated.score_samples(others, others), weighted.score_samples(others, others)
    )
    parts = repeated.feature_scores(copies, copies)
    np.testing.assert_allclose(parts.sum(axis=1), repeated.score_samples(copies, copies))


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e8, 1.7e9])
def test_distances_are_those_of_the_differences(offset):
    rng = np.random.default_rng(0)
    rows, others = rng.normal(size=(100, 3)) + offset, rng.normal(size=(5, 3)) + offset
    score = NeighborScore().fit(rows, rows)
    nearest = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(rows - offset)
    expected = nearest.kneighbors(others - offset)[0][:, -1]
    found = np.expm1(score.score_samples(others, others)) * score.median_
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("n_samples", [2, 3, 4, 9])
def test_a_training_sample_is_not_its_own_neighbor(n_samples):
    rows = np.random.default_rng(0).normal(size=(n_samples, 3))
    score = NeighborScore().fit(rows, rows)
    assert (score.score_samples(rows, rows) > 0).all()
