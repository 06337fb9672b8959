"""Programs that are no longer in use free their memory."""

from __future__ import annotations

import gc

import keras
import numpy as np
import psutil
import pytest
from keras import layers

from skae import ReconstructionOutlierDetector, _store

X = np.random.default_rng(0).random((64, 6), np.float32)
KEPT, WARM, MORE = 8, 20, 50


def of_architecture(number):
    def model():
        sizes = 3 + number % 7, 2 + number // 7
        inner = [layers.Dense(size, "tanh") for size in sizes]
        return keras.Sequential([keras.Input((6,)), *inner, layers.Dense(6)])

    return {"model": model}


def of_loss(number):
    def loss(x, reconstruction):
        return keras.ops.mean(keras.ops.abs(x - reconstruction) ** (1 + number / 100), -1)

    return {"latent_dim": 2, "loss": loss}


@pytest.mark.parametrize("parameters", [of_architecture, of_loss])
def test_memory_is_level_once_the_store_is_full(parameters, monkeypatch):
    """Each program takes TensorFlow some 1.4 MB for as long as the process lives."""
    monkeypatch.setattr(_store, "MAX_PROGRAMS", KEPT)
    monkeypatch.setattr(_store.PROGRAMS, "_maxsize", KEPT)
    process, resident = psutil.Process(), 0
    for number in range(WARM + MORE):
        given = {"epochs": 1, "calibration": "training", "random_state": 0}
        ReconstructionOutlierDetector(**parameters(number), **given).fit(X)
        if number in (WARM - 1, WARM + MORE - 1):
            gc.collect()
            _store.forget_kernels()
            grown, resident = process.memory_info().rss - resident, process.memory_info().rss
    assert grown < MORE * 0.7 * 2**20
