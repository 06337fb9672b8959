"""Errors and warnings of `fit` where the result would be silently wrong."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae.exceptions import OutlierLabelWarning, ThresholdWarning
from tests.estimators._cases import small


class _Guide(keras.Model):
    """The variational autoencoder of Keras's guide: a train_step and no call."""

    def __init__(self):
        super().__init__()
        inputs = keras.Input((6,))
        self.encoder = keras.Model(inputs, [layers.Dense(2)(inputs) for _ in range(3)])
        self.decoder = keras.Sequential([keras.Input((2,)), layers.Dense(6)])

    def train_step(self, data):
        raise AssertionError


class ThreeOutputs(_Guide):
    train_step = keras.Model.train_step

    def call(self, inputs):
        mean, *others = self.encoder(inputs)
        return self.decoder(keras.layers.add([mean, *others]))


def _two_inputs(input_shape):
    pair = [keras.Input(input_shape), keras.Input(input_shape)]
    return keras.Model(pair, layers.Dense(6)(layers.Add()(pair)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            _Guide,
            "has no call.* Add one .*\n    def call\\(self, inputs\\):\n",
        ),
        (ThreeOutputs, "encoder .* has 3 outputs; .*\n.*self.posterior = .*\n    self.encoder = "),
        (_two_inputs, "has 2 inputs; it has to take one"),
    ],
)
def test_a_model_that_lacks_something_is_told_what(model, message, table):
    with pytest.raises(ValueError, match=message):
        small(AutoencoderTransformer, model=model).fit(table)


def test_a_detector_needs_no_code(table):
    detector = small(ReconstructionOutlierDetector, model=ThreeOutputs).fit(table)
    assert np.isfinite(detector.score_samples(table)).all()


@pytest.mark.parametrize("trainable", [True, False])
def test_layers_of_two_networks_are_refused_where_they_learn(trainable, table):
    encoder = keras.Sequential([keras.Input((6,)), layers.Dense(2)])
    encoder.trainable = trainable

    def closure(input_shape):
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, layers.Dense(6)(encoder(inputs)))

    first = small(ReconstructionOutlierDetector, model=closure).fit(table)
    before = first.score_samples(table)
    second = small(ReconstructionOutlierDetector, model=closure, random_state=1)
    if trainable:
        with pytest.raises(ValueError, match="which another model that it returned has too"):
            second.fit(table)
    else:
        second.fit(table)
    assert_array_equal(first.score_samples(table), before)


def _one_number(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred))


def test_a_loss_of_one_number_takes_no_weights(table):
    whole = small(ReconstructionOutlierDetector, loss=_one_number).fit(table)
    assert_allclose(
        whole.history_["loss"],
        small(ReconstructionOutlierDetector).fit(table).history_["loss"],
        rtol=1e-6,
    )
    weights = np.arange(len(table)) + 1.0
    with pytest.raises(ValueError, match="loss=_one_number returns one number .* over axis=-1"):
        whole.fit(table, sample_weight=weights)
    each = lambda t, p: keras.ops.mean(keras.ops.square(t - p), axis=-1)  # noqa: E731
    weighted = small(ReconstructionOutlierDetector, loss=each).fit(table, sample_weight=weights)
    oracle = small(ReconstructionOutlierDetector).fit(table, sample_weight=weights)
    assert_allclose(weighted.history_["loss"], oracle.history_["loss"], rtol=1e-6)


def test_a_loss_in_numpy_is_named(table):
    def in_numpy(y_true, y_pred):
        return np.mean(np.asarray(y_true) - np.asarray(y_pred))

    with pytest.raises(TypeError, match="loss=in_numpy fails on tensors .* keras.ops"):
        small(AutoencoderTransformer, loss=in_numpy).fit(table)


@pytest.mark.parametrize("labels", [[0, 1], [0], [False, True]])
def test_labels_that_scorers_read_the_wrong_way_round_are_told(labels, table):
    with pytest.warns(OutlierLabelWarning, match="labels 0 and 1, while .* 'roc_auc'") as caught:
        small(ReconstructionOutlierDetector, epochs=1).fit(table, np.resize(labels, len(table)))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("labels", [[1, -1], [1], [0, 1, 2], ["a", "b"], [0.5, 0.0]])
def test_other_labels_are_ignored(labels, table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "The network explains")  # after a single epoch
        small(ReconstructionOutlierDetector, epochs=1).fit(table, np.resize(labels, len(table)))


@pytest.mark.parametrize("name", ["threshold_", "offset_"])
@pytest.mark.parametrize("factor", [0.0, 0.7, 1e9])
def test_threshold_and_offset_are_one_number(name, factor, table):
    detector = small(ReconstructionOutlierDetector, anomaly_score="error").fit(table)
    setattr(detector, name, factor * getattr(detector, name))
    assert detector.offset_ == -detector.threshold_
    flagged = detector.predict(table) == -1
    assert_array_equal(flagged, detector.reconstruction_error(table) > detector.threshold_)
    assert set(detector.explain(table, 1)["row"]) == set(np.flatnonzero(flagged))


def _embedding(input_shape):
    inputs = keras.Input(input_shape)
    codes = layers.Flatten()(layers.Embedding(3, 2)(inputs))
    return keras.Model(inputs, layers.Dense(6)(codes))


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "adamw", "adagrad", "sgd"])
def test_embeddings_are_trained_as_keras_trains_them(optimizer):
    X = np.random.default_rng(0).integers(0, 3, (60, 6)).astype("float32")
    auto, oracle = (
        small(
            ReconstructionOutlierDetector, model=_embedding, optimizer=optimizer, engine=engine
        ).fit(X)
        for engine in ("auto", "keras")
    )
    assert auto.engine_ == ("compiled" if optimizer == "sgd" else "keras")
    for got, wanted in zip(auto.model_.get_weights(), oracle.model_.get_weights(), strict=True):
        assert_allclose(got, wanted, atol=1e-6)


@pytest.mark.parametrize("factor", [0.001, 1000.0])
def test_a_number_that_looks_like_a_quantile_is_told(factor, table):
    detector = small(ReconstructionOutlierDetector, threshold=0.95, scale=False)
    with pytest.warns(ThresholdWarning, match=r"flags (all|none) .* set contamination=0.05") as got:
        detector.fit(table * factor)
    assert got[0].filename == __file__


@pytest.mark.parametrize("threshold", [0.0, 0.2, 5.0, 1e9])
def test_other_numbers_are_thresholds(threshold, table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "The network explains")  # after two epochs
        detector = small(ReconstructionOutlierDetector, threshold=threshold, scale=False)
        detector.fit(table * 0.01)
    assert detector.threshold_ == threshold
