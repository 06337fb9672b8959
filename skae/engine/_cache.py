"""The one store of compiled programs: bounded, shared by all threads, least recently used out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

# A program of a small network holds about 2 MB.
MAX_PROGRAMS = 64


class CacheInfo(NamedTuple):
    """State of the program cache."""

    hits: int
    misses: int
    currsize: int
    maxsize: int


class ProgramCache:
    """Programs by key; one thread builds a program while others that want it wait.

    Parameters
    ----------
    maxsize : int
        Number of programs kept; the one unused for longest is dropped first.
    """

    def __init__(self, maxsize: int = MAX_PROGRAMS) -> None:
        self._maxsize = maxsize
        self._lock = threading.Lock()
        self._programs: OrderedDict[Hashable, Any] = OrderedDict()
        self._building: dict[Hashable, threading.Lock] = {}
        self._hits = self._misses = 0

    def get(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """Return the program of `key`, built by `build` if there is none."""
        with self._lock:
            if key in self._programs:
                self._hits += 1
                self._programs.move_to_end(key)
                return self._programs[key]
            building = self._building.setdefault(key, threading.Lock())
        with building:
            with self._lock:
                if key in self._programs:
                    self._hits += 1
                    return self._programs[key]
            try:
                program = build()
            finally:
                with self._lock:
                    self._building.pop(key, None)
            with self._lock:
                self._misses += 1
                self._programs[key] = program
                while len(self._programs) > self._maxsize:
                    self._programs.popitem(last=False)
        return program

    def clear(self) -> None:
        """Forget every program; fits and scores that use one go on with it."""
        with self._lock:
            self._programs.clear()
            self._hits = self._misses = 0

    def info(self) -> CacheInfo:
        """Return hits, misses, and how many programs there are and may be."""
        with self._lock:
            return CacheInfo(self._hits, self._misses, len(self._programs), self._maxsize)


PROGRAMS = ProgramCache()


def clear_cache() -> None:
    """Forget every compiled program; the next fit or score compiles anew.

    Examples
    --------
    >>> from skae.engine import cache_info, clear_cache
    >>> clear_cache()
    >>> cache_info().currsize
    0
    """
    PROGRAMS.clear()


def cache_info() -> CacheInfo:
    """Return the state of the program cache, named as in `functools.lru_cache`.

    Returns
    -------
    info : CacheInfo
        With ``hits``, ``misses``, ``currsize`` and ``maxsize``.

    Examples
    --------
    >>> from skae.engine import cache_info
    >>> cache_info().maxsize
    64
    """
    return PROGRAMS.info()
