"""Parts of error messages, and warnings that point at the user's line."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Iterable

# contextlib runs the end of a context manager.
_OURS = {"skae", "sklearn", "contextlib"}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name most like `name`, or nothing."""
    by_lower_case = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f" Did you mean {by_lower_case[close[0]]!r}?" if close else ""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the nearest line outside of skae and scikit-learn."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
