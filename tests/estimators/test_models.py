"""The `model` parameter: tutorial classes, functions, and what can't work."""

import functools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae.estimators._scikeras import keras
from skae.exceptions import NonFiniteLossError
from tests.estimators import tutorial_models
from tests.estimators._cases import ESTIMATORS, small, weights


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(size=(12, 28, 28)).astype(np.float32)


@pytest.fixture(scope="module")
def beats():
    return np.random.default_rng(0).uniform(size=(30, 140)).astype(np.float32)


@pytest.fixture(scope="module")
def tutorial_autoencoder(images):
    return AutoencoderTransformer(
        tutorial_models.Autoencoder, latent_dim=64, epochs=1, random_state=0
    ).fit(images)


def test_tutorial_autoencoder_transforms_images(tutorial_autoencoder, images):
    codes = tutorial_autoencoder.transform(images)
    assert codes.shape == (12, 64)
    assert tutorial_autoencoder.inverse_transform(codes).shape == (12, 28, 28)
    assert tutorial_autoencoder.reconstruct(images).shape == (12, 28, 28)
    assert_allclose(
        tutorial_autoencoder.inverse_transform(codes),
        tutorial_autoencoder.model_(images).numpy(),
        atol=1e-6,
    )


def test_tutorial_autoencoder_takes_flat_rows_with_input_shape(tutorial_autoencoder, images):
    flat = images.reshape(12, 784)
    estimator = clone(tutorial_autoencoder).set_params(input_shape=(28, 28)).fit(flat)
    assert_array_equal(estimator.transform(flat), tutorial_autoencoder.transform(images))
    assert estimator.reconstruct(flat).shape == (12, 784)
    assert estimator.inverse_transform(estimator.transform(flat)).shape == (12, 784)


def test_tutorial_autoencoder_is_pickled(tutorial_autoencoder, images):
    copied = pickle.loads(pickle.dumps(tutorial_autoencoder))
    assert_array_equal(copied.transform(images), tutorial_autoencoder.transform(images))
    assert_array_equal(copied.reconstruct(images), tutorial_autoencoder.reconstruct(images))


def test_later_tutorial_autoencoder_takes_its_shape_by_routing(images):
    estimator = AutoencoderTransformer(
        tutorial_models.ShapedAutoencoder,
        latent_dim=3,
        epochs=1,
        random_state=0,
        model__shape=(28, 28),
    ).fit(images)
    assert estimator.transform(images).shape == (12, 3)


def test_tutorial_denoiser_cleans_images(images):
    noisy = images[..., np.newaxis]
    estimator = DenoisingRegressor(tutorial_models.Denoise, epochs=1, random_state=0)
    estimator.fit(noisy, 0.5 * noisy)
    assert estimator.predict(noisy).shape == (12, 28, 28, 1)
    assert estimator.encoder_.count_params() == 1320
    assert estimator.decoder_.count_params() == 1897


def test_tutorial_anomaly_detector_in_a_search(beats):
    detector = ReconstructionOutlierDetector(
        tutorial_models.AnomalyDetector, loss="mae", epochs=1, batch_size=512, random_state=0
    )
    search = GridSearchCV(detector, {"optimizer__learning_rate": [1e-3, 1e-1]}, cv=2).fit(beats)
    assert set(search.predict(beats)) <= {-1, 1}
    best = search.best_estimator_
    copied = pickle.loads(pickle.dumps(best))
    assert_array_equal(copied.score_samples(beats), best.score_samples(beats))
    error = np.abs(best.model_(beats).numpy() - beats).mean(axis=1)
    assert_allclose(best.reconstruction_error(beats), error, rtol=1e-5)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_encoder_is_a_view_on_the_model(engine, table):
    estimator = small(AutoencoderTransformer, model=tutorial_models.functional, engine=engine)
    estimator.fit(table)
    before = estimator.transform(table)
    estimator.model_.set_weights([2 * weight for weight in estimator.model_.get_weights()])
    assert_allclose(estimator.transform(table), estimator.encoder_(table).numpy(), atol=1e-5)
    assert np.abs(estimator.transform(table) - before).max() > 0.01


