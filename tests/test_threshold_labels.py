"""Thresholds chosen from labels, against brute force and scikit-learn's metrics."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import fbeta_score, recall_score

from skae.thresholds import threshold_from_labels


def draw_labelled(seed, n_samples=25, decimals=1):
    """Overlapping classes, rounded so that errors tie within and between them."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n_samples) < 0.35, -1, 1)
    y[:2] = [1, -1]
    return np.round(np.abs(rng.normal(1.0 + (y == -1), 1.0)), decimals), y


def all_thresholds(errors):
    return np.concatenate([[-1.0], np.unique(errors)])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_f_beta_is_the_best_of_all_thresholds(seed, beta):
    errors, y = draw_labelled(seed)

    def merit(threshold):
        flags = np.where(errors > threshold, -1, 1)
        return fbeta_score(y, flags, beta=beta, pos_label=-1, zero_division=0)

    threshold = threshold_from_labels(errors, y, beta=beta)
    merits = np.array([merit(candidate) for candidate in all_thresholds(errors)])
    assert_allclose(merit(threshold), merits.max())
    fewest = min(
        np.sum(errors > candidate)
        for candidate, value in zip(all_thresholds(errors), merits, strict=True)
        if math.isclose(value, merits.max())
    )
    assert np.sum(errors > threshold) == fewest


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("max_fpr", [0.0, 0.1, 0.5, 1.0])
def test_recall_is_the_largest_within_the_false_positive_rate(seed, max_fpr):
    errors, y = draw_labelled(seed)

    def rates(threshold):
        flags = np.where(errors > threshold, -1, 1)
        return recall_score(y, flags, pos_label=-1), np.mean(flags[y == 1] == -1)

    recall, false_positive_rate = rates(threshold_from_labels(errors, y, max_fpr=max_fpr))
    allowed = [rates(threshold) for threshold in all_thresholds(errors)]
    best = max(r for r, fpr in allowed if fpr <= max_fpr)
    assert recall == best
    assert false_positive_rate == min(fpr for r, fpr in allowed if r == best)


def test_threshold_lies_midway_between_neighbours():
    assert threshold_from_labels([1.0, 2.0, 5.0, 9.0], [1, 1, -1, -1]) == 3.5


@pytest.mark.parametrize("low", [1.0, np.nextafter(1.0, 2.0)])
def test_adjacent_floats_are_still_separated(low):
    high = np.nextafter(low, 2.0)
    threshold = threshold_from_labels([low, high], [1, -1])
    assert low <= threshold < high


@pytest.mark.parametrize("smallest", [0.0, 1e-300, 2.0])
def test_everything_can_be_flagged(smallest):
    errors = np.array([smallest, smallest + 1.0])
    threshold = threshold_from_labels(errors, [-1, 1], max_fpr=1.0)
    # The detector's own arithmetic: minus the error, minus the offset.
    assert np.all(-errors - (-threshold) < 0)


def test_nothing_is_flagged_where_no_false_alarm_is_allowed_and_none_is_free():
    assert threshold_from_labels([3.0, 1.0, 2.0], [1, -1, -1], max_fpr=0.0) == 3.0


def test_normal_samples_alone_give_the_lowest_allowed_threshold():
    errors = np.arange(10.0)
    assert threshold_from_labels(errors, np.ones(10), max_fpr=0.2) == 7.5


@pytest.mark.parametrize("labels", [[0, 1, 1], [True, False, True], [0.0, 0.0, 0.0]])
def test_zeros_and_ones_are_refused_with_the_reason(labels):
    with pytest.raises(ValueError, match="0 and 1 mean opposite things"):
        threshold_from_labels([1.0, 2.0, 3.0], labels)


@pytest.mark.parametrize(
    ("y", "options", "match"),
    [
        ([1, 1, 1], {}, r"only normal samples \(\+1\); a threshold from labels needs both"),
        ([-1, -1, -1], {}, r"only outliers \(-1\)"),
        ([-1, -1, -1], {"max_fpr": 0.1}, r"only outliers \(-1\)"),
        ([1, 2, -1], {}, r"\+1 \(normal\) and -1 \(outlier\) only; got \[-1, 1, 2\]"),
        (["a", "b", "b"], {}, "only; got"),
        ([1, -1], {}, "one label for each of the 3 errors"),
        ([1, 1, -1], {"max_fpr": 1.5}, r"max_fpr must be .* \[0.0, 1.0\]"),
        ([1, 1, -1], {"beta": -1}, "beta must be .* got -1"),
    ],
)
def test_unusable_labels_and_options_are_refused(y, options, match):
    with pytest.raises(ValueError, match=match):
        threshold_from_labels([1.0, 2.0, 3.0], y, **options)
