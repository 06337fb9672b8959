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
