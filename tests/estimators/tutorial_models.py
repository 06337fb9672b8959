"""The classes of TensorFlow's autoencoder tutorial, unchanged, and other user-defined models.

In a module of their own, so that pickle and the workers of joblib can import them.
"""

from skae import _tensorflow  # noqa: F401  isort: skip
import keras
import tensorflow as tf
from tensorflow.keras import layers
from tensorflow.keras.models import Model


class Autoencoder(Model):
    def __init__(self, latent_dim):
        super(Autoencoder, self).__init__()  # noqa: UP008  as the tutorial has it
        self.latent_dim = latent_dim
        self.encoder = tf.keras.Sequential(
            [
                layers.Flatten(),
                layers.Dense(latent_dim, activation="relu"),
            ]
        )
        self.decoder = tf.keras.Sequential(
            [
                layers.Dense(784, activation="sigmoid"),
                layers.Reshape((28, 28)),
            ]
        )

    def call(self, x):
        encoded = self.encoder(x)
        decoded = self.decoder(encoded)
        return decoded  # noqa: RET504


class ShapedAutoencoder(Model):
    """The tutorial's later version, which is told the shape."""

    def __init__(self, latent_dim, shape):
        super().__init__()
        self.latent_dim = latent_dim
        self.shape = shape
        self.encoder = tf.keras.Sequential(
            [
                layers.Flatten(),
                layers.Dense(latent_dim, activation="relu"),
            ]
        )
        self.decoder = tf.keras.Sequential(
            [
                layers.Dense(int(tf.math.reduce_prod(shape)), activation="sigmoid"),
                layers.Reshape(shape),
            ]
        )

    def call(self, x):
        encoded = self.encoder(x)
        decoded = self.decoder(encoded)
        return decoded  # noqa: RET504


class Denoise(Model):
    def __init__(self):
        super(Denoise, self).__init__()  # noqa: UP008
        self.encoder = tf.keras.Sequential(
            [
                layers.Input(shape=(28, 28, 1)),
                layers.Conv2D(16, (3, 3), activation="relu", padding="same", strides=2),
                layers.Conv2D(8, (3, 3), activation="relu", padding="same", strides=2),
            ]
        )
        self.decoder = tf.keras.Sequential(
            [
                layers.Conv2DTranspose(
                    8, kernel_size=3, strides=2, activation="relu", padding="same"
                ),
                layers.Conv2DTranspose(
                    16, kernel_size=3, strides=2, activation="relu", padding="same"
                ),
                layers.Conv2D(1, kernel_size=(3, 3), activation="sigmoid", padding="same"),
            ]
        )

    def call(self, x):
        encoded = self.encoder(x)
        decoded = self.decoder(encoded)
        return decoded  # noqa: RET504


class AnomalyDetector(Model):
    def __init__(self):
        super(AnomalyDetector, self).__init__()  # noqa: UP008
        self.encoder = tf.keras.Sequential(
            [
                layers.Dense(32, activation="relu"),
                layers.Dense(16, activation="relu"),
                layers.Dense(8, activation="relu"),
            ]
        )
        self.decoder = tf.keras.Sequential(
            [
                layers.Dense(16, activation="relu"),
                layers.Dense(32, activation="relu"),
                layers.Dense(140, activation="sigmoid"),
            ]
        )

    def call(self, x):
        encoded = self.encoder(x)
        decoded = self.decoder(encoded)
        return decoded  # noqa: RET504


class Bottleneck(Model):
    """A class with user-defined options, for ``model__*``."""

    def __init__(self, n_features=6, width=3, dropout=0.0):
        super().__init__()
        self.encoder = keras.Sequential([layers.Dropout(dropout), layers.Dense(width)])
        self.decoder = keras.Sequential([layers.Dense(n_features)])

    def call(self, x):
        return self.decoder(self.encoder(x))


def functional(latent_dim, input_shape, width=4):
    """Return a functional model with an encoder and a decoder inside."""
    encoder = keras.Sequential(
        [keras.Input(input_shape), layers.Dense(width, "relu"), layers.Dense(latent_dim)],
        name="encoder",
    )
    decoder = keras.Sequential(
        [keras.Input((latent_dim,)), layers.Dense(input_shape[0])], name="decoder"
    )
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, decoder(encoder(inputs)))


def without_parts(input_shape):
    """Return a model without an encoder or a decoder."""
    return keras.Sequential(
        [keras.Input(input_shape), layers.Dense(2), layers.Dense(input_shape[0])]
    )


def widened(input_shape):
    """Return a model with one column too many."""
    return keras.Sequential([keras.Input(input_shape), layers.Dense(input_shape[0] + 1)])


def returns_nothing(input_shape):
    """Forget the return statement."""
    without_parts(input_shape)
