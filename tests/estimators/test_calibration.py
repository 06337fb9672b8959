"""Where thresholds come from: folds, weights, and the units and epochs of the folds' networks."""

import warnings

import keras
import numpy as np
import pytest

from skae import ReconstructionOutlierDetector, scores
from skae.exceptions import FeatureScaleWarning
from tests.estimators._cases import small

FOLDS = {"calibration": 3, "epochs": 100, "latent_dim": 2, "hidden_layer_sizes": (8,)}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(60, 6))


def folded(**params):
    return ReconstructionOutlierDetector(**{**FOLDS, "random_state": 0, **params})


def test_folds_see_the_units_of_the_whole_table(rows):
    """A column that is constant in a fold would be left in the units of the table."""
    fitted = []
    for unit in (1.0, 1e6):
        table = rows.copy()
        table[:, 3] = 0.0
        table[7, 3] = unit
        fitted.append(folded().fit(table).threshold_)
    np.testing.assert_allclose(*fitted, rtol=1e-4)


class Stops(keras.callbacks.Callback):
    """Ends a training after its first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


@pytest.mark.parametrize("score", ["error", "auto"])
def test_folds_train_for_as_many_epochs_as_the_detector(score, rows):
    stopped = folded(anomaly_score=score, callbacks=[Stops()]).fit(rows)
    short = folded(anomaly_score=score, epochs=1).fit(rows)
    np.testing.assert_allclose(stopped.threshold_, short.threshold_, rtol=1e-5)


def test_folds_of_a_warm_start_train_for_all_its_epochs(rows):
    warm = folded(epochs=50, warm_start=True, anomaly_score="error").fit(rows)
    continued = warm.set_params(epochs=50).fit(rows)
    whole = folded(epochs=100, anomaly_score="error").fit(rows)
    np.testing.assert_allclose(continued.threshold_, whole.threshold_, rtol=0.5)
    errors = continued.calibration_errors_.mean() / continued.training_errors_.mean()
    assert errors < 5


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_folds_train_with_the_learning_rate_that_callbacks_set(rows):
    params = {"epochs": 5, "anomaly_score": "error"}
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.03)
    scheduled = folded(callbacks=[schedule], **params).fit(rows)
    plain = folded(optimizer__learning_rate=0.03, **params).fit(rows)
    np.testing.assert_allclose(scheduled.threshold_, plain.threshold_, rtol=1e-4)


def test_sizes_may_be_numpys(rows):
    sizes = {"batch_size": np.int64(16), "hidden_layer_sizes": np.array([8, 4])}
    fitted = folded(epochs=1, calibration="training", **sizes)
    fitted.fit(rows).partial_fit(rows)
    assert fitted.n_iter_ == 2


def test_callbacks_given_as_a_class_with_arguments_do_not_reach_the_folds(rows):
    callbacks = {"callbacks": keras.callbacks.EarlyStopping, "callbacks__monitor": "loss"}
    assert folded(epochs=2, **callbacks).fit(rows).n_iter_ == 2


def test_folds_hold_samples_out_if_the_detector_does(rows):
    fitted = folded(epochs=2, early_stopping=True).fit(rows)
    assert len(fitted.calibration_errors_) == len(fitted.training_errors_) == 54


def test_a_fit_with_folds_warns_once(rows):
    table = np.column_stack([rows, np.arange(60) * 1e3])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folded(scale=False, epochs=1).fit(table)
    assert sum(issubclass(each.category, FeatureScaleWarning) for each in caught) == 1


def test_a_fixed_threshold_trains_one_network(rows):
    fitted = small(ReconstructionOutlierDetector, calibration="auto", threshold=3.0).fit(rows)
    np.testing.assert_array_equal(fitted.calibration_errors_, fitted.training_errors_)


def stream(rows, weight):
    return lambda: (
        (rows[start : start + 20], rows[start : start + 20], weight[start : start + 20])
        for start in range(0, 60, 20)
    )


@pytest.mark.parametrize("n_zero", [10, 20])
def test_weights_of_a_stream_count_in_the_threshold(n_zero, rows):
    """Of 20 zeros, a whole batch has no weight."""
    table, weight = rows.copy(), np.random.default_rng(1).uniform(0.5, 2, 60)
    weight[:n_zero], table[:n_zero, 0] = 0.0, 1e3
    params = {"shuffle": False, "batch_size": 20, "optimizer__learning_rate": 1e-9, "epochs": 1}
    array = small(ReconstructionOutlierDetector, **params).fit(table, sample_weight=weight)
    streamed = small(ReconstructionOutlierDetector, **params).fit(stream(table, weight))
    assert len(streamed.training_errors_) == 60 - n_zero
    np.testing.assert_allclose(streamed.threshold_, array.threshold_, rtol=1e-5)


def test_a_score_keeps_its_random_state(rows):
    many = np.random.default_rng(0).normal(size=(700, 4))
    thresholds = {
        small(ReconstructionOutlierDetector, anomaly_score=scores.NeighborScore(seed))
        .fit(many)
        .threshold_
        for seed in (0, 1)
    }
    assert len(thresholds) == 2


class Plain:
    """A score without scikit-learn's base class."""

    def fit(self, X, residuals, sample_weight=None):
        return self

    def score_samples(self, X, residuals):
        return abs(residuals).sum(axis=1)

    def feature_scores(self, X, residuals):
        return abs(residuals)


def test_any_object_with_the_methods_of_a_score_will_do(rows):
    detector = small(ReconstructionOutlierDetector, anomaly_score=Plain()).fit(rows)
    np.testing.assert_allclose(
        detector.feature_scores(rows).sum(axis=1), -detector.score_samples(rows), rtol=1e-5
    )
