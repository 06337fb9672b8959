"""Threshold rules against NumPy, SciPy, scikit-learn and brute force."""

import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.ensemble import IsolationForest

from skae import thresholds
from skae._statistics import weighted_quantile
from skae.thresholds import (
    ConformalThreshold,
    FixedThreshold,
    IQRThreshold,
    MADThreshold,
    POTThreshold,
    QuantileThreshold,
    StdThreshold,
    resolve_threshold,
)
from skae.thresholds._base import BaseThreshold

RULES = [
    StdThreshold(n_std=2.0),
    QuantileThreshold(contamination=0.07),
    MADThreshold(),
    IQRThreshold(),
    POTThreshold(false_alarm_rate=0.01, initial_quantile=0.9),
    FixedThreshold(0.3),
]
by_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)


def draw_errors(n_samples=500, seed=0):
    return np.random.default_rng(seed).gamma(2.0, size=n_samples)


# Properties of every rule


@by_rule
def test_integer_weights_equal_repetition(rule):
    errors = draw_errors()
    counts = np.random.default_rng(1).integers(0, 4, size=errors.shape[0])
    assert_allclose(
        rule.threshold(errors, counts), rule.threshold(np.repeat(errors, counts)), rtol=1e-6
    )


@by_rule
def test_weights_of_one_and_order_of_rows_change_nothing(rule):
    errors = draw_errors()
    threshold = rule.threshold(errors)
    assert rule.threshold(errors, np.ones_like(errors)) == threshold
    assert_allclose(rule.threshold(errors[::-1]), threshold, rtol=1e-6)
    assert type(threshold) is float


@by_rule
def test_scale_of_weights_too_small_for_counts_is_immaterial(rule):
    errors = draw_errors()
    weight = np.random.default_rng(1).uniform(0.1, 1.0, size=errors.shape[0])
    expected = rule.threshold(errors, weight)
    for scale in (1.0 / weight.sum(), 1e-200, 1e-310):
        assert_allclose(rule.threshold(errors, scale * weight), expected, rtol=1e-6)


WEIGHTS = ["ones", "counts", "fractions", "normalized", "zeros"]
# A density is positive at the largest error, however small its weight.
JUMPS = [(POTThreshold, "zeros")]


@pytest.mark.parametrize(
    ("rule", "kind"),
    [(rule, kind) for rule in RULES for kind in WEIGHTS if (type(rule), kind) not in JUMPS],
)
@pytest.mark.parametrize("n_samples", [4, 101, 501])  # 501: a quantile falls on a sample
@pytest.mark.filterwarnings("ignore:Fewer than 10")
def test_threshold_is_continuous_in_the_weights(rule, kind, n_samples):
    rng, errors = np.random.default_rng(3), draw_errors(n_samples)
    weight = {
        "ones": np.ones(n_samples),
        "counts": rng.integers(1, 6, size=n_samples),
        "fractions": rng.exponential(size=n_samples),
        "normalized": np.full(n_samples, 1 / n_samples),
        "zeros": rng.integers(0, 2, size=n_samples) + np.eye(n_samples)[0],
    }[kind]
    change = rng.uniform(size=n_samples)
    for size in (1e-6, 1e-9):
        for moved in (weight + size * change, np.maximum(weight - size * change, 0.0)):
            assert_allclose(
                rule.threshold(errors, moved), rule.threshold(errors, weight), rtol=3 * size**0.5
            )  # the square root, because a standard deviation grows from 0 as it does


def test_whole_numbers_and_their_neighbours_agree():
    errors = [1.0, 2.0, 3.0, 10.0]
    rule = QuantileThreshold(0.1)
    assert rule.threshold(errors, [1, 1, 1, 5]) == 10.0
    assert_allclose(rule.threshold(errors, [1, 1, 1, 5 + 1e-9]), 10.0)


@pytest.mark.parametrize("level", np.linspace(0.0, 1.0, 23))
def test_weighted_quantile_is_numpys_on_repeated_values(level):
    """Ties, zero counts and all levels, to the bit."""
    rng = np.random.default_rng(4)
    errors, counts = rng.integers(0, 9, size=30) / 7.0, rng.integers(1, 4, size=30).astype(float)
    expected = np.quantile(np.repeat(errors, counts.astype(int)), level)
    assert weighted_quantile(errors, counts, level) == expected


class Broken(BaseThreshold):
    def __init__(self, result=math.nan):
        self.result = result

    def _threshold(self, errors, counts):
        return self.result


