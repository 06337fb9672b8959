"""Cases of training: first and later fits, searches, epochs."""

from __future__ import annotations

import numpy as np

from tests.benchmarks.tools import (
    LAYERS,
    RUNS,
    clocked,
    detector,
    functional,
    keras_dense,
    keras_fit,
    measures,
    tutorial_class,
    uniform,
)


def _warm_up_tensorflow():
    import tensorflow as tf

    tf.constant(1.0) + 1


@measures("first_fit", "skae")
def _():
    import skae.estimators  # noqa: F401

    _warm_up_tensorflow()
    X = uniform(2359, 140)
    return clocked(lambda: detector().fit(X))


@measures("first_fit", "keras")
def _():
    import keras  # noqa: F401

    _warm_up_tensorflow()
    X = uniform(2359, 140)
    return clocked(lambda: keras_fit(X))


@measures("later_fit", "skae")
def _():
    return _later_fits(detector)


def _later_fits(make):
    X = uniform(2359, 140)
    make().fit(X)
    fits = iter(range(1, 9))

    def fit():
        i = next(fits)
        make(random_state=i, optimizer__learning_rate=1e-3 / i).fit(X[: 2359 - 50 * i])

    return clocked(fit, 5)


def _functional(**parameters):
    return detector(model=functional, **parameters)


def _tutorial(**parameters):
    return detector(model=tutorial_class(), **parameters)


for _name, _make in (("functional", _functional), ("class", _tutorial)):

    @measures(f"first_{_name}", "skae")
    def _(make=_make):
        import skae.estimators  # noqa: F401

        _warm_up_tensorflow()
        X = uniform(2359, 140)
        return clocked(lambda: make().fit(X))

    @measures(f"later_{_name}", "skae")
    def _(make=_make):
        return _later_fits(make)

    @measures(f"first_{_name}", "keras")
    def _():
        return RUNS["first_fit", "keras"]()

    @measures(f"later_{_name}", "keras")
    def _():
        return RUNS["later_fit", "keras"]()


@measures("later_fit", "keras")
def _():
    X = uniform(2359, 140)
    keras_fit(X)
    return clocked(lambda: keras_fit(X), 3)


@measures("later_fit", "pyod")
def _():
    from pyod.models.auto_encoder import AutoEncoder

    X = uniform(2359, 140)

    def fit():
        options = {"batch_norm": False, "dropout_rate": 0.0, "verbose": 0}
        sizes = list(LAYERS[:3])
        AutoEncoder(epoch_num=20, batch_size=512, hidden_neuron_list=sizes, **options).fit(X)

    fit()
    return clocked(fit, 5)


@measures("default_fit", "skae")
def _():
    from skae import ReconstructionOutlierDetector

    X = uniform(5000, 30)
    return clocked(lambda: ReconstructionOutlierDetector(random_state=0).fit(X), 4)


@measures("default_fit", "pyod")
def _():
    from pyod.models.auto_encoder import AutoEncoder

    X = uniform(5000, 30)
    return clocked(lambda: AutoEncoder(verbose=0).fit(X), 4)


def _grid(estimator, latent, rate):
    from sklearn.model_selection import GridSearchCV

    grid = {latent: [4, 8], rate: [1e-3, 1e-2]}
    X = uniform(2359, 140)
    search = GridSearchCV(estimator, grid, cv=3, scoring="neg_mean_squared_error")
    return clocked(lambda: search.fit(X, X))


@measures("grid_search", "skae")
def _():
    from skae import DenoisingRegressor

    estimator = DenoisingRegressor(
        hidden_layer_sizes=LAYERS[:2],
        scale=False,
        epochs=20,
        batch_size=512,
        loss="mae",
        random_state=0,
    )
    return _grid(estimator, "latent_dim", "optimizer__learning_rate")


@measures("grid_functional", "skae")
def _():
    from skae import DenoisingRegressor

    estimator = DenoisingRegressor(
        functional, noise=None, epochs=20, batch_size=512, loss="mae", random_state=0
    )
    return _grid(estimator, "latent_dim", "optimizer__learning_rate")


@measures("grid_functional", "scikeras")
@measures("grid_search", "scikeras")
def _():
    from scikeras.wrappers import KerasRegressor

    def build(latent_dim=8, rate=1e-3):
        return keras_dense((*LAYERS[:2], latent_dim, *LAYERS[3:]), rate=rate)

    estimator = KerasRegressor(build, latent_dim=8, rate=1e-3, epochs=20, batch_size=512, verbose=0)
    return _grid(estimator, "latent_dim", "rate")


def _long_search(n_jobs):
    """24 fits of about two seconds each, of four architectures; workers start within."""
    from sklearn.model_selection import GridSearchCV

    estimator = _transformer(hidden_layer_sizes=LAYERS[:2]).set_params(epochs=50)
    grid = {"latent_dim": [2, 4, 8, 12], "optimizer__learning_rate": [1e-3, 1e-2]}
    search = GridSearchCV(estimator, grid, cv=3, refit=False, n_jobs=n_jobs)
    X = uniform(30_000, 140)
    return clocked(lambda: search.fit(X))


@measures("n_jobs", "skae")
def _():
    return _long_search(2)


@measures("n_jobs", "n_jobs=1")
def _():
    return _long_search(1)


@measures("short_fit", "skae")
def _():
    X = uniform(60_000, 140)
    estimator = detector(epochs=1, batch_size=32).fit(X)
    return clocked(lambda: estimator.fit(X), 4)


