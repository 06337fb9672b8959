"""What is measured: one function for every case and contender, run in a process of its own.

Each returns a figure (seconds, megabytes) that is better the smaller it is. Work that a case is
not about, such as imports and, for warm cases, the first fit, is done before its clock starts.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

LAYERS = (32, 16, 8, 16, 32)
RUNS: dict[tuple[str, str], object] = {}


def measures(case, contender):
    """Register a function for a case and a contender."""

    def register(function):
        RUNS[case, contender] = function
        return function

    return register


def uniform(n, *shape):
    """Return n rows of float32 in [0, 1)."""
    return np.random.default_rng(0).random((n, *shape), dtype=np.float32)


def clocked(function, repeats=1):
    """Return the least time that one of several calls takes."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def resident():
    """Return resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak():
    """Return the greatest resident memory so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def detector(**parameters):
    """Return the detector that is measured."""
    from skae import ReconstructionOutlierDetector

    defaults = {"hidden_layer_sizes": LAYERS[:2], "latent_dim": LAYERS[2], "loss": "mae"}
    defaults |= {"epochs": 20, "batch_size": 512, "random_state": 0}
    return ReconstructionOutlierDetector(**(defaults | parameters))


def keras_dense(layers=LAYERS, width=140, rate=1e-3, loss="mae"):
    """Return the same network in plain Keras, compiled."""
    import keras

    hidden = [keras.layers.Dense(size, "relu") for size in layers]
    model = keras.Sequential([keras.Input((width,)), *hidden, keras.layers.Dense(width)])
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


def keras_fit(X, epochs=20, batch_size=512, **options):
    """Build, compile and fit in plain Keras."""
    model = keras_dense(width=X.shape[1], **options)
    model.fit(X, X, epochs=epochs, batch_size=batch_size, verbose=0)
    return model


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
    X = uniform(2359, 140)
    detector().fit(X)
    fits = iter(range(1, 9))

    def fit():
        i = next(fits)
        detector(random_state=i, optimizer__learning_rate=1e-3 / i).fit(X[: 2359 - 50 * i])

    return clocked(fit, 5)


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
        hidden_layer_sizes=LAYERS[:2], epochs=20, batch_size=512, loss="mae", random_state=0
    )
    return _grid(estimator, "latent_dim", "optimizer__learning_rate")


@measures("grid_search", "scikeras")
def _():
    from scikeras.wrappers import KerasRegressor

    def build(latent_dim=8, rate=1e-3):
        return keras_dense((*LAYERS[:2], latent_dim, *LAYERS[3:]), rate=rate)

    estimator = KerasRegressor(build, latent_dim=8, rate=1e-3, epochs=20, batch_size=512, verbose=0)
    return _grid(estimator, "latent_dim", "rate")


def _second_epoch(estimator, X):
    estimator.fit(X)
    return clocked(lambda: estimator.fit(X), 2)


def _keras_epoch(model, X):
    options = {"epochs": 1, "batch_size": 32, "verbose": 0}
    model.fit(X, X, **options)
    return clocked(lambda: model.fit(X, X, **options), 2)


@measures("epoch_140", "skae")
def _():
    return _second_epoch(detector(epochs=1, batch_size=32), uniform(60_000, 140))


@measures("epoch_140", "keras")
def _():
    return _keras_epoch(keras_dense(), uniform(60_000, 140))


@measures("epoch_784", "skae")
def _():
    from skae import AutoencoderTransformer

    X = uniform(60_000, 784)
    estimator = AutoencoderTransformer(
        hidden_layer_sizes=(), latent_dim=64, epochs=1, batch_size=32, random_state=0
    )
    return _second_epoch(estimator, X)


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
        return clocked(lambda: estimator.fit(X, X))


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


CONV_ROWS = 6_000


@measures("epoch_conv", "skae")
def _():
    from skae import DenoisingRegressor

    X = uniform(CONV_ROWS, 28, 28, 1)
    estimator = DenoisingRegressor(
        model="conv",
        hidden_layer_sizes=(16, 8),
        latent_dim=None,
        noise=None,
        epochs=1,
        batch_size=32,
        random_state=0,
    )
    estimator.fit(X, X)
    return clocked(lambda: estimator.fit(X, X), 2)


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
    return _keras_epoch(model, uniform(CONV_ROWS, 28, 28, 1))


