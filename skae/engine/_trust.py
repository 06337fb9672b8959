"""Whose code something is: a trusted package's own, which is known by its name, or somebody's."""

from __future__ import annotations

import types
from typing import Any

# Their functions don't change their meaning within a process.
TRUSTED = {"abc", "builtins", "collections", "dataclasses", "enum", "functools", "keras", "math"}
TRUSTED |= {"numpy", "operator", "skae", "tensorflow", "typing"}


def is_trusted(kind: Any) -> bool:
    """Tell classes and functions of Keras, TensorFlow, NumPy and skae from somebody's own.

    Parameters
    ----------
    kind : class or callable
        A function counts as the code that it runs: ``functools.wraps`` gives it the name of
        another, and a wrapper of Keras's runs what it wraps.
    """
    if isinstance(kind, types.FunctionType):
        module = kind.__globals__.get("__name__")
    else:
        module = getattr(kind, "__module__", None)
    wrapped = getattr(kind, "__wrapped__", None)
    ours = (module or "").split(".")[0] in TRUSTED
    return ours and (wrapped is None or is_trusted(wrapped))
