"""Keras's loop trains what the compiled engine does not support, and the reason is logged."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from skae import engine
from skae._contracts import Batchable, TrainingPlan
from tests.engine import _networks
from tests.engine._networks import model_of, network_of, weights_of

D = 6


class OwnStep(keras.Model):
    """A model with a user-defined training step."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(D)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        return super().train_step(data)


class OwnMetric(keras.Model):
    """A model that keeps a metric."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(D)
        self.tracker = keras.metrics.Mean(name="tracked")

    def call(self, x):
        return self.dense(x)


class EveryBatch(keras.callbacks.Callback):
    """A callback that looks at batches."""

    seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1


class HiddenState(keras.layers.Layer):
    """A layer with a variable that Keras doesn't know."""

    def build(self, shape):
        self.hidden = [tf.Variable(1.0)]

    def call(self, x):
        return x * self.hidden[0]


def _made(make, optimizer="adam", **options):
    def called():
        model = make()
        model(np.zeros((1, D), np.float32))
        return model

    return network_of(called, optimizer, **options)


def _adam(rate=0.01, **options):
    return lambda: keras.optimizers.Adam(rate() if callable(rate) else rate, **options)


class OwnOptimizer(keras.optimizers.SGD):
    """A user-defined optimizer."""


class Constant(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that Keras can't locate by its name."""

    def __call__(self, step):
        return 0.1

    def get_config(self):
        return {}


class Unserialisable(Constant):
    """A schedule without a configuration."""

    def get_config(self):
        raise NotImplementedError


CASES = {
    "OwnOptimizer is not one of Keras's own": lambda make: make(optimizer=OwnOptimizer),
    "Constant can't be recreated": lambda make: make(optimizer=_adam(Constant)),
    "Unserialisable can't be recreated": lambda make: make(optimizer=_adam(Unserialisable)),
    "overrides train_step": lambda make: _made(OwnStep),
    "metrics of its own": lambda make: _made(OwnMetric),
    "runs eagerly": lambda make: _made(
        lambda: keras.Sequential([keras.layers.Dense(D)]), run_eagerly=True
    ),
    "Nadam overrides the update of weights": lambda make: make(optimizer=keras.optimizers.Nadam),
    "Muon overrides the update of weights": lambda make: make(optimizer=keras.optimizers.Muon),
    "averages the weights": lambda make: make(optimizer=_adam(use_ema=True)),
    "accumulates gradients": lambda make: make(optimizer=_adam(gradient_accumulation_steps=2)),
}
CALLBACKS = {
    "EveryBatch looks at every batch": EveryBatch,
    "LambdaCallback looks at every batch": lambda: keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: None
    ),
    "ModelCheckpoint looks at every batch": lambda: keras.callbacks.ModelCheckpoint(
        "unused.weights.h5", save_freq=10, save_weights_only=True
    ),
}


def fit(network, rows, plan, name="auto", callbacks=()):
    """Train, and return the engine that it was."""
    return engine.train(
        network, Batchable(rows), None, plan, callbacks=callbacks, engine=name
    ).engine


@pytest.mark.parametrize("reason", [*CASES, *CALLBACKS])
def test_obstacles(reason, make_dense, rows, plan, caplog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = CASES.get(reason, lambda make: make())(make_dense)
    callbacks = [CALLBACKS[reason]()] if reason in CALLBACKS else []
    with pytest.raises(ValueError, match=f"can't train this model: .*{reason}"):
        fit(network, rows, plan, "compiled", callbacks)
    with caplog.at_level(logging.DEBUG, "skae"):
        assert fit(network, rows, plan, "auto", callbacks) == "keras"
    assert reason in caplog.text


def test_float16_scales_its_loss(rows, plan):
    def make():
        return keras.Sequential([keras.Input((D,)), keras.layers.Dense(D, dtype="mixed_float16")])

    def scaling():
        return keras.optimizers.LossScaleOptimizer(_adam()())

    assert fit(network_of(make, scaling), rows, plan) == "keras"


def test_batch_callbacks_are_called(make_dense, rows, plan):
    callback = EveryBatch()
    fit(make_dense(), rows, plan, "auto", [callback])
    assert callback.seen == 9


def test_hidden_state_is_found_while_tracing(rows, plan, caplog):
    def make():
        return keras.Sequential([keras.Input((D,)), keras.layers.Dense(D), HiddenState()])

    network = network_of(make)
    with caplog.at_level(logging.DEBUG, "skae"):
        assert fit(network, rows, plan) == "keras"
    assert "Keras does not list" in caplog.text
    with pytest.raises(ValueError, match="engine='compiled' can't train this"):
        fit(network_of(make), rows, plan, "compiled")
    assert engine.run(network, np.tile(rows, (9, 1))).shape == (207, D)


def test_unknown_engine(make_dense, rows, plan):
    with pytest.raises(ValueError, match="must be 'auto', 'compiled' or 'keras'; got 'fast'"):
        fit(make_dense(), rows, plan, "fast")


def test_keras_by_wish(make_dense, rows, plan):
    assert fit(make_dense(), rows, plan, "keras") == "keras"
    assert fit(make_dense(), rows, plan) == "compiled"


class Own(keras.Model):
    """A model whose call XLA can't compile."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(D)

    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda x: x, [self.dense(x)], x.dtype), x.shape)


def wants(network, steps, epochs, jit_compile="auto"):
    """Tell whether XLA is chosen for so many full batches an epoch."""
    plan = TrainingPlan(epochs=epochs, batch_size=10, jit_compile=jit_compile)
    return _networks.wants(network, 10 * steps + 9, plan)


def test_xla_is_for_known_code_only(make_dense):
    assert wants(make_dense(), 100, 100)
    assert not wants(make_dense(), 100, 1)
    assert not wants(make_dense(), 1, 10**4)
    assert not wants(_made(Own), 100, 100)
    assert wants(_made(Own), 100, 100, True)
    assert not wants(make_dense(activation=lambda x: x), 100, 100)
    assert not wants(make_dense(loss=lambda y, p: abs(y - p)), 100, 100)


def test_weights_frozen_after_a_fit(make_dense, rows, plan):
    network = make_dense()
    fit(network, rows, plan)
    model_of(network).layers[0].trainable = False
    before = weights_of(network)
    assert fit(network, rows, plan) == "keras"
    same = [np.array_equal(*pair) for pair in zip(before, weights_of(network), strict=True)]
    assert same == [True, True, False, False]
    with pytest.raises(ValueError, match="weights were frozen or unfrozen"):
        fit(network, rows, plan, "compiled")


def test_a_float_that_numpy_lacks(make_dense, rows, plan, set_floatx):
    set_floatx("bfloat16")
    with pytest.raises(ValueError, match="NumPy has no bfloat16"):
        fit(make_dense(), rows, plan, "compiled")


def test_xla_is_not_chosen_for_user_code(make_dense):
    def spread(y, p):
        return keras.ops.max(p) - keras.ops.min(p)

    assert wants(make_dense(metrics=["mae"]), 100, 100)
    assert not wants(make_dense(metrics=[spread]), 100, 100)
    assert not wants(make_dense(metrics=[[spread]]), 100, 100)
    assert not wants(make_dense(loss=spread), 100, 100)
