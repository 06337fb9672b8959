"""Imports TensorFlow quietly, and Keras on it; imported first wherever skae needs either.

While it loads, TensorFlow's C++ side writes a dozen lines straight to file descriptor 2: an
environment variable quiets only those written after its logger has started. So the descriptor is
turned aside for the import, and what it caught is shown if the import fails. Whoever sets
``TF_CPP_MIN_LOG_LEVEL`` has said what they want to see, and nothing is turned aside.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _stderr_aside() -> Iterator[None]:
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except BaseException:
            caught.seek(0)
            os.write(kept, caught.read())
            raise
        finally:
            # Not left to worker processes, which would take it for the user's own setting.
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]
            os.dup2(kept, 2)
            os.close(kept)


if "tensorflow" not in sys.modules:
    # A library that TensorFlow brings in draws from Python's generator while it loads.
    _random_state = random.getstate()
    try:
        with _stderr_aside():
            import tensorflow  # noqa: F401
    finally:
        random.setstate(_random_state)

import keras  # noqa: E402

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"skae runs on Keras's TensorFlow backend, but Keras runs on {keras.backend.backend()!r}; "
        "set the environment variable KERAS_BACKEND to 'tensorflow' before Keras is imported."
    )
