"""Whether XLA compiles a program: a function of layers and steps, never of what is cached."""

from __future__ import annotations

import functools
from typing import Any

import keras
from keras import tree

from skae._contracts import TrainingPlan
from skae.engine._trust import is_trusted

# Layers whose arithmetic is matrix products and element by element. On two CPU cores XLA runs
# 1,875 batches of 32 x 140 in 0.10 s where TensorFlow's own kernels, dispatched one by one, take
# 0.34 s. XLA's own convolutions are 4 times slower than TensorFlow's kernels on a CPU; those that
# `_convolutions.py` writes as products gain. Not among them: Keras's own layers that draw, such as
# Dropout. XLA gives them other numbers than TensorFlow's kernels, which Keras's loop and the short
# last batch run on, and takes 10 to 18 times as long. Those of skae draw the same everywhere.
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


def wants_xla(model: keras.Model, n_rows: int, plan: TrainingPlan) -> bool:
    """Decide for one model, a number of rows and a plan, whose own choice is obeyed.

    Parameters
    ----------
    model : keras.Model
    n_rows : int
        Of an epoch.
    plan : TrainingPlan
    """
    jit_compile, epoch_steps = plan.jit_compile, n_rows // plan.batch_size
    if isinstance(jit_compile, bool):
        return jit_compile
    if epoch_steps < _MIN_EPOCH_STEPS or epoch_steps * plan.epochs < _MIN_STEPS:
        return False
    told = model._compile_config.config
    called = [model.loss, told.get("metrics"), told.get("weighted_metrics")]
    called.append(model.optimizer._learning_rate)
    if any(map(_runs_foreign, tree.flatten(called))):
        return False
    return all(_gains(layer, plan.batch_size) for layer in model._flatten_layers())


def _gains(layer: keras.layers.Layer, batch_size: int) -> bool:
    # Code of somebody's own may hold what XLA refuses, such as tf.numpy_function or tf.print.
    if not is_trusted(type(layer)) or any(map(_runs_foreign, vars(layer).values())):
        return False
    if getattr(layer, "interpolation", None) not in (None, "nearest", "bilinear"):
        return False  # XLA has no other
    if hasattr(layer, "gains_from_xla"):
        return layer.gains_from_xla(batch_size)
    own = type(layer).__module__.startswith("skae.")
    return own or isinstance(layer, (keras.Model, *_GAINING))


def _runs_foreign(part: Any) -> bool:
    return callable(part) and (isinstance(part, functools.partial) or not is_trusted(part))
