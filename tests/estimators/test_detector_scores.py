"""How a detector scores and explains by default: planted causes, and the parts of a score."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skae import ReconstructionOutlierDetector
from skae.scores import NAMED, NeighborScore


@pytest.fixture(scope="module")
def normal():
    """Return 400 samples of 20 columns, of which the first two are strongly correlated."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 20)) + 0.3 * rng.normal(size=(400, 20))
    rows[:, 0] = rng.normal(size=400)
    rows[:, 1] = 2 * rows[:, 0] + 0.1 * rng.normal(size=400)
    return rows


@pytest.fixture(scope="module")
def detector(normal):
    return ReconstructionOutlierDetector(random_state=0, calibration="training").fit(normal)


def first_features(detector, rows, n_features):
    lines = detector.explain(rows, n_features=n_features, rows="all")
    return [set(group["feature"]) for _, group in lines.groupby("position")]


def test_a_shifted_column_is_named_first(detector, normal):
    found = []
    for column in range(2, 20, 4):
        rows = normal[:40].copy()
        rows[:, column] += 8 * normal[:, column].std()
        found += [named == {f"x{column}"} for named in first_features(detector, rows, 1)]
    assert np.mean(found) >= 0.9


def test_swapped_correlated_columns_are_the_first_two(detector, normal):
    rows = normal[np.abs(normal[:, 0]) > 1][:60].copy()
    rows[:, [0, 1]] = rows[:, [1, 0]]
    found = [named == {"x0", "x1"} for named in first_features(detector, rows, 2)]
    assert np.mean(found) >= 0.8


@pytest.mark.parametrize("name", [*sorted(NAMED), "error"])
def test_parts_sum_to_the_score_and_are_what_explain_shows(name, normal):
    detector = ReconstructionOutlierDetector(
        anomaly_score=name, epochs=20, calibration="training", random_state=0
    ).fit(normal)
    parts = detector.feature_scores(normal)
    total = parts.mean(axis=1) if name == "error" else parts.sum(axis=1)
    np.testing.assert_allclose(total, -detector.score_samples(normal), rtol=1e-5)
    lines = detector.explain(normal, n_features=None, rows=[3])
    by_feature = lines.set_index("feature")["error"]
    np.testing.assert_allclose(parts.loc[3, by_feature.index], by_feature, atol=1e-6)
    assert (detector.predict(normal) == -1).sum() == (
        detector.score_samples(normal) < -detector.threshold_
    ).sum()


def test_outliers_among_the_training_samples_are_ranked_first():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 4))
    rows[:15] = rng.normal(8, 0.1, size=(15, 4))
    is_outlier = np.arange(500) < 15
    detector = ReconstructionOutlierDetector(random_state=0, calibration="training").fit(rows)
    assert roc_auc_score(is_outlier, -detector.score_samples(rows)) > 0.99


@pytest.mark.parametrize("n_features", [2, 3])
def test_narrow_tables_are_not_ranked_backwards(n_features):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, n_features))
    detector = ReconstructionOutlierDetector(random_state=0, calibration="training").fit(rows)
    far = rng.choice([-6.0, 6.0], size=(50, n_features))
    scores = -detector.score_samples(np.concatenate([rows, far]))
    assert roc_auc_score(np.arange(350) >= 300, scores) > 0.99


def test_few_unseen_normal_samples_are_flagged_and_named_rates_are_met():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(4, 15))
    sizes = (600, 2000)
    train, unseen = [rng.normal(size=(n, 4)) @ mix + rng.normal(size=(n, 15)) for n in sizes]
    flagged = {}
    for rule, params in (("std", {}), ("quantile", {"threshold__contamination": 0.05})):
        detector = ReconstructionOutlierDetector(threshold=rule, random_state=0, **params)
        flagged[rule] = np.mean(detector.fit(train).predict(unseen) == -1)
    assert flagged["std"] < 0.12
    assert 0.02 < flagged["quantile"] < 0.075


def test_huge_training_outliers_do_not_hide_others():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1200, 3)) @ rng.normal(size=(3, 8)) + 0.1 * rng.normal(size=(1200, 8))
    rows[:5] *= 1e5
    rows[5:20] += rng.normal(0, 5, size=(15, 8))
    detector = ReconstructionOutlierDetector(random_state=0).fit(rows)
    assert (detector.predict(rows[:5]) == -1).all()


def test_an_object_with_the_interface_scores(normal):
    detector = ReconstructionOutlierDetector(
        anomaly_score=NeighborScore(), epochs=2, calibration="training", random_state=0
    ).fit(normal)
    named = ReconstructionOutlierDetector(
        anomaly_score="neighbors", epochs=2, calibration="training", random_state=0
    ).fit(normal)
    np.testing.assert_array_equal(detector.score_samples(normal), named.score_samples(normal))


def test_a_pickle_scores_the_same(detector, normal):
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(normal), detector.score_samples(normal))


def test_one_sample_has_the_score_that_it_has_among_others(detector, normal):
    together = detector.score_samples(normal[:100])
    alone = [detector.score_samples(row[None])[0] for row in normal[:100]]
    np.testing.assert_array_equal(together, alone)
    assert detector.recalibrate(normal).threshold_ > 0
