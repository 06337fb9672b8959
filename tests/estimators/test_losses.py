"""Errors, before training, for losses that a network can't learn from."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import MinMaxScaler

from skae import AutoencoderTransformer, DenoisingRegressor
from tests.estimators._cases import ESTIMATORS, Exploding, small

BINARY = [
    "binary_crossentropy",
    "bce",
    "BinaryCrossentropy",
    keras.losses.binary_crossentropy,
    keras.losses.BinaryCrossentropy(from_logits=True),
    keras.losses.BinaryFocalCrossentropy(),
]
OUTSIDE = r"takes values in \[0, 1\], but X has values from -1 to 1\.5.*MinMaxScaler"
SHARES = [
    "kl_divergence",
    "kld",
    "categorical_crossentropy",
    keras.losses.KLDivergence(),
    keras.losses.CategoricalCrossentropy(),
    keras.losses.categorical_focal_crossentropy,
]
LINEAR = "last layer is linear; set output_activation='sigmoid'"


@pytest.fixture
def wide(table):
    return 2.5 * table - 1


@pytest.mark.parametrize("loss", BINARY + SHARES)
def test_a_cross_entropy_of_values_outside_its_range_is_refused(loss, wide):
    coder = small(AutoencoderTransformer, loss=loss, output_activation="sigmoid")
    with pytest.raises(ValueError, match=OUTSIDE):
        coder.fit(wide)
    assert not hasattr(coder, "model_")


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_every_estimator_refuses_it(kind, wide):
    with pytest.raises(ValueError, match=OUTSIDE):
        small(kind, loss="binary_crossentropy", output_activation="sigmoid").fit(wide)


@pytest.mark.parametrize("loss", [*BINARY[:4], BINARY[5]])
def test_a_cross_entropy_of_a_linear_output_is_refused(loss, table):
    with pytest.raises(ValueError, match=LINEAR):
        small(AutoencoderTransformer, loss=loss).fit(table)


def test_logits_are_linear(table):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    assert min(small(AutoencoderTransformer, loss=loss).fit(table).history_["loss"]) > 0


def test_a_fitted_estimator_keeps_what_it_learned(table, wide):
    coder = small(AutoencoderTransformer, loss="bce", output_activation="sigmoid").fit(table)
    codes = coder.transform(table)
    for fit in (coder.fit, coder.partial_fit):
        with pytest.raises(ValueError, match=OUTSIDE):
            fit(wide)
    np.testing.assert_array_equal(coder.transform(table), codes)


def test_of_a_denoiser_the_clean_rows_count(table, wide):
    denoiser = small(DenoisingRegressor, loss="bce", output_activation="sigmoid")
    assert denoiser.fit(wide, table).predict(wide).shape == table.shape
    with pytest.raises(ValueError, match="but y has values from -1 to 1.5"):
        denoiser.fit(table, wide)


def test_the_first_of_many_batches_is_looked_at(wide):
    batches = tf.data.Dataset.from_tensor_slices(wide).batch(16)
    with pytest.raises(ValueError, match="but X has values from"):
        small(AutoencoderTransformer, loss="bce", output_activation="sigmoid").fit(batches)


def test_rounding_is_no_value_outside(table):
    coder = small(AutoencoderTransformer, loss="bce", output_activation="sigmoid")
    coder.fit(np.nextafter(table, np.float32(2)), X_val=1.2 * table)
    assert coder.n_iter_ == 2


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", keras.losses.LogCosh()])
def test_other_losses_take_any_values(loss, wide):
    assert small(AutoencoderTransformer, loss=loss).fit(wide).n_iter_ == 2


def test_the_last_layer_of_a_user_defined_network_is_unknown(table):
    def own(input_shape):
        layers = [keras.layers.Dense(3), keras.layers.Dense(input_shape[0]), keras.layers.ReLU(1.0)]
        encoder, *rest = layers
        encoder = keras.Sequential([encoder], name="encoder")
        decoder = keras.Sequential(rest, name="decoder")
        return keras.Sequential([keras.Input(input_shape), encoder, decoder])

    assert small(AutoencoderTransformer, model=own, loss="bce").fit(table).n_iter_ == 2


@pytest.mark.parametrize("loss", SHARES)
def test_a_loss_of_shares_goes_with_softmax(loss, table):
    with pytest.raises(ValueError, match="last layer is linear; set output_activation='softmax'"):
        small(AutoencoderTransformer, loss=loss).fit(table)
    softmax = small(AutoencoderTransformer, loss=loss, output_activation="softmax", epochs=1)
    assert softmax.fit(table).n_iter_ == 1


@pytest.mark.parametrize(
    "loss",
    ["sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy()],
)
def test_a_loss_of_class_labels_is_refused(loss, table):
    coder = small(AutoencoderTransformer, loss=loss, callbacks=Exploding())
    with pytest.raises(ValueError, match="compares class labels with probabilities"):
        coder.fit(table)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(
    ("activation", "limits"),
    [
        ("sigmoid", (0, 1)),
        (keras.activations.hard_sigmoid, (0, 1)),
        ("softmax", (0, 1)),
        ("tanh", (-1, 1)),
    ],
)
def test_values_that_the_last_layer_can_not_return_are_told(kind, activation, limits, table, wide):
    estimator = small(kind, output_activation=activation, epochs=1)
    message = rf"X has values from -1 to 1\.5, .* in \[{limits[0]}, 1\] only, because output_act"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        estimator.fit(wide)
    files = [each.filename for each in caught if "has values from" in str(each.message)]
    assert files == [__file__]
    inside = MinMaxScaler(feature_range=limits, clip=True).fit_transform(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "The network explains")  # after a single epoch
        estimator.fit(inside)
        small(kind, epochs=1).fit(wide)


def test_of_a_denoiser_the_clean_rows_are_in_range(table, wide):
    denoiser = small(DenoisingRegressor, output_activation="sigmoid", epochs=1)
    denoiser.fit(wide, table)
    with pytest.warns(ConvergenceWarning, match="y has values from -1 to 1.5"):
        denoiser.fit(table, wide)
