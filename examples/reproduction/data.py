"""The data of the tutorials, scaled and split as they do it."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from skae.datasets import fetch_ecg5000, fetch_fashion_mnist, fetch_mnist


def fashion_mnist(n_train: int = 60_000):
    """Return Fashion-MNIST's training images and those left of it, and its test images."""
    train = _scaled(fetch_fashion_mnist(subset="train").images)
    return train[:n_train], train[n_train:], _scaled(fetch_fashion_mnist(subset="test").images)


def mnist(n_train: int = 55_000):
    """Return MNIST's training images and those left of it, and its test images."""
    train, test = (_scaled(fetch_mnist(subset=part).images) for part in ("train", "test"))
    return train[:n_train], train[n_train:], test


def heartbeats():
    """Return training and test beats of ECG5000 with labels, scaled by the training extremes."""
    beats, label = fetch_ecg5000(return_X_y=True)
    parts = train_test_split(beats[:4998], label[:4998], test_size=0.2, random_state=21)
    low, high = parts[0].min(), parts[0].max()
    train, test = ((rows - low) / (high - low) for rows in parts[:2])
    return train, test, parts[2], parts[3]


def plane_in_space(seed: int = 4):
    """Return sixty points near a bent plane, as Géron (2019, chapter 17) draws them."""
    rng = np.random.RandomState(seed)
    angles = rng.rand(60) * 3 * np.pi / 2 - 0.5
    points = np.empty((60, 3))
    points[:, 0] = np.cos(angles) + np.sin(angles) / 2 + 0.1 * rng.randn(60) / 2
    points[:, 1] = np.sin(angles) * 0.7 + 0.1 * rng.randn(60) / 2
    points[:, 2] = points[:, 0] * 0.1 + points[:, 1] * 0.3 + 0.1 * rng.randn(60)
    return points - points.mean(axis=0)


def with_noise(images, seed: int, stddev: float = 0.2):
    """Return images with Gaussian noise, clipped to [0, 1]."""
    noise = np.random.default_rng(seed).normal(0, stddev, images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


def _scaled(images):
    return images.astype(np.float32) / 255
