"""p-values, selections and the conformal threshold of detectors with a network."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae import ReconstructionOutlierDetector
from skae.scores import BaseScore
from skae.thresholds import ConformalThreshold


def detector(**parameters):
    given = {"epochs": 2, "hidden_layer_sizes": (4,), "random_state": 0, **parameters}
    return ReconstructionOutlierDetector(**given)


@pytest.fixture(scope="module")
def normal():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(300, 5))


def test_training_errors_are_refused(normal):
    fitted = detector(calibration="training").fit(normal)
    with pytest.raises(ValueError, match="not trained on"):
        fitted.p_values(normal)
    with pytest.raises(ValueError, match="not trained on"):
        fitted.select(normal)
    fitted.recalibrate(normal[:99])
    assert fitted.p_values(normal[:1] * 1e6) == 1 / 100


@pytest.mark.parametrize(
    "given",
    [{}, {"calibration": 3}, {"calibration": "held_out", "validation_split": 0.3}],
    ids=["auto", "folds", "held_out"],
)
def test_p_values_follow_their_definition(given, normal):
    fitted = detector(**given).fit(normal)
    reference, scores = fitted.calibration_errors_, -fitted.score_samples(normal)
    expected = [(1 + (reference >= score).sum()) / (1 + len(reference)) for score in scores]
    np.testing.assert_allclose(fitted.p_values(normal), expected, rtol=1e-12)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.p_values(normal), fitted.p_values(normal))


def test_weights_are_those_of_the_reference_samples(normal):
    weight = np.where(np.arange(300) < 150, 1.0, 3.0)
    fitted = detector(calibration=3).fit(normal, sample_weight=weight)
    reference, scores = fitted.calibration_errors_, -fitted.score_samples(normal)
    effective = weight.sum() ** 2 / (weight**2).sum()
    counts = weight * effective / weight.sum()
    expected = [(1 + counts[reference >= score].sum()) / (1 + effective) for score in scores]
    np.testing.assert_allclose(fitted.p_values(normal), expected, rtol=1e-9)


@pytest.mark.parametrize("weight", [0.01, 100.0])
def test_equal_weights_change_no_p_value_and_no_conformal_threshold(weight, normal):
    given = {"threshold": "conformal", "validation_split": 0.5, "anomaly_score": "error"}
    plain = detector(**given).fit(normal)
    weighted = detector(**given).fit(normal, sample_weight=np.full(300, weight))
    np.testing.assert_allclose(weighted.p_values(normal), plain.p_values(normal), atol=0.01)
    np.testing.assert_allclose(weighted.threshold_, plain.threshold_, rtol=1e-3)


def test_held_out_samples_that_an_earlier_fit_may_have_seen_give_no_p_values(normal):
    fitted = detector(calibration="held_out", validation_split=0.3, warm_start=True).fit(normal)
    fitted.p_values(normal)
    with pytest.raises(ValueError, match="earlier fit"):
        fitted.fit(normal).p_values(normal)
    fitted.fit(normal[:200], X_val=normal[200:]).p_values(normal)
    with pytest.raises(ValueError, match="after an earlier fit"):
        fitted.set_params(threshold="conformal").fit(normal)


class Mine(BaseScore):
    """A score of a user's module."""

    def fit(self, X, residuals, sample_weight=None):
        return self

    def score_samples(self, X, residuals):
        return abs(residuals).sum(axis=1)

    def feature_scores(self, X, residuals):
        return abs(residuals)


def test_a_score_that_cannot_be_imported_is_pickled_by_value(normal, monkeypatch):
    monkeypatch.setattr(Mine, "__module__", "__main__")
    fitted = detector(anomaly_score=Mine(), calibration="training").fit(normal)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict(normal), fitted.predict(normal))


def test_a_fit_in_another_thread_ends_recalibrate(normal):
    fitted = detector().fit(normal)
    score = type(fitted).score_samples

    class Slow(type(fitted)):
        def score_samples(self, X):
            fitted.fit(normal + 1)
            return score(self, X)

    fitted.__class__ = Slow
    with pytest.raises(RuntimeError, match="Another thread"):
        fitted.recalibrate(normal)


def test_selected_samples_are_the_planted_outliers(normal):
    fitted = detector(calibration=5, epochs=100).fit(normal)
    X = np.concatenate([normal[:40], normal[:10] + 20 * np.eye(5)[np.arange(10) % 5]])
    assert fitted.select(X, fdr=0.2)[40:].mean() > 0.8


@pytest.mark.parametrize("threshold", ["conformal", ConformalThreshold()])
def test_a_conformal_threshold_needs_unseen_samples(threshold, normal):
    with pytest.raises(ValueError, match="calibration='training'"):
        detector(threshold=threshold, calibration="training").fit(normal)
    folds = detector(threshold=threshold).fit(normal)
    assert len(folds.calibration_errors_) == 300
    held_out = detector(threshold=threshold, validation_split=0.5).fit(normal)
    assert len(held_out.calibration_errors_) == 150
    expected = ConformalThreshold().threshold(held_out.calibration_errors_)
    assert held_out.threshold_ == expected
    with pytest.raises(ValueError, match="at least 45 .* got 30"):
        detector(threshold=threshold, validation_split=0.1).fit(normal)


def test_a_conformal_threshold_says_what_to_do_where_there_are_no_folds(normal):
    conformal = detector(threshold="conformal")
    for train in (
        lambda: conformal.fit(lambda: iter([normal])),
        lambda: conformal.partial_fit(normal),
    ):
        with pytest.raises(ValueError, match=r"threshold='conformal' needs .* recalibrate"):
            train()
    other = detector().partial_fit(normal).set_params(threshold="conformal").recalibrate(normal)
    assert other.threshold_ == ConformalThreshold().threshold(other.calibration_errors_)


def test_options_of_the_conformal_threshold_are_routed(normal):
    fitted = detector(threshold="conformal", threshold__false_alarm_rate=0.2).fit(normal)
    rule = ConformalThreshold(false_alarm_rate=0.2)
    assert fitted.threshold_ == rule.threshold(fitted.calibration_errors_)


def test_partial_fit_on_training_samples_ends_p_values(normal):
    fitted = detector(calibration=3).fit(normal)
    fitted.set_params(calibration="training").partial_fit(normal)
    with pytest.raises(ValueError, match="not trained on"):
        fitted.p_values(normal)
