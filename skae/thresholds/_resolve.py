"""From what a user wrote to a rule."""

from __future__ import annotations

from numbers import Real
from typing import Any, cast

import numpy as np

from skae._contracts import ThresholdRule
from skae._messages import did_you_mean

from ._peaks import POTThreshold
from ._rules import (
    FixedThreshold,
    IQRThreshold,
    MADThreshold,
    QuantileThreshold,
    StdThreshold,
    check_contamination,
)
from ._samples import check_real

RULES = {
    "std": StdThreshold,
    "quantile": QuantileThreshold,
    "mad": MADThreshold,
    "iqr": IQRThreshold,
    "pot": POTThreshold,
}


def resolve_threshold(threshold: Any, *, n_std: float, contamination: float | str) -> ThresholdRule:
    """Return the rule that a detector's three parameters describe.

    Parameters
    ----------
    threshold : {"std", "quantile", "mad", "iqr", "pot"}, float or rule
        A name, which gives the rule with its defaults; a number, which is the cut itself; or an
        object with a method ``threshold(errors, sample_weight=None)``.
    n_std : float
        Number of standard deviations of ``"std"``; without influence on the others.
    contamination : float in (0, 0.5] or "auto"
        A number replaces the rule by the quantile that flags this share of the training rows;
        ``"auto"`` leaves the rule alone.

    Returns
    -------
    rule : object with a method ``threshold``
        What places the cut.

    Raises
    ------
    ValueError, TypeError
        If one of them is not acceptable.

    Examples
    --------
    >>> from skae.thresholds import resolve_threshold
    >>> resolve_threshold("std", n_std=2.0, contamination="auto")
    StdThreshold(n_std=2.0)
    >>> resolve_threshold("std", n_std=2.0, contamination=0.05)
    QuantileThreshold(contamination=0.05)
    """
    rule = _rule_of(threshold, n_std)
    if isinstance(contamination, str):
        if contamination != "auto":
            raise ValueError(
                "contamination must be 'auto' or a number in (0, 0.5]; got "
                f"{contamination!r}. With 'auto' the threshold parameter places the cut."
            )
        return rule
    return cast(ThresholdRule, QuantileThreshold(check_contamination(contamination)))


def _rule_of(threshold: Any, n_std: float) -> ThresholdRule:
    """Return the rule that the parameter `threshold` alone describes."""
    if isinstance(threshold, str):
        return cast(ThresholdRule, _named_rule(threshold, n_std))
    if isinstance(threshold, Real) and not isinstance(threshold, bool | np.bool_):
        value = check_real("threshold", threshold, low=0.0, closed="left")
        return cast(ThresholdRule, FixedThreshold(value))
    if callable(getattr(threshold, "threshold", None)) and not isinstance(threshold, type):
        return cast(ThresholdRule, threshold)
    hint = ""
    if isinstance(threshold, type):
        hint = f" Give an instance: {threshold.__name__}()."
    raise TypeError(
        f"threshold must be one of {sorted(RULES)}, a number, or an object with a method "
        f"threshold(errors, sample_weight=None); got {threshold!r} of type "
        f"{type(threshold).__name__}.{hint}"
    )


def _named_rule(name: str, n_std: float) -> Any:
    """Return a rule by name, or say which name was probably meant."""
    if name not in RULES:
        raise ValueError(
            f"threshold must be one of {sorted(RULES)}; got {name!r}.{did_you_mean(name, RULES)}"
        )
    if name == "std":
        return StdThreshold(check_real("n_std", n_std, low=0.0, closed="left"))
    return RULES[name]()
