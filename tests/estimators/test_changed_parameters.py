"""Parameters that change after a fit, and errors before training starts."""

from __future__ import annotations

import copy
import pickle
import warnings

import keras
import numpy as np
import pytest

from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae._validation import check_rows
from skae.exceptions import LatentSizeWarning, NonFiniteLossError
from tests.estimators._cases import ESTIMATORS, SMALL, Exploding


class Built:
    @classmethod
    def network(cls, input_shape):
        return keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(input_shape[0])])


def from_params(params):
    return keras.Sequential([keras.layers.Dense(params["latent_dim"]), keras.layers.Dense(6)])


def compiled(input_shape):
    model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(input_shape[0])])
    model.compile("sgd", loss="mae")
    return model


def test_the_error_is_that_of_the_fit(table):
    detector = ReconstructionOutlierDetector(**SMALL).fit(table)
    before = detector.predict(table)
    detector.set_params(error="absolute")
    np.testing.assert_array_equal(detector.predict(table), before)


def test_a_warm_fit_learns_the_error_of_its_new_loss(table):
    detector = ReconstructionOutlierDetector(**SMALL, scale=False, warm_start=True).fit(table)
    detector.set_params(loss="mae").fit(table)
    expected = np.abs(table - detector.reconstruct(table)).mean(axis=1)
    np.testing.assert_allclose(detector.reconstruction_error(table), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (keras.losses.Huber(1.0), keras.losses.Huber(1e-4)),
        (lambda y, p: keras.ops.mean((y - p) ** 2), lambda y, p: keras.ops.mean(abs(y - p))),
    ],
    ids=["object", "function"],
)
def test_a_warm_fit_notices_another_loss(first, second, table):
    fitted = AutoencoderTransformer(**SMALL, loss=first, warm_start=True).fit(table)
    before = fitted.history_["loss"][-1]
    fitted.set_params(loss=second).fit(table)
    assert abs(fitted.history_["loss"][fitted.epochs] / before - 1) > 0.3


def test_a_failed_warm_fit_with_another_optimizer_leaves_the_old_one(table):
    fitted = AutoencoderTransformer(**SMALL, warm_start=True).fit(table)
    codes, optimizer = fitted.transform(table), fitted.model_.optimizer
    twin = copy.deepcopy(fitted)
    fitted.set_params(optimizer="sgd", optimizer__learning_rate=1e30)
    with pytest.raises(NonFiniteLossError):
        fitted.fit(table)
    assert fitted.model_.optimizer is optimizer
    np.testing.assert_array_equal(fitted.transform(table), codes)
    del fitted.optimizer__learning_rate
    fitted.set_params(optimizer="auto").partial_fit(table)
    np.testing.assert_array_equal(fitted.transform(table), twin.partial_fit(table).transform(table))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latent_dim": 3}, "latent_dim was 2 when the network was built and is 3 now"),
        ({"beta": 50.0}, "beta was 1.0 .* is 50.0 now"),
        ({"model__kernel_initializer": "zeros"}, "model__kernel_initializer was None"),
        ({"noise": "gaussian"}, "noise was None when the network was built and is 'gaussian' now"),
        ({"input_shape": (2, 3)}, r"input_shape was None .* is \(2, 3\) now"),
        ({"model": Built.network}, "model was changed"),
    ],
)
def test_a_network_that_is_trained_on_keeps_its_layers(change, message, table):
    vae = VariationalAutoencoder(**SMALL, warm_start=True).fit(table)
    vae.set_params(**change)
    with pytest.raises(ValueError, match=message):
        vae.fit(table)
    with pytest.raises(ValueError, match=message):
        vae.partial_fit(table)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"threshold": "quantil"}, "quantile"),
        ({"threshold": "mad", "threshold__n_mad": 2}, "n_mad"),
        ({"calibration": "held_out"}, "set validation_split"),
        ({"calibration": 99}, "as many samples as folds"),
    ],
)
def test_a_cut_that_can_not_be_is_refused_before_training(parameters, message, table):
    detector = ReconstructionOutlierDetector(**SMALL, **parameters, callbacks=[Exploding()])
    with pytest.raises(ValueError, match=message):
        detector.fit(table)


def test_a_rule_that_takes_no_weights_is_refused_before_training(table):
    class Rule:
        def threshold(self, errors):
            return 1.0

    detector = ReconstructionOutlierDetector(**SMALL, threshold=Rule(), callbacks=[Exploding()])
    with pytest.raises(TypeError, match="must have a method threshold"):
        detector.fit(table)


# Keras hands its variables to h5py in a way that NumPy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_folds_write_nothing_to_the_checkpoint_of_the_detector(table, tmp_path):
    path = tmp_path / "best.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    detector = ReconstructionOutlierDetector(**SMALL, calibration=2, callbacks=[checkpoint])
    detector.fit(table)
    expected = detector.reconstruct(table)
    detector.model_.load_weights(path)
    np.testing.assert_array_equal(detector.reconstruct(table), expected)


