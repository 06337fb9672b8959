"""Properties of all built-in networks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from skae import networks
from skae.noise import make_noise
from tests.networks._specs import (
    BUILT_IN,
    equal,
    global_draws,
    make_spec,
    spec_of,
    variable_names,
    weights_of,
)

EACH = pytest.mark.parametrize("name", networks.NAMES)
SHAPES = {"recurrent": [(5,), (5, 2)]}


def test_every_network_is_tested():
    assert set(networks.NAMES) == set(BUILT_IN)


@pytest.mark.parametrize(
    ("name", "shape"),
    [(n, s) for n in networks.NAMES for s in SHAPES.get(n, [(1,), (5,), (5, 4), (5, 4, 3)])],
)
def test_shapes(name, shape):
    network = networks.build(name, spec_of(name, shape))
    rows = np.zeros((3, *shape), np.float32)
    codes = network.encoder(rows)
    assert tuple(codes.shape) == (3, 2)
    assert tuple(network.decoder(codes).shape) == rows.shape
    assert tuple(network.model(rows).shape) == rows.shape
    assert network.model(rows).dtype == network.encoder(rows).dtype == tf.float32
    assert network.model.built
    assert not network.model.compiled


@EACH
@pytest.mark.parametrize("output_shape", [(1,), (7,), (3, 2)])
def test_output_may_have_another_shape(name, output_shape):
    network = networks.build(name, spec_of(name, (5,), output_shape))
    assert network.model.output_shape == (None, *output_shape)


@EACH
def test_views_share_the_weights_of_the_model(name):
    network = networks.build(name, spec_of(name, (5,)))
    rows = np.random.default_rng(0).uniform(size=(3, 5)).astype(np.float32)
    before = network.decoder(network.encoder(rows)).numpy()
    np.testing.assert_array_equal(network.model(rows), before)
    network.model.set_weights([weight * 0.5 for weight in weights_of(network)])
    after = network.decoder(network.encoder(rows)).numpy()
    np.testing.assert_array_equal(network.model(rows), after)
    assert np.abs(after - before).max() > 0


@EACH
def test_one_seed_gives_one_network(name):
    first, again, other = (
        weights_of(networks.build(name, spec_of(name, (5,), seed=seed))) for seed in (1, 1, 2)
    )
    assert equal(first, again)
    assert not equal(first, other)


@EACH
def test_layers_of_one_shape_differ(name):
    network = networks.build(name, spec_of(name, (4,), hidden_layer_sizes=(4, 4), latent_dim=4))
    kernels = [w.ravel() for w in weights_of(network) if w.ndim >= 2 and w.std() > 0]
    unique = {kernel.tobytes() for kernel in kernels}
    assert len(unique) == len(kernels)


@EACH
def test_global_random_state_is_left_alone(name):
    def build():
        networks.build(name, spec_of(name, (5,), noise=make_noise("gaussian", 0)))

    assert global_draws(build) == global_draws(lambda: None)


@EACH
def test_names_are_the_same_at_every_build(name):
    first, second = (
        networks.build(name, spec_of(name, (5,), seed=seed, noise=make_noise("gaussian", seed)))
        for seed in (1, 2)
    )
    assert variable_names(first.model) == variable_names(second.model)
    assert first.model.name == second.model.name == "autoencoder"
    assert [x.name for x in first.model.layers] == [x.name for x in second.model.layers]
    assert (first.encoder.name, first.decoder.name) == ("encoder", "decoder")


@EACH
def test_noise_acts_in_training_alone(name):
    clean = networks.build(name, spec_of(name, (5,)))
    noisy = networks.build(name, spec_of(name, (5,), noise=make_noise("gaussian", 3)))
    rows = np.ones((4, 5), np.float32)
    np.testing.assert_array_equal(clean.model(rows), noisy.model(rows))
    np.testing.assert_array_equal(clean.encoder(rows), noisy.encoder(rows))
    changed = noisy.model(rows, training=True).numpy()
    assert np.abs(changed - noisy.model(rows).numpy()).max() > 0
    assert np.abs(noisy.model(rows, training=True).numpy() - changed).max() > 0


@EACH
def test_training_lowers_the_loss(name, table):
    network = networks.build(name, spec_of(name, (6,)))
    network.model.compile("adam", "mse")
    # Shuffled, the order would come from NumPy's global generator.
    history = network.model.fit(table, table, epochs=8, verbose=0, batch_size=10, shuffle=False)
    assert history.history["loss"][-1] < history.history["loss"][0]


@EACH
def test_the_model_can_be_called_without_state(name):
    model = networks.build(name, spec_of(name, (5,), noise=make_noise("gaussian", 0))).model
    _, fixed, _ = model.stateless_call(
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
        np.ones((2, 5), np.float32),
        training=True,
        return_losses=True,
    )
    assert len(fixed) == len(model.non_trainable_variables)


def test_mixed_precision_keeps_outputs_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = networks.build("dense", make_spec((5,)))
    finally:
        keras.config.set_dtype_policy(before)
    rows = np.ones((2, 5), np.float32)
    assert network.model.get_layer("encoder").get_layer("hidden_1").compute_dtype == "float16"
    assert network.model(rows).dtype == network.encoder(rows).dtype == tf.float32


def test_unknown_name():
    with pytest.raises(ValueError, match=r"model='dens' is not .* Did you mean 'dense'\? Pass one"):
        networks.build("dens", make_spec((5,)))


def test_an_instance_is_refused():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)])
    with pytest.raises(TypeError, match=r"instance of Sequential.*pass the class, or a function"):
        networks.build(model, make_spec((5,)))


@pytest.mark.parametrize("model", [None, 3, ["dense"]])
def test_neither_name_nor_callable(model):
    with pytest.raises(TypeError, match=r"neither a name nor a callable; pass one of \['dense'"):
        networks.build(model, make_spec((5,)))


def test_unknown_option():
    with pytest.raises(ValueError, match="no option model__tide. Did you mean 'tied'"):
        networks.build("linear", make_spec((5,), options={"tide": True}))


def test_option_that_the_estimator_has():
    with pytest.raises(ValueError, match="model__latent_dim is not used; set latent_dim itself"):
        networks.build("dense", make_spec((5,), options={"latent_dim": 3}))


def test_accepted_options():
    penalties = {"activity_regularizer", "contraction"}
    assert networks.accepted_options("linear") == {"tied", "kernel_initializer", *penalties}
    assert all(networks.accepted_options(name) >= penalties for name in networks.NAMES)
    assert {"beta", "capacity", "kl_warmup_epochs"} <= networks.accepted_options("variational")
    with pytest.raises(ValueError, match="Did you mean 'conv'"):
        networks.accepted_options("convo")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"latent_dim": 0}, "latent_dim must be an integer of at least 1; got 0"),
        ({"latent_dim": None}, "latent_dim=None is only for model='conv'"),
        ({"hidden_layer_sizes": (4, -1)}, "every element of hidden_layer_sizes must be an int"),
        ({"activation": "reluu"}, "activation='reluu' is not .* Did you mean 'relu'"),
        ({"output_activation": "sigmoyd"}, "output_activation='sigmoyd' is not .*'sigmoid'"),
    ],
)
def test_bad_sizes_and_activations(parameters, message):
    with pytest.raises(ValueError, match=message):
        networks.build("dense", make_spec((5,), **parameters))


def test_sizes_that_are_none():
    with pytest.raises(TypeError, match="hidden_layer_sizes='64' is not understood; pass a tuple"):
        networks.build("dense", make_spec((5,), hidden_layer_sizes="64"))


# Keras reads weights into variables by NumPy's way of before.
loads = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SAVED = [
    ("dense", (6,), {}),
    ("dense", (6,), {"contraction": 0.1}),
    ("linear", (6,), {}),
    ("linear", (3, 2), {"tied": True}),
    ("conv", (8, 8, 1), {}),
    ("conv", (9, 2), {"dimensions": 1}),
    ("recurrent", (5, 2), {}),
    ("variational", (6,), {}),
]


@loads
@pytest.mark.parametrize(("name", "shape", "options"), SAVED, ids=str)
def test_keras_files_load_with_the_same_weights_and_outputs(name, shape, options, tmp_path):
    saved = networks.build(name, make_spec(shape, options=options)).model
    saved.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_weights) == len(saved.trainable_weights)
    rows = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    np.testing.assert_allclose(loaded(rows), saved(rows), atol=1e-6)


@loads
def test_a_tied_layer_is_tied_after_loading_and_refused_alone(tmp_path):
    models = {}
    for latent_dim in (2, 3):  # not to the layer of another file
        spec = make_spec((6,), latent_dim=latent_dim, options={"tied": True})
        models[latent_dim] = networks.build("linear", spec).model
        models[latent_dim].save(tmp_path / f"{latent_dim}.keras")
    for latent_dim in models:
        loaded = keras.saving.load_model(tmp_path / f"{latent_dim}.keras")
        encoder, tied = loaded.get_layer("encoder"), loaded.get_layer("decoder").get_layer("output")
        assert tied.encoder_layer is encoder.get_layer("code")
        assert tied.encoder_layer.units == latent_dim
    config = {**tied.get_config(), "encoder_layer": "another"}
    with pytest.raises(ValueError, match="whole model"):
        type(tied).from_config(config)
