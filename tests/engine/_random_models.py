"""Draws small models, losses and settings from a seed."""

from __future__ import annotations

import functools
import random

import keras
import numpy as np
from keras import layers, ops, regularizers

SHAPES = {"vector": (6,), "sequence": (6, 2), "image": (6, 6, 1)}
ACTIVATIONS = [
    *["celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu"],
    *["linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu"],
    *["softmax", "softplus", "softsign", "squareplus", "tanh", "tanh_shrink"],
]
# Losses, and an activation after which each of them is finite.
LOSSES = {
    "mse": None,
    "mae": None,
    "huber": None,
    "log_cosh": None,
    "cosine_similarity": None,
    "squared_hinge": None,
    "mean_absolute_percentage_error": "sigmoid",
    "mean_squared_logarithmic_error": "softplus",
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "poisson": "softplus",
    "kl_divergence": "sigmoid",
}
REGULARIZERS = [
    regularizers.L1(0.02),
    regularizers.L2(0.05),
    regularizers.L1L2(0.01, 0.02),
    lambda values: 0.01 * ops.sum(ops.square(values)),
]


class AddsLoss(layers.Layer):
    """Adds losses of its own: one of its weight, and one of every batch."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        self.add_loss(0.01 * ops.sum(ops.abs(self.scale)))
        self.add_loss(0.02 * ops.mean(ops.square(x)))
        return x * self.scale


class Counts(layers.Layer):
    """Keeps a mean of what it has seen, and counts its batches.

    No gradient goes through what a variable was set to.
    """

    def build(self, shape):
        options = {"initializer": "zeros", "trainable": False}
        self.seen = self.add_weight(shape=(shape[-1],), name="seen", **options)
        self.count = self.add_weight(shape=(), dtype="int32", name="count", **options)

    def call(self, x, training=None):
        if training:
            axes = tuple(range(len(x.shape) - 1))
            self.count.assign_add(1)
            self.seen.assign(0.5 * self.seen + 0.5 * ops.mean(x, axis=axes))
        return x - self.seen


def _pool(draw, pool, **options):
    return pool(2, strides=draw.choice([1, 2]), padding=draw.choice(["same", "valid"]), **options)


def _conv(draw, conv, *arguments):
    size = draw.choice([1, 2, 3])
    # TensorFlow 2.21 writes past its memory where a transposed kernel is smaller than its stride.
    strides = 1 if size == 1 else draw.choice([1, 2])
    dilation = draw.choice([1, 2]) if strides == 1 and "Transpose" not in conv.__name__ else 1
    return conv(
        *arguments,
        size,
        strides=strides,
        padding=draw.choice(["same", "valid"]),
        dilation_rate=dilation,
        activation=draw.choice(["relu", "tanh", None]),
        use_bias=draw.random() < 0.7,
    )


def _recurrent(draw):
    kind = draw.choice([layers.SimpleRNN, layers.GRU, layers.LSTM])
    layer = kind(2, return_sequences=True, go_backwards=draw.random() < 0.3)
    return layers.Bidirectional(layer) if draw.random() < 0.2 else layer


def _dense(draw):
    return layers.Dense(
        draw.choice([3, 5]),
        draw.choice(ACTIVATIONS),
        use_bias=draw.random() < 0.8,
        kernel_constraint=draw.choice([None, None, keras.constraints.MaxNorm(0.8)]),
        trainable=draw.random() < 0.9,
    )


EVERYWHERE = [
    _dense,
    lambda draw: layers.BatchNormalization(momentum=draw.choice([0.5, 0.99]), epsilon=0.01),
    lambda draw: layers.LayerNormalization(epsilon=0.01),
    lambda draw: layers.Dropout(0.3),
    lambda draw: layers.GaussianNoise(0.2),
    lambda draw: layers.GaussianDropout(0.2),
    lambda draw: layers.AlphaDropout(0.2),
    lambda draw: layers.PReLU(alpha_initializer="ones"),
    lambda draw: layers.LeakyReLU(),
    lambda draw: layers.UnitNormalization(),
    lambda draw: layers.Rescaling(2.0, -0.5),
    lambda draw: layers.ActivityRegularization(0.01, 0.01),
    lambda draw: layers.Lambda(lambda x: ops.tanh(x) + 0.1 * x),
    lambda draw: AddsLoss(),
    lambda draw: Counts(),
]
PARTS = {
    "vector": [_dense, _dense, *EVERYWHERE],
    "sequence": [
        *EVERYWHERE,
        _recurrent,
        lambda draw: _conv(draw, layers.Conv1D, 2),
        lambda draw: _conv(draw, layers.Conv1D, 3),
        lambda draw: _conv(draw, layers.Conv1DTranspose, 2),
        lambda draw: _conv(draw, layers.SeparableConv1D, 2),
        lambda draw: _pool(draw, layers.MaxPooling1D),
        lambda draw: _pool(draw, layers.AveragePooling1D),
        lambda draw: layers.UpSampling1D(2),
        lambda draw: layers.ZeroPadding1D(1),
        lambda draw: layers.SpatialDropout1D(0.3),
        lambda draw: layers.TimeDistributed(layers.Dense(3, "tanh")),
        lambda draw: layers.Permute((2, 1)),
    ],
    "image": [
        *EVERYWHERE,
        lambda draw: _conv(draw, layers.Conv2D, 2),
        lambda draw: _conv(draw, layers.Conv2D, 3),
        lambda draw: _conv(draw, layers.Conv2DTranspose, 2),
        lambda draw: _conv(draw, layers.DepthwiseConv2D),
        lambda draw: _conv(draw, layers.SeparableConv2D, 2),
        lambda draw: _pool(draw, layers.MaxPooling2D),
        lambda draw: _pool(draw, layers.AveragePooling2D),
        lambda draw: layers.UpSampling2D(2, interpolation=draw.choice(["nearest", "bilinear"])),
        lambda draw: layers.ZeroPadding2D(1),
        lambda draw: layers.SpatialDropout2D(0.3),
        lambda draw: layers.Permute((2, 1, 3)),
    ],
}


def draw_model(number):
    """Return the kind of rows and a function that makes the model of a number."""
    kind = random.Random(number).choice(list(SHAPES))
    return kind, functools.partial(_made, number, kind)


def _made(number, kind):
    draw = random.Random(number)
    draw.random()
    shape = SHAPES[kind]
    inner = [part(draw) for part in draw.sample(PARTS[kind], draw.choice([1, 2, 2, 3]))]
    penalties = ("kernel_regularizer", "bias_regularizer", "activity_regularizer")
    penalty = {draw.choice(penalties): draw.choice(REGULARIZERS)} if draw.random() < 0.5 else {}
    ending = layers.Dense(int(np.prod(shape)), draw_loss(number)[1], **penalty)
    ends = [*([] if kind == "vector" else [layers.Flatten()]), ending, layers.Reshape(shape)]
    return keras.Sequential([keras.Input(shape), *inner, *ends], name=f"number_{number}")


def draw_loss(number):
    """Return the loss of a number, and the activation that it takes."""
    return random.Random(f"loss {number}").choice(list(LOSSES.items()))


def rows_of(shape, n=30, seed=0):
    """Return rows in [0, 1]."""
    return np.random.default_rng(seed).uniform(size=(n, *shape)).astype(np.float32)


# Not Adam with its own epsilon: it scales up gradients of mere rounding errors, such as those of a
# bias before a batch normalization, to whole steps.
OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, clipnorm=0.5),
    "nesterov": lambda rate: keras.optimizers.SGD(rate, momentum=0.5, nesterov=True, clipvalue=0.1),
    "adagrad": lambda rate: keras.optimizers.Adagrad(rate, global_clipnorm=1.0),
    "adam": lambda rate: keras.optimizers.Adam(rate, epsilon=0.1),
    "amsgrad": lambda rate: keras.optimizers.Adam(rate, epsilon=0.1, amsgrad=True),
    "adamw": lambda rate: keras.optimizers.AdamW(rate, epsilon=0.1, weight_decay=0.1),
    "rmsprop": lambda rate: keras.optimizers.RMSprop(rate, epsilon=0.1, momentum=0.5),
    "adamax": lambda rate: keras.optimizers.Adamax(rate, epsilon=0.1),
}
schedules = keras.optimizers.schedules
SCHEDULES = {
    "CosineDecay": lambda: schedules.CosineDecay(0.05, 6, warmup_target=0.1, warmup_steps=2),
    "CosineDecayRestarts": lambda: schedules.CosineDecayRestarts(0.05, 2),
    "ExponentialDecay": lambda: schedules.ExponentialDecay(0.05, 2, 0.5, staircase=True),
    "InverseTimeDecay": lambda: schedules.InverseTimeDecay(0.05, 2, 0.5),
    "PiecewiseConstantDecay": lambda: schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.05, 0.01]),
    "PolynomialDecay": lambda: schedules.PolynomialDecay(0.05, 5, power=2.0),
}


def draw_settings(number):
    """Return parameters of an estimator and arguments of `fit` beside the rows."""
    draw = random.Random(f"settings {number}")
    rate = draw.choice([0.01, 0.05])
    if draw.random() < 0.3:
        rate = SCHEDULES[draw.choice(list(SCHEDULES))]()
    return {
        "optimizer": OPTIMIZERS[draw.choice(list(OPTIMIZERS))](rate),
        "loss": draw_loss(number)[0],
        "batch_size": draw.choice([7, 10, 15, 30]),
        "shuffle": draw.random() < 0.8,
        "validation_split": draw.choice([0.0, 0.0, 0.0, 0.5]),
        "metrics": draw.choice([None, ["mae"], ["cosine_similarity", "mse"]]),
    }
