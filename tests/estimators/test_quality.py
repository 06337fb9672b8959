"""Published results, on the real data and on data of scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, precision_score, recall_score
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae.datasets import fetch_ecg5000, fetch_fashion_mnist
from tests.estimators import tutorial_models


@pytest.fixture(scope="module")
def heartbeats(skae_data):
    """Return the tutorial's split: normal training rows, test rows and whether they are normal."""
    X, y = fetch_ecg5000(data_home=skae_data, return_X_y=True)
    normal = y[:4998] == 1
    train, test, train_normal, test_normal = train_test_split(
        X[:4998], normal, test_size=0.2, random_state=21
    )
    low, high = train.min(), train.max()
    train, test = ((part - low) / (high - low) for part in (train, test))
    return train[train_normal], test, test_normal


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    "params",
    [
        {"model": tutorial_models.AnomalyDetector},
        {"hidden_layer_sizes": (32, 16), "latent_dim": 8, "output_activation": "sigmoid"},
    ],
    ids=["tutorial", "dense"],
)
def test_heartbeats_are_told_apart_as_published(params, heartbeats):
    train, test, normal = heartbeats
    figures = []
    for seed in range(5):
        detector = ReconstructionOutlierDetector(
            **params,
            loss="mae",
            n_std=1.0,
            optimizer="adam",
            epochs=20,
            batch_size=512,
            random_state=seed,
        ).fit(train)
        found = detector.predict(test) == 1
        figures.append(
            [
                accuracy_score(normal, found),
                precision_score(normal, found),
                recall_score(normal, found),
            ]
        )
    accuracy, precision, recall = np.transpose(figures)
    assert accuracy.mean() >= 0.94, figures
    assert recall.mean() >= 0.90, figures
    assert accuracy.min() >= 0.935, figures
    assert precision.min() >= 0.99, figures
    assert recall.min() >= 0.89, figures


def _plane():
    """Return 60 points near a plane in space, as the book's PCA chapter makes them."""
    rng = np.random.RandomState(4)
    angles = rng.rand(60) * 3 * np.pi / 2 - 0.5
    noise = 0.1
    points = np.empty((60, 3))
    points[:, 0] = np.cos(angles) + np.sin(angles) / 2 + noise * rng.randn(60) / 2
    points[:, 1] = np.sin(angles) * 0.7 + noise * rng.randn(60) / 2
    points[:, 2] = points[:, 0] * 0.1 + points[:, 1] * 0.3 + noise * rng.randn(60)
    return points - points.mean(axis=0)


def _pca_error(X, n_components):
    pca = PCA(n_components).fit(X)
    return np.mean((pca.inverse_transform(pca.transform(X)) - X) ** 2)


def test_linear_autoencoder_reaches_pca_on_points_in_space():
    X = _plane()
    autoencoder = AutoencoderTransformer(
        "linear",
        latent_dim=2,
        scale=False,
        optimizer="sgd",
        optimizer__learning_rate=0.5,
        epochs=2000,
        batch_size=32,
        random_state=0,
    ).fit(X)
    expected = _pca_error(X, 2)
    assert_allclose(autoencoder.reconstruction_error(X).mean(), expected, rtol=0.01)


@pytest.mark.parametrize("tied", [False, True])
def test_linear_autoencoder_reaches_pca_on_digits(tied):
    X = load_digits().data / 16
    X -= X.mean(axis=0)
    autoencoder = AutoencoderTransformer(
        "linear",
        latent_dim=8,
        model__tied=tied,
        scale=False,
        optimizer__learning_rate=0.003,
        batch_size=256,
        epochs=600,
        random_state=0,
    ).fit(X)
    expected = _pca_error(X, 8)
    error = autoencoder.reconstruction_error(X).mean()
    assert expected * 0.999 <= error <= expected * 1.01


@pytest.mark.data
@pytest.mark.slow
def test_clothes_are_compressed_as_published(skae_data):
    X, X_test = (
        fetch_fashion_mnist(data_home=skae_data, subset=subset).data.reshape(-1, 784) / 255.0
        for subset in ("train", "test")
    )
    errors = [
        AutoencoderTransformer(
            latent_dim=64,
            hidden_layer_sizes=(),
            output_activation="sigmoid",
            optimizer="adam",
            epochs=10,
            batch_size=32,
            random_state=seed,
        )
        .fit(X.astype(np.float32))
        .reconstruction_error(X_test.astype(np.float32))
        .mean()
        for seed in range(3)
    ]
    assert np.median(errors) <= 0.0090, errors
