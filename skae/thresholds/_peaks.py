"""Peaks over threshold: the tail of the errors as a generalized Pareto distribution."""

from __future__ import annotations

import math
from numbers import Real
from typing import ClassVar

import numpy as np
from scipy.optimize import minimize_scalar

from skae._messages import warn
from skae._sklearn import Interval
from skae._statistics import FloatVector, ranked, weighted_quantile

from ._base import BaseThreshold

# With ten excesses, the standard error of the shape is already about 0.3.
MIN_EXCESSES = 10
# Below -1 the likelihood has no maximum: it grows without bound towards the largest excess.
MIN_SHAPE = -1.0
PROBABILITY = Interval(Real, 0, 1, closed="neither")


class POTThreshold(BaseThreshold):
    r"""Extreme-value threshold for a target rate of false alarms (peaks over threshold).

    The excesses :math:`e_i - t` over a high quantile :math:`t` of the training errors are taken
    as a sample of a generalized Pareto distribution [1]_ [2]_ with shape :math:`\gamma` and
    scale :math:`\sigma`, fitted by maximum likelihood. The threshold is the value that normal
    data exceed with probability :math:`q` [3]_:

    .. math:: z_q = t + \frac{\sigma}{\gamma}\left(\left(\frac{q n}{N_t}\right)^{-\gamma} - 1\right)

    where :math:`N_t` of the :math:`n` samples lie beyond the place of :math:`t` in the sorted
    errors, between two of them as a rule; the sample above counts by its part beyond (the
    logarithm in the limit :math:`\gamma \to 0`). Unlike a quantile, the threshold can lie beyond
    the largest training error, so it suits rates far below one in `n_samples`.

    Parameters
    ----------
    false_alarm_rate : float, default=1e-3
        Probability :math:`q`, in (0, 1), that a normal sample is flagged.
    initial_quantile : float, default=0.98
        Level of the quantile :math:`t` at which the tail begins, in (0, 1).

    Notes
    -----
    The fit needs ten excesses or more. With fewer above `initial_quantile`, the tail begins
    lower, down to the median at the least. If that does not give ten either (fewer than some
    twenty samples, or nearly constant errors), the rule warns, and the threshold is the empirical
    quantile of level ``1 - false_alarm_rate``. That quantile is also used, silently, where
    `false_alarm_rate` is not below the fraction of samples in the tail. A sample of
    however small a weight is in the support of the fitted distribution.

    References
    ----------
    .. [1] J. Pickands, "Statistical inference using extreme order statistics", The Annals of
           Statistics 3(1), 1975. :doi:`10.1214/aos/1176343003`
    .. [2] A. A. Balkema, L. de Haan, "Residual life time at great age", The Annals of
           Probability 2(5), 1974. :doi:`10.1214/aop/1176996548`
    .. [3] A. Siffer, P.-A. Fouque, A. Termier, C. Largouet, "Anomaly detection in streams with
           extreme value theory", KDD 2017. :doi:`10.1145/3097983.3098144`

    Examples
    --------
    >>> import numpy as np
    >>> from skae.thresholds import POTThreshold
    >>> errors = np.random.default_rng(0).exponential(size=20_000)
    >>> threshold = POTThreshold(false_alarm_rate=1e-3).threshold(errors)
    >>> 6.0 < threshold < 8.0  # the truth is -log(1e-3), 6.9
    True
    """

    _parameter_constraints: ClassVar = {
        "false_alarm_rate": [PROBABILITY],
        "initial_quantile": [PROBABILITY],
    }

    def __init__(self, false_alarm_rate: float = 1e-3, initial_quantile: float = 0.98) -> None:
        self.false_alarm_rate = false_alarm_rate
        self.initial_quantile = initial_quantile

    def _threshold(self, errors: FloatVector, counts: FloatVector) -> float:
        rate = self.false_alarm_rate
        tail = _tail(errors, counts, self.initial_quantile)
        if tail is None:
            warn(
                f"Fewer than {MIN_EXCESSES} of the {errors.shape[0]} errors exceed their median: "
                "too few for an extreme-value fit, so the threshold is their empirical quantile "
                f"of level {1.0 - rate:g}. Give more samples, or use threshold='quantile' or "
                "'mad'.",
                UserWarning,
            )
            return weighted_quantile(errors, counts, 1.0 - rate)
        start, excesses, weights = tail
        relative_rate = rate * counts.sum() / weights.sum()
        if relative_rate >= 1.0:
            return weighted_quantile(errors, counts, 1.0 - rate)
        shape, scale = fit_pareto(excesses, weights)
        return start + _exceedance_quantile(shape, scale, relative_rate)


def _tail(
    errors: FloatVector, counts: FloatVector, level: float
) -> tuple[float, FloatVector, FloatVector] | None:
    """Return where the tail starts, the excesses and their counts; None for too few."""
    enough = 1.0 - (MIN_EXCESSES + 1) / max(counts.sum() - 1.0, 1.0)
    for candidate in (min(level, max(enough, 0.5)), min(level, 0.5)):
        ordered, copies, ends = ranked(errors, counts, candidate)
        start = weighted_quantile(errors, counts, candidate)
        # The part beyond the quantile, so that an error enters the tail gradually, not at once.
        beyond = np.where(ordered > start, np.clip(ends - 1.0, 0.0, copies), 0.0)
        if beyond.sum() >= MIN_EXCESSES:
            return start, ordered[beyond > 0.0] - start, beyond[beyond > 0.0]
    return None


def fit_pareto(excesses: FloatVector, counts: FloatVector) -> tuple[float, float]:
    r"""Return shape and scale of a generalized Pareto distribution by weighted maximum likelihood.

    With :math:`\theta = \gamma / \sigma` the likelihood has its maximum over :math:`\gamma` in
    closed form [1]_, which leaves one bounded dimension; `scipy.stats.genpareto.fit` searches
    two, without weights, and stops in local optima on small samples.

    References
    ----------
    .. [1] S. D. Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto
           distribution", Technometrics 35(2), 1993. :doi:`10.1080/00401706.1993.10485040`
    """
    mean = float(np.average(excesses, weights=counts))
    scaled = excesses / mean

    def cost(theta: float) -> float:
        shape, scale = _pareto_of(theta, scaled, counts)
        return math.log(scale) + shape + 1.0 if shape >= MIN_SHAPE else math.inf

    # From almost the end of the support (theta = -1 / max) to far heavier tails than any fit has.
    negative = -(1.0 - np.geomspace(1e-9, 1.0, 40)) / scaled.max()
    grid = np.concatenate([negative, np.geomspace(1e-4, 1e3, 40)])
    costs = [cost(theta) for theta in grid]
    best = int(np.argmin(costs))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, grid.shape[0] - 1)])
    refined = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    theta = float(refined.x) if refined.fun < costs[best] else float(grid[best])
    shape, scale = _pareto_of(theta, scaled, counts)
    return shape, scale * mean


def _pareto_of(theta: float, excesses: FloatVector, counts: FloatVector) -> tuple[float, float]:
    """Return the shape and the scale that are most likely at one ratio of the two."""
    shape = float(np.average(np.log1p(theta * excesses), weights=counts))
    if abs(theta) < 1e-12:
        return 0.0, float(np.average(excesses, weights=counts))
    return shape, shape / theta


def _exceedance_quantile(shape: float, scale: float, rate: float) -> float:
    """Return the excess that the distribution exceeds with probability `rate`."""
    if abs(shape) < 1e-9:
        return -scale * math.log(rate)
    return scale * math.expm1(-shape * math.log(rate)) / shape
