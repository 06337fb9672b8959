"""A function that pickles of skae 0.1 refer to."""

from typing import Any


def CallableReference(target: Any) -> Any:  # noqa: N802
    """Return the function itself."""
    return target
