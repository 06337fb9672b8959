"""The convolutional and the recurrent network."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from skae import networks
from tests.networks._specs import make_spec


def conv(shape, output_shape=None, **arguments):
    return networks.build("conv", make_spec(shape, output_shape, **arguments))


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1)])
def test_the_denoiser_of_the_tutorial(shape):
    network = conv(shape, hidden_layer_sizes=(16, 8), latent_dim=None, output_activation="sigmoid")
    assert network.encoder.count_params() == 1320
    assert network.decoder.count_params() == 1897
    assert network.encoder.output_shape == (None, 7, 7, 8)
    assert [x.filters for x in layers_of(network.encoder, keras.layers.Conv2D)] == [16, 8]
    enlarge = layers_of(network.decoder, keras.layers.Conv2DTranspose)
    assert [(x.filters, x.strides, x.activation.__name__) for x in enlarge] == [
        (8, (2, 2), "relu"),
        (16, (2, 2), "relu"),
    ]
    output = network.decoder.get_layer("output")
    assert (output.filters, output.kernel_size) == (1, (3, 3))
    assert output.activation is keras.activations.sigmoid


def test_the_decoder_with_up_sampling():
    options = {"upsampling": True, "strides": (1, 2, 2, 1), "decoder_sizes": (64, 32)}
    network = conv((28, 28), hidden_layer_sizes=(8, 8, 8, 8), latent_dim=10, options=options)
    filters = [x.filters for x in layers_of(network.encoder, keras.layers.Conv2D)]
    assert (filters, network.encoder.output_shape) == ([8, 8, 8, 8], (None, 10))
    filters = [x.filters for x in layers_of(network.decoder, keras.layers.Conv2D)]
    assert filters == [64, 32, 1]
    assert network.decoder.get_layer("expand").units == 7 * 7 * 64
    assert not layers_of(network.decoder, keras.layers.Conv2DTranspose)
    assert network.decoder.output_shape == (None, 28, 28)


@pytest.mark.parametrize("shape", [(15, 13), (15, 13, 3), (4, 4), (9,), (1,), (2,)])
@pytest.mark.parametrize("latent_dim", [None, 3])
@pytest.mark.parametrize("upsampling", [False, True])
def test_any_size_comes_back(shape, latent_dim, upsampling):
    options = {"upsampling": upsampling}
    network = conv(shape, hidden_layer_sizes=(3, 2), latent_dim=latent_dim, options=options)
    assert network.model.output_shape == (None, *shape)
    assert tuple(network.model(np.ones((2, *shape), np.float32)).shape) == (2, *shape)


@pytest.mark.parametrize("output_shape", [(8, 6), (8, 6, 2), (48,), (1,), (3, 3)])
@pytest.mark.parametrize("latent_dim", [None, 3])
def test_other_outputs(output_shape, latent_dim):
    network = conv((8, 6), output_shape, latent_dim=latent_dim)
    assert network.model.output_shape == (None, *output_shape)


def test_signals_with_channels():
    network = conv((12, 3), options={"dimensions": 1})
    assert layers_of(network.encoder, keras.layers.Conv1D)
    assert network.model.output_shape == (None, 12, 3)


def test_kernels_and_strides():
    options = {"kernel_size": (5, 1), "strides": (3, 1)}
    network = conv((12, 12), hidden_layer_sizes=(2, 3), latent_dim=None, options=options)
    made = layers_of(network.encoder, keras.layers.Conv2D)
    assert [x.kernel_size for x in made] == [(5, 1), (5, 1)]
    assert network.encoder.output_shape == (None, 4, 4, 3)
    assert network.model.output_shape == (None, 12, 12)


@pytest.mark.parametrize("options", [{"kernel_size": 1}, {"kernel_size": (1, 1), "strides": 3}])
def test_windows_of_one_value_that_leave_others_out_are_refused(options):
    # TensorFlow 2.21 writes outside of its memory for them.
    with pytest.raises(ValueError, match="model__kernel_size=.*leaves the others out; set"):
        conv((12, 12), options=options)
    conv((12, 12), options={"kernel_size": 1, "strides": 1})


def test_the_code_is_penalised_where_it_is_a_map():
    penalty = keras.regularizers.L1(0.5)
    network = conv((4, 4), latent_dim=None, options={"activity_regularizer": penalty})
    rows = np.ones((3, 4, 4), np.float32)
    network.model(rows)
    expected = 0.5 * np.abs(network.encoder(rows)).sum() / 3
    network.model(rows)
    np.testing.assert_allclose(float(sum(network.model.losses)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((4, 4), {"hidden_layer_sizes": ()}, r"needs at least one .* hidden_layer_sizes=\(\)"),
        ((2, 8), {"hidden_layer_sizes": (2, 2)}, r"Images of \(2, 8\) are too small for 2 layers"),
        ((4, 4, 4, 1), {}, r"can't convolve samples of shape \(4, 4, 4, 1\).* set input_shape"),
        ((4,), {"options": {"dimensions": 2}}, r"can't convolve samples of shape \(4,\) along 2"),
        ((4,), {"options": {"dimensions": 3}}, "model__dimensions must be None, 1 or 2; got 3"),
        ((4, 4), {"options": {"kernel_size": 0}}, "model__kernel_size must be an integer of at"),
        ((4, 4), {"options": {"kernel_size": (3,)}}, "one integer, or one for each of 2 axes"),
        ((4, 4), {"options": {"strides": (2, 2)}}, r"model__strides must be .* one for each of"),
        ((4, 4), {"options": {"strides": 0}}, "every element of model__strides must be an int"),
        (
            (8, 8),
            {"hidden_layer_sizes": (2, 2), "options": {"decoder_sizes": (4,)}},
            "model__decoder_strides must be one integer, or one for each of the 1 layers",
        ),
        (
            (8, 8),
            {"latent_dim": None, "options": {"decoder_strides": 1}},
            r"enlarges its maps to \(4, 4\), but the images are \(8, 8\); set model__decoder_strid",
        ),
    ],
)
def test_what_convolutions_refuse(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        conv(shape, **arguments)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("shape", [(5,), (5, 3)])
def test_recurrent(cell, shape):
    spec = make_spec(shape, hidden_layer_sizes=(4, 3), options={"cell": cell})
    network = networks.build("recurrent", spec)
    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    assert [x.units for x in layers_of(network.encoder, kind)] == [4, 3]
    assert [x.units for x in layers_of(network.decoder, kind)] == [3, 4]
    assert network.model.output_shape == (None, *shape)


def test_recurrent_codes_depend_on_the_order_of_steps():
    network = networks.build("recurrent", make_spec((5,)))
    rows = np.arange(5, dtype=np.float32)[None]
    assert np.abs(network.encoder(rows) - network.encoder(rows[:, ::-1])).max() > 1e-3


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((4, 4, 1), {}, r"takes sequences of shape .* one sample has shape \(4, 4, 1\); set input"),
        ((4,), {"hidden_layer_sizes": ()}, r"at least one recurrent layer, but hidden_layer_sizes"),
        ((4,), {"options": {"cell": "rnn"}}, r"model__cell must be one of \['lstm', 'gru'\]; got"),
    ],
)
def test_what_recurrent_networks_refuse(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        networks.build("recurrent", make_spec(shape, **arguments))
