"""Masked steps are ignored in errors, as in the loss."""

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score, roc_auc_score

from skae import AutoencoderTransformer, DenoisingRegressor, ReconstructionOutlierDetector

STEPS, CHANNELS, PAD = 8, 2, -9.0


def _runs(n, noise, seed):
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, (n, 1, 1)) + np.array([0.0, np.pi / 2])
    X = np.sin(np.arange(STEPS)[None, :, None] / 3 + phase) + rng.normal(0, noise, (n, STEPS, 2))
    for row, length in zip(X, rng.integers(3, STEPS + 1, n), strict=True):
        row[length:] = PAD
    return X.astype("float32")


def _masking(input_shape):
    inputs = keras.Input(input_shape)
    hidden = layers.LSTM(8, return_sequences=True)(layers.Masking(PAD)(inputs))
    return keras.Model(inputs, layers.TimeDistributed(layers.Dense(CHANNELS))(hidden))


X = _runs(150, 0.03, 0)
MASK = X != PAD


@pytest.fixture(scope="module", params=["compiled", "keras"])
def detector(request):
    return ReconstructionOutlierDetector(
        _masking,
        epochs=15,
        batch_size=32,
        optimizer__learning_rate=0.02,
        random_state=0,
        engine=request.param,
    ).fit(X)


@pytest.mark.parametrize("n", [1, 20, 150])
def test_errors_are_means_over_what_is_not_masked(n, detector):
    squares = (X - detector.reconstruct(X)) ** 2
    expected = (squares * MASK).sum((1, 2)) / MASK.sum((1, 2))
    assert_allclose(detector.reconstruction_error(X[:n]), expected[:n], rtol=1e-4)
    values = detector.feature_errors(X[:n]).to_numpy()
    assert_allclose(values, np.where(MASK, squares, np.nan)[:n].reshape(n, -1), rtol=1e-4)
    assert_allclose(np.nanmean(values, axis=1), expected[:n], rtol=1e-4)


def test_the_error_of_one_sample_is_keras_loss_of_it(detector):
    for row in X[:4, None]:
        loss = keras.losses.MeanSquaredError()(row, detector.model_(row))
        assert_allclose(detector.reconstruction_error(row), [float(loss)], rtol=1e-4)


def test_strange_runs_are_found_not_short_ones(detector):
    odd = np.concatenate([_runs(100, 0.03, 1), _runs(100, 0.5, 2)])
    scores = detector.score_samples(odd)
    assert roc_auc_score(np.repeat([1, 0], 100), scores) > 0.95
    length = (odd != PAD).all(axis=2).sum(axis=1)
    assert abs(np.corrcoef(scores[:100], length[:100])[0, 1]) < 0.6


def test_explanations_name_no_masked_step(detector):
    explained = detector.explain(X, 3)
    named = explained["feature"].tolist()
    assert all(MASK[row][place] for row, place in zip(explained["row"], named, strict=True))
    everything = detector.explain(X, STEPS * CHANNELS)
    assert_allclose(everything.groupby("row")["share"].sum(), 1, rtol=1e-6)


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 151.0)])
def test_r2_counts_what_is_not_masked(weight, detector):
    weights = MASK * (1.0 if weight is None else weight[:, None, None])
    expected = r2_score(X.ravel(), detector.reconstruct(X).ravel(), sample_weight=weights.ravel())
    assert_allclose(detector.score(X, sample_weight=weight), expected, rtol=1e-6)


def test_a_sample_that_is_all_padding_has_no_error(detector):
    empty = np.full((3, STEPS, CHANNELS), PAD, np.float32)
    assert_allclose(detector.reconstruction_error(empty), 0.0)
    assert detector.feature_errors(empty).isna().all(axis=None)


def test_a_built_in_network_masks_nothing():
    coder = AutoencoderTransformer(
        "recurrent", latent_dim=2, hidden_layer_sizes=(4,), epochs=1, random_state=0
    ).fit(X)
    squares = (X - coder.reconstruct(X)) ** 2
    assert_allclose(coder.reconstruction_error(X), squares.mean((1, 2)), rtol=1e-5)


def test_the_score_of_a_denoiser_leaves_masked_steps_out():
    noisy = np.where(MASK, X + np.random.default_rng(0).normal(0, 0.1, X.shape), PAD)
    noisy = noisy.astype(np.float32)
    denoiser = DenoisingRegressor(_masking, epochs=2, random_state=0).fit(noisy, X)
    expected = r2_score(X[MASK], denoiser.predict(noisy)[MASK])
    assert_allclose(denoiser.score(noisy, X), expected, rtol=1e-5)
