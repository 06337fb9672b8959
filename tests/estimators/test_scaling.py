"""Standardized columns inside: as good as a scaler in front, and in the units of the input."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae.inspection import explain
from skae.noise import MaskingNoise

UNITS = np.array([1e9, 1e-6, 1.0, 300.0, 1.0])
ORIGINS = np.array([1e10, 0.0, 1e5, -40.0, 0.0])
EACH = pytest.mark.parametrize(
    "kind",
    [
        AutoencoderTransformer,
        VariationalAutoencoder,
        DenoisingRegressor,
        ReconstructionOutlierDetector,
    ],
    ids=lambda kind: kind.__name__,
)


def small(kind, **params):
    return kind(hidden_layer_sizes=(8,), epochs=20, random_state=0, **params)


@pytest.fixture(scope="module")
def plain():
    rng = np.random.default_rng(0)
    return rng.normal(size=(120, 2)) @ rng.normal(size=(2, 5))


@pytest.fixture(scope="module")
def raw(plain):
    return plain * UNITS + ORIGINS


@EACH
def test_units_of_columns_do_not_matter(kind, plain, raw):
    first, second = small(kind).fit(plain), small(kind).fit(raw)
    np.testing.assert_allclose(first.score(plain), second.score(raw), atol=1e-3)


@EACH
def test_scaling_inside_equals_a_scaler_in_front(kind, raw):
    inside = small(kind).fit(raw)
    scaler = StandardScaler().fit(raw)
    outside = small(kind, scale=False).fit(scaler.transform(raw))
    expected = outside.score(scaler.transform(raw))
    np.testing.assert_allclose(inside.score(raw), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", [AutoencoderTransformer, VariationalAutoencoder])
def test_reconstructions_and_decoded_codes_are_in_the_units_of_the_input(kind, plain, raw):
    fitted = small(kind).fit(raw)
    rebuilt = fitted.reconstruct(raw)
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(raw)), rebuilt, rtol=1e-5)
    expected = small(kind).fit(plain).reconstruct(plain) * UNITS + ORIGINS
    np.testing.assert_allclose(rebuilt / UNITS, expected / UNITS, rtol=1e-4, atol=1e-2)


def test_a_denoiser_answers_in_the_units_of_the_clean_samples(plain, raw):
    denoiser = small(DenoisingRegressor).fit(plain, raw)
    again = small(DenoisingRegressor).fit(plain, plain)
    expected = again.predict(plain) * UNITS + ORIGINS
    np.testing.assert_allclose(
        denoiser.predict(plain) / UNITS, expected / UNITS, rtol=1e-4, atol=1e-2
    )
    one = small(DenoisingRegressor).fit(plain, 1e6 + 1e3 * plain[:, 0])
    assert abs(one.predict(plain).mean() - 1e6) < 1e3


def test_a_detector_explains_in_the_units_of_the_input(raw):
    frame = pd.DataFrame(raw, columns=[*"abcde"])
    detector = small(ReconstructionOutlierDetector, contamination=0.1).fit(frame)
    lines = detector.explain(frame, n_features=5)
    values = lines.pivot_table(index="row", columns="feature", values="value")
    np.testing.assert_allclose(values, frame.loc[values.index, values.columns])
    rebuilt = lines.pivot_table(index="row", columns="feature", values="reconstruction")
    expected = pd.DataFrame(detector.reconstruct(frame), columns=frame.columns)
    np.testing.assert_allclose(rebuilt, expected.loc[rebuilt.index, rebuilt.columns])


def test_images_sequences_and_bounded_outputs_are_not_scaled_by_default(plain):
    unit = (plain - plain.min()) / np.ptp(plain)
    for given in (
        {"output_activation": "sigmoid"},
        {"output_activation": "sigmoid", "loss": "binary_crossentropy"},
        {"model": "recurrent", "input_shape": (5, 1), "epochs": 1},
    ):
        params = {"epochs": 2, "hidden_layer_sizes": (4,), "random_state": 0, **given}
        assert AutoencoderTransformer(**params).fit(unit).scaler_ is None


@pytest.mark.parametrize(
    "noise",
    [
        {"noise": "gaussian", "noise__stddev": 0.5},
        {"noise": "uniform", "noise__clip": (0.0, 1.0)},
        {"noise": "salt_and_pepper"},
        {"noise": MaskingNoise(0.5)},
    ],
    ids=["stddev", "clip", "values", "layer"],
)
def test_noise_with_values_of_its_own_is_in_the_units_of_the_samples(noise, plain):
    fitted = small(DenoisingRegressor, **noise).fit(plain)
    assert fitted.scaler_ is None
    assert small(DenoisingRegressor, **noise, scale=True).fit(plain).scaler_ is not None


def test_noise_without_options_does_not_depend_on_units(plain, raw):
    first, second = small(DenoisingRegressor).fit(plain), small(DenoisingRegressor).fit(raw)
    assert first.scaler_ is not None
    np.testing.assert_allclose(first.score(plain), second.score(raw), atol=1e-3)


class Crossentropy(keras.losses.BinaryCrossentropy):
    """A user's class that computes what Keras's does."""


@pytest.mark.parametrize(
    "loss",
    [
        "binary_crossentropy",
        "KLD",
        "categorical_focal_crossentropy",
        keras.losses.poisson,
        "dice",
        keras.losses.SquaredHinge(),
        keras.losses.CosineSimilarity,
        keras.losses.MeanAbsolutePercentageError(),
        Crossentropy,
        Crossentropy(),
    ],
    ids=lambda loss: loss if isinstance(loss, str) else getattr(loss, "__name__", "object"),
)
def test_a_loss_of_ratios_or_probabilities_refuses_scaling(loss, plain):
    with pytest.raises(ValueError, match="scale=False"):
        small(AutoencoderTransformer, scale=True, loss=loss).fit(plain)
    warm = small(AutoencoderTransformer, scale=True, warm_start=True).fit(plain)
    with pytest.raises(ValueError, match="scale=False"):
        warm.set_params(loss=loss).fit(plain)


@pytest.mark.parametrize("loss", ["dice", "tversky", "hinge", "squared_hinge"])
def test_other_losses_than_those_of_differences_are_not_scaled_by_default(loss, plain):
    unit = (plain - plain.min()) / np.ptp(plain)
    assert small(AutoencoderTransformer, loss=loss).fit(unit).scaler_ is None


def containers_of(table):
    """Return a table of whole numbers beyond float32 in all that `fit` takes."""
    frame = pd.DataFrame(table.astype(np.int64), columns=[*"abcde"])
    return {
        "integers": table.astype(np.int64),
        "list": table.tolist(),
        "frame": frame,
        "polars": pl.from_pandas(frame),
        "polars floats": pl.from_pandas(frame.astype(float)),
        "tensor": tf.constant(table),
        "stream": lambda: iter(np.array_split(table, 3)),
        "stream of integers": lambda: iter(np.array_split(table.astype(np.int64), 3)),
    }


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", containers_of(np.zeros((3, 5))))
def test_large_whole_numbers_keep_their_differences_in_every_container(name, plain):
    table = (10 * plain).round() + np.array([0, 0, 1.7e9, 0, 0])
    given = containers_of(table)[name]
    expected = small(AutoencoderTransformer).fit(table)
    found = small(AutoencoderTransformer).fit(given)
    np.testing.assert_allclose(found.scaler_.scale_, expected.scaler_.scale_, rtol=1e-9)
    if not name.startswith("stream"):
        np.testing.assert_allclose(found.transform(given), expected.transform(table), atol=1e-5)


def test_targets_of_large_whole_numbers_keep_their_differences(plain):
    targets = (10 * plain[:, :2]).round() + 1.7e9
    expected = small(DenoisingRegressor, noise=None).fit(plain, targets)
    for given in (targets.astype(np.int64), targets.tolist()):
        found = small(DenoisingRegressor, noise=None).fit(plain, given)
        np.testing.assert_allclose(found._output_scaler.scale_, expected._output_scaler.scale_)


def test_a_group_named_like_its_column_has_no_value(plain):
    frame = pd.DataFrame(plain, columns=[*"abcde"])
    detector = small(ReconstructionOutlierDetector).fit(frame)
    pipe = make_pipeline(StandardScaler().set_output(transform="pandas"), detector).fit(frame)
    groups = {"a": ["a", "b"]}
    for lines in (
        detector.explain(frame, rows=[0], n_features=None, groups=groups),
        explain(pipe, frame, rows=[0], n_features=None, groups=groups),
    ):
        of_group = lines.set_index("feature").loc["a"]
        assert pd.isna(of_group["value"])
        assert pd.isna(of_group["reconstruction"])
        assert lines["feature"].tolist().count("b") == 0


def test_constant_columns_and_huge_new_values_are_safe(plain):
    table = np.column_stack([plain, np.full(len(plain), 1e9)])
    detector = small(ReconstructionOutlierDetector).fit(table)
    assert np.isfinite(detector.score_samples(table)).all()
    far = table[:3] * 1e25
    assert np.isfinite(detector.score_samples(far)).all()
    assert (detector.predict(far) == -1).all()


def test_weights_count_in_the_statistics(plain):
    weight = np.arange(len(plain)) % 3
    fitted = small(AutoencoderTransformer).fit(plain, sample_weight=weight)
    expected = StandardScaler().fit(plain, sample_weight=weight)
    np.testing.assert_allclose(fitted.scaler_.mean_, expected.mean_)
    np.testing.assert_allclose(fitted.scaler_.scale_, expected.scale_)


def test_a_stream_is_scaled_like_the_array(plain):
    table = plain.astype(np.float32)
    stream = tf.data.Dataset.from_tensor_slices(table).batch(30)
    params = {"shuffle": False, "batch_size": 30}
    streamed = small(AutoencoderTransformer, **params).fit(stream)
    fitted = small(AutoencoderTransformer, **params).fit(table)
    np.testing.assert_allclose(streamed.score(table), fitted.score(table), atol=1e-4)


def test_held_out_samples_do_not_count(plain):
    fitted = small(AutoencoderTransformer, validation_split=0.5).fit(plain)
    assert fitted.scaler_.n_samples_seen_ == len(plain) // 2


def test_later_training_keeps_the_units(plain):
    fitted = small(AutoencoderTransformer, warm_start=True).fit(plain)
    mean = fitted.scaler_.mean_.copy()
    fitted.fit(plain + 1).partial_fit(plain + 2)
    np.testing.assert_array_equal(fitted.scaler_.mean_, mean)


def test_large_tables_are_scaled_while_they_are_read(plain, monkeypatch):
    import skae.estimators._scaling as scaling

    whole = small(AutoencoderTransformer).fit(plain)
    monkeypatch.setattr(scaling, "_COPIED_BYTES", 0)
    monkeypatch.setattr(scaling, "_BLOCK_BYTES", 1000)
    lazy = small(AutoencoderTransformer).fit(plain)
    np.testing.assert_allclose(lazy.reconstruct(plain), whole.reconstruct(plain), rtol=1e-5)


def test_a_scaler_in_front_changes_nothing(raw):
    alone = small(AutoencoderTransformer).fit(raw)
    behind = make_pipeline(StandardScaler(), small(AutoencoderTransformer)).fit(raw)
    np.testing.assert_allclose(behind.score(raw), alone.score(raw), rtol=1e-4)
