"""Chooses how a model is trained, and says why where the choice is not the fast one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from skae._contracts import Trainer
from skae.engine._compiled import CompiledTrainer
from skae.engine._keras_loop import KerasTrainer
from skae.engine._stateless import has_neutral_steps
from skae.engine._trust import is_trusted

_LOGGER = logging.getLogger("skae")
_LOOP_METHODS = (
    "compute_loss",
    "compute_metrics",
    "evaluate",
    "fit",
    "get_metrics_result",
    "make_test_function",
    "make_train_function",
    "metrics",
    "reset_metrics",
    "test_step",
    "train_step",
)
_BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
)


def _backend_obstacle() -> str | None:
    if keras.config.floatx() == "bfloat16":
        return "NumPy has no bfloat16 that TensorFlow could read in place"
    if tf.distribute.has_strategy():
        return "a distribution strategy is active"
    if tf.config.functions_run_eagerly():
        return "TensorFlow runs functions eagerly"
    return None


def _model_obstacle(model: keras.Model) -> str | None:
    for name in _LOOP_METHODS:
        owner = next(kind for kind in type(model).__mro__ if name in vars(kind))
        if not is_trusted(owner):
            return f"{type(model).__name__} has a {name} of its own"
    if model.run_eagerly:
        return "the model runs eagerly"
    if not model.trainable_variables:
        return "the model has nothing to train"
    compiled = [
        metric for metric in model.metrics if metric.name not in ("loss", "compile_metrics")
    ]
    if compiled:
        return f"the model keeps metrics of its own ({compiled[0].name!r})"
    # A subclassed model has no graph, and so no `outputs` to count.
    if len(getattr(model, "outputs", None) or [None]) != 1:
        return "the model has several outputs"
    return None


def _optimizer_obstacle(model: keras.Model) -> str | None:
    optimizer = model.optimizer
    kind = type(optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return "float16 needs an optimizer that scales the loss"
    if not is_trusted(kind):
        return f"the optimizer {kind.__name__} is not one of Keras's own"
    obstacles = {
        f"{kind.__name__} updates weights in a way of its own": not has_neutral_steps(kind),
        "the optimizer averages the weights": optimizer.use_ema,
        "the optimizer accumulates gradients": optimizer.gradient_accumulation_steps,
        "the optimizer excludes variables from weight decay": (
            getattr(optimizer, "_exclude_from_weight_decay", None)
            or getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
        ),
    }
    reason = next((reason for reason, stands in obstacles.items() if stands), None)
    return reason or _rate_obstacle(optimizer)


def _rate_obstacle(optimizer: keras.optimizers.Optimizer) -> str | None:
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        try:
            type(optimizer).from_config(optimizer.get_config())
        except (NotImplementedError, TypeError, ValueError):
            return f"{type(rate).__name__} can't be made anew from its configuration"
    elif not isinstance(optimizer.get_config().get("learning_rate"), (dict, float, int)):
        return "the learning rate is a function"
    return None


# Keras's own callbacks that hook batches, and when they have nothing to do there.
_QUIET: dict[type, Callable[[keras.callbacks.Callback], bool]] = {
    keras.callbacks.ModelCheckpoint: lambda callback: callback.save_freq == "epoch",
    keras.callbacks.TensorBoard: lambda callback: (
        callback.update_freq == "epoch" and callback._stop_batch == 0
    ),
    # A loss that is NaN ends the fit in an error after its epoch anyway.
    keras.callbacks.TerminateOnNaN: lambda _: True,
}


def _callback_obstacle(callback: keras.callbacks.Callback) -> str | None:
    kind = type(callback)
    if isinstance(callback, keras.callbacks.BackupAndRestore):
        return "BackupAndRestore sets Keras's own count of epochs"
    quiet = _QUIET.get(kind)
    if quiet is not None and quiet(callback):
        return None
    for name in _BATCH_HOOKS:
        method = getattr(callback, name)
        if getattr(method, "__func__", None) is not getattr(keras.callbacks.Callback, name):
            return f"{kind.__name__} looks at every batch ({name})"
    return None


def _obstacle(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> str | None:
    reason = _backend_obstacle() or _model_obstacle(model) or _optimizer_obstacle(model)
    if reason is not None:
        return reason
    reasons = (_callback_obstacle(callback) for callback in callbacks)
    return next((reason for reason in reasons if reason is not None), None)


def select_trainer(
    engine: str, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]
) -> Trainer:
    """Return the trainer for a model.

    Parameters
    ----------
    engine : {"auto", "compiled", "keras"}
        "auto" takes the compiled programs wherever they can honour all that is asked.
    model : keras.Model
        Compiled by ``model.compile``.
    callbacks : sequence of keras.callbacks.Callback

    Returns
    -------
    trainer : Trainer
        Its ``name`` is "compiled" or "keras"; it is certain once ``train`` has returned.

    Raises
    ------
    ValueError
        If `engine` is none of these, or "compiled" can't be honoured; the message says why.

    Examples
    --------
    >>> import keras
    >>> from skae.engine import select_trainer
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> model.compile("adam", "mse")
    >>> select_trainer("auto", model, []).name
    'compiled'
    """
    if engine not in ("auto", "compiled", "keras"):
        raise ValueError(f"engine must be 'auto', 'compiled' or 'keras'; got {engine!r}.")
    if engine == "keras":
        return KerasTrainer()
    reason = _obstacle(model, callbacks)
    if reason is None:
        return CompiledTrainer(strict=engine == "compiled")
    if engine == "compiled":
        raise ValueError(
            f"engine='compiled' can't train this model: {reason}. Pass engine='auto', which then "
            "trains it by Keras's own loop, or remove the obstacle."
        )
    _LOGGER.debug("Keras's own loop trains %r: %s.", model.name, reason)
    return KerasTrainer()
