"""The drift monitor: its bound on false alarms, and the changes that it finds."""

import pickle

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae import ReconstructionOutlierDetector
from skae.exceptions import DriftWarning
from skae.inspection import DriftDisplay
from skae.monitoring import DriftMonitor


class Distance(BaseEstimator):
    """A detector with a score in closed form."""

    def score_samples(self, X):
        return -np.abs(X).sum(axis=1)

    def predict(self, X):
        return np.where(self.score_samples(X) < -2, -1, 1)


def monitored(batches, n_reference=200, seed=0, **params):
    rng = np.random.default_rng(seed)
    monitor = DriftMonitor(Distance(), random_state=seed, **params)
    monitor.fit(rng.normal(size=(n_reference, 1)))
    for scale in batches:
        monitor.update(scale * rng.normal(size=(50, 1)))
    return monitor


def test_false_alarms_are_as_rare_as_promised():
    rate, n_runs = 0.2, 300
    alarms = [
        monitored([1] * 8, n_reference=20, seed=seed, false_alarm_rate=rate).alarm_ is not None
        for seed in range(n_runs)
    ]
    assert np.mean(alarms) <= rate + 2 * np.sqrt(rate * (1 - rate) / n_runs)


@pytest.mark.parametrize("decimals", [12, 0], ids=["continuous", "ties"])
def test_p_values_are_uniform_and_independent_of_the_batches(decimals, rng):
    samples = rng.normal(size=(4000, 1)).round(decimals)
    whole = DriftMonitor(Distance(), random_state=0).fit(samples[:10])
    found = np.concatenate(list(whole._ranked(whole._anomaly(samples[10:]))))
    assert kstest(found, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 0.05
    parts = DriftMonitor(Distance(), random_state=0).fit(samples[:10])
    for batch in np.array_split(samples[10:], 7):
        parts.update(batch)
    whole = DriftMonitor(Distance(), random_state=0).fit(samples[:10]).update(samples[10:])
    if decimals:  # ties are ordered by numbers that are drawn in blocks
        np.testing.assert_allclose(parts._log_capital, whole._log_capital, rtol=0.2, atol=0.2)


@pytest.mark.parametrize("scale", [0.5, 2.0], ids=["smaller", "larger"])
def test_a_change_is_found_soon_after_it_happened(scale):
    monitor = monitored([1] * 17 + [scale] * 5)
    assert 17 <= monitor.alarm_ <= 20
    history = monitor.history_
    assert history["log10_martingale"].iloc[-1] > 2
    means = history["mean_score"]
    assert (means[17:].mean() > means[:17].mean()) == (scale > 1)
    assert history.index.name == "batch"


def test_history_reports_what_was_measured(rng):
    monitor = DriftMonitor(Distance()).fit(rng.normal(size=(99, 1)))
    monitor.update([[1.0], [3.0], [-5.0]])
    row = monitor.history_.iloc[0]
    assert (row["n_samples"], row["mean_score"]) == (3, 3.0)
    assert row["flagged"] == pytest.approx(2 / 3)
    assert monitor.alarm_ is None


def test_the_first_alarm_stays_and_fit_starts_again(rng):
    monitor = monitored([1, 5, 1, 1])
    assert monitor.alarm_ == 1
    monitor.fit(rng.normal(size=(50, 1)))
    assert monitor.alarm_ is None
    assert monitor.history_.empty


def test_wrong_use_is_refused(rng):
    with pytest.raises(NotFittedError):
        DriftMonitor(Distance()).update([[1.0]])
    with pytest.raises(ValueError, match="false_alarm_rate"):
        DriftMonitor(Distance(), false_alarm_rate=0).fit([[1.0]])
    with pytest.raises(ValueError, match="no samples"):
        DriftMonitor(Distance()).fit(rng.normal(size=(9, 1))).update(np.empty((0, 1)))


def test_it_can_be_cloned_and_pickled():
    monitor = monitored([1, 1])
    again = pickle.loads(pickle.dumps(monitor))
    again.update([[1.0]])
    assert len(again.history_) == 3
    assert clone(monitor).false_alarm_rate == monitor.false_alarm_rate


def test_the_picture_shows_the_alarm():
    display = DriftDisplay.from_monitor(monitored([1, 1, 4]), line_kwargs={"color": "k"})
    assert "batch 2" in display.ax_.get_title()
    assert display.threshold_line_.get_ydata()[0] == pytest.approx(2)
    np.testing.assert_array_equal(display.line_.get_xdata(), [0, 1, 2])
    with pytest.raises(ValueError, match="no batch"):
        DriftDisplay.from_monitor(monitored([]))


@pytest.fixture(scope="module")
def detector_and_rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(400, 5))
    detector = ReconstructionOutlierDetector(
        epochs=20, hidden_layer_sizes=(4,), calibration="training", random_state=0
    )
    return detector.fit(rows[:300]), rows


def test_a_broken_night_is_warned_of_before_it_changes_anything(detector_and_rows):
    detector, rows = detector_and_rows
    broken = pickle.loads(pickle.dumps(detector))
    before = broken.score_samples(rows), broken.threshold_
    with pytest.raises(DriftWarning, match="look abnormal"):  # warnings are errors here
        broken.partial_fit(rows[300:] * 1e4)
    np.testing.assert_array_equal(broken.score_samples(rows), before[0])
    assert broken.threshold_ == before[1]


@pytest.mark.parametrize(("n_features", "n_samples"), [(8, 20), (40, 20), (60, 30)])
def test_small_batches_are_not_warned_of(n_features, n_samples):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(n_features // 3, n_features))
    detector = ReconstructionOutlierDetector(random_state=0)
    for _ in range(8):
        rows = rng.normal(size=(n_samples, len(mixing))) @ mixing
        detector.partial_fit(rows + 0.3 * rng.normal(size=rows.shape))


def test_few_reference_samples_and_weights_still_warn(detector_and_rows):
    detector, rows = detector_and_rows
    few = pickle.loads(pickle.dumps(detector)).recalibrate(rows[300:310])
    with pytest.raises(DriftWarning):
        few.partial_fit(rows[300:] * 1e4)
    weight = np.repeat([1e-3, 1.0], [60, 40])
    mostly = np.where(weight[:, None] == 1, rows[300:] * 1e4, rows[300:])
    with pytest.raises(DriftWarning):
        pickle.loads(pickle.dumps(detector)).partial_fit(mostly, sample_weight=weight)


@pytest.mark.parametrize("kind", ["pipeline", "one-class SVM"])
def test_other_detectors_can_be_monitored(kind, rng):
    rows = rng.normal(size=(300, 3))
    svm = OneClassSVM()
    given = svm if kind != "pipeline" else make_pipeline(StandardScaler(), IsolationForest())
    monitor = DriftMonitor(given.fit(rows[:100]), random_state=0).fit(rows[100:200])
    monitor.update(rows[200:])
    assert monitor.history_["flagged"][0] == (given.predict(rows[200:]) == -1).mean()


def test_a_normal_night_is_not_warned_of(detector_and_rows):
    detector, rows = detector_and_rows
    pickle.loads(pickle.dumps(detector)).partial_fit(rows[300:])
