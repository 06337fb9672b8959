"""Trains equal networks, one by ``keras.Model.fit`` and one by the engine, and compares them."""

from __future__ import annotations

import keras
import numpy as np

from skae import engine
from skae._contracts import Batchable, TrainingPlan
from skae.engine._rows import epoch_order
from tests.engine._networks import model_of

PLAN = TrainingPlan(epochs=3, batch_size=10, seed=5)
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=0.05),
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, global_clipnorm=0.2),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, clipvalue=0.02),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "decaying": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "centered": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
    "adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "lion": lambda: keras.optimizers.Lion(0.001),
    "schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(0.3, 2, 0.5)
    ),
}


def rows_of(model, n):
    """Return random rows of the shape that a model takes."""
    shape = getattr(model, "input_shape", None) or model.layers[0].input_shape
    return np.random.default_rng(0).normal(size=(n, *shape[1:])).astype(np.float32)


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
    """Train equal networks, one each way, and compare all there is.

    `make` takes what a model is compiled with, and returns a network.
    """
    compiled = {"optimizer": OPTIMIZERS[optimizer], "metrics": metrics, "jit_compile": False}
    networks = [make(**compiled), make(**compiled)]
    by_hand = model_of(networks[0])
    X = rows_of(by_hand, n)
    y = X[::-1].copy() if targets else X
    # Keras multiplies the values of a row's positions by weights of as many axes.
    axes = (n, *[1] * (X.ndim - 2))
    weight = np.random.default_rng(1).uniform(0.5, 2, axes) if weighted else None
    V = rows_of(by_hand, n_val + 5)[5:]
    expected = by_keras(by_hand, X, y, weight, validation=(V, V) if n_val else None, plan=plan)
    result = engine.train(
        networks[1],
        Batchable(X, y if targets else None, weight if weight is None else weight.ravel()),
        Batchable(V) if n_val else None,
        plan,
        engine="compiled",
    )
    assert result.engine == "compiled"
    assert result.history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(result.history[name], values, rtol=2e-5, err_msg=name)
    states = [(*network.values(), *network.slots()) for network in networks]
    for wanted, got in zip(*states, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-6)
