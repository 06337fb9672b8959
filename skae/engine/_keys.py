"""The keys by which models share programs: what a model is, and what it was compiled with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import keras

from skae.engine._fingerprint import Fingerprint, UnshareableError, normalized
from skae.engine._trust import is_trusted


def _bounded(describe: Callable[[keras.Model], Hashable]) -> Callable[[keras.Model], Hashable]:
    @functools.wraps(describe)
    def told(model: keras.Model) -> Hashable:
        try:
            return describe(model)
        except RecursionError as error:
            raise UnshareableError("its objects are nested too deeply") from error

    return told


@_bounded
def model_key(model: keras.Model) -> Hashable:
    """Return what a model is, weights, names and seeds aside.

    Raises
    ------
    UnshareableError
        If that can't be told for certain.
    """
    shapes = tuple((tuple(v.shape), str(v.dtype), v.trainable) for v in model.variables)
    numbers = (keras.config.floatx(), keras.config.epsilon())
    return (Fingerprint(model).of_layers(), shapes, numbers)


@_bounded
def compile_key(model: keras.Model) -> Hashable:
    """Return what ``model.compile`` was told, the learning rate aside.

    Raises
    ------
    UnshareableError
        If that can't be told for certain.
    """
    told = model._compile_config.config
    optimizer = model.optimizer
    config = dict(optimizer.get_config())
    prints = Fingerprint()
    if not isinstance(config.get("learning_rate"), Mapping):
        config.pop("learning_rate", None)
    # Of a schedule of somebody's own, the configuration says less than its code.
    schedule = optimizer._learning_rate
    schedule = None if is_trusted(type(schedule)) else prints.of(schedule)
    kept = [(name, prints.of(told.get(name))) for name in ("loss", "loss_weights")]
    kept += [(name, _metrics(prints, told.get(name))) for name in ("metrics", "weighted_metrics")]
    return (prints.of(type(optimizer)), normalized(config), schedule, tuple(kept))


def _metrics(prints: Fingerprint, metrics: Any) -> Hashable:
    listed = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    # Here a name counts: the program reports its results by it.
    return tuple((prints.of(metric), getattr(metric, "name", None)) for metric in listed)
