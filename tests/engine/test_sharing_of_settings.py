"""No fit depends on an earlier fit of another model: losses, metrics, optimizers, errors."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from skae import ReconstructionOutlierDetector
from skae.engine import clear_cache
from tests.engine import _holders
from tests.engine._pairs import D, Step, X, check_pair, stack, step


class OwnLoss(keras.losses.Loss):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def call(self, y, p):
        return self.k * ops.mean(ops.square(y - p), axis=-1)


class OwnMetric(keras.metrics.Mean):
    def __init__(self, k):
        super().__init__(name="own")
        self.k = k

    def update_state(self, y, p, sample_weight=None):
        return super().update_state(self.k * ops.abs(y - p))

    def get_config(self):
        return {"k": self.k}


@keras.saving.register_keras_serializable("skae-tests")
class OwnSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, k):
        self.k = k

    def __call__(self, step):
        return 0.01 * self.k

    def get_config(self):
        return {"k": self.k}


def _loss(k):
    return lambda y, p: k * ops.mean(ops.square(y - p), axis=-1)


def _metric(k):
    def own(y, p):
        return k * ops.mean(ops.abs(y - p), axis=-1)

    return own


def _compiled(**arguments):
    def make():
        model = stack()
        model.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
        return model

    return Step(make, {"optimizer": "adam"})


SETTINGS = {
    "function": lambda k: step(stack, loss=_loss(k)),
    "object": lambda k: step(stack, loss=OwnLoss(k)),
    "object with a tensor": lambda k: step(stack, loss=OwnLoss(tf.constant(k))),
    "stock object": lambda k: step(stack, loss=keras.losses.Huber(k)),
    "reduction": lambda k: step(
        stack, loss=keras.losses.MeanSquaredError("sum" if k > 1 else "mean_with_sample_weight")
    ),
    "weights of losses": lambda k: _compiled(loss_weights=[k]),
    "metric by a function": lambda k: step(stack, metrics=[_metric(k)]),
    "metric": lambda k: step(stack, metrics=[OwnMetric(k)]),
    "weighted metric": lambda k: _compiled(weighted_metrics=[_metric(k)]),
    "schedule": lambda k: step(stack, optimizer=keras.optimizers.SGD(OwnSchedule(k))),
    "stock schedule": lambda k: step(
        stack, optimizer=keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, int(k)))
    ),
    "momentum": lambda k: step(stack, optimizer=keras.optimizers.SGD(0.01, momentum=k / 4)),
    "clipping": lambda k: step(stack, optimizer=keras.optimizers.SGD(0.01, clipnorm=k / 10)),
    "loss kept in a model": lambda k: step(functools.partial(_with_loss, k), optimizer="adam"),
}


def _with_loss(k):
    model = stack()
    model.compile("sgd", OwnLoss(1.0))
    model.loss.k = k
    return model


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=list(SETTINGS))
def test_settings_of_compile_are_told_apart(setting):
    check_pair(setting(1.0), setting(3.0))


SCALE = 1.0


def _global_loss(y, p):
    return SCALE * ops.mean(ops.square(y - p), axis=-1)


def test_a_loss_that_reads_a_global(monkeypatch):
    both = step(stack, loss=_global_loss)
    check_pair(both, both, lambda: monkeypatch.setitem(globals(), "SCALE", 3.0))


def _error(k):
    return lambda x, r: k * ops.abs(x - r)


def _global_error(x, r):
    return SCALE * ops.abs(x - r)


def test_errors_of_scores(monkeypatch):
    steps = [step(stack, error=_error(k)) for k in (1.0, 3.0)]
    check_pair(*steps, squared=lambda x, r: 3 * abs(x - r))
    both = step(stack, error=_global_error)
    change = functools.partial(monkeypatch.setitem, globals(), "SCALE", 3.0)
    check_pair(both, both, change, squared=lambda x, r: 3 * abs(x - r))


def _nightly(rows):
    def make():
        normalization = layers.Normalization()
        normalization.adapt(rows)
        return keras.Sequential(
            [keras.Input((D,)), normalization, layers.Dense(3, "tanh"), layers.Dense(D)]
        )

    return make


def test_the_second_day_of_a_nightly_training_is_that_of_a_fresh_process():
    """Each day's model normalizes by that day's mean and variance."""
    days = [np.float32(X * scale + shift) for scale, shift in ((1, 0), (4, 7))]

    def second_day():
        fitted = ReconstructionOutlierDetector(_nightly(days[1]), epochs=3, random_state=0)
        fitted.fit(days[1])
        return [fitted.history_["loss"], fitted.score_samples(days[1]), fitted.offset_]

    clear_cache()
    expected = second_day()
    clear_cache()
    ReconstructionOutlierDetector(_nightly(days[0]), epochs=3, random_state=0).fit(days[0])
    for got, wanted in zip(second_day(), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_an_optimizer_of_another_class_is_another_program():
    check_pair(step(stack), step(stack, optimizer="adam"))
    check_pair(step(stack), step(lambda: _holders.Subclassed(1.0)))
