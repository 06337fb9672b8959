"""The denoiser: pairs of samples, or clean samples and added noise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import r2_score

from skae import DenoisingRegressor
from skae.estimators._scikeras import keras
from tests.estimators._cases import small, weights


@pytest.fixture(scope="module")
def noisy(table):
    noise = np.random.default_rng(2).normal(0, 0.1, table.shape)
    return (table + noise).astype(np.float32)


def _denoiser(**params):
    """Return one in the units of the table, in which the predictions below are compared."""
    return small(DenoisingRegressor, **{"scale": False, "batch_size": 32, **params})


@pytest.mark.parametrize("scale", ["auto", False])
def test_learns_the_clean_rows(scale, noisy, table):
    settings = {"epochs": 300, "optimizer__learning_rate": 0.01, "latent_dim": 3}
    denoiser = _denoiser(scale=scale, **settings).fit(noisy, table)
    cleaned = denoiser.predict(noisy)
    assert np.mean((cleaned - table) ** 2) < 0.5 * np.mean((noisy - table) ** 2)


@pytest.mark.parametrize("scale", ["auto", False])
def test_learns_from_clean_rows_alone(scale, noisy, table):
    settings = {"epochs": 300, "optimizer__learning_rate": 0.01, "latent_dim": 3}
    denoiser = _denoiser(scale=scale, **settings).fit(table)
    assert np.mean((denoiser.predict(noisy) - table) ** 2) < 0.5 * np.mean((noisy - table) ** 2)


def test_noise_is_fresh_for_every_batch(table):
    """With nothing to learn from but noise, every epoch's loss is another draw."""
    denoiser = _denoiser(
        epochs=4, batch_size=60, optimizer="sgd", optimizer__learning_rate=0.0, noise__stddev=1.0
    ).fit(table)
    losses = denoiser.history_["loss"]
    assert len(set(losses)) == 4
    silent = _denoiser(
        epochs=4, batch_size=60, optimizer="sgd", optimizer__learning_rate=0.0, noise__stddev=1.0
    ).fit(table, table)
    # The same 360 squares, added in the order of each epoch's rows.
    assert_allclose(silent.history_["loss"], silent.history_["loss"][0], rtol=2e-5)


def test_default_noise_is_gaussian_with_a_tenth(table):
    default = _denoiser().fit(table)
    for noise in ("gaussian", keras.layers.GaussianNoise(0.1)):
        same = _denoiser(noise=noise).fit(table)
        for one, two in zip(weights(default)[:4], weights(same)[:4], strict=True):
            if noise == "gaussian":
                assert_array_equal(one, two)
            else:
                assert_allclose(one, two, atol=0.05)
    other = _denoiser(noise__stddev=0.5).fit(table)
    assert any(
        (a != b).any() for a, b in zip(weights(default)[:4], weights(other)[:4], strict=True)
    )


def test_noise_is_silent_where_clean_rows_are_given(noisy, table):
    first, second = (_denoiser(noise=noise).fit(noisy, table) for noise in ("gaussian", "masking"))
    for one, two in zip(weights(first), weights(second), strict=True):
        assert_array_equal(one, two)
    assert len(_denoiser(noise=None).fit(noisy, table).predict(noisy)) == 60


def test_neither_noise_nor_clean_rows_is_refused(table):
    with pytest.raises(
        ValueError,
        match="noise=None, so there is no noise to remove; pass the clean samples as y, or",
    ):
        _denoiser(noise=None).fit(table)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (9,), (3, 2), (2, 2, 2)])
def test_targets_of_any_width(shape, table):
    target = np.random.default_rng(0).uniform(size=(60, *shape)).astype(np.float32)
    predicted = _denoiser().fit(table, target).predict(table)
    assert predicted.shape == target.shape
    assert predicted.dtype == (np.float64 if shape == () else np.float32)
    assert np.isfinite(predicted).all()


def test_predictions_are_the_models(noisy, table):
    denoiser = _denoiser().fit(noisy, table)
    assert_allclose(denoiser.predict(noisy), denoiser.model_(noisy).numpy(), atol=1e-6)
    assert denoiser.predict(noisy.astype(np.float64)).dtype == np.float64
    wide = _denoiser().fit(noisy, table[:, :2])
    assert_allclose(wide.predict(noisy), wide.model_(noisy).numpy(), atol=1e-6)


