"""p-values, selections and the conformal threshold of detectors with a network."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae import ReconstructionOutlierDetector
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
    expected = [(1 + weight[reference >= score].sum()) / 601 for score in scores]
    np.testing.assert_allclose(fitted.p_values(normal), expected, rtol=1e-12)


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