@pytest.mark.parametrize("result", [math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_not_finite_is_refused(result):
    with pytest.raises(ValueError, match=r"Broken.* returned .*(nan|inf).* Use another rule"):
        Broken(result).threshold([1.0, 2.0])


@pytest.mark.parametrize("rule", [StdThreshold(), IQRThreshold(1e300), MADThreshold(1e300)])
def test_an_overflow_is_refused(rule):
    with pytest.raises(ValueError, match=r"returned (inf|nan), but a threshold must be finite"):
        rule.threshold([1e200, 2e200, 5e200, 9e200])


@pytest.mark.parametrize("rule", RULES[:-1], ids=lambda rule: type(rule).__name__)
def test_threshold_scales_with_the_errors(rule):
    errors = draw_errors()
    assert_allclose(rule.threshold(1e-4 * errors), 1e-4 * rule.threshold(errors), rtol=1e-5)


@by_rule
def test_rules_are_cloned_pickled_and_searchable(rule):
    copy = pickle.loads(pickle.dumps(clone(rule)))
    assert copy.get_params() == rule.get_params()
    name = next(iter(rule.get_params()))
    assert copy.set_params(**{name: 0.25}).get_params()[name] == 0.25


@by_rule
def test_input_is_left_alone(rule):
    errors, weight = draw_errors(), np.ones(500)
    errors.flags.writeable = weight.flags.writeable = False
    rule.threshold(errors, weight)
    rule.threshold(errors.tolist(), weight.tolist())


@by_rule
@pytest.mark.parametrize(
    ("errors", "weight", "match"),
    [
        ([1.0, np.nan], None, "errors contains NaN"),
        ([1.0, np.inf], None, "errors contains infinity"),
        ([], None, "minimum of 1 is required"),
        ([[1.0], [2.0]], None, "one-dimensional, one value for each sample"),
    ],
)
def test_unusable_errors_are_refused(rule, errors, weight, match):
    with pytest.raises(ValueError, match=match):
        rule.threshold(errors, weight)


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        ([1.0, -1.0], "must not be negative; got -1"),
        ([0.0, 0.0], "0 for every sample"),
        ([1.0], "one value for each of the 2 errors"),
        ([1.0, np.nan], "sample_weight contains NaN"),
    ],
)
def test_unusable_weights_are_refused(weight, match):
    with pytest.raises(ValueError, match=match):
        StdThreshold().threshold([1.0, 2.0], weight)


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        (StdThreshold(-1.0), r"n_std must be a float in the range \[0.0, inf\); got -1.0"),
        (StdThreshold(math.nan), "n_std must be .* got nan"),
        (QuantileThreshold(0.6), r"contamination must be .* \(0.0, 0.5\]; got 0.6"),
        (QuantileThreshold(0.0), r"contamination .* got 0.0"),
        (MADThreshold(math.inf), "n_mads must be"),
        (IQRThreshold(-0.1), "factor must be"),
        (POTThreshold(false_alarm_rate=0), r"false_alarm_rate must .* \(0.0, 1.0\)"),
        (POTThreshold(initial_quantile=1.0), r"initial_quantile must .* \(0.0, 1.0\)"),
        (FixedThreshold(-0.5), "value must be"),
    ],
)
def test_parameters_out_of_range_are_refused(rule, match):
    with pytest.raises(ValueError, match=match):
        rule.threshold(draw_errors())


@pytest.mark.parametrize("value", ["1", None, True, 1j])
def test_parameters_of_a_wrong_type_are_refused(value):
    with pytest.raises(TypeError, match=rf"n_std must be .* of type {type(value).__name__}"):
        StdThreshold(value).threshold(draw_errors())


# One oracle for each rule


def test_std_is_mean_and_population_std():
    errors = draw_errors()
    assert_allclose(StdThreshold(1.5).threshold(errors), errors.mean() + 1.5 * errors.std())


@pytest.mark.parametrize("contamination", [0.01, 0.07, 0.1, 1 / 3, 0.5])
@pytest.mark.parametrize("n_samples", [1, 2, 11, 100, 257])
def test_quantile_is_bit_for_bit_that_of_isolation_forest(contamination, n_samples):
    scores = -draw_errors(n_samples)
    offset = np.percentile(scores, 100.0 * contamination)
    assert QuantileThreshold(contamination).threshold(-scores) == -offset


def test_quantile_interpolates_from_the_nearer_end_as_numpy_does():
    for seed in range(200):
        scores = -draw_errors(20 + seed, seed)
        offset = np.percentile(scores, 100.0 * 0.0937)
        assert QuantileThreshold(0.0937).threshold(-scores) == -offset


def test_quantile_predicts_like_isolation_forest_on_its_own_scores():
    X = np.random.default_rng(0).normal(size=(200, 3))
    forest = IsolationForest(n_estimators=10, contamination=0.13, random_state=0).fit(X)
    threshold = QuantileThreshold(0.13).threshold(-forest.score_samples(X))
    assert -threshold == forest.offset_
    assert np.array_equal(-forest.score_samples(X) > threshold, forest.predict(X) == -1)