def test_score_is_the_r2_of_predictions(noisy, table):
    denoiser = _denoiser().fit(noisy, table)
    predicted = denoiser.predict(noisy)
    expected = r2_score(table.ravel(), predicted.ravel())
    assert_allclose(denoiser.score(noisy, table), expected, rtol=1e-5)
    weight = np.arange(60) % 3
    repeated = denoiser.score(np.repeat(noisy, weight, axis=0), np.repeat(table, weight, axis=0))
    assert_allclose(denoiser.score(noisy, table, sample_weight=weight), repeated, rtol=1e-6)


def test_score_without_clean_rows_denoises_its_own_noise(table):
    denoiser = _denoiser(epochs=200, optimizer__learning_rate=0.01).fit(table)
    score = denoiser.score(table)
    assert score == denoiser.score(table)
    # Harder than clean rows, and of another noise than none.
    assert score < denoiser.score(table, table)
    assert score > 0.5


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.zeros((59, 6)),
            "60 samples and y has 59; pass one clean sample for each noisy one",
        ),
        (np.full((60, 6), np.nan), "Input y contains NaN"),
        (np.full((60, 6), np.inf), "Input y contains infinity"),
        (np.full((60, 6), 1e39), r"y contains infinity or a value too large.*Scale y"),
        (np.full(60, "a"), "could not convert string|numeric"),
        (np.zeros((60, 6)) + 1j, "Complex data not supported"),
    ],
)
def test_bad_targets_are_refused(y, message, table):
    denoiser = _denoiser()
    before = dict(vars(denoiser))
    with pytest.raises(ValueError, match=f"(?s){message}"):
        denoiser.fit(table, y)
    assert vars(denoiser) == before


def test_training_goes_on_as_it_began(noisy, table):
    pairs, alone = _denoiser().fit(noisy, table), _denoiser().fit(table)
    with pytest.raises(
        ValueError, match="Pass y at every call of a continued training, or at none; got y missing"
    ):
        pairs.partial_fit(noisy)
    with pytest.raises(ValueError, match="got y after calls without it"):
        alone.partial_fit(noisy, table)
    with pytest.raises(
        ValueError, match=r"y has samples of shape \(3,\).*fitted on samples of shape \(6,"
    ):
        pairs.partial_fit(noisy, table[:, :3])
    with pytest.raises(ValueError, match=r"y has 3 values per sample, but predictions have 6"):
        pairs.score(noisy, table[:, :3])
    assert len(pairs.partial_fit(noisy, table).history_["loss"]) == 3
    assert len(alone.partial_fit(table).history_["loss"]) == 3


def test_narrow_targets_stay_narrow_in_partial_fit(noisy, table):
    denoiser = _denoiser().fit(noisy, table[:, :2])
    with pytest.raises(ValueError, match="fitted on samples of shape"):
        denoiser.partial_fit(noisy, table)
    assert denoiser.partial_fit(noisy, table[:, :2]).predict(noisy).shape == (60, 2)


def test_validation_with_clean_rows(noisy, table):
    denoiser = _denoiser().fit(noisy[:40], table[:40], X_val=noisy[40:], y_val=table[40:])
    expected = np.mean((denoiser.predict(noisy[40:]) - table[40:]) ** 2)
    assert_allclose(denoiser.history_["val_loss"][-1], expected, rtol=1e-4)
    alone = _denoiser().fit(table[:40], X_val=table[40:])
    clean = np.mean((alone.predict(table[40:]) - table[40:]) ** 2)
    assert alone.history_["val_loss"][-1] != pytest.approx(clean, rel=1e-6)


def test_validation_of_pairs_needs_both(noisy, table):
    with pytest.raises(ValueError, match="Pass y_val with X_val if fit gets y.*got y_val mis"):
        _denoiser().fit(noisy, table, X_val=noisy)
    with pytest.raises(ValueError, match="Got y_val without X_val"):
        _denoiser().fit(noisy, table, y_val=table)


def test_images_with_clean_images():
    images = np.random.default_rng(0).uniform(size=(20, 4, 4, 1)).astype(np.float32)
    denoiser = _denoiser(model="conv", hidden_layer_sizes=(2,)).fit(images + 0.1, images)
    assert denoiser.predict(images).shape == images.shape
    flat = denoiser.predict(images.reshape(20, 16))
    assert_array_equal(flat.ravel(), denoiser.predict(images).ravel())


def test_validation_takes_targets_of_the_width_of_fit(noisy, table):
    with pytest.raises(
        ValueError, match=r"y has samples of shape \(2,\), but .* samples of shape \(6,\)"
    ):
        _denoiser().fit(noisy, table, X_val=noisy, y_val=table[:, :2])
    with pytest.raises(ValueError, match="got y_val without y"):
        _denoiser().fit(table, X_val=noisy, y_val=table)
