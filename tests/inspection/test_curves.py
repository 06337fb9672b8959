"""Loss curves, histograms of errors, precision and recall against the threshold."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from skae.inspection import ErrorHistogramDisplay, LossCurveDisplay, ThresholdCurveDisplay


def texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_loss_curves_show_the_history(coder):
    display = LossCurveDisplay.from_estimator(coder)
    epochs = [1, 2]
    for line, key in [(display.train_line_, "loss"), (display.validation_line_, "val_loss")]:
        np.testing.assert_array_equal(line.get_xdata(), epochs)
        np.testing.assert_array_equal(line.get_ydata(), coder.history_[key])
    assert texts(display) == ["training", "validation"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epoch", "loss")


def test_a_loss_of_one_epoch_without_validation_can_be_seen():
    display = LossCurveDisplay.from_history({"loss": [0.5]})
    assert display.validation_line_ is None
    assert display.train_line_.get_marker() == "o"


def test_loss_curves_take_what_keras_returns():
    history = SimpleNamespace(history={"mae": [2.0, 1.0], "val_mae": [3.0, 2.0]})
    display = LossCurveDisplay.from_history(history, metric="mae", train_kwargs={"c": "green"})
    assert display.train_line_.get_color() == "green"
    assert display.ax_.get_ylabel() == "mae"


def test_a_metric_that_is_not_there_is_refused(coder):
    with pytest.raises(ValueError, match=r"no 'los'; it has \['loss', 'val_loss'\].*'loss'"):
        LossCurveDisplay.from_estimator(coder, metric="los")


def counts(bars):
    return sum(patch.get_height() for patch in bars)


def test_histograms_hold_every_sample_and_the_threshold(detector, frame):
    y = np.where(np.arange(len(frame)) < 50, 1, -1)
    display = ErrorHistogramDisplay.from_estimator(detector, frame, y, bins=7)
    assert {label: counts(bars) for label, bars in display.bars_.items()} == {1: 50, -1: 10}
    assert {len(bars) for bars in display.bars_.values()} == {7}
    assert set(display.threshold_line_.get_xdata()) == {detector.threshold_}
    assert texts(display) == ["normal", "outlier", f"threshold {detector.threshold_:.3g}"]


def test_a_histogram_needs_neither_labels_nor_a_threshold(coder, images):
    display = ErrorHistogramDisplay.from_estimator(coder, images, hist_kwargs={"fc": "black"})
    assert display.threshold_line_ is None
    assert counts(display.bars_[None]) == len(images)
    assert display.bars_[None][0].get_facecolor()[:3] == (0, 0, 0)


def test_a_few_outliers_among_thousands_can_be_seen():
    errors = np.append(np.linspace(0.0, 1.0, 5000), 3.0)
    y = np.append(np.ones(5000, int), -1)
    display = ErrorHistogramDisplay.from_predictions(errors, y)
    display.figure_.canvas.draw()
    heights = [bar.get_window_extent().height for bar in display.bars_[-1]]
    assert max(heights) > 0.02 * display.ax_.get_window_extent().height
    linear = ErrorHistogramDisplay.from_predictions(errors, y, hist_kwargs={"log": False})
    assert linear.ax_.get_yscale() == "linear"


def test_other_labels_go_by_their_names():
    display = ErrorHistogramDisplay.from_predictions(
        [0.1, 0.2, 0.9], ["a", "a", "b"], threshold=0.5, class_names={"b": "broken"}
    )
    assert texts(display) == ["broken", "a", "threshold 0.5"]


@pytest.mark.parametrize("pos_label", [-1, 1])
def test_precision_and_recall_are_those_of_every_threshold(pos_label, rng):
    errors = rng.uniform(size=40)
    y = np.where(rng.uniform(size=40) < errors, -1, 1)
    display = ThresholdCurveDisplay.from_predictions(y, errors, pos_label=pos_label, threshold=0.5)
    thresholds = display.precision_line_.get_xdata()
    curves = zip(thresholds, display.precision, display.recall, strict=True)
    for threshold, precision, recall in curves:
        flagged = errors >= threshold if pos_label == -1 else errors > threshold
        predicted = np.where(flagged, -1, 1)
        if pos_label == -1 or (predicted == 1).any():
            expected = precision_score(y, predicted, pos_label=pos_label)
            assert precision == pytest.approx(expected)
            assert recall == pytest.approx(recall_score(y, predicted, pos_label=pos_label))
    named = {1: "normal samples", -1: "outliers"}[pos_label]
    assert display.ax_.get_ylabel() == f"precision and recall of {named}"
    assert texts(display) == ["precision", "recall", "threshold 0.5"]


def test_curves_of_a_detector_have_its_threshold(detector, frame):
    y = np.where(np.arange(len(frame)) < 50, 1, -1)
    display = ThresholdCurveDisplay.from_estimator(
        detector, frame, y, recall_kwargs={"ls": ":"}, threshold_kwargs={"color": "red"}
    )
    assert set(display.threshold_line_.get_xdata()) == {detector.threshold_}
    assert display.threshold_line_.get_color() == "red"
    assert display.recall_line_.get_linestyle() == ":"


@pytest.mark.parametrize("labels", [[0, 1], [1, 1], ["a", "b"]])
def test_labels_that_mean_opposite_things_are_refused(labels):
    with pytest.raises(ValueError, match=r"\+1 for normal samples and -1 for outliers"):
        ThresholdCurveDisplay.from_predictions(labels, [0.1, 0.2])


def test_a_class_that_is_neither_is_refused():
    with pytest.raises(ValueError, match=r"pos_label must be 1 or -1; got 0"):
        ThresholdCurveDisplay.from_predictions([1, -1], [0.1, 0.2], pos_label=0)


def test_errors_and_labels_have_one_length():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ErrorHistogramDisplay.from_predictions([0.1, 0.2], [1, -1, 1])
