"""Tiny fitted estimators for the pictures, made once."""

from __future__ import annotations

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skae import AutoencoderTransformer, DenoisingRegressor, ReconstructionOutlierDetector

TINY = {"hidden_layer_sizes": (4,), "epochs": 2, "random_state": 0}


@pytest.fixture(autouse=True)
def closed_figures():
    """Close every figure that a test opened."""
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def images():
    """Return 24 images of 4 x 3 in [0, 1]; read-only."""
    rows = np.random.default_rng(0).uniform(size=(24, 4, 3)).astype(np.float32)
    rows.setflags(write=False)
    return rows


@pytest.fixture(scope="session")
def labels():
    """Return +1 and -1 for 24 rows."""
    return np.where(np.arange(24) % 4 == 0, -1, 1)


@pytest.fixture(scope="session")
def coder(images):
    """Return a transformer fitted on images, after a round of pickling."""
    fitted = AutoencoderTransformer(latent_dim=3, validation_split=0.25, **TINY).fit(images)
    return pickle.loads(pickle.dumps(fitted))


@pytest.fixture(scope="session")
def denoiser(images):
    """Return a denoiser fitted on images, after a round of pickling."""
    fitted = DenoisingRegressor(latent_dim=3, **TINY).fit(images)
    return pickle.loads(pickle.dumps(fitted))


@pytest.fixture(scope="session")
def detector(frame):
    """Return a detector fitted on a pandas frame, after a round of pickling."""
    fitted = ReconstructionOutlierDetector(latent_dim=2, calibration="training", **TINY).fit(frame)
    return pickle.loads(pickle.dumps(fitted))


@pytest.fixture(scope="session")
def shifted(detector):
    """Return a pipeline that adds a constant before the detector."""
    return make_pipeline(FunctionTransformer(lambda X: X + 1.0), detector)