def test_partial_fit_refuses_folds_and_holds_rows_out(table):
    with pytest.raises(ValueError, match="partial_fit can't"):
        ReconstructionOutlierDetector(**SMALL, calibration=2).partial_fit(table)
    detector = ReconstructionOutlierDetector(**SMALL, calibration="held_out", validation_split=0.25)
    assert len(detector.partial_fit(table).calibration_errors_) == len(table) // 4


def test_a_history_keeps_its_validation_losses(table):
    fitted = AutoencoderTransformer(**SMALL, validation_split=0.2).fit(table)
    fitted.set_params(validation_split=0.0).partial_fit(table)
    assert (len(fitted.history_["loss"]), len(fitted.history_["val_loss"])) == (3, 2)


def test_a_class_method_is_pickled_by_name(table):
    fitted = ReconstructionOutlierDetector(Built.network, epochs=1).fit(table)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.score_samples(table), fitted.score_samples(table))


def test_a_copy_is_built_from_the_parameters_of_the_fit(table):
    fitted = ReconstructionOutlierDetector(from_params, **SMALL).fit(table)
    fitted.set_params(latent_dim=3)
    np.testing.assert_array_equal(
        copy.deepcopy(fitted).score_samples(table), fitted.score_samples(table)
    )


@pytest.mark.parametrize(
    "parameters", [{"loss": "huber"}, {"optimizer": "adamw"}, {"optimizer__learning_rate": 0.5}]
)
def test_what_a_compiled_model_would_overrule_is_refused(parameters, table):
    with pytest.raises(ValueError, match="compiled already"):
        ReconstructionOutlierDetector(compiled, epochs=1, **parameters).fit(table)
    assert ReconstructionOutlierDetector(compiled, epochs=1).fit(table).model_.loss == "mae"


def test_a_group_named_like_another_column_is_refused(frame):
    detector = ReconstructionOutlierDetector(**SMALL).fit(frame)
    with pytest.raises(ValueError, match="also a column outside"):
        detector.feature_errors(frame, groups={"sensor_0": ["sensor_1", "sensor_2"]})
    with pytest.raises(ValueError, match="which is none of the columns 'sensor_0'"):
        detector.feature_errors(frame, groups={"g": [99]})
    with pytest.raises(TypeError, match="groups must map"):
        detector.feature_errors(frame, groups=["sensor_1"])


def test_recalibrate_honours_a_false_positive_rate_without_labels(table):
    detector = ReconstructionOutlierDetector(**SMALL).fit(table)
    detector.recalibrate(table, max_fpr=0.05)
    assert (detector.predict(table) == -1).mean() <= 0.05
    with pytest.raises(ValueError, match="without y the outliers are unknown"):
        detector.recalibrate(table, beta=2.0)


def test_huge_weights_weigh_like_small_ones(table):
    weights = np.linspace(0.5, 1.0, len(table))
    small, huge = (
        AutoencoderTransformer(**SMALL).fit(table, sample_weight=weights * scale).transform(table)
        for scale in (1.0, 1e307)
    )
    np.testing.assert_allclose(huge, small, atol=1e-6)


def test_the_warning_of_a_large_code_points_at_the_caller(table):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        AutoencoderTransformer(latent_dim=6, epochs=1).fit(table)
    (warning,) = [w for w in caught if w.category is LatentSizeWarning]
    assert warning.filename == __file__


def test_a_memory_map_stays_one(tmp_path, table):
    np.save(tmp_path / "rows.npy", table)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    rows, _ = check_rows(AutoencoderTransformer(), mapped, reset=True)
    assert isinstance(rows, np.memmap)
    assert np.shares_memory(rows, mapped)


def test_noise_and_network_draw_from_seeds_of_their_own(table):
    vae = VariationalAutoencoder(**SMALL, noise="gaussian").fit(table)
    seeds = {
        layer.name: int(layer.seed_generator.state.numpy().ravel()[0])
        for layer in vae.model_._flatten_layers()
        if getattr(layer, "seed_generator", None) is not None
    }
    assert len(seeds) >= 2
    assert len(set(seeds.values())) == len(seeds)


def test_a_denoiser_refuses_to_remove_noise_that_is_not_made(table):
    with pytest.raises(ValueError, match="noise='gaussian'"):
        DenoisingRegressor(**SMALL, noise=None).fit(table)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(
    ("n_features", "size"), [(1, 1), (2, 1), (3, 1), (5, 2), (15, 7), (16, 8), (17, 8), (60, 8)]
)
def test_the_default_code_is_smaller_than_a_sample(kind, n_features, size):
    X = np.random.default_rng(0).uniform(size=(20, n_features))
    estimator = kind(hidden_layer_sizes=(4,), epochs=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if n_features > 1 else "ignore", LatentSizeWarning)
        estimator.fit(X)
    assert estimator.encoder_.output_shape == (None, size)
    assert estimator.latent_dim == "auto"
    pickle.loads(pickle.dumps(estimator)).partial_fit(X)


def test_a_model_function_gets_the_size_that_auto_stands_for(table):
    sizes = []

    def model(latent_dim, input_shape):
        sizes.append(latent_dim)
        return keras.Sequential(
            [keras.Input(input_shape), keras.layers.Dense(latent_dim), keras.layers.Dense(6)]
        )

    ReconstructionOutlierDetector(model, epochs=1).fit(table)
    assert set(sizes) == {3}
