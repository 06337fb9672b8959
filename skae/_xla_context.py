"""Tells a layer whether XLA compiles the program that it is being traced for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Of the context: another thread that calls the same layer sees False.
_COMPILED: ContextVar[bool] = ContextVar("compiled_by_xla", default=False)


def compiled_by_xla() -> bool:
    """Tell whether this is called inside `under_xla`."""
    return _COMPILED.get()


@contextmanager
def under_xla() -> Iterator[None]:
    """Have `compiled_by_xla` return True, in this thread alone."""
    token = _COMPILED.set(True)
    try:
        yield
    finally:
        _COMPILED.reset(token)
