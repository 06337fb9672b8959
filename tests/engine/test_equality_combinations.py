"""The compiled engine trains like Keras's own loop, for combinations of settings.

``engine="auto"`` beside ``engine="keras"``: the same losses, weights and optimizer to the rounding
of float32. Where the engine leaves a fit to Keras's loop by itself, the two are the same anyway.
"""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from keras import layers, ops, regularizers

from skae import DenoisingRegressor, ReconstructionOutlierDetector
from tests.engine._random_models import (
    OPTIMIZERS,
    SCHEDULES,
    Counts,
    draw_model,
    draw_settings,
    rows_of,
)
from tests.estimators._cases import SMALL


def check_engines(model, X, y=None, *, jit_compile="auto", weight=None, **params):
    """Fit by both engines, compare all there is, and return what the first one chose."""
    # Of the two, the denoiser scores no rows after its fit, and takes targets.
    kind = ReconstructionOutlierDetector if y is None else DenoisingRegressor
    own = {"calibration": "training"} if y is None else {"noise": None}
    given = {**SMALL, "batch_size": 10, **params, **own}
    fitted = [
        kind(model, engine=engine, jit_compile=xla, **given).fit(X, y, sample_weight=weight)
        for engine, xla in (("auto", jit_compile), ("keras", "auto"))
    ]
    found, expected = fitted
    assert found.history_.keys() == expected.history_.keys()
    for name, values in expected.history_.items():
        np.testing.assert_allclose(found.history_[name], values, 2e-5, 2e-6, err_msg=name)
    states = [[*f.model_.weights, *f.model_.optimizer.variables] for f in fitted]
    for wanted, got in zip(states[1], states[0], strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), 1e-4, 1e-5, err_msg=wanted.path)
    return found.engine_


NETWORKS = {
    "dense": ("dense", (6,), {"latent_activation": "relu", "contraction": 0.1}),
    "linear": ("linear", (6,), {}),
    "tied": ("linear", (6,), {"tied": True}),
    "conv": ("conv", (8, 8, 1), {}),
    "signal": ("conv", (9, 2), {"dimensions": 1}),
    "upsampling": ("conv", (8, 8, 1), {"upsampling": True}),
    "lstm": ("recurrent", (5, 2), {"cell": "lstm"}),
    "gru": ("recurrent", (5, 2), {"cell": "gru"}),
    "variational": ("variational", (6,), {"beta": 0.5, "capacity": 0.1}),
}


def _network(case, **params):
    name, shape, options = NETWORKS[case]
    X = rows_of(shape)
    sizes = {"hidden_layer_sizes": (2,) if name in ("conv", "recurrent") else (4,)}
    penalty = {"model__activity_regularizer": regularizers.L1(0.01)}
    given = {**sizes, **penalty, **{f"model__{k}": v for k, v in options.items()}, **params}
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X))
    return check_engines(name, X, weight=weight, validation_split=0.3, metrics=["mae"], **given)


# Adam as it is, too: no network here has a gradient of mere rounding errors.
# Recurrent ones, slow to trace, meet momentum among the masks below.
@pytest.mark.parametrize(
    ("case", "optimizer"),
    [
        (case, optimizer)
        for case in NETWORKS
        for optimizer in ("adam", "momentum")
        if (case, optimizer) not in {("lstm", "momentum"), ("gru", "momentum")}
    ],
)
def test_built_in_networks(case, optimizer):
    chosen = "adam" if optimizer == "adam" else OPTIMIZERS[optimizer](0.05)
    assert _network(case, optimizer=chosen, noise="masking") == "compiled"


@pytest.mark.parametrize("case", ["dense", "linear", "signal"])
def test_built_in_networks_under_xla(case):
    optimizer = OPTIMIZERS["momentum"](0.05)
    assert _network(case, optimizer=optimizer, jit_compile=True) == "compiled"


KINDS = [
    kind
    for kind in vars(keras.optimizers).values()
    if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)
]
SPECIAL = {
    keras.optimizers.LossScaleOptimizer: lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=8.0, dynamic_growth_steps=2
    ),
}
MADE_OF_OTHERS = {"Optimizer", "MultiOptimizer", "OptimizerMap"}
CHOSEN = [kind for kind in KINDS if kind.__name__ not in MADE_OF_OTHERS]


@pytest.mark.parametrize("kind", CHOSEN, ids=lambda kind: kind.__name__)
def test_optimizers_as_they_are(kind):
    X = rows_of((6,))
    check_engines("dense", X, X, optimizer=SPECIAL.get(kind, kind)(), epochs=3)


