"""Makes a rule of a detector's parameters."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from skae._contracts import ThresholdRule
from skae._messages import did_you_mean
from skae._validation import NON_NEGATIVE, check_number

from ._base import BaseThreshold
from ._conformal import ConformalThreshold
from ._peaks import POTThreshold
from ._rules import (
    CONTAMINATION,
    FixedThreshold,
    IQRThreshold,
    MADThreshold,
    QuantileThreshold,
    StdThreshold,
)

RULES: dict[str, type[BaseThreshold]] = {
    "std": StdThreshold,
    "quantile": QuantileThreshold,
    "mad": MADThreshold,
    "iqr": IQRThreshold,
    "pot": POTThreshold,
    "conformal": ConformalThreshold,
}


def resolve_threshold(threshold: Any, *, n_std: float, contamination: float | str) -> ThresholdRule:
    """Return the rule that a detector's three parameters describe.

    Parameters
    ----------
    threshold : {"std", "quantile", "mad", "iqr", "pot", "conformal"}, float or rule
        A name gives the rule with its defaults; a number is the threshold itself; an object has a
        method ``threshold(errors, sample_weight=None)``.
    n_std : float
        Number of standard deviations of ``"std"``; other rules ignore it.
    contamination : float in (0, 0.5] or "auto"
        A number replaces the rule by the quantile that flags this fraction of the training samples;
        ``"auto"`` leaves the rule alone.

    Returns
    -------
    rule : object with a method ``threshold``
        The rule that computes the threshold.

    Raises
    ------
    ValueError, TypeError
        If one of them is invalid.

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
                f"{contamination!r}. With 'auto', the rule that threshold names applies."
            )
        return rule
    return QuantileThreshold(check_number("contamination", contamination, CONTAMINATION))


def _rule_of(threshold: Any, n_std: float) -> ThresholdRule:
    """Return the rule that the parameter `threshold` alone describes."""
    if isinstance(threshold, str) and threshold in RULES:
        own = {"n_std": check_number("n_std", n_std, NON_NEGATIVE)} if threshold == "std" else {}
        return RULES[threshold](**own)
    if isinstance(threshold, str):
        raise ValueError(
            f"threshold must be one of {sorted(RULES)}; got {threshold!r}."
            f"{did_you_mean(threshold, RULES)}"
        )
    if isinstance(threshold, Real) and not isinstance(threshold, bool | np.bool_):
        return FixedThreshold(check_number("threshold", threshold, NON_NEGATIVE))
    if callable(getattr(threshold, "threshold", None)) and not isinstance(threshold, type):
        return threshold
    hint = f" Give an instance: {threshold.__name__}()." if isinstance(threshold, type) else ""
    raise TypeError(
        f"threshold must be one of {sorted(RULES)}, a number, or an object with a method "
        f"threshold(errors, sample_weight=None); got {threshold!r} of type "
        f"{type(threshold).__name__}.{hint}"
    )
