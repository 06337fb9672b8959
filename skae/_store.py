"""A thread-safe cache of compiled programs that drops the least recently used one."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from skae._messages import warn
from skae._private import forget_kernels
from skae.exceptions import UnsharedProgramWarning

_LOGGER = logging.getLogger("skae")
# A program of a small network holds about 2 MB.
MAX_PROGRAMS = 64
_made = itertools.count(1)


class CacheInfo(NamedTuple):
    """State of the program cache, named as in `functools.lru_cache`."""

    hits: int
    misses: int
    currsize: int
    maxsize: int


class Store:
    """Values by key; one thread makes a value while others wait for it.

    Parameters
    ----------
    maxsize : int
        Number of values kept; the one unused for longest is dropped first.
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._lock = threading.Lock()
        self._making: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._hits = self._misses = 0

    @contextmanager
    def locked(self, key: Hashable) -> Iterator[Any]:
        """Yield the value of a key, or None; no other thread makes one meanwhile."""
        with self._lock:
            making = self._making.setdefault(key, threading.RLock())
        with making:
            with self._lock:
                value = self._values.get(key)
                if value is not None:
                    self._hits += 1
                    self._values.move_to_end(key)
            yield value

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value."""
        with self._lock:
            self._misses += 1
            self._values[key] = value
            while len(self._values) > self._maxsize:
                self._values.popitem(last=False)

    def clear(self) -> None:
        """Drop all values; those in use stay valid."""
        with self._lock:
            self._values.clear()
            self._hits = self._misses = 0

    def info(self) -> CacheInfo:
        """Return hits, misses, and the current and the largest number of values."""
        with self._lock:
            return CacheInfo(self._hits, self._misses, len(self._values), self._maxsize)


@dataclass
class Place:
    """The place of a network's program in the cache.

    Parameters
    ----------
    network : DeferredNetwork
        Network to trace the program from.
    program : object or None
        None if it has to be made and assigned.
    is_doubtful : bool
        Whether `program` was traced from another model of the same key, which rests on user code.
    is_verifiable : bool
        Whether a new program may become doubtful for other networks.
    """

    network: Any
    program: Any
    is_doubtful: bool
    is_verifiable: bool

    def verify(self, computes_alike: Callable[[Any], bool | None]) -> None:
        """Drop a doubtful program that computes something else than this network, and warn.

        Drop it without a warning if the network draws random numbers, so no two calls agree.
        """
        is_alike = computes_alike(self.program) if self.is_doubtful else True
        if is_alike:
            return
        self.program = None
        if is_alike is None:
            _LOGGER.debug("%r gets a separate program: no two calls of it agree.", self.network)
            return
        if self.network.programs.has_warned:
            return
        self.network.programs.has_warned = True
        builder = self.network.recipe.builder
        warn(
            f"The model {self.network.network.model.name!r} that model="
            f"{getattr(builder, '__qualname__', builder)} returned does not compute what an "
            "earlier model of the same code did: it depends on something that its code does not "
            "name, such as a file, an environment variable or a function that was replaced. It "
            "gets a separate compiled program, so its results are correct and its fits are "
            "slower; pass what it depends on as model__*.",
            UnsharedProgramWarning,
        )


def count_program() -> None:
    """Free the memory of old programs after every `MAX_PROGRAMS` new ones."""
    if next(_made) % MAX_PROGRAMS == 0:
        forget_kernels()


PROGRAMS = Store(MAX_PROGRAMS)
# Properties of networks that are known without building them.
TRAITS = Store(4 * MAX_PROGRAMS)


def clear_cache() -> None:
    """Clear the cache of compiled programs; the next fit or score compiles again.

    Examples
    --------
    >>> from skae.engine import cache_info, clear_cache
    >>> clear_cache()
    >>> cache_info().currsize
    0
    """
    PROGRAMS.clear()
    TRAITS.clear()


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
