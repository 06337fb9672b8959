"""Detects that this process was forked after TensorFlow had started.

A fork copies TensorFlow's runtime but not its threads, so TensorFlow would wait for them forever.
``import skae`` loads this module, which itself imports nothing, to detect forks from then on.
"""

from __future__ import annotations

import os
import sys

_lost_threads = False


def check_not_forked() -> None:
    """Raise an error if a fork has left TensorFlow without its threads.

    Raises
    ------
    RuntimeError
        If the process was forked after TensorFlow had started.
    """
    if _lost_threads:
        raise RuntimeError(
            "This process was forked after TensorFlow had been used, and TensorFlow's threads do "
            "not survive a fork: it would wait for them forever. Load or train models only after "
            "the fork, in the worker itself (with gunicorn: without --preload, or in post_fork), "
            "or start workers by multiprocessing.get_context('forkserver') or 'spawn'."
        )


def runtime_started() -> bool:
    """Return whether TensorFlow's runtime, and with it its threads, has been started."""
    if "tensorflow" not in sys.modules:
        return False
    context = sys.modules.get("tensorflow.python.eager.context")
    try:
        eager = context.context_safe()  # type: ignore[union-attr]
        # Public functions would start it, or look for accelerators.
        return eager is not None and eager._context_handle is not None
    except AttributeError:
        return True  # unknown version of TensorFlow: an error is better than waiting forever


def _after_fork() -> None:
    global _lost_threads  # noqa: PLW0603 - a process's own state, set once
    _lost_threads = _lost_threads or runtime_started()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
