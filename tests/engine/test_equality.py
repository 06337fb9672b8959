"""A compiled fit equals ``keras.Model.fit`` on the same batches: losses, metrics and weights."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from skae import engine
from skae._contracts import Batchable, TrainingPlan
from skae.engine._order import epoch_order

D = 6
PLAN = TrainingPlan(epochs=3, batch_size=10, seed=5)


def _init(seed):
    return keras.initializers.GlorotUniform(seed)


def _sequential(*layers, shape=(D,)):
    return keras.Sequential([keras.Input(shape), *layers])


def _dense(seed, units=3, **options):
    return keras.layers.Dense(units, kernel_initializer=_init(seed), **options)


def _norm():
    return _sequential(_dense(1, 4), keras.layers.BatchNormalization(), _dense(2, D))


def _regularized():
    l2 = keras.regularizers.L2(0.1)
    first = _dense(1, kernel_regularizer=l2, activity_regularizer=keras.regularizers.L1(0.1))
    return _sequential(first, _dense(2, D, kernel_constraint=keras.constraints.MaxNorm(0.5)))


def _random():
    noise = keras.layers.GaussianNoise(0.3, seed=3)
    return _sequential(noise, _dense(1, 8), keras.layers.Dropout(0.5, seed=4), _dense(2, D))


def _convolutional():
    down = keras.layers.Conv2D(
        2, 3, strides=2, padding="same", activation="relu", kernel_initializer=_init(1)
    )
    up = keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same", kernel_initializer=_init(2))
    return _sequential(down, up, shape=(4, 4, 1))


class Wrapped(keras.Model):
    """A subclass with sub-models, as tutorials write it."""

    def __init__(self):
        super().__init__()
        self.encoder = _sequential(_dense(1, activation="relu"))
        self.decoder = _sequential(_dense(2, D, activation="sigmoid"), shape=(3,))

    def call(self, x):
        return self.decoder(self.encoder(x))


def _subclass():
    model = Wrapped()
    model(np.zeros((1, D), np.float32))
    return model


def _frozen():
    model = _sequential(_dense(1), _dense(2, D))
    model.layers[0].trainable = False
    return model


MODELS = {
    "dense": lambda: _sequential(_dense(1, activation="relu"), _dense(2, D)),
    "norm": _norm,
    "regularized": _regularized,
    "random": _random,
    "conv": _convolutional,
    "subclass": _subclass,
    "frozen": _frozen,
}
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=0.05),
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, global_clipnorm=0.2),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, clipvalue=0.02),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(0.3, 2, 0.5)
    ),
}


def _rows(model, n):
    shape = (D,) if isinstance(model, Wrapped) else model.input_shape[1:]
    return np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32)


def by_keras(model, X, y, weight, *, validation, plan):
    """Train by ``Model.fit`` alone, an epoch at a time in the engine's order."""
    history = {}
    for epoch in range(plan.epochs):
        order = epoch_order(len(X), seed=plan.seed, epoch=epoch, shuffle=plan.shuffle)
        new = model.fit(
            X[order],
            y[order],
            sample_weight=None if weight is None else weight[order],
            batch_size=plan.batch_size,
            shuffle=False,
            verbose=0,
            validation_data=validation,
        ).history
        for name, values in new.items():
            history.setdefault(name, []).extend(values)
    return history


def compare(
    make, optimizer, plan=PLAN, *, n=23, n_val=0, weighted=False, targets=False, metrics=None
):
    """Train two equal models, one each way, and compare all there is."""
    models = [make(), make()]
    for model in models:
        model.compile(OPTIMIZERS[optimizer](), "mse", metrics=metrics, jit_compile=False)
    X = _rows(models[0], n)
    y = X[::-1].copy() if targets else X
    weight = np.random.default_rng(1).uniform(0.5, 2, n).astype(np.float32) if weighted else None
    V = _rows(models[0], n_val + 5)[5:]
    expected = by_keras(models[0], X, y, weight, validation=(V, V) if n_val else None, plan=plan)
    trainer = engine.select_trainer("compiled", models[1], [], plan)
    history = trainer.train(
        models[1],
        Batchable(X, y if targets else None, weight),
        Batchable(V) if n_val else None,
        plan,
        [],
    )
    assert trainer.name == "compiled"
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=2e-5, err_msg=name)
    states = [[*model.weights, *model.optimizer.variables] for model in models]
    for wanted, got in zip(*states, strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    compare(MODELS[name], "adam", n_val=13)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer):
    compare(MODELS["dense"], optimizer)


def test_weights_targets_and_metrics():
    compare(
        MODELS["norm"],
        "adam",
        weighted=True,
        targets=True,
        n_val=7,
        metrics=["mae", "cosine_similarity"],
    )


@pytest.mark.parametrize("name", ["dense", "norm", "regularized"])
def test_xla(name):
    # Not Adam: batch normalisation leaves the bias before it a gradient of mere rounding errors,
    # which Adam scales up to whole steps.
    compare(MODELS[name], "sgd", replace(PLAN, jit_compile=True), weighted=True, n_val=13)


@pytest.mark.parametrize(("n", "size"), [(3, 10), (20, 10), (1, 1), (11, 10)])
def test_batch_sizes(n, size):
    compare(MODELS["dense"], "sgd", replace(PLAN, batch_size=size), n=n)


def test_without_shuffling():
    compare(MODELS["dense"], "adam", replace(PLAN, shuffle=False))


def test_two_ways_of_training_agree(make_dense, rows, plan):
    histories, weights = [], []
    for name in ("keras", "compiled"):
        model = make_dense()
        trainer = engine.select_trainer(name, model, [], plan)
        histories.append(trainer.train(model, Batchable(rows), Batchable(rows[:7]), plan, []))
        weights.append(model.get_weights())
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)
    np.testing.assert_allclose(histories[0]["val_loss"], histories[1]["val_loss"], rtol=1e-5)
    for wanted, got in zip(*weights, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_optimizer_goes_on_where_it_was(make_dense, rows, train, plan):
    once, twice = make_dense(), make_dense()
    train(once, plan=replace(plan, epochs=4))
    train(twice, plan=replace(plan, epochs=2))
    train(twice, plan=replace(plan, epochs=2, initial_epoch=2))
    for wanted, got in zip(once.get_weights(), twice.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_comparison_can_fail(make_dense, train, rows):
    first, second = make_dense(0), make_dense(0)
    train(first)
    train(second, rows[::-1].copy())
    assert not np.allclose(first.get_weights()[0], second.get_weights()[0], rtol=1e-4)