def test_function_gets_what_it_names(table):
    seen = {}

    def build(latent_dim, hidden_layer_sizes, input_shape, meta, width=4):
        seen.update(latent_dim=latent_dim, sizes=hidden_layer_sizes, meta=meta, width=width)
        return tutorial_models.functional(latent_dim, input_shape, width)

    estimator = small(AutoencoderTransformer, model=build, model__width=5).fit(table)
    assert seen["latent_dim"] == 2
    assert seen["sizes"] == (4,)
    assert seen["width"] == 5
    assert seen["meta"]["n_features_in_"] == 6
    assert estimator.encoder_.count_params() == 6 * 5 + 5 + 5 * 2 + 2


def test_catch_all_alone_asks_for_nothing(table):
    seen = {}

    def build(**options):
        seen.update(options)
        return tutorial_models.functional(2, (6,))

    small(AutoencoderTransformer, model=build, model__depth=3).fit(table)
    assert seen == {"depth": 3}


def test_partial_keeps_what_was_bound(table):
    build = functools.partial(tutorial_models.functional, width=7)
    estimator = small(AutoencoderTransformer, model=build).fit(table)
    assert estimator.encoder_.layers[0].units == 7
    copied = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(copied.transform(table), estimator.transform(table))


def test_detector_and_denoiser_need_no_encoder(table):
    build = tutorial_models.without_parts
    for kind in (ReconstructionOutlierDetector, DenoisingRegressor):
        estimator = small(kind, model=build).fit(table)
        assert estimator.encoder_ is None
        assert estimator.decoder_ is None
        assert len(estimator.predict(table)) == len(table)


def test_variational_estimator_takes_a_user_defined_model(table):
    estimator = small(VariationalAutoencoder, model=tutorial_models.functional).fit(table)
    assert estimator.sample(3, random_state=0).shape == (3, 6)
    with pytest.raises(ValueError, match="no sub-model named 'posterior'"):
        estimator.posterior(table)


def test_seed_covers_unseeded_layers_of_a_custom_model(table):
    first, second, other = (
        small(AutoencoderTransformer, model=tutorial_models.Bottleneck, random_state=seed).fit(
            table
        )
        for seed in (0, 0, 1)
    )
    for one, two in zip(weights(first), weights(second), strict=True):
        assert_array_equal(one, two)
    assert not np.array_equal(first.transform(table), other.transform(table))


# Keras warns before it raises.
@pytest.mark.filterwarnings("ignore:.*it has unbuilt state:UserWarning")
@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (tutorial_models.returns_nothing, TypeError, r"returns_nothing returned None .*return sta"),
        (lambda: "model", TypeError, "has to return a keras.Model"),
        (tutorial_models.widened, ValueError, r"shape \(7,\), but shape \(6,\) is expected"),
        (tutorial_models.without_parts, ValueError, "needs the model's encoder.*named 'encoder'"),
        (tutorial_models.Autoencoder, ValueError, r"shape \(28, 28\), but shape \(6,\)"),
        (tutorial_models.Denoise, ValueError, r"applied to samples of shape \(6,\).*Set input_sha"),
        (tutorial_models.ShapedAutoencoder, TypeError, "requires .'shape'.*model__shape="),
        ("dens", ValueError, "'model' parameter of AutoencoderTransformer must be a str among"),
        (3, ValueError, "'model' parameter of AutoencoderTransformer"),
    ],
)
def test_model_that_can_not_work(model, error, message, table):
    estimator = small(AutoencoderTransformer, model=model)
    before = dict(vars(estimator))
    with pytest.raises(error, match=f"(?s){message}"):
        estimator.fit(table)
    assert vars(estimator) == before


def test_model_instance_is_refused(table):
    estimator = small(AutoencoderTransformer, model=tutorial_models.Bottleneck())
    with pytest.raises(TypeError, match="instance of Bottleneck.*pass the class"):
        estimator.fit(table)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_unknown_parameter_is_refused_by_name(kind, table):
    estimator = small(kind, latnet_dim=3)
    with pytest.raises(
        ValueError,
        match=f"{kind.__name__} has no parameter 'latnet_dim'. Did you mean 'latent_dim'",
    ):
        estimator.fit(table)


