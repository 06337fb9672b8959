"""Peaks over threshold, against SciPy's fits and the quantiles of known distributions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skae.thresholds import POTThreshold
from skae.thresholds._peaks import fit_pareto


def draw_errors(n_samples=500, seed=0):
    return np.random.default_rng(seed).gamma(2.0, size=n_samples)


@pytest.mark.parametrize("shape", [-0.6, -0.2, 0.0, 0.3, 0.9])
@pytest.mark.parametrize("n_samples", [12, 40, 1000])
def test_pareto_fit_is_at_least_as_likely_as_scipys(shape, n_samples):
    excesses = stats.genpareto(shape, scale=3.0).rvs(n_samples, random_state=n_samples)
    ours = fit_pareto(excesses, np.ones(n_samples))
    theirs = stats.genpareto.fit(excesses, floc=0)
    cost = stats.genpareto.nnlf((ours[0], 0, ours[1]), excesses)
    assert ours[0] >= -1.0
    if theirs[0] >= -1.0:
        assert cost <= stats.genpareto.nnlf(theirs, excesses) + 1e-4


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4])
def test_pareto_fit_recovers_the_distribution(shape):
    excesses = stats.genpareto(shape, scale=0.02).rvs(20_000, random_state=0)
    fitted_shape, fitted_scale = fit_pareto(excesses, np.ones(20_000))
    assert_allclose(fitted_shape, shape, atol=0.04)
    assert_allclose(fitted_scale, 0.02, rtol=0.05)


@pytest.mark.parametrize(
    "distribution", [stats.expon(), stats.gamma(3), stats.halfnorm(), stats.t(4), stats.uniform()]
)
def test_pot_keeps_the_false_alarm_rate_beyond_the_data(distribution):
    # 3,000 rows hold three exceedances of a rate of 1e-3 and none to speak of at 1e-4.
    thresholds = [
        POTThreshold(1e-4, 0.95).threshold(np.abs(distribution.rvs(3000, random_state=seed)))
        for seed in range(9)
    ]
    two_sided = 2.0 if distribution.dist.name == "t" else 1.0
    rate = two_sided * distribution.sf(np.median(thresholds))
    assert 2e-5 < rate < 5e-4 or (distribution.dist.name == "uniform" and rate < 5e-4)


def test_pot_with_few_rows_lowers_the_start_of_the_tail():
    errors = draw_errors(40)  # 0.98 leaves one excess
    threshold = POTThreshold(1e-3).threshold(errors)
    assert errors.max() < threshold < 10 * errors.max()


def test_pot_with_too_few_rows_warns_and_takes_the_empirical_quantile():
    errors = draw_errors(15)
    with pytest.warns(UserWarning, match="too few for an extreme-value fit"):
        threshold = POTThreshold(0.1).threshold(errors)
    assert threshold == np.quantile(errors, 0.9)


def test_pot_with_a_rate_within_the_body_takes_the_empirical_quantile():
    errors = draw_errors()
    assert POTThreshold(0.2).threshold(errors) == np.quantile(errors, 0.8)


def test_pot_threshold_falls_as_the_rate_grows():
    errors = draw_errors(5000)
    thresholds = [POTThreshold(rate).threshold(errors) for rate in (1e-5, 1e-4, 1e-3, 0.01, 0.1)]
    assert np.all(np.diff(thresholds) < 0)