@measures("short_fit", "keras")
def _():
    X = uniform(60_000, 140)
    keras_fit(X, epochs=1, batch_size=32)
    return clocked(lambda: keras_fit(X, epochs=1, batch_size=32), 4)


# The first few of a process take up to twice as long, while memory is new to it.
EPOCHS = 8


def _one_epoch(estimator, *data, epochs=EPOCHS):
    """Return the time of one more epoch of a network that is there, as Keras's `fit` trains it."""
    estimator.fit(*data)
    return clocked(lambda: estimator.partial_fit(*data), epochs)


def _keras_epoch(model, X, epochs=EPOCHS):
    options = {"epochs": 1, "batch_size": 32, "verbose": 0}
    model.fit(X, X, **options)
    return clocked(lambda: model.fit(X, X, **options), epochs)


def _transformer(**parameters):
    from skae import AutoencoderTransformer

    options = {"scale": False, "optimizer": "adam", "epochs": 1, "batch_size": 32}
    return AutoencoderTransformer(**options, random_state=0, **parameters)


@measures("epoch_140", "skae")
def _():
    estimator = _transformer(hidden_layer_sizes=LAYERS[:2], latent_dim=LAYERS[2], loss="mae")
    return _one_epoch(estimator, uniform(60_000, 140))


@measures("epoch_140", "keras")
def _():
    return _keras_epoch(keras_dense(), uniform(60_000, 140))


def _stream():
    import tensorflow as tf

    X = uniform(60_000, 140)
    return tf.data.Dataset.from_tensor_slices((X, X)).batch(32)


@measures("epoch_stream", "skae")
def _():
    estimator = _transformer(hidden_layer_sizes=LAYERS[:2], latent_dim=LAYERS[2], loss="mae")
    return _one_epoch(estimator, _stream(), epochs=3)


@measures("epoch_stream", "keras")
def _():
    model, stream = keras_dense(), _stream()
    model.fit(stream, epochs=1, verbose=0)
    return clocked(lambda: model.fit(stream, epochs=1, verbose=0), 3)


def _noisy_epoch(noise):
    layers = {"hidden_layer_sizes": LAYERS[:2], "latent_dim": LAYERS[2]}
    return _one_epoch(_transformer(**layers, loss="mae", noise=noise), uniform(60_000, 140))


@measures("epoch_noise", "skae")
def _():
    return _noisy_epoch("gaussian")


@measures("epoch_noise", "no noise")
def _():
    return _noisy_epoch(None)


@measures("epoch_noise", "keras")
def _():
    import keras

    plain = keras_dense()
    model = keras.Sequential([keras.Input((140,)), keras.layers.GaussianNoise(0.1), plain])
    model.compile("adam", "mae")
    return _keras_epoch(model, uniform(60_000, 140))


@measures("epoch_784", "skae")
def _():
    estimator = _transformer(hidden_layer_sizes=(), latent_dim=64)
    return _one_epoch(estimator, uniform(60_000, 784))


@measures("epoch_784", "keras")
def _():
    return _keras_epoch(keras_dense((64,), 784, loss="mse"), uniform(60_000, 784))


@measures("epoch_784", "scikit-learn")
def _():
    import warnings

    from sklearn.neural_network import MLPRegressor

    X = uniform(60_000, 784)
    estimator = MLPRegressor(hidden_layer_sizes=(64,), max_iter=1, batch_size=32, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _one_epoch(estimator, X, X)


@measures("epoch_784", "numpy")
def _():
    """The products of two layers' training, and Adam's steps."""
    X = uniform(60_000, 784)
    A, B = uniform(784, 64), uniform(64, 784)
    moments = [[np.zeros_like(w), np.zeros_like(w)] for w in (A, B)]

    def adam(weights, gradient, moments):
        moments[0] += (gradient - moments[0]) * np.float32(0.1)
        moments[1] += (gradient * gradient - moments[1]) * np.float32(0.001)
        weights -= np.float32(1e-6) * moments[0] / (np.sqrt(moments[1]) + np.float32(1e-7))

    def epoch():
        for start in range(0, len(X), 32):
            x = X[start : start + 32]
            z = x @ A
            d = z @ B - x
            gradients = (x.T @ (d @ B.T), z.T @ d)
            adam(A, gradients[0], moments[0])
            adam(B, gradients[1], moments[1])

    return clocked(epoch)


CONV_ROWS, CONV_EPOCHS = 60_000, 2


@measures("epoch_conv", "skae")
def _():
    from skae import DenoisingRegressor

    X = uniform(CONV_ROWS, 28, 28, 1)
    options = {"hidden_layer_sizes": (16, 8), "latent_dim": None, "noise": None}
    options |= {"model": "conv", "epochs": 1, "batch_size": 32, "random_state": 0}
    options |= {"optimizer": "adam"}
    return _one_epoch(DenoisingRegressor(**options), X, X, epochs=CONV_EPOCHS)


@measures("epoch_conv", "keras")
def _():
    import keras

    Down, Up = keras.layers.Conv2D, keras.layers.Conv2DTranspose
    options = {"strides": 2, "padding": "same", "activation": "relu"}
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            Down(16, 3, **options),
            Down(8, 3, **options),
            Up(8, 3, **options),
            Up(16, 3, **options),
            Down(1, 3, padding="same"),
        ]
    )
    model.compile("adam", "mse")
    return _keras_epoch(model, uniform(CONV_ROWS, 28, 28, 1), epochs=CONV_EPOCHS)
