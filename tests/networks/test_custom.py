"""User-defined models, including the unchanged classes of tutorials."""

from __future__ import annotations

import functools
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, losses
from keras.models import Model

from skae import networks
from skae._contracts import NetworkSpec
from skae.noise import make_noise
from tests.networks._specs import equal, global_draws, make_spec, variable_names, weights_of


class Autoencoder(Model):
    def __init__(self, latent_dim, shape):
        super(Autoencoder, self).__init__()  # noqa: UP008 - as the tutorial has it
        self.latent_dim = latent_dim
        self.shape = shape
        self.encoder = tf.keras.Sequential(
            [layers.Flatten(), layers.Dense(latent_dim, activation="relu")]
        )
        self.decoder = tf.keras.Sequential(
            [
                layers.Dense(int(tf.math.reduce_prod(shape)), activation="sigmoid"),
                layers.Reshape(shape),
            ]
        )

    def call(self, x):
        encoded = self.encoder(x)
        return self.decoder(encoded)


class OlderAutoencoder(Model):
    def __init__(self, latent_dim):
        super().__init__()
        self.encoder = tf.keras.Sequential([layers.Flatten(), layers.Dense(latent_dim)])
        self.decoder = tf.keras.Sequential([layers.Dense(784), layers.Reshape((28, 28))])

    def call(self, x):
        return self.decoder(self.encoder(x))


class Denoise(Model):
    def __init__(self):
        super().__init__()
        self.encoder = tf.keras.Sequential(
            [
                layers.Input(shape=(28, 28, 1)),
                layers.Conv2D(16, (3, 3), activation="relu", padding="same", strides=2),
                layers.Conv2D(8, (3, 3), activation="relu", padding="same", strides=2),
            ]
        )
        self.decoder = tf.keras.Sequential(
            [
                layers.Conv2DTranspose(8, 3, strides=2, activation="relu", padding="same"),
                layers.Conv2DTranspose(16, 3, strides=2, activation="relu", padding="same"),
                layers.Conv2D(1, kernel_size=(3, 3), activation="sigmoid", padding="same"),
            ]
        )

    def call(self, x):
        encoded = self.encoder(x)
        return self.decoder(encoded)


class AnomalyDetector(Model):
    def __init__(self):
        super().__init__()
        self.encoder = tf.keras.Sequential(
            [layers.Dense(32, activation="relu"), layers.Dense(8, activation="relu")]
        )
        self.decoder = tf.keras.Sequential(
            [layers.Dense(32, activation="relu"), layers.Dense(140, activation="sigmoid")]
        )

    def call(self, x):
        return self.decoder(self.encoder(x))


TUTORIALS = [
    (OlderAutoencoder, (28, 28), {}, (None, 9)),
    (Autoencoder, (28, 28), {"shape": (28, 28)}, (None, 9)),
    (Denoise, (28, 28, 1), {}, (None, 7, 7, 8)),
    (AnomalyDetector, (140,), {}, (None, 8)),
]


@pytest.mark.parametrize(("model", "shape", "options", "code"), TUTORIALS)
@pytest.mark.parametrize("noise", [None, "gaussian"])
def test_tutorial_classes(model, shape, options, code, noise):
    def build(seed):
        corruption = make_noise(noise, seed)
        spec = make_spec(shape, latent_dim=9, options=options, noise=corruption, seed=seed)
        return networks.build(model, spec)

    network, again, other = build(1), build(1), build(2)
    rows = np.random.default_rng(0).uniform(size=(3, *shape)).astype(np.float32)
    codes = network.encoder(rows)
    assert codes.shape[1:] == code[1:]
    np.testing.assert_array_equal(network.decoder(codes), network.model(rows))
    assert equal(weights_of(network), weights_of(again))
    assert not equal(weights_of(network), weights_of(other))
    assert variable_names(network.model) == variable_names(other.model)
    trained = network.model(rows, training=True)
    assert np.array_equal(trained, network.model(rows)) == (noise is None)


