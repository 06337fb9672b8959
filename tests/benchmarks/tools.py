"""Tools of the cases: registry, clocks, data, and the network in both forms."""

from __future__ import annotations

import os
import resource
import time
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
    # What Keras does as well: no scaling, and errors as they are.
    defaults |= {"scale": False, "optimizer": "adam", "calibration": "training"}
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


def functional(input_shape, latent_dim=LAYERS[2]):
    """Return the same network as a functional model of Keras's own layers."""
    import keras

    inputs = rows = keras.Input(input_shape)
    for size in (*LAYERS[:2], latent_dim, *LAYERS[3:]):
        rows = keras.layers.Dense(size, "relu")(rows)
    return keras.Model(inputs, keras.layers.Dense(input_shape[0])(rows))


def tutorial_class():
    """Return the anomaly detector of TensorFlow's tutorial, as a class."""
    from tests.estimators.tutorial_models import AnomalyDetector

    return AnomalyDetector
