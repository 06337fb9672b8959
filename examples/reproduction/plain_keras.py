"""The tutorials' own networks and loops in plain Keras, to compare with."""

from __future__ import annotations

from skae import _tensorflow  # noqa: F401  (keeps TensorFlow's start quiet)

import keras  # isort: skip
import numpy as np
from keras import layers, ops


def fitted(model, rows, targets=None, *, seed: int, **options):
    """Return Keras's history of a fit of a new model that `model` builds."""
    keras.utils.set_random_seed(seed)
    network = model()
    network.compile(**{key: options.pop(key) for key in ("optimizer", "loss")})
    targets = rows if targets is None else targets
    history = network.fit(rows, targets, verbose=0, **options)
    return network, history.history


def rounded_accuracy(truth, prediction):
    """Return the share of pixels that are right after rounding."""
    return ops.mean(ops.cast(ops.equal(ops.round(truth), ops.round(prediction)), "float32"))


def dense():
    """784-64-784, as in TensorFlow's tutorial."""
    return keras.Sequential(
        [
            layers.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(784, activation="sigmoid"),
            layers.Reshape((28, 28)),
        ]
    )


def denoiser():
    """The convolutional denoiser of TensorFlow's tutorial."""
    same = {"kernel_size": 3, "padding": "same"}
    return keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(16, activation="relu", strides=2, **same),
            layers.Conv2D(8, activation="relu", strides=2, **same),
            layers.Conv2DTranspose(8, activation="relu", strides=2, **same),
            layers.Conv2DTranspose(16, activation="relu", strides=2, **same),
            layers.Conv2D(1, activation="sigmoid", **same),
        ]
    )


def detector():
    """The heartbeats' autoencoder of TensorFlow's tutorial."""
    sizes = (32, 16, 8, 16, 32)
    hidden = [layers.Dense(size, activation="relu") for size in sizes]
    return keras.Sequential([layers.Input((140,)), *hidden, layers.Dense(140, "sigmoid")])


def stacked():
    """784-100-30-100-784 with SELU (Géron 2019, chapter 17)."""
    hidden = [layers.Dense(size, activation="selu") for size in (100, 30, 100)]
    output = [layers.Dense(784, activation="sigmoid"), layers.Reshape((28, 28))]
    return keras.Sequential([layers.Input((28, 28)), layers.Flatten(), *hidden, *output])


class Sampling(layers.Layer):
    """Codes drawn from the posterior, whose divergence goes into the loss."""

    def call(self, inputs):
        mu, log_var = inputs
        kl = -0.5 * ops.sum(1 + log_var - ops.square(mu) - ops.exp(log_var), axis=-1)
        self.add_loss(ops.mean(kl) / 784)
        return mu + ops.exp(log_var / 2) * keras.random.normal(ops.shape(mu))


def variational():
    """784-150-100-10 with SELU, its KL divided by 784 (Géron 2019, chapter 17)."""
    inputs = layers.Input((28, 28))
    hidden = layers.Flatten()(inputs)
    for size in (150, 100):
        hidden = layers.Dense(size, activation="selu")(hidden)
    hidden = Sampling()([layers.Dense(10)(hidden), layers.Dense(10)(hidden)])
    for size in (100, 150):
        hidden = layers.Dense(size, activation="selu")(hidden)
    outputs = layers.Reshape((28, 28))(layers.Dense(784, activation="sigmoid")(hidden))
    return keras.Model(inputs, outputs)


def upsampling(latent_dim: int = 10):
    """Convolutions down to a dense code, up-sampling and convolutions back."""
    same = {"kernel_size": 3, "padding": "same", "activation": "relu"}
    encoder = [layers.Conv2D(8, strides=strides, **same) for strides in (1, 2, 2, 1)]
    decoder = [layers.Dense(7 * 7 * 64, activation="relu"), layers.Reshape((7, 7, 64))]
    for filters in (64, 32):
        decoder += [layers.UpSampling2D(2), layers.Conv2D(filters, **same)]
    output = layers.Conv2D(1, 3, padding="same", activation="sigmoid")
    code = [layers.Flatten(), layers.Dense(latent_dim)]
    return keras.Sequential([layers.Input((28, 28, 1)), *encoder, *code, *decoder, output])


def mean_squared(truth, prediction) -> float:
    """Return the mean squared difference of two arrays of one size."""
    return float(np.mean((np.ravel(truth) - np.ravel(prediction)) ** 2))
