"""Batches as `X`: datasets and generator functions."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from skae import AutoencoderTransformer, DenoisingRegressor, ReconstructionOutlierDetector
from tests.estimators._cases import ESTIMATORS, Exploding, small

SMALL = {"latent_dim": 2, "hidden_layer_sizes": (4,), "epochs": 2, "random_state": 0}


class Batches(keras.utils.PyDataset):
    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def __len__(self):
        return math.ceil(len(self.rows) / 16)

    def __getitem__(self, index):
        return self.rows[16 * index : 16 * (index + 1)]


def _generator(rows):
    return lambda: (rows[start : start + 16] for start in range(0, len(rows), 16))


KINDS = {
    "dataset": lambda rows: tf.data.Dataset.from_tensor_slices(rows).batch(16),
    "pydataset": Batches,
    "function": _generator,
}


@pytest.fixture
def rows(rng):
    return rng.random((50, 5)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_train_as_unshuffled_rows_do(kind, rows):
    expected = AutoencoderTransformer(**SMALL, batch_size=16, shuffle=False).fit(rows)
    streamed = AutoencoderTransformer(**SMALL).fit(KINDS[kind](rows))
    # After batches of unknown number, Keras counts one step of Adam too many.
    tolerance = 1e-3 if kind == "function" else 1e-5
    np.testing.assert_allclose(streamed.history_["loss"], expected.history_["loss"], rtol=tolerance)
    np.testing.assert_allclose(streamed.transform(rows), expected.transform(rows), atol=tolerance)
    assert streamed.n_features_in_ == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_detector_learns_its_threshold_from_all_batches(kind, rows):
    detector = ReconstructionOutlierDetector(**SMALL, contamination=0.1).fit(KINDS[kind](rows))
    assert detector.training_errors_.shape == (50,)
    assert abs((detector.predict(rows) == -1).sum() - 5) <= 1


def test_a_denoiser_takes_batches_of_pairs(rows):
    pairs = tf.data.Dataset.from_tensor_slices((rows + 0.1, rows[:, :3])).batch(16)
    assert DenoisingRegressor(**SMALL).fit(pairs).predict(rows).shape == (50, 3)


def test_validation_batches_give_a_validation_loss(rows):
    stream = KINDS["dataset"](rows)
    fitted = AutoencoderTransformer(**SMALL).fit(stream, X_val=stream)
    assert len(fitted.history_["val_loss"]) == 2


def test_targets_come_with_validation_batches(rows):
    pairs = tf.data.Dataset.from_tensor_slices((rows, rows)).batch(16)
    with pytest.raises(ValueError, match="With batches as X_val, y_val must be None"):
        DenoisingRegressor(**SMALL).fit(pairs, X_val=pairs, y_val=rows)


@pytest.mark.parametrize(
    ("arguments", "X", "message"),
    [
        ({"validation_split": 0.2}, "dataset", "pass X_val"),
        ({"early_stopping": True}, "dataset", "held out, as validation_split and early_stopping"),
        ({"calibration": 3}, "dataset", "calibration='held_out'"),
        ({}, "endless", "without an end"),
        ({}, "empty", "gave no batch"),
        ({}, "flat", r"a batch of shape \(16,\)"),
    ],
)
def test_what_batches_cannot_give_is_said(arguments, X, message, rows):
    streams = {
        "dataset": KINDS["dataset"](rows),
        "endless": KINDS["dataset"](rows).repeat(),
        "empty": _generator(rows[:0]),
        "flat": _generator(rows[:, 0]),
    }
    detector = ReconstructionOutlierDetector(**SMALL, **arguments)
    with pytest.raises(ValueError, match=message):
        detector.fit(streams[X])
    assert not hasattr(detector, "model_")


def test_weights_come_with_the_batches(rows):
    with pytest.raises(ValueError, match="sample_weight must be None"):
        AutoencoderTransformer(**SMALL).fit(KINDS["dataset"](rows), sample_weight=np.ones(50))


@pytest.mark.parametrize("once", [lambda batches: batches, iter, lambda batches: map(abs, batches)])
def test_batches_that_come_only_once_are_refused(once, rows):
    with pytest.raises(TypeError, match="X gives batches.*only once; pass a function"):
        AutoencoderTransformer(**SMALL).fit(once(_generator(rows)()))


def test_iterators_as_validation_rows_are_refused(rows):
    with pytest.raises(TypeError, match="only once"):
        AutoencoderTransformer(**SMALL).fit(rows, X_val=_generator(rows)())


class Opened:
    """A function of batches that counts how often it is opened."""

    def __init__(self, rows):
        self.rows, self.times = rows, 0

    def __call__(self):
        self.times += 1
        return _generator(self.rows)()


def test_a_stream_is_opened_as_rarely_as_possible_beside_its_epochs(rows):
    """Once for the first batch, and once for the statistics of columns.

    A detector's score and its training errors take one more pass each.
    """
    source, validation = Opened(rows), Opened(rows)
    AutoencoderTransformer(**SMALL, engine="compiled").fit(source, X_val=validation)
    assert (source.times, validation.times) == (4, 3)
    source = Opened(rows)
    ReconstructionOutlierDetector(**SMALL, engine="compiled").fit(source)
    assert source.times == 6
    source = Opened(rows)
    ReconstructionOutlierDetector(**SMALL, scale=False, engine="compiled").fit(source)
    assert source.times == 4


@pytest.mark.parametrize("engine", ["compiled", "keras"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_the_batch_with_a_value_that_is_not_finite_is_named(kind, value, engine, rows):
    broken = rows.copy()
    broken[37, 1] = value
    estimator = AutoencoderTransformer(**SMALL, engine=engine)
    with pytest.raises(ValueError, match="Batch 2 of X, counted from 0, contains NaN"):
        estimator.fit(KINDS[kind](broken))
    with pytest.raises(ValueError, match="Batch 2 of X_val, counted from 0, contains NaN"):
        estimator.fit(rows, X_val=KINDS[kind](broken))


def test_large_finite_values_are_finite(rows):
    large = (rows + 1) * np.float32(3e19)  # their squares are not
    estimator = AutoencoderTransformer(**SMALL, loss="mae")
    assert np.isfinite(estimator.fit(_generator(large)).history_["loss"]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "method", ["predict", "score_samples", "reconstruct", "explain", "recalibrate"]
)
def test_only_fits_take_batches(method, kind, rows):
    detector = ReconstructionOutlierDetector(**SMALL).fit(rows)
    message = "gives batches, which only fit and partial_fit take.* called for each batch in turn"
    with pytest.raises(TypeError, match=message):
        getattr(detector, method)(KINDS[kind](rows))


@pytest.mark.parametrize("kind", [AutoencoderTransformer, ReconstructionOutlierDetector])
@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_labels_beside_the_inputs_are_refused(kind, shape, rows):
    labels = np.ones((len(rows), *shape), np.float32)
    pairs = tf.data.Dataset.from_tensor_slices((rows, labels)).batch(16)
    with pytest.raises(ValueError, match="X gives targets of shape"):
        kind(**SMALL).fit(pairs)
    with pytest.raises(ValueError, match="X_val gives targets of shape"):
        kind(**SMALL).fit(rows, X_val=pairs)
    kind(**SMALL).fit(tf.data.Dataset.from_tensor_slices((rows, rows)).batch(16))


def test_negative_weights_in_batches_are_refused(rows):
    weights = -np.ones(len(rows), np.float32)
    batches = tf.data.Dataset.from_tensor_slices((rows, rows, weights)).batch(16)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        AutoencoderTransformer(**SMALL).fit(batches)


@pytest.mark.parametrize("stream", KINDS)
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_fits_that_return_something_refuse_batches_before_training(kind, stream, rows):
    for name in ("predict", "transform"):
        if hasattr(kind, f"fit_{name}"):
            with pytest.raises(TypeError, match=f"or call fit, and then {name} for each batch"):
                getattr(small(kind, callbacks=Exploding()), f"fit_{name}")(KINDS[stream](rows))


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (lambda rows: tf.data.Dataset.from_tensor_slices({"a": rows}).batch(16), "with a dict; "),
        (lambda rows: tf.data.Dataset.from_tensor_slices(({"a": rows}, rows)).batch(16), "a dict"),
        (lambda rows: Batches([{"a": 1.0}] * 32), "X.* gave a batch with a dict"),
        (lambda rows: lambda: iter([{"a": rows}]), r"dataset.map\(lambda batch: tf.stack"),
        (lambda rows: lambda: iter([None]), "X.* gave a batch with None; batches must be arrays"),
        (lambda rows: lambda: None, "X.* a function that returned None, but it must return"),
        (lambda rows: lambda: 3, "X.* a function that returned a int"),
    ],
)
def test_batches_that_are_no_arrays_are_refused(stream, message, rows):
    with pytest.raises(TypeError, match=message):
        small(AutoencoderTransformer, callbacks=Exploding()).fit(stream(rows))
    with pytest.raises(TypeError, match="^X_val"):
        small(AutoencoderTransformer, callbacks=Exploding()).fit(rows, X_val=stream(rows))