def test_unknown_parameter_is_refused_by_set_params():
    with pytest.raises(ValueError, match="Invalid parameter 'latnet_dim'"):
        AutoencoderTransformer().set_params(latnet_dim=3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"noise__stddev": 0.2}, "noise__stddev=0.2 has no effect, because noise is None"),
        ({"callbacks__patience": 3}, "callbacks__patience=3 has no effect"),
        ({"metrics__name": "m"}, "metrics__name='m' has no effect"),
        ({"modle__tied": True}, "no parameter 'modle__tied'.*Routed parameters start with"),
        ({"model__tide": True, "model": "linear"}, "no option model__tide.*model__tied"),
        ({"model__latent_dim": 3}, "model__latent_dim is not used; set latent_dim"),
        ({"model": tutorial_models.functional, "model__widht": 3}, "no argument 'widht'.*width"),
        ({"optimizer__learning_rat": 0.1}, "learning_rat"),
        ({"noise": "gaussian", "noise__std": 0.1}, "no option 'std'.*stddev"),
        ({"noise": "gausian"}, "noise='gausian' is not known.*gaussian"),
        ({"activation": "rellu"}, "activation='rellu' is not an activation.*relu"),
        ({"latent_dim": -1}, "'latent_dim' parameter of AutoencoderTransformer must be an int"),
        ({"latent_dim": None}, "latent_dim=None is only for model='conv'"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes must be an integer of at least 1"),
        ({"epochs": 0}, "'epochs' parameter"),
        ({"validation_split": 1.0}, "'validation_split' parameter"),
        ({"engine": "fast"}, "'engine' parameter"),
    ],
)
def test_parameter_that_can_not_work(params, message, table):
    estimator = small(AutoencoderTransformer, **params)
    before = dict(vars(estimator))
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        estimator.fit(table)
    assert vars(estimator) == before


def test_threshold_options_that_nothing_uses_are_refused(table):
    for params, message in [
        ({"threshold": 0.5, "threshold__n_std": 2.0}, "threshold__n_std"),
        ({"contamination": 0.1, "threshold__n_std": 2.0}, "overrides threshold"),
        ({"threshold": "mad", "n_std": 3.0}, "n_std=3.0 has no effect with threshold='mad'"),
        ({"threshold": 0.5, "n_std": 3.0}, "n_std=3.0 has no effect"),
        ({"threshold": "quantil"}, "threshold must be one of.*Did you mean 'quantile'"),
    ]:
        with pytest.raises(ValueError, match=message):
            small(ReconstructionOutlierDetector, **params).fit(table)


@pytest.mark.parametrize(
    ("kind", "engine"),
    [*((kind, "auto") for kind in ESTIMATORS), (ReconstructionOutlierDetector, "keras")],
)
def test_loss_that_turns_nan_names_the_epoch(kind, engine, table):
    estimator = small(kind, optimizer="sgd", optimizer__learning_rate=1e30, epochs=5, engine=engine)
    with pytest.raises(
        NonFiniteLossError, match=r"Training stopped in epoch \d+: .*Likely causes: a learning rate"
    ):
        estimator.fit(table)
    assert not hasattr(estimator, "model_")


def test_code_as_large_as_a_row_warns(table):
    with pytest.warns(UserWarning, match=r"latent_dim=6 is not below the number of features \(6\)"):
        small(AutoencoderTransformer, latent_dim=6, epochs=1).fit(table)


def test_optimizer_loss_and_metric_objects_stay_as_they_were(table):
    optimizer = keras.optimizers.SGD(learning_rate=0.1, momentum=0.9)
    metric = keras.metrics.MeanAbsoluteError()
    estimator = small(
        AutoencoderTransformer, optimizer=optimizer, loss=keras.losses.Huber(), metrics=[metric]
    ).fit(table)
    assert not optimizer.built
    assert float(metric.result()) == 0.0
    assert estimator.optimizer is optimizer
    assert set(estimator.history_) == {"loss", "mean_absolute_error"}
