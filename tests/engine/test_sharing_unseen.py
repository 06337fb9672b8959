"""No fit depends on an earlier fit of another model: what outputs and loss of a batch don't show.

Such are gradients, metrics, constraints and inference. What only later batches would show is beyond
the check; the guide says so.
"""

from __future__ import annotations

import os

import keras
import pytest
import tensorflow as tf
from keras import layers, ops

from tests.engine._pairs import D, applying, check_pair, stack, step


def _factor():
    return float(os.environ.get("FACTOR_OF_THE_PAIR", "1.0"))


def _gradient(read):
    @tf.custom_gradient
    def function(x):
        k = read()
        return x, lambda upstream: upstream * k

    return applying(function)


def _stopped(read):
    return applying(lambda x: x if read() == 1.0 else ops.stop_gradient(x) + 0 * x)


class _ByTraining(layers.Layer):
    def __init__(self, read, when):
        super().__init__()
        self.read, self.when = read, when

    def call(self, x, training=None):
        return x * self.read() if bool(training) is self.when else x


def _metric(read):
    def own(y, p):
        return read() * ops.mean(ops.abs(y - p), axis=-1)

    return step(stack, metrics=[own])


@keras.saving.register_keras_serializable("skae-tests")
class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.01 * _factor()

    def get_config(self):
        return {}


class _Limit(keras.constraints.Constraint):
    def __call__(self, w):
        return ops.clip(w, -_factor() / 5, _factor() / 5)


UNSEEN = {
    "gradient": _gradient,
    "stopped gradient": _stopped,
    "training": lambda read: lambda: stack(_ByTraining(read, True)),
    "inference": lambda read: lambda: stack(_ByTraining(read, False)),
    "metric": _metric,
    "schedule": lambda read: step(stack, optimizer=keras.optimizers.SGD(_Schedule())),
    "constraint": lambda read: lambda: stack(layers.Dense(D, kernel_constraint=_Limit())),
}


@pytest.mark.parametrize("unseen", UNSEEN)
def test_what_a_first_batch_does_not_show(unseen, monkeypatch):
    both = UNSEEN[unseen](_factor)
    check_pair(both, both, lambda: monkeypatch.setenv("FACTOR_OF_THE_PAIR", "3.0"))


UNSEEN_PATCHES = {
    "constraint": (
        keras.constraints.MaxNorm,
        "__call__",
        lambda self, w: ops.clip(w, -0.1, 0.1),
        lambda: stack(layers.Dense(D, kernel_constraint="max_norm")),
    ),
    "metric": (
        keras.metrics.MeanAbsoluteError,
        "update_state",
        lambda self, y, p, sample_weight=None: self.total.assign(3.0),
        step(stack, metrics=[keras.metrics.MeanAbsoluteError()]),
    ),
}


@pytest.mark.parametrize("patch", UNSEEN_PATCHES)
def test_patches_that_a_first_batch_does_not_show(patch, monkeypatch):
    owner, name, value, both = UNSEEN_PATCHES[patch]
    check_pair(both, both, lambda: monkeypatch.setattr(owner, name, value))
