"""The graph of a detector gives what Python gives, whatever it is made of."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from skae.scores import BaseScore
from tests.onnx._sessions import assert_equal, detector, outputs, session_of, to_onnx, types_of


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(80, 6))


@pytest.fixture(scope="module")
def unseen(table):
    """Return more samples than go through NumPy, normal ones and others."""
    rng = np.random.default_rng(1)
    near = table[rng.integers(80, size=200)] + 0.01 * rng.normal(size=(200, 6))
    return np.concatenate([near, rng.normal(size=(200, 6)) * [1, 2, 3, 10, 100, 1000]])


@pytest.fixture(scope="module")
def calibrated(table):
    """Return a detector that has p-values, of samples that count for several."""
    weights = np.random.default_rng(0).integers(1, 4, len(table))
    return detector(calibration="held_out", validation_split=0.4).fit(table, sample_weight=weights)


def cubic(inputs, reconstruction):
    return abs(inputs - reconstruction) ** 3


DETECTORS = [
    {},
    {"anomaly_score": "error"},
    {"anomaly_score": "error", "error": "absolute"},
    {"anomaly_score": "error", "error": cubic},
    {"anomaly_score": "mahalanobis", "scale": False},
    {"anomaly_score": "neighbors", "threshold": "quantile"},
    {"threshold": "mad", "activation": "elu"},
    {"threshold": "iqr", "activation": "selu"},
    {"threshold": "pot", "activation": "gelu"},
    {"threshold": 1.0, "activation": "tanh", "noise": "gaussian"},
    {"threshold": "conformal", "calibration": 2, "threshold__false_alarm_rate": 0.1},
    {"contamination": 0.1, "model__contraction": 0.1},
    {"model": "linear"},
    {"model": "linear", "model__tied": True, "error": "absolute"},
    {"model": "variational"},
    {"model": "conv"},
    {"model": "conv", "model__upsampling": True, "anomaly_score": "combined", "scale": True},
    {"model": "recurrent", "scale": False, "anomaly_score": "mahalanobis"},
    {"model": "recurrent", "model__cell": "gru"},
]


def name_of(params):
    return "-".join(str(getattr(value, "__name__", value)) for value in params.values()) or "auto"


@pytest.mark.parametrize("params", DETECTORS, ids=name_of)
def test_a_detector_gives_what_python_gives(params, table, unseen):
    fitted = detector(**params).fit(table)
    # Scores of rows that go through NumPy in Python and of such that do not.
    assert_equal(fitted, unseen)
    few = outputs(to_onnx(fitted, table[:1]), unseen[:9])
    np.testing.assert_allclose(few["score"], fitted.score_samples(unseen[:9]), rtol=1e-6)


def test_errors_of_features(calibrated, unseen):
    got = outputs(to_onnx(calibrated, unseen[:1]), unseen)["errors"]
    np.testing.assert_allclose(got, calibrated.feature_errors(unseen), rtol=1e-6)


def test_neighbors_count_for_several(calibrated, unseen):
    assert_equal(calibrated, unseen)


def test_p_values(calibrated, unseen):
    got = outputs(to_onnx(calibrated, unseen[:1]), unseen)
    np.testing.assert_array_equal(got["p_value"], calibrated.p_values(unseen))
    assert len(set(got["p_value"])) > 10


def test_there_are_no_p_values_of_training_samples(table):
    session = session_of(to_onnx(detector().fit(table), table[:1]))
    names = [output.name for output in session.get_outputs()]
    assert names == ["label", "score", "decision", "errors"]


def test_the_threshold_is_an_optional_input(calibrated, unseen):
    model = to_onnx(calibrated, unseen[:1])
    session = session_of(model)
    assert [each.name for each in session.get_inputs()] == ["X"]
    assert [each.name for each in session.get_overridable_initializers()] == ["threshold"]
    moved = outputs(model, unseen, threshold=np.array(5.0))
    np.testing.assert_array_equal(moved["decision"], moved["score"] + 5.0)
    np.testing.assert_array_equal(moved["label"], np.where(moved["decision"] >= 0, 1, -1))
    assert not np.array_equal(moved["label"], outputs(model, unseen)["label"])


@pytest.mark.parametrize("opset", [15, 18, 21])
def test_opsets(opset, calibrated, unseen):
    model = to_onnx(calibrated, unseen[:1], target_opset=opset)
    assert {each.version for each in model.opset_import if each.domain == ""} <= {*range(opset + 1)}
    got = outputs(model, unseen)["score"]
    np.testing.assert_allclose(got, calibrated.score_samples(unseen), rtol=1e-6)


def test_samples_of_float32(calibrated, unseen):
    rows = unseen.astype(np.float32)
    got = outputs(to_onnx(calibrated, rows[:1]), rows)["score"]
    np.testing.assert_allclose(got, calibrated.score_samples(rows), rtol=1e-6)


def masked(input_shape):
    inputs = steps = keras.Input(input_shape)
    steps = keras.layers.Masking()(steps)
    steps = keras.layers.Bidirectional(keras.layers.GRU(2, return_sequences=True))(steps)
    return keras.Model(inputs, keras.layers.TimeDistributed(keras.layers.Dense(2))(steps))


def test_masked_sequences(rng):
    X = rng.normal(size=(150, 4, 2))
    X[::2, 2:] = 0
    X[0] = 0
    fitted = detector(model=masked).fit(X)
    got = assert_equal(fitted, X)
    np.testing.assert_array_equal(np.isnan(got["errors"]), np.isnan(fitted.feature_errors(X)))


def mixed_layers(input_shape):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Dense(8, activation="relu6"),
            layers.BatchNormalization(),
            layers.LayerNormalization(),
            layers.Dropout(0.5),
            layers.Reshape((4, 2, 1)),
            layers.Conv2D(2, 3, padding="same", activation="softplus"),
            layers.MaxPooling2D(2),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.Flatten(),
            layers.Dense(6),
        ]
    )


def test_a_user_defined_model(table, unseen):
    assert_equal(detector(model=mixed_layers).fit(table), unseen[:200])


def test_a_model_that_the_user_has_changed(table, unseen):
    fitted = detector().fit(table)
    fitted.encoder_.layers[1].activation = keras.activations.tanh
    assert_equal(fitted, unseen)


class Bessel(keras.layers.Layer):
    def call(self, inputs):
        import tensorflow as tf

        return tf.math.bessel_i0(inputs)


def with_bessel(input_shape):
    layers = [keras.Input(input_shape), Bessel(name="odd_one"), keras.layers.Dense(6)]
    return keras.Sequential(layers)


def test_a_layer_that_can_not_be_converted_is_named(table):
    fitted = detector(model=with_bessel).fit(table)
    with pytest.raises(NotImplementedError, match="The layer 'odd_one' can't be conv.*'BesselI0'"):
        to_onnx(fitted, table[:1])


def test_an_error_function_that_can_not_be_converted(table):
    import tensorflow as tf

    def odd(inputs, reconstruction):
        return tf.math.bessel_i0(tf.convert_to_tensor(inputs - reconstruction))

    fitted = detector(error=odd, model="recurrent").fit(table)
    with pytest.raises(NotImplementedError, match="The error function can't be converted"):
        to_onnx(fitted, table[:1])


class Largest(BaseScore):
    def fit(self, X, residuals, sample_weight=None):
        return self

    def score_samples(self, X, residuals):
        return abs(residuals).max(axis=1)

    def feature_scores(self, X, residuals):
        return abs(residuals)


def test_a_user_defined_score_is_refused(table):
    fitted = detector(anomaly_score=Largest()).fit(table)
    with pytest.raises(NotImplementedError, match=r"anomaly_score=Largest\(\) is user-defined"):
        to_onnx(fitted, table[:1])


def test_images(rng):
    X = rng.normal(size=(60, 6, 5))
    fitted = detector(model="conv", anomaly_score="combined", scale=True).fit(X)
    got = assert_equal(fitted, rng.normal(size=(150, 6, 5)))
    assert got["errors"].shape == (150, 30)
    assert types_of(X)[0][1].shape == [None, 6, 5]