def two_layers(input_shape, latent_dim, width=5, **ignored):
    assert not ignored
    rows = keras.Input(input_shape)
    encoder = keras.Sequential([layers.Dense(width), layers.Dense(latent_dim)], name="encoder")
    decoder = keras.Sequential([layers.Dense(input_shape[0])], name="decoder")
    return keras.Model(rows, decoder(encoder(rows)))


def test_a_function_gets_what_it_names_and_its_options():
    network = networks.build(two_layers, make_spec((6,), latent_dim=3, options={"width": 7}))
    assert network.encoder.layers[0].units == 7
    assert network.encoder.output_shape == (None, 3)
    assert network.decoder.output_shape == (None, 6)


def test_sub_models_by_name_share_weights():
    network = networks.build(two_layers, make_spec((6,)))
    rows = np.ones((2, 6), np.float32)
    np.testing.assert_array_equal(network.decoder(network.encoder(rows)), network.model(rows))


def test_kwargs_take_any_option():
    def anything(input_shape, **kwargs):
        assert kwargs == {"depth": 3}
        return keras.Sequential([layers.Dense(input_shape[0])])

    networks.build(anything, make_spec((6,), options={"depth": 3}))


def test_parameters_of_the_estimator_by_name():
    seen = {}

    def build(meta, params, output_shape, hidden_layer_sizes, activation="tanh"):
        seen.update(meta=meta, params=params, shape=output_shape, activation=activation)
        return keras.Sequential([layers.Dense(output_shape[0])])

    spec = make_spec((6,), (3,), meta={"n": 1}, params={"epochs": 2})
    networks.build(build, spec)
    assert seen == {"meta": {"n": 1}, "params": {"epochs": 2}, "shape": (3,), "activation": "tanh"}


def test_what_a_partial_binds_stays_bound():
    model = functools.partial(two_layers, latent_dim=4)
    assert networks.build(model, make_spec((6,))).encoder.output_shape == (None, 4)
    model = functools.partial(OlderAutoencoder, 5)
    assert networks.build(model, make_spec((28, 28))).encoder.output_shape == (None, 5)


def test_a_callable_object():
    class Factory:
        def __call__(self, input_shape, latent_dim):
            return two_layers(input_shape, latent_dim)

    assert networks.build(Factory(), make_spec((6,))).encoder.output_shape == (None, 2)


def test_a_sequential_without_shapes_is_built():
    model = networks.build(lambda: keras.Sequential([layers.Dense(6)]), make_spec((6,))).model
    assert [w.shape for w in model.get_weights()] == [(6, 6), (6,)]


def test_a_model_without_views():
    network = networks.build(lambda: keras.Sequential([layers.Dense(6)]), make_spec((6,)))
    assert network.encoder is None
    assert network.decoder is None


def test_bare_layers_as_views_are_wrapped():
    class Plain(Model):
        def __init__(self, latent_dim):
            super().__init__()
            self.encoder = layers.Dense(latent_dim)
            self.decoder = layers.Dense(6)

        def call(self, x):
            return self.decoder(self.encoder(x))

    network = networks.build(Plain, make_spec((6,)))
    rows = np.ones((2, 6), np.float32)
    assert isinstance(network.encoder, keras.Model)
    np.testing.assert_array_equal(network.decoder(network.encoder(rows)), network.model(rows))


def test_an_encoder_of_something_else_is_no_view():
    def build(input_shape):
        rows = keras.Input(input_shape)
        flat = layers.Flatten()(rows)
        encoder = keras.Sequential([keras.Input((12,)), layers.Dense(2)], name="encoder")
        return keras.Model(rows, layers.Reshape(input_shape)(layers.Dense(12)(encoder(flat))))

    assert networks.build(build, make_spec((3, 4))).encoder is None


def test_global_random_state_is_left_alone():
    def build():
        networks.build(two_layers, make_spec((6,)))

    assert global_draws(build) == global_draws(lambda: None)


def test_global_random_state_is_put_back_after_a_failure():
    def fails():
        random.random()
        raise RuntimeError("no model today")

    def build():
        with pytest.raises(RuntimeError, match="no model today"):
            networks.build(fails, make_spec((6,)))

    assert global_draws(build) == global_draws(lambda: None)


