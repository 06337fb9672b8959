"""Guarantees of p-values, of selections and of the conformal threshold, over 2,000 calibrations.

The network is replaced by a score in closed form, so that the true rates are known.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import beta, norm

from skae import ReconstructionOutlierDetector
from skae._statistics import conformal_p_values
from skae.thresholds import ConformalThreshold

N_FITS = 2000


class DistanceFromZero(ReconstructionOutlierDetector):
    """A detector with a known score in place of a network."""

    def score_samples(self, X):
        return -np.abs(X).sum(axis=1)


def calibrated(normal, **parameters):
    return DistanceFromZero(**parameters).recalibrate(normal)


@pytest.mark.parametrize("decimals", [12, 1], ids=["continuous", "ties"])
def test_p_values_of_normal_samples_are_at_least_as_large_as_uniform_ones(decimals, rng):
    normal = rng.normal(size=(N_FITS, 50, 1)).round(decimals)
    p_values = [calibrated(rows[:-1]).p_values(rows[-1:])[0] for rows in normal]
    for level in np.arange(1, 21) / 20:
        rate = np.mean(np.less_equal(p_values, level))
        assert rate <= level + 2 * np.sqrt(level * (1 - level) / N_FITS)


def test_p_values_of_normal_samples_are_uniform_without_ties(rng):
    normal = rng.normal(size=(N_FITS, 20, 1))
    p_values = [calibrated(rows[:-1]).p_values(rows[-1:])[0] for rows in normal]
    counts = np.bincount((np.multiply(p_values, 20)).round().astype(int), minlength=21)[1:]
    assert_allclose(counts, N_FITS / 20, atol=4 * np.sqrt(N_FITS / 20))


@pytest.mark.parametrize("fdr", [0.1, 0.3])
def test_selected_samples_hold_few_normal_ones(fdr, rng):
    false = []
    for _ in range(N_FITS):
        batch = np.concatenate([rng.normal(size=(40, 1)), rng.normal(4, 1, size=(10, 1))])
        mask = calibrated(rng.normal(size=(100, 1))).select(batch, fdr=fdr)
        false.append(mask[:40].sum() / max(mask.sum(), 1))
    assert np.mean(false) <= fdr + 2 * np.std(false) / np.sqrt(N_FITS)
    assert np.mean(false) > fdr / 4  # outliers are found: the guarantee is not an empty one


@pytest.mark.parametrize("n_samples", [45, 200, 1000])
@pytest.mark.parametrize(("rate", "confidence"), [(0.05, 0.9), (0.1, 0.99)])
def test_the_false_alarm_rate_holds_with_the_confidence(n_samples, rate, confidence, rng):
    rule = ConformalThreshold(false_alarm_rate=rate, confidence=confidence)
    held = [2 * norm.sf(rule.threshold(np.abs(rng.normal(size=n_samples)))) <= rate
            for _ in range(N_FITS)]  # fmt: skip
    assert np.mean(held) >= confidence - 3 * np.sqrt(confidence * (1 - confidence) / N_FITS)


@pytest.mark.parametrize("n_samples", [45, 46, 100, 1234])
def test_no_lower_threshold_has_the_confidence(n_samples):
    errors = np.arange(n_samples, dtype=float)
    n_above = n_samples - 1 - ConformalThreshold().threshold(errors)
    # The false-alarm rate of the threshold with m errors at or above it is Beta(m, n - m + 1).
    confidences = [beta.cdf(0.05, m, n_samples - m + 1) for m in (n_above + 1, n_above + 2)]
    assert confidences[0] >= 0.9 > confidences[1]


def test_too_few_samples_are_refused_with_the_number_that_is_needed():
    errors = np.arange(44.0)
    with pytest.raises(ValueError, match="at least 45 samples .* got 44"):
        ConformalThreshold().threshold(errors)
    ConformalThreshold().threshold(np.arange(45.0))


def test_a_weight_counts_like_copies(rng):
    scores, copies = rng.gamma(2, size=60).round(1), rng.integers(1, 4, size=60)
    repeated, new = np.repeat(scores, copies), rng.gamma(2, size=30).round(1)
    assert_allclose(
        conformal_p_values(new, scores, copies.astype(float)),
        conformal_p_values(new, repeated, np.ones(len(repeated))),
    )


@pytest.mark.parametrize("weight", [1e-6, 1.0, 1e6])
def test_equal_weights_change_no_threshold(weight, rng):
    errors, rule = rng.gamma(2, size=100), ConformalThreshold()
    assert rule.threshold(errors, np.full(100, weight)) == rule.threshold(errors)


def test_unequal_weights_count_by_their_effective_sample_size(rng):
    errors, weight = rng.gamma(2, size=100), np.repeat([1.0, 1e-9], [44, 56])
    with pytest.raises(ValueError, match="at least 45 samples .* got 44"):
        ConformalThreshold().threshold(errors, weight)


def test_the_threshold_of_ties_flags_no_more_than_it_may():
    assert ConformalThreshold().threshold(np.ones(100)) == 1.0


def test_p_values_order_samples_as_scores_do_and_are_never_0(rng):
    detector = calibrated(rng.normal(size=(99, 1)))
    X = np.linspace(0, 100, 200)[:, None]
    p_values = detector.p_values(X)
    assert (np.diff(p_values) <= 0).all()
    assert p_values[-1] == 1 / 100
    assert p_values[0] == 1.0


def test_few_reference_samples_select_nothing(rng):
    X = np.full((1, 1), 1e9)
    assert not calibrated(rng.normal(size=(8, 1))).select(X, fdr=0.1).any()
    assert calibrated(rng.normal(size=(9, 1))).select(X, fdr=0.1).all()
    assert calibrated(rng.normal(size=(9, 1))).select(X[:0]).shape == (0,)


@pytest.mark.parametrize("fdr", [0, 1, -0.1, "0.1", True])
def test_an_fdr_outside_0_and_1_is_refused(fdr, rng):
    with pytest.raises((ValueError, TypeError), match="fdr"):
        calibrated(rng.normal(size=(9, 1))).select(np.ones((3, 1)), fdr=fdr)


def test_labels_leave_outliers_out_of_the_reference(rng):
    X, y = np.concatenate([rng.normal(size=(99, 1)), np.full((50, 1), 9.0)]), np.ones(149)
    y[99:] = -1
    detector = DistanceFromZero().recalibrate(X, y)
    assert_array_equal(detector.p_values(np.full((1, 1), 9.0)), 1 / 100)
