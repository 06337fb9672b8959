"""Chooses how a model is trained: with compiled programs or Keras's loop, with XLA or without.

Both depend on the model, the callbacks and the number of steps, never on the cache: otherwise
results would depend on history.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from skae._contracts import TrainingPlan
from skae._private import (
    all_layers,
    build_optimizer,
    has_neutral_steps,
    problem,
    profiles_batches,
    schedule_of,
    spares_weights,
)
from skae.engine._deferred import DeferredNetwork, frozen
from skae.engine._rows import Rows
from skae.engine._streams import Stream
from skae.engine._tensors import is_packable

# Methods whose overrides need Keras's loop.
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
# Layers whose arithmetic is matrix products and element by element. On two CPU cores XLA runs
# 1,875 batches of 32 x 140 in 0.10 s where TensorFlow's own kernels, dispatched one by one, take
# 0.34 s. XLA's own convolutions are 4 times slower than TensorFlow's kernels on a CPU: Keras's
# convolutions never gain, and those of skae answer for themselves. Not among them either: Keras's
# own layers that draw, such as Dropout. XLA gives them other numbers than TensorFlow's kernels,
# which Keras's loop and the short last batch run on, and takes 10 to 18 times as long. Those of
# skae draw the same everywhere.
_GAINING = (
    keras.layers.Activation,
    keras.layers.ActivityRegularization,
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Dense,
    keras.layers.Flatten,
    keras.layers.InputLayer,
    keras.layers.LayerNormalization,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.Reshape,
    keras.layers.UpSampling1D,
    keras.layers.UpSampling2D,
)
# Compiling takes XLA about 0.7 s longer than TensorFlow, which pays after some 3,000 steps of a
# first fit and at once in every later one; half of that is the bet that there is a later one.
# Convolutions take 1.3 to 2.5 s longer, and gain 0.9 to 1.3 ms a step.
_MIN_STEPS = 1500
# A call of an XLA program costs more than one of TensorFlow's, and an epoch makes at least one: 60
# rows in batches of 32 take 2,000 epochs in 4.9 s with XLA and 3.6 s without.
_MIN_EPOCH_STEPS = 16


@dataclass(frozen=True)
class Traits:
    """Cached properties of a compiled model.

    Parameters
    ----------
    obstacle : str or None
        Why Keras's loop must train it.
    is_packable : bool
        Whether its optimizer's step is the same for weights that are joined.
    gains_from_xla : bool
        Whether XLA makes its steps faster.
    """

    obstacle: str | None
    is_packable: bool
    gains_from_xla: bool


def traits_of(network: DeferredNetwork, batch_size: int) -> Traits:
    """Return the traits of a compiled model for a batch size."""
    model = network.network.model
    reason = _model_obstacle(model) or _optimizer_obstacle(model)
    if reason is not None:
        return Traits(reason, is_packable=False, gains_from_xla=False)
    parts = [model.loss, schedule_of(model.optimizer), *network.recipe.compiled.values()]
    # If user code compiled the model, the arguments are not all known.
    is_known = not (network.network.compiled_by_user or any(map(_is_users, tree.flatten(parts))))
    gains = is_known and all(_layer_gains(layer, batch_size) for layer in _layers(model))
    return Traits(None, is_packable(model.optimizer), gains)


def obstacle(callbacks: Sequence[keras.callbacks.Callback]) -> str | None:
    """Return why Keras's loop must train any model, or None."""
    if problem() is not None:
        return problem()
    if keras.config.floatx() == "bfloat16":
        return "NumPy has no bfloat16 that TensorFlow could read in place"
    if tf.distribute.has_strategy():
        return "a distribution strategy is active"
    if tf.config.functions_run_eagerly():
        return "TensorFlow runs functions eagerly"
    reasons = (_callback_obstacle(callback) for callback in callbacks)
    return next((reason for reason in reasons if reason is not None), None)


def _model_obstacle(model: keras.Model) -> str | None:
    own = [name for name in _LOOP_METHODS if name in vars(model) or _is_overridden(model, name)]
    if own:
        return f"{type(model).__name__} overrides {own[0]}"
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


def _is_overridden(model: keras.Model, name: str) -> bool:
    owner = next(kind for kind in type(model).__mro__ if name in vars(kind))
    return owner.__module__.partition(".")[0] not in ("keras", "skae")


