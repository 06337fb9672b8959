"""Keras optimizers as pure functions of tensors.

On TensorFlow, Keras's ``stateless_apply`` refuses, because its TensorFlow optimizer sends every
update through ``tf.distribute``. Keras's backend-neutral base class has the same steps without
it, so a subclass that takes them from there works, to the bit where the arithmetic is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import keras

_NEUTRAL = next(
    base for base in keras.optimizers.Optimizer.__mro__ if base.__name__ == "BaseOptimizer"
)
_TAKEN = (
    "add_variable_from_reference",
    "stateless_apply",
    "assign",
    "assign_add",
    "assign_sub",
    "_var_key",
    "_apply_weight_decay",
    "_backend_update_step",
    "_clip_by_norm",
)


def has_neutral_steps(kind: type) -> bool:
    """Whether an optimizer's class has no version of its own of a method that is replaced.

    Parameters
    ----------
    kind : type
        Subclass of ``keras.optimizers.Optimizer``; Nadam and Muon have such methods.
    """
    owners = [
        next(base for base in kind.__mro__ if name in vars(base))
        for name in _TAKEN
        if hasattr(kind, name)
    ]
    return all(o is _NEUTRAL or o.__module__.startswith("keras.src.backend") for o in owners)


@cache
def _stateless_class(kind: Any) -> Any:
    methods = {name: getattr(_NEUTRAL, name) for name in _TAKEN if hasattr(_NEUTRAL, name)}
    return type(kind.__name__, (kind,), methods)


def stateless_optimizer(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[Any]
) -> keras.optimizers.Optimizer:
    """Return an optimizer of the same settings that has a ``stateless_apply``.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Taken for its class and configuration; not changed.
    variables : sequence of keras.Variable
        What it is to train.
    """
    config = optimizer.get_config()
    config["name"] = "stateless"
    twin = _stateless_class(type(optimizer)).from_config(config)  # type: ignore[arg-type]
    twin.build(list(variables))
    return twin


def slot_names(
    optimizer: keras.optimizers.Optimizer, n_weights: int
) -> list[tuple[int | None, Any]]:
    """Return what each variable is that an optimizer has for a number of weights.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Taken for its class and configuration; not changed.
    n_weights : int

    Returns
    -------
    names : list of (int or None, object)
        In the order of ``optimizer.variables``: the weight's index and the kind ("momentum"), or
        None and a number for what all weights share.
    """
    weights = [object() for _ in range(n_weights)]
    names: list[tuple[int | None, Any]] = []

    def note(self: Any, reference: object, name: str = "var", **_: Any) -> None:  # noqa: ARG001
        names.append((weights.index(reference), name))

    kind: Any = _stateless_class(type(optimizer))  # type: ignore[arg-type]
    noting: Any = type(kind.__name__, (kind,), {"add_variable_from_reference": note})
    twin = noting.from_config({**optimizer.get_config(), "name": "noting"})
    shared = len(twin.variables)
    twin.build(weights)
    return [*((None, number) for number in range(shared)), *names]