@measures("one_row", "skae")
def _():
    X = uniform(500, 140)
    estimator = detector(epochs=1).fit(X)
    return clocked(lambda: [estimator.decision_function(X[:1]) for _ in range(200)], 10) / 200


@measures("one_row", "scikit-learn")
def _():
    import warnings

    from sklearn.neural_network import MLPRegressor

    X = uniform(500, 140)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = MLPRegressor(hidden_layer_sizes=LAYERS, max_iter=1).fit(X, X)
    return clocked(lambda: [estimator.predict(X[:1]) for _ in range(200)], 10) / 200


@measures("one_row", "keras")
def _():
    X = uniform(1, 140)
    model = keras_dense()
    model.predict(X, verbose=0)
    return clocked(lambda: model.predict(X, verbose=0), 10)


SCORE_ROWS = 1_000_000


@measures("score", "skae")
def _():
    estimator = detector(epochs=1).fit(uniform(1000, 140))
    X = uniform(SCORE_ROWS, 140)
    estimator.score_samples(X[:20_000])
    return clocked(lambda: estimator.score_samples(X), 2)


@measures("score", "keras")
def _():
    model = keras_dense()
    # Its time is proportional to rows; a tenth of them spares the reader two minutes.
    X = uniform(SCORE_ROWS // 10, 140)
    model.predict(X[:64], verbose=0)
    return 10 * clocked(lambda: model.predict(X, verbose=0))


@measures("score", "numpy")
def _():
    X = uniform(SCORE_ROWS, 140)
    sizes = (140, *LAYERS, 140)
    weights = [uniform(*pair) - 0.5 for pair in pairwise(sizes)]

    def forward():
        for start in range(0, len(X), 8192):
            z = X[start : start + 8192]
            for weight in weights:
                z = np.maximum(z @ weight, 0)

    return clocked(forward, 2)


def _growth(fit, n):
    for _ in range(5):
        fit()
    before = resident()
    for _ in range(n):
        fit()
    return (resident() - before) / n


@measures("growth", "skae")
def _():
    X = uniform(500, 140)
    return _growth(lambda: detector(epochs=1).fit(X), 200)


@measures("growth", "keras")
def _():
    X = uniform(500, 140)
    return _growth(lambda: keras_fit(X, epochs=1), 20)


@measures("peak_array", "skae")
def _():
    """Peak memory beyond 1.2 times an array of 500 MB."""
    detector(epochs=1).fit(uniform(600, 140))
    before = resident()
    X = uniform(500 * 2**20 // 560, 140)
    detector(epochs=1).fit(X)
    return max(peak() - before - 1.2 * X.nbytes / 2**20, 0.0)


@measures("peak_memmap", "skae")
def _():
    """Peak memory of a fit on a memory map of 4 GB, file pages aside."""
    detector(epochs=1).fit(uniform(600, 140))
    with tempfile.TemporaryDirectory() as folder:
        rows = 4 * 2**30 // 560
        X = np.memmap(Path(folder) / "rows.dat", np.float32, "w+", shape=(rows, 140))
        X.flush()
        return _anonymous_peak(lambda: detector(epochs=1, batch_size=4096).fit(X))


def _anonymous_peak(function):
    import threading

    def anonymous():
        status = Path("/proc/self/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1024

    before, seen, done = anonymous(), [0.0], threading.Event()

    def watch():
        while not done.wait(0.05):
            seen.append(anonymous())

    thread = threading.Thread(target=watch)
    thread.start()
    function()
    done.set()
    thread.join()
    return max(seen) - before


def _import(module):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def _bare():
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return time.perf_counter() - start


@measures("import", "skae")
def _():
    return max(_import("skae") - _bare(), 0.0)


@measures("import", "scikit-learn")
def _():
    return _import("sklearn") - _bare()
