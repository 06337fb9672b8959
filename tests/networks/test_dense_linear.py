"""The dense and the linear network."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import ortho_group
from sklearn.decomposition import PCA

from skae import networks
from tests.networks._specs import make_spec


def sizes_of(model):
    return [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def test_the_decoder_mirrors_the_encoder():
    network = networks.build("dense", make_spec((9,), hidden_layer_sizes=(7, 5), latent_dim=3))
    assert sizes_of(network.encoder) == [7, 5, 3]
    assert sizes_of(network.decoder) == [5, 7, 9]


def test_activations():
    spec = make_spec((9,), activation="elu", output_activation="sigmoid")
    network = networks.build("dense", spec)
    used = {
        layer.name: layer.activation.__name__
        for part in (network.encoder, network.decoder)
        for layer in part.layers
        if isinstance(layer, keras.layers.Dense)
    }
    assert used == {"hidden_1": "elu", "code": "linear", "output": "sigmoid"}
    spec = make_spec((9,), options={"latent_activation": "relu"})
    code = networks.build("dense", spec).encoder.get_layer("code")
    assert code.activation is keras.activations.relu


def test_one_integer_is_one_layer():
    network = networks.build("dense", make_spec((9,), hidden_layer_sizes=np.int64(6)))
    assert sizes_of(network.encoder) == [6, 2]


def test_an_activity_regularizer_adds_to_the_loss():
    penalty = keras.regularizers.L1(0.5)
    network = networks.build("dense", make_spec((4,), options={"activity_regularizer": penalty}))
    rows = np.random.default_rng(0).uniform(size=(6, 4)).astype(np.float32)
    network.model(rows)
    expected = 0.5 * np.abs(network.encoder(rows)).sum() / len(rows)
    network.model(rows)
    np.testing.assert_allclose(float(sum(network.model.losses)), expected, rtol=1e-5)


def test_an_initializer_keeps_its_kind_and_gets_a_seed():
    option = {"kernel_initializer": keras.initializers.RandomNormal(stddev=7.0, seed=1)}
    first, second = (
        networks.build("dense", make_spec((40,), seed=seed, options=option)).model.get_weights()[0]
        for seed in (1, 2)
    )
    np.testing.assert_allclose(first.std(), 7.0, rtol=0.2)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("tied", [False, True])
def test_linear_reaches_the_error_of_pca(rng, tied):
    table = (rng.normal(size=(60, 6)) * [2, 1.5, 0.3, 0.2, 0.1, 0.1]) @ ortho_group(6, 0).rvs()
    table = table.astype(np.float32)
    pca = PCA(2).fit(table)
    best = np.mean((pca.inverse_transform(pca.transform(table)) - table) ** 2)
    network = networks.build("linear", make_spec((6,), options={"tied": tied}))
    network.model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", steps_per_execution=500)
    batches = tf.data.Dataset.from_tensors((table, table)).repeat(3000)
    network.model.fit(batches, shuffle=False, verbose=0)
    reached = np.mean((network.model(table).numpy() - table) ** 2)
    assert best * 0.999 <= reached <= best * 1.01


def test_linear_is_affine():
    network = networks.build("linear", make_spec((6,)))
    rng = np.random.default_rng(0)
    a, b, zero = rng.normal(size=(1, 6)), rng.normal(size=(1, 6)), np.zeros((1, 6))
    at = lambda rows: network.model(rows.astype(np.float32)).numpy()  # noqa: E731
    np.testing.assert_allclose(at(a + b) - at(zero), at(a) + at(b) - 2 * at(zero), atol=1e-5)


def test_tied_weights():
    network = networks.build("linear", make_spec((3, 2), options={"tied": True}))
    kernel = network.encoder.get_layer("code").kernel.numpy()
    assert [w.shape for w in network.model.get_weights()] == [(6, 2), (2,), (6,)]
    codes = np.eye(2, dtype=np.float32)
    np.testing.assert_allclose(network.decoder(codes).numpy().reshape(2, 6), kernel.T, atol=1e-6)


def test_tied_needs_one_size():
    with pytest.raises(ValueError, match=r"model__tied=True needs .* \(6,\) are mapped to \(5,\)"):
        networks.build("linear", make_spec((6,), (5,), options={"tied": True}))


def test_linear_refuses_an_output_activation():
    with pytest.raises(ValueError, match="output_activation='relu'; leave it at None, or use"):
        networks.build("linear", make_spec((6,), output_activation="relu"))


def test_unknown_initializer():
    with pytest.raises(ValueError, match="model__kernel_initializer='he_norm' is not an init"):
        networks.build("dense", make_spec((6,), options={"kernel_initializer": "he_norm"}))


def test_initializers_without_a_seed():
    network = networks.build("dense", make_spec((6,), options={"kernel_initializer": "zeros"}))
    assert not any(weight.any() for weight in network.model.get_weights())