OPTIONS = {
    "clipnorm": {"clipnorm": 0.05},
    "global_clipnorm": {"global_clipnorm": 0.2},
    "clipvalue": {"clipvalue": 0.02},
    "weight_decay": {"weight_decay": 0.1},
    "average": {"use_ema": True, "ema_momentum": 0.9},
    "average now and then": {"use_ema": True, "ema_overwrite_frequency": 2},
    "accumulation": {"gradient_accumulation_steps": 3},
    "accumulation and clipping": {"gradient_accumulation_steps": 2, "clipnorm": 0.1},
    "scaled loss": {"loss_scale_factor": 8.0},
    **{name: {"learning_rate": name} for name in SCHEDULES},
}
PLAIN = [kind for kind in CHOSEN if kind not in SPECIAL]


def _pairs():
    draw = random.Random(0)
    return [(option, draw.choice(PLAIN)) for option in OPTIONS]


@pytest.mark.parametrize(
    ("option", "kind"), _pairs(), ids=lambda part: getattr(part, "__name__", part)
)
def test_options_of_optimizers(option, kind):
    options = dict(OPTIONS[option])
    if "learning_rate" in options:
        options["learning_rate"] = SCHEDULES[options["learning_rate"]]()
    X = rows_of((6,))
    check_engines("dense", X, X, optimizer=kind(**options), epochs=3)


def test_weights_left_out_of_the_decay():
    def make():
        model = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(6)])
        optimizer = keras.optimizers.SGD(0.05, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        model.compile(optimizer, "mse")
        return model

    check_engines(make, rows_of((6,)))


@pytest.mark.parametrize("number", range(90))
def test_random_combinations(number):
    _kind, make = draw_model(number)
    X = rows_of(make().input_shape[1:])
    draw = random.Random(number)
    y = X[::-1].copy() if draw.random() < 0.3 else X
    weight = np.random.default_rng(number).uniform(0.5, 2, len(X)) if number % 3 == 0 else None
    check_engines(make, X, y, weight=weight, **draw_settings(number))


def _padded():
    """Return sequences that end in zeros."""
    X = rows_of((5, 2)) + 0.1
    for row, length in zip(X, np.random.default_rng(2).integers(1, 6, len(X)), strict=True):
        row[length:] = 0
    return X


MASKED = {
    "lstm": lambda: [layers.LSTM(3, return_sequences=True)],
    "gru": lambda: [layers.GRU(3, return_sequences=True)],
    "bidirectional": lambda: [layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True))],
    "stacked cells": lambda: [
        layers.RNN([layers.SimpleRNNCell(2), layers.GRUCell(3)], return_sequences=True)
    ],
    "time distributed": lambda: [layers.TimeDistributed(layers.Dense(3, "tanh"))],
    "batch normalization": lambda: [layers.Dense(3), layers.BatchNormalization(epsilon=0.01)],
    "mask that ends": lambda: [layers.SimpleRNN(3), layers.RepeatVector(5)],
}


@pytest.mark.parametrize("case", MASKED)
def test_masks(case):
    """Steps that are masked count neither in the network nor in the loss."""

    def make():
        inner = [layers.Masking(0.0), *MASKED[case]()]
        return keras.Sequential([keras.Input((5, 2)), *inner, layers.Dense(2)])

    X = _padded()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X))
    check_engines(make, X, X, weight=weight, optimizer=OPTIMIZERS["momentum"](0.05))


class Normalizing(layers.Layer):
    """Sets the weight that it trains, as `SpectralNormalization` does, by another rule."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), name="kernel")

    def call(self, x, training=None):
        if training:
            self.kernel.assign(self.kernel / ops.norm(self.kernel))
        return x @ self.kernel


CHANGING = {
    "counting": lambda: [layers.Dense(4), Counts(), layers.Dense(4), Counts()],
    "batch normalization": lambda: [layers.BatchNormalization(), layers.Dense(4, "relu")],
    "frozen batch normalization": lambda: [layers.BatchNormalization(trainable=False)],
    "spectral normalization": lambda: [layers.SpectralNormalization(layers.Dense(4))],
    "setting what it trains": lambda: [Normalizing()],
    "same layer twice": lambda: [layers.BatchNormalization()] * 2,
}


@pytest.mark.parametrize("case", CHANGING)
def test_layers_that_change_their_weights(case):
    def make():
        return keras.Sequential([keras.Input((6,)), *CHANGING[case](), layers.Dense(6)])

    X = rows_of((6,))
    check_engines(make, X, X, optimizer="sgd")
