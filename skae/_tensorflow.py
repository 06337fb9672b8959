"""Imports TensorFlow quietly, and Keras on it; imported first wherever skae needs either.

While TensorFlow loads, its C++ side writes a dozen lines straight to file descriptor 2, at any
``TF_CPP_MIN_LOG_LEVEL``: these come before its logger starts. So the import redirects the
descriptor, unless the user asks for messages by a level below 3. Output of other
threads is shown afterwards, and all output if the import fails.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from skae._forks import runtime_started

_LOGGER = logging.getLogger("skae")
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_QUIET = 3
# The formats of absl's logger and of TensorFlow's own, and their lines without a prefix.
_CHATTER = re.compile(
    rb"[IWEF]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] "
    rb"|WARNING: All log messages before absl::|To enable the following instructions: "
)


def _configured_backend() -> str:
    """Return the backend that Keras has or, if not imported yet, will choose."""
    if "keras" in sys.modules:
        import keras

        return keras.backend.backend()
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras"))
    try:
        settings = json.loads((folder.expanduser() / "keras.json").read_text(encoding="utf-8"))
    except (OSError, RuntimeError, ValueError):
        settings = {}
    return os.environ.get("KERAS_BACKEND") or settings.get("backend", "tensorflow")


def _check_backend(name: str) -> None:
    if name != "tensorflow":
        raise ImportError(
            f"skae runs on Keras's TensorFlow backend, but Keras runs on {name!r}; set the "
            "environment variable KERAS_BACKEND to 'tensorflow' before Keras is imported."
        )


def _limit_threads() -> None:
    """Limit the cores of TensorFlow in a worker process to those of other libraries.

    joblib and dask write a worker's number of cores into ``OMP_NUM_THREADS``, which TensorFlow does
    not read. What it reads instead yields to ``tf.config.threading``, even set later.
    """
    cores = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    in_worker = multiprocessing.parent_process() is not None
    if not in_worker or not cores.isdecimal() or runtime_started():
        return
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        if name not in os.environ:
            os.environ[name] = cores
            _LOGGER.debug("Set %s=%s in this worker process, as OMP_NUM_THREADS.", name, cores)


def _wants_messages() -> bool:
    level = os.environ.get(_LEVEL, str(_QUIET)).strip()
    return not level.isdecimal() or int(level) < _QUIET


def _turn_aside() -> tuple[int, IO[bytes]] | None:
    """Redirect descriptor 2 to a file; return the old descriptor and the file, or None."""
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()  # None under pythonw, and it may be closed
    try:
        stderr = os.dup(2)
    except OSError:
        return None
    try:
        caught = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the caller
    except OSError:
        os.close(stderr)
        return None
    os.dup2(caught.fileno(), 2)
    return stderr, caught


def _put_back(stderr: int, caught: IO[bytes], *, hide: bool) -> None:
    """Restore the descriptor, and write the caught output; without TensorFlow's lines to `hide`."""
    os.dup2(stderr, 2)
    os.close(stderr)
    with caught:
        caught.seek(0)
        lines = [line for line in caught if not (hide and _CHATTER.match(line))]
    with suppress(OSError):
        os.write(2, b"".join(lines))


@contextmanager
def _stderr_aside() -> Iterator[None]:
    turned = _turn_aside()
    loaded = False
    try:
        yield
        loaded = True
    finally:
        if turned is not None:
            _put_back(*turned, hide=loaded)


@contextmanager
def _quietly() -> Iterator[None]:
    if _wants_messages():
        yield
        return
    chosen = os.environ.get(_LEVEL)
    os.environ[_LEVEL] = chosen or str(_QUIET)
    try:
        with _stderr_aside():
            yield
    finally:
        # Not left to worker processes, which would take it for a setting of the user.
        if chosen is None:
            os.environ.pop(_LEVEL, None)


_check_backend(_configured_backend())
_limit_threads()
if "tensorflow" not in sys.modules:
    # A library that TensorFlow brings in draws from Python's generator while it loads.
    _random_state = random.getstate()
    try:
        with _quietly():
            import tensorflow  # noqa: F401
    finally:
        random.setstate(_random_state)

import keras  # noqa: E402

_check_backend(keras.backend.backend())
