"""Imports from private or recent parts of scikit-learn, in one place for new releases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _is_arraylike as is_array_like

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replaces scikit-learn's mixin where it has no callbacks."""

        def _init_callback_context(self, **_: Any) -> _NoContext:
            return _NoContext()

    class _NoContext:
        def call_on_fit_task_begin(self, **_: Any) -> None: ...

        def call_on_fit_task_end(self, **_: Any) -> None: ...

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return `method` as it is."""
        return method


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Hidden",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "is_array_like",
    "with_callbacks",
]
