"""What the compiled engine can't honour goes to Keras's loop, and the reason is given."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from skae import engine
from skae._contracts import Batchable, TrainingPlan
from skae.engine._xla import wants_xla

D = 6


class OwnStep(keras.Model):
    """A model with a training step of its own."""

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


def _compiled(model, optimizer="adam", **options):
    model(np.zeros((1, D), np.float32))
    model.compile(optimizer, "mse", **options)
    return model


def _adam_of(rate):
    return keras.optimizers.Adam(rate)


def _adam(**options):
    return keras.optimizers.Adam(0.01, **options)


class OwnOptimizer(keras.optimizers.SGD):
    """An optimizer of somebody's own."""


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
    "OwnOptimizer is not one of Keras's own": lambda make: (make(optimizer=OwnOptimizer()), []),
    "Constant can't be made anew": lambda make: (make(optimizer=_adam_of(Constant())), []),
    "Unserialisable can't be made anew": lambda make: (
        make(optimizer=_adam_of(Unserialisable())),
        [],
    ),
    "train_step of its own": lambda make: (_compiled(OwnStep()), []),
    "metrics of its own": lambda make: (_compiled(OwnMetric()), []),
    "runs eagerly": lambda make: (
        _compiled(keras.Sequential([keras.layers.Dense(D)]), run_eagerly=True),
        [],
    ),
    "Nadam updates weights in a way of its own": lambda make: (
        make(optimizer=keras.optimizers.Nadam()),
        [],
    ),
    "Muon updates weights in a way of its own": lambda make: (
        make(optimizer=keras.optimizers.Muon()),
        [],
    ),
    "averages the weights": lambda make: (make(optimizer=_adam(use_ema=True)), []),
    "accumulates gradients": lambda make: (
        make(optimizer=_adam(gradient_accumulation_steps=2)),
        [],
    ),
    "EveryBatch looks at every batch": lambda make: (make(), [EveryBatch()]),
    "LambdaCallback looks at every batch": lambda make: (
        make(),
        [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)],
    ),
    "ModelCheckpoint looks at every batch": lambda make: (
        make(),
        [keras.callbacks.ModelCheckpoint("unused.keras", save_freq=10)],
    ),
}


@pytest.mark.parametrize("reason", CASES)
def test_obstacles(reason, make_dense, caplog):
    model, callbacks = CASES[reason](make_dense)
    with pytest.raises(ValueError, match=f"can't train this model: .*{reason}"):
        engine.select_trainer("compiled", model, callbacks)
    with caplog.at_level(logging.DEBUG, "skae"):
        trainer = engine.select_trainer("auto", model, callbacks)
    assert trainer.name == "keras"
    assert reason in caplog.text


def test_float16_scales_its_loss():
    model = keras.Sequential([keras.Input((D,)), keras.layers.Dense(D, dtype="mixed_float16")])
    model.compile(keras.optimizers.LossScaleOptimizer(_adam()), "mse")
    assert engine.select_trainer("auto", model, []).name == "keras"


def test_batch_callbacks_are_called(make_dense, rows, plan):
    callback = EveryBatch()
    model = make_dense()
    trainer = engine.select_trainer("auto", model, [callback])
    trainer.train(model, Batchable(rows), None, plan, [callback])
    assert callback.seen == 9


def test_hidden_state_is_found_while_tracing(rows, plan, caplog):
    model = keras.Sequential([keras.Input((D,)), keras.layers.Dense(D), HiddenState()])
    model.compile("adam", "mse")
    trainer = engine.select_trainer("auto", model, [])
    with caplog.at_level(logging.DEBUG, "skae"):
        trainer.train(model, Batchable(rows), None, plan, [])
    assert trainer.name == "keras"
    assert "Keras does not list" in caplog.text
    with pytest.raises(ValueError, match="engine='compiled' can't train this"):
        engine.select_trainer("compiled", model, []).train(model, Batchable(rows), None, plan, [])
    assert engine.run(model, np.tile(rows, (9, 1))).shape == (207, D)


def test_unknown_engine(make_dense):
    with pytest.raises(ValueError, match="must be 'auto', 'compiled' or 'keras'; got 'fast'"):
        engine.select_trainer("fast", make_dense(), [])


def test_keras_by_wish(make_dense):
    assert engine.select_trainer("keras", make_dense(), []).name == "keras"
    assert engine.select_trainer("auto", make_dense(), []).name == "compiled"


class Own(keras.Model):
    """A model whose call XLA can't compile."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(D)

    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda x: x, [self.dense(x)], x.dtype), x.shape)


def wants(model, steps, epochs, jit_compile="auto"):
    """Tell whether XLA is chosen for so many full batches an epoch."""
    plan = TrainingPlan(epochs=epochs, batch_size=10, jit_compile=jit_compile)
    return wants_xla(model, 10 * steps + 9, plan)


def test_xla_is_for_known_code_only(make_dense):
    assert wants(make_dense(), 100, 100)
    assert not wants(make_dense(), 100, 1)
    assert not wants(make_dense(), 1, 10**4)
    assert not wants(_compiled(Own()), 100, 100)
    assert wants(_compiled(Own()), 100, 100, True)
    assert not wants(make_dense(activation=lambda x: x), 100, 100)
    assert not wants(make_dense(loss=lambda y, p: abs(y - p)), 100, 100)


def test_weights_frozen_after_a_fit(make_dense, rows, plan):
    """The optimizer's variables belong to the weights that were trained before."""
    model = make_dense()
    engine.select_trainer("auto", model, []).train(model, Batchable(rows), None, plan, [])
    model.layers[0].trainable = False
    before = model.get_weights()
    trainer = engine.select_trainer("auto", model, [])
    trainer.train(model, Batchable(rows), None, plan, [])
    assert trainer.name == "keras"
    same = [np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True)]
    assert same == [True, True, False, False]
    strict = engine.select_trainer("compiled", model, [])
    with pytest.raises(ValueError, match="built for other weights"):
        strict.train(model, Batchable(rows), None, plan, [])


def test_a_float_that_numpy_lacks(make_dense, set_floatx):
    set_floatx("bfloat16")
    assert engine.select_trainer("auto", make_dense(), []).name == "keras"


def test_xla_is_not_chosen_for_code_of_ones_own(make_dense):
    def spread(y, p):
        return keras.ops.max(p) - keras.ops.min(p)

    assert wants(make_dense(metrics=["mae"]), 100, 100)
    assert not wants(make_dense(metrics=[spread]), 100, 100)
    assert not wants(make_dense(metrics=[[spread]]), 100, 100)
    assert not wants(make_dense(loss=spread), 100, 100)
