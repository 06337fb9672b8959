"""Lets a layer know whether XLA compiles the program that is being traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# A context variable: another thread that calls the same layer sees False.
_COMPILED: ContextVar[bool] = ContextVar("compiled_by_xla", default=False)


def compiled_by_xla() -> bool:
    """Return whether this is called inside `under_xla`."""
    return _COMPILED.get()


@contextmanager
def under_xla() -> Iterator[None]:
    """Make `compiled_by_xla` return True, in this thread alone."""
    token = _COMPILED.set(True)
    try:
        yield
    finally:
        _COMPILED.reset(token)