def test_own_losses_reach_the_model_behind_noise():
    def build(input_shape):
        penalty = keras.regularizers.L2(1.0)
        return keras.Sequential([layers.Dense(input_shape[0], kernel_regularizer=penalty)])

    model = networks.build(build, make_spec((6,), noise=make_noise("gaussian", 0))).model
    kernel = model.get_weights()[-2]
    np.testing.assert_allclose(float(sum(model.losses)), np.sum(kernel**2), rtol=1e-5)


class OwnStep(AnomalyDetector):
    def train_step(self, data):
        return {"loss": losses.mse(data, self(data))}


def test_own_train_step():
    assert isinstance(networks.build(OwnStep, make_spec((140,))).model, OwnStep)
    message = "noise=GaussianNoise can't be put before .* OwnStep .* overrides train_step; add the"
    with pytest.raises(ValueError, match=message):
        networks.build(OwnStep, make_spec((140,), noise=make_noise("gaussian", 0)))


def dense(units):
    return keras.Sequential([layers.Dense(units)])


def test_missing_argument():
    message = r"Autoencoder requires \['shape'\], .*; set model__shape=\.\.\.\."
    with pytest.raises(TypeError, match=message):
        networks.build(Autoencoder, make_spec((28, 28)))


def test_unknown_option():
    message = r"dense takes no argument 'unit', but model__unit is set\. Did you mean 'units'\?"
    with pytest.raises(ValueError, match=message):
        networks.build(dense, make_spec((6,), options={"units": 6, "unit": 5}))


def test_nothing_returned():
    def forgets(input_shape):
        keras.Sequential([layers.Dense(input_shape[0])])

    message = r"forgets returned None \(is its return statement missing\?\); .* keras.Model"
    with pytest.raises(TypeError, match=message):
        networks.build(forgets, make_spec((6,)))


@pytest.mark.parametrize("model", [layers.Dense, functools.partial(layers.Dense)])
def test_not_a_model(model):
    with pytest.raises(TypeError, match=r"returned <class '.*Dense'>; a callable .* keras.Model"):
        networks.build(model, make_spec((6,), options={"units": 6}))


def test_wrong_output_shape():
    message = r"dense returned maps samples of shape \(6,\) to shape \(5,\), but shape \(6,\) is"
    with pytest.raises(ValueError, match=message):
        networks.build(dense, make_spec((6,), options={"units": 5}))


def test_wrong_input_shape():
    message = (
        r"(?s)Denoise returned can't be applied to samples of shape \(28,\): .*Set input_shape"
    )
    with pytest.warns(UserWarning, match="unbuilt state"), pytest.raises(ValueError, match=message):
        networks.build(Denoise, make_spec((28,)))


def test_two_outputs():
    def twice(input_shape):
        rows = keras.Input(input_shape)
        return keras.Model(rows, [layers.Dense(6)(rows), layers.Dense(6)(rows)])

    with pytest.raises(ValueError, match="has list as its output; it has to return one tensor"):
        networks.build(twice, make_spec((6,)))


@pytest.mark.parametrize("model", ["dense", two_layers, AnomalyDetector])
def test_threads_build_what_one_thread_builds(model):
    def build(seed):
        return weights_of(networks.build(model, make_spec((140,), seed=seed)))

    alone = [build(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(build, range(4)))
    assert all(equal(one, other) for one, other in zip(alone, together, strict=True))


def test_a_builder_may_fit_an_estimator_of_its_own():
    def inner(input_shape):
        return keras.Sequential([keras.layers.Dense(input_shape[0])])

    def outer(input_shape):
        networks.build(inner, NetworkSpec(input_shape, input_shape, {}, {}, seed=1))
        return inner(input_shape)

    spec = NetworkSpec((3,), (3,), {}, {}, seed=0)
    thread = threading.Thread(target=networks.build, args=(outer, spec), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_one_model_for_two_estimators_is_refused():
    model = keras.Sequential([keras.layers.Dense(3)])
    spec = NetworkSpec((3,), (3,), {}, {}, seed=0)
    networks.build(lambda: model, spec)
    with pytest.raises(ValueError, match="returned before"):
        networks.build(lambda: model, spec)
