"""What other runtimes need of a network: a function of tensors without state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skae._contracts import ErrorFunction
from skae._forks import check_not_forked
from skae._private import all_layers
from skae.engine._deferred import DeferredNetwork, is_changed
from skae.engine._dense_stack import dense_stack, double_precision
from skae.engine._scoring import Task


def inference(
    network: DeferredNetwork, part: str = "model", error: ErrorFunction | None = None
) -> tuple[Callable[[Any], Any], tf.TensorSpec, list[str]]:
    """Return a function to trace that runs a network as `run` and `run_errors` do.

    Parameters
    ----------
    network : DeferredNetwork
    part : str, default="model"
        "model", "encoder" or "decoder".
    error : ErrorFunction or None, default=None

    Returns
    -------
    function : callable
        Maps a tensor of rows to a list with the output, and with an `error` those by value and by
        row, all of Keras's float type. The weights are constants in it.
    spec : tf.TensorSpec
        Of the rows.
    layers : list of str
        Names of the layers, outer ones first.
    """
    check_not_forked()
    source = network.donor()
    model, variables = source.view(part), source.variables
    values = [np.asarray(value) for value in network.values()]
    floating = keras.config.floatx()
    exact = not is_changed(source) and dense_stack(model, variables) is not None
    tasks = [Task(part, error, per, jit_compile=False) for per in ("value", "row")]

    def infer(rows: Any) -> list[Any]:
        weights = [tf.constant(value) for value in values]
        with keras.StatelessScope(list(zip(variables, weights, strict=True))):
            outputs = double_precision(model, rows) if exact else model(rows, training=False)
        errors = [task.measure(rows, outputs) for task in tasks if error is not None]
        return [tf.cast(result, floating) for result in (outputs, *errors)]

    spec = tf.TensorSpec((None, *model.input_shape[1:]), floating, name="rows")
    return infer, spec, [layer.name for layer in all_layers(model)]