def _optimizer_obstacle(model: keras.Model) -> str | None:
    optimizer = model.optimizer
    kind = type(optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return "float16 needs an optimizer that scales the loss"
    if kind.__module__.partition(".")[0] != "keras":
        return f"the optimizer {kind.__name__} is not one of Keras's own"
    if any(inspect.isroutine(part) for part in vars(optimizer).values()):
        return f"a method was set on the optimizer {kind.__name__} itself"
    if kind.__name__ == "ScheduleFreeAdamW":  # reads a variable after it has changed it
        return "ScheduleFreeAdamW depends on the order of its assignments"
    obstacles = {
        f"{kind.__name__} overrides the update of weights": not has_neutral_steps(kind),
        "the optimizer averages the weights": optimizer.use_ema,
        "the optimizer accumulates gradients": optimizer.gradient_accumulation_steps,
        "the optimizer excludes variables from weight decay": spares_weights(optimizer),
    }
    reason = next((reason for reason, stands in obstacles.items() if stands), None)
    return reason or _rate_obstacle(optimizer)


def _rate_obstacle(optimizer: keras.optimizers.Optimizer) -> str | None:
    rate = schedule_of(optimizer)
    if rate is None:
        return None
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return "the learning rate is a function"
    try:
        type(optimizer).from_config(optimizer.get_config())
    except (NotImplementedError, TypeError, ValueError):
        return f"{type(rate).__name__} can't be recreated from its configuration"
    return None


# Keras callbacks that hook batches, and when they do nothing there.
_QUIET: dict[type, Callable[[keras.callbacks.Callback], bool]] = {
    keras.callbacks.ModelCheckpoint: lambda callback: callback.save_freq == "epoch",
    keras.callbacks.TensorBoard: lambda callback: (
        callback.update_freq == "epoch" and not profiles_batches(callback)
    ),
    # A NaN loss raises an error after its epoch anyway.
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


def wants_xla(traits: Traits, samples: Rows | Stream, plan: TrainingPlan) -> bool:
    """Return whether XLA compiles the training of a model; the plan may decide it.

    Parameters
    ----------
    traits : Traits
    samples : Rows or Stream
        A stream counts as long, since its length is unknown.
    plan : TrainingPlan
    """
    if isinstance(plan.jit_compile, bool):
        return plan.jit_compile
    if isinstance(samples, Rows):
        epoch_steps = len(samples) // plan.batch_size
        if epoch_steps < _MIN_EPOCH_STEPS or epoch_steps * plan.epochs < _MIN_STEPS:
            return False
    return traits.gains_from_xla


def _layers(model: keras.Model) -> Iterator[Any]:
    """Yield the layers of a graph and of nested graphs; yield any other model itself."""
    if type(model).__module__.partition(".")[0] != "keras":
        yield model
        return
    for layer in getattr(model, "operations", None) or model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _layer_gains(layer: Any, batch_size: int) -> bool:
    # User code may contain what XLA does not support, such as tf.numpy_function or tf.print.
    if any(map(_is_users, vars(layer).values())):
        return False
    if getattr(layer, "interpolation", None) not in (None, "nearest", "bilinear"):
        return False  # XLA has no other
    if hasattr(layer, "gains_from_xla"):
        return bool(layer.gains_from_xla(batch_size))
    return type(layer) in _GAINING or type(layer).__module__.startswith("skae.")


def _is_users(part: Any) -> bool:
    if not callable(part):
        return False
    kind = part if inspect.isroutine(part) or isinstance(part, type) else type(part)
    module = str(getattr(kind, "__module__", ""))
    return module.partition(".")[0] not in ("keras", "skae", "tensorflow")


def trainability(network: DeferredNetwork) -> tuple[list[bool], list[bool]] | None:
    """Return which layers and variables are trained, None if unchanged since the build."""
    if not frozen(network):
        return None
    layers = all_layers(network.network.model)
    return [layer.trainable for layer in layers], [v.trainable for v in network.variables]


def freeze(network: DeferredNetwork, trained: tuple[list[bool], list[bool]] | None) -> None:
    """Apply the `trainability` of another network of the same recipe."""
    if trained is None:
        return
    model = network.expose().model
    build_optimizer(model)  # for all weights, as the other one was
    variables = network.variables
    for parts, flags in ((all_layers(model), trained[0]), (variables, trained[1])):
        for part, flag in zip(parts, flags, strict=True):
            part.trainable = flag