@pytest.mark.parametrize("contamination", [0.003, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("n_samples", [10, 97, 1000])
def test_quantile_flags_within_one_row_of_the_contamination(contamination, n_samples):
    errors = draw_errors(n_samples)
    n_flagged = np.sum(errors > QuantileThreshold(contamination).threshold(errors))
    assert abs(n_flagged - contamination * n_samples) <= 1


@pytest.mark.parametrize("contamination", [0.02, 0.1, 0.37, 0.5])
def test_weighted_quantile_is_the_percentile_of_the_repeated_errors(contamination):
    errors = draw_errors(60)
    counts = np.random.default_rng(2).integers(0, 5, size=60)
    expected = -np.percentile(-np.repeat(errors, counts), 100.0 * contamination)
    assert QuantileThreshold(contamination).threshold(errors, counts) == expected


def test_fractional_weights_move_the_flagged_weight_to_the_contamination():
    errors = draw_errors(2000)
    weight = np.random.default_rng(3).exponential(size=2000)
    flagged = errors > QuantileThreshold(0.1).threshold(errors, weight)
    assert_allclose(weight[flagged].sum() / weight.sum(), 0.1, atol=2 * weight.max() / weight.sum())


def test_mad_and_iqr_agree_with_scipy():
    errors = draw_errors()
    median, mad = np.median(errors), stats.median_abs_deviation(errors, scale="normal")
    assert_allclose(MADThreshold(2.5).threshold(errors), median + 2.5 * mad)
    expected = np.percentile(errors, 75) + 1.5 * stats.iqr(errors)
    assert_allclose(IQRThreshold(1.5).threshold(errors), expected)


def test_mad_resists_outliers_and_std_does_not():
    errors = draw_errors()
    dirty = np.concatenate([errors, np.full(100, 1e6)])
    assert MADThreshold().threshold(dirty) < 2 * MADThreshold().threshold(errors)
    assert StdThreshold().threshold(dirty) > 1e5


def test_constant_errors_give_a_threshold_that_flags_nothing():
    errors = np.full(50, 0.25)
    for rule in (StdThreshold(), QuantileThreshold(), MADThreshold(), IQRThreshold()):
        assert rule.threshold(errors) == 0.25
    with pytest.warns(UserWarning, match="Fewer than 10 of the 50 errors"):
        assert POTThreshold().threshold(errors) == 0.25


# From parameters to a rule


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("std", StdThreshold),
        ("quantile", QuantileThreshold),
        ("mad", MADThreshold),
        ("iqr", IQRThreshold),
        ("pot", POTThreshold),
        ("conformal", ConformalThreshold),
    ],
)
def test_names_give_rules(name, rule):
    assert type(resolve_threshold(name, n_std=1.0, contamination="auto")) is rule


def test_n_std_reaches_the_std_rule():
    assert resolve_threshold("std", n_std=3, contamination="auto").n_std == 3.0


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5), np.int64(2)])
def test_a_number_is_the_threshold(value):
    rule = resolve_threshold(value, n_std=1.0, contamination="auto")
    assert rule.threshold(draw_errors()) == value


def test_an_object_with_threshold_is_taken_as_it_is():
    class Largest:
        def threshold(self, errors, sample_weight=None):
            return float(np.max(errors))

    rule = Largest()
    assert resolve_threshold(rule, n_std=1.0, contamination="auto") is rule


@pytest.mark.parametrize("threshold", ["std", "pot", 0.2, MADThreshold()])
def test_contamination_overrides_every_rule(threshold):
    rule = resolve_threshold(threshold, n_std=1.0, contamination=0.2)
    assert type(rule) is QuantileThreshold
    assert rule.contamination == 0.2


@pytest.mark.parametrize(
    ("threshold", "error", "match"),
    [
        ("quantil", ValueError, "got 'quantil'. Did you mean 'quantile'?"),
        ("STD", ValueError, "Did you mean 'std'?"),
        (
            "zzz",
            ValueError,
            r"one of \['conformal', 'iqr', .*'std'\]; got 'zzz'.$",
        ),
        (-0.1, ValueError, r"threshold must be .* \[0.0, inf\); got -0.1"),
        (math.nan, ValueError, "threshold must be .* got nan"),
        (None, TypeError, "got None of type NoneType"),
        (True, TypeError, "got True of type bool"),
        (StdThreshold, TypeError, r"Give an instance: StdThreshold\(\)."),
    ],
)
def test_unknown_thresholds_are_refused(threshold, error, match):
    with pytest.raises(error, match=match):
        resolve_threshold(threshold, n_std=1.0, contamination="auto")


@pytest.mark.parametrize(
    ("contamination", "error", "match"),
    [
        (0.6, ValueError, r"\(0.0, 0.5\]; got 0.6"),
        (0, ValueError, r"\(0.0, 0.5\]; got 0"),
        ("legacy", ValueError, "'auto' or a number in .* got 'legacy'"),
        (None, TypeError, "got None of type NoneType"),
    ],
)
def test_bad_contamination_is_refused(contamination, error, match):
    with pytest.raises(error, match=match):
        resolve_threshold("std", n_std=1.0, contamination=contamination)


def test_bad_n_std_is_refused():
    with pytest.raises(ValueError, match=r"n_std must be .* got -2"):
        resolve_threshold("std", n_std=-2, contamination="auto")


# The module


def test_public_names_exist():
    assert set(thresholds.__all__) <= set(dir(thresholds))
