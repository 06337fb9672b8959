"""One fit at a time: `fit` works on a copy, and public methods read a snapshot.

While one thread fits, other threads see the old state or the new one, never a mixture. A fit that
fails leaves the estimator unchanged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from skae.estimators._callbacks import EpochBridge

P = ParamSpec("P")
T = TypeVar("T")


def of_one_fit(method: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method to read the state of one fit, even if another thread fits meanwhile."""

    @functools.wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(_snapshot(self), *args, **kwargs)

    return called  # type: ignore[return-value]


def changing_one_fit(method: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method that sets attributes: on a copy, which is put in place in one step."""

    @functools.wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = vars(self)
        copied = _snapshot(self)
        method(copied, *args, **kwargs)
        if vars(self).get("_deferred") is not before.get("_deferred"):
            raise RuntimeError(
                f"Another thread fitted the estimator while {method.__name__} ran; call it again."
            )
        changed = {k: v for k, v in vars(copied).items() if before.get(k, copied) is not v}
        self.__dict__ = {**vars(self), **changed}
        return self

    return called  # type: ignore[return-value]


@contextmanager
def fitting(estimator: T, X: Any, y: Any, epochs: int | None) -> Iterator[tuple[T, Any]]:
    """Yield a copy to fit, and a function that makes an `EpochBridge`.

    At the end, the estimator takes the state of the copy in one step.
    """
    each: Any = estimator
    context = each._init_callback_context(max_subtasks=epochs)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    before, fit = dict(vars(estimator)), _snapshot(estimator)

    def learned() -> dict[str, Any]:
        now = vars(fit).items()
        return {k: v for k, v in now if k not in before or before[k] is not v}

    def bridge(samples: Any) -> EpochBridge:
        return EpochBridge(estimator, context, samples.inputs, samples.targets, learned)

    yield fit, bridge
    others = {k: v for k, v in vars(estimator).items() if k in vars(fit) or k not in before}
    each.__dict__ = {**others, **learned()}
    context.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes=dict)


def _snapshot(estimator: T) -> T:
    copied = object.__new__(type(estimator))
    copied.__dict__ = dict(vars(estimator))
    return copied
