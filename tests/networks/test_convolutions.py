"""Layers that XLA compiles as matrix products equal Keras's layers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from skae import DenoisingRegressor, networks
from skae._xla_context import compiled_by_xla, under_xla
from skae.engine import clear_cache
from skae.networks import _convolutions
from skae.networks._correlation import Correlation
from tests.networks._specs import equal, make_spec

PAIRS = {
    kind: (getattr(_convolutions, f"Matmul{kind}"), getattr(keras.layers, kind))
    for kind in ("Conv1D", "Conv2D", "Conv1DTranspose", "Conv2DTranspose")
}
OPTIONS = {"kernel_size": 3, "activation": "tanh"}
# Not windows shorter than the strides: TensorFlow's gradient of a kernel in float32 then writes
# outside of its memory. In float64 they are tested with the arithmetic.
GEOMETRIES = [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]
WITH_PRODUCT = {
    f"{padding}, stride {strides}, window {window}": {
        "padding": padding,
        "strides": strides,
        "kernel_size": window,
    }
    for padding in ("same", "valid")
    for strides, window in GEOMETRIES
}
WITH_PRODUCT |= {"no bias": {"use_bias": False}, "linear": {"activation": None}}
WITHOUT_PRODUCT = {
    "dilated": {"dilation_rate": 2},
    "channels first": {"data_format": "channels_first"},
    "float64": {"dtype": "float64"},
    "many filters": {"filters": 300},
    "large window": {"kernel_size": 10, "padding": "same"},
}
OF_CONVOLUTIONS = {"groups": {"groups": 2}}
OF_TRANSPOSED = {"output padding": {"strides": 2, "output_padding": 1}}
OF_ONE_AXIS = {"causal": {"padding": "causal", "strides": 2}}


def without_product(kind):
    cases = WITHOUT_PRODUCT | (OF_TRANSPOSED if "Transpose" in kind else OF_CONVOLUTIONS)
    cases |= OF_ONE_AXIS if kind == "Conv1D" else {}
    return [(kind, name, options) for name, options in cases.items()]


def images_for(layer, n=3):
    shape = (9, 8)[: layer.rank]
    shape = (2, *shape) if layer.data_format == "channels_first" else (*shape, 2)
    return np.random.default_rng(0).normal(size=(n, *shape)).astype(layer.compute_dtype)


def built(kind, options):
    """Return skae's layer and Keras's with the same weights, and images for them."""
    options = {"filters": 4, **OPTIONS, **options}
    pair = [layer(**options) for layer in PAIRS[kind]]
    images = images_for(pair[0])
    for layer in pair:
        layer.build(images.shape)
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=weight.shape) / 4 for weight in pair[0].weights]
    for layer in pair:
        layer.set_weights(weights)
    return *pair, tf.constant(images)


def gradients(layer, images, *, second=False):
    """Return a function of no arguments: a layer's outputs, their gradients, those of these."""
    arguments = [images, *(weight.value for weight in layer.trainable_weights)]

    @tf.function(autograph=False)  # eager mode has no second gradient of some convolutions
    def run():
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                outputs = layer(images)
                total = tf.reduce_sum(tf.sin(outputs))
            first = inner.gradient(total, arguments)
            size = tf.reduce_sum([tf.reduce_sum(gradient**2) for gradient in first])
        return [outputs, *first, *(outer.gradient(size, arguments[:2]) if second else [])]

    return run.get_concrete_function()


def has_product(function):
    return "MatMul" in {operation.type for operation in function.graph.get_operations()}


@pytest.mark.parametrize("name", WITH_PRODUCT)
@pytest.mark.parametrize("kind", PAIRS)
def test_products_are_keras_convolutions(kind, name):
    layer, oracle, images = built(kind, WITH_PRODUCT[name])
    with under_xla():
        function = gradients(layer, images, second=True)
    assert has_product(function)
    expected = gradients(oracle, images, second=True)()
    for got, wanted in zip(function(), expected, strict=True):
        assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max(initial=1))


@pytest.mark.parametrize(
    ("kind", "name", "options"), [case for kind in PAIRS for case in without_product(kind)], ids=str
)
def test_what_has_no_product_is_left_to_keras(kind, name, options):
    layer, oracle, images = built(kind, options)
    with under_xla():
        function = gradients(layer, images)
    assert not has_product(function)
    assert not layer.gains_from_xla(len(images))
    for got, wanted in zip(function(), gradients(oracle, images)(), strict=True):
        assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", PAIRS)
def test_keras_kernels_outside_of_xla(kind):
    layer, oracle, images = built(kind, {})
    assert not has_product(gradients(layer, images))
    assert_array_equal(layer(images), oracle(images))


def test_rows_without_a_number_are_left_to_keras():
    layer, oracle, images = built("Conv2D", {})
    with under_xla():
        spec = tf.TensorSpec((None, *images.shape[1:]))
        function = tf.function(layer, autograph=False).get_concrete_function(spec)
    assert not has_product(function)
    assert_array_equal(function(images), oracle(images))


def test_low_rank_adaptation():
    layer, oracle, images = built("Conv2D", {})
    for either in (layer, oracle):
        either.enable_lora(2, a_initializer="ones", b_initializer="ones")
    with under_xla():
        assert_allclose(layer(images), oracle(images), rtol=1e-5)
    assert np.abs(layer.kernel - layer.get_weights()[0]).max() > 0


def test_gains():
    layer = built("Conv2D", {})[0]
    assert layer.gains_from_xla(10)
    assert not layer.gains_from_xla(10**6)
    layer = PAIRS["Conv2D"][0](4, 3)
    layer.build((None, None, 8, 1))
    assert not layer.gains_from_xla(10)


def test_kernels_of_a_gpu_are_left_alone(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    layer, _, images = built("Conv2D", {})
    with under_xla():
        assert not has_product(gradients(layer, images))
    assert not layer.gains_from_xla(10)


def test_xla_is_known_inside_alone():
    with under_xla():
        with pytest.raises(KeyError), under_xla():
            raise KeyError
        assert compiled_by_xla()
    assert not compiled_by_xla()


def test_another_thread_is_not_under_xla():
    layer, oracle, images = built("Conv2D", {})
    outputs = []
    with under_xla():
        thread = threading.Thread(target=lambda: outputs.append(layer(images)))
        thread.start()
        thread.join()
    assert_array_equal(outputs[0], oracle(images))


CONV = {"hidden_layer_sizes": (4, 3), "latent_dim": None}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("upsampling", [False, True])
@pytest.mark.parametrize("shape", [(9,), (9, 7, 2)])
def test_a_saved_network_is_loaded(shape, upsampling, tmp_path):
    spec = make_spec(shape, **CONV, options={"upsampling": upsampling})
    model = networks.build("conv", spec).model
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    layers, again = ([*map(type, m._flatten_layers())] for m in (model, loaded))
    assert layers == again
    assert set(layers) & {own for own, _ in PAIRS.values()}
    rows = np.random.default_rng(0).random((3, *shape), np.float32)
    assert_array_equal(loaded(rows), model(rows))
    with under_xla():
        assert_array_equal(loaded(rows), model(rows))


@pytest.fixture
def channels_first():
    """Have Keras take the channels of images first."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


SPECS = [
    ((9, 7), None, {}),
    ((9, 7, 2), None, {"upsampling": True}),
    ((9, 2), None, {"dimensions": 1, "upsampling": True}),
    ((9,), None, {}),
    ((8, 6, 2), (5,), {}),
]


@pytest.mark.parametrize("latent_dim", [None, 3])
@pytest.mark.parametrize(("shape", "output_shape", "options"), SPECS)
def test_the_network_has_the_channels_last(shape, output_shape, options, latent_dim, request):
    spec = make_spec(
        shape, output_shape, hidden_layer_sizes=(4, 3), latent_dim=latent_dim, options=options
    )
    rows = np.random.default_rng(0).random((3, *shape), np.float32)
    expected = networks.build("conv", spec).model(rows)
    request.getfixturevalue("channels_first")
    assert_array_equal(networks.build("conv", spec).model(rows), expected)


@pytest.mark.parametrize(("name", "options"), [("dense", {}), ("linear", {"tied": True})])
def test_images_are_flattened_in_one_order(name, options, request):
    spec = make_spec((4, 3, 2), options=options)
    rows = np.random.default_rng(0).random((3, 4, 3, 2), np.float32)
    expected = networks.build(name, spec).model(rows)
    request.getfixturevalue("channels_first")
    assert_array_equal(networks.build(name, spec).model(rows), expected)


def fitted(**params):
    """Return the weights of a small network trained on signals."""
    X = np.random.default_rng(0).random((64, 9), np.float32)
    params = {"hidden_layer_sizes": (3,), "epochs": 2, "batch_size": 8, **params}
    estimator = DenoisingRegressor(model="conv", latent_dim=None, random_state=0, **params)
    return estimator.fit(X, X).model_.get_weights()


def test_one_seed_is_one_fit_in_any_thread():
    clear_cache()
    first, second = (fitted(jit_compile=True) for _ in range(2))
    clear_cache()
    with ThreadPoolExecutor(2) as pool:
        others = list(pool.map(lambda _: fitted(jit_compile=True), range(2)))
    for weights in (second, *others):
        assert equal(weights, first)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_fit_under_xla_consists_of_products(jit_compile, monkeypatch):
    called = []
    for name in ("down", "up"):
        convolve = getattr(Correlation, name)
        monkeypatch.setattr(
            Correlation, name, lambda *args, c=convolve: (called.append(c), c(*args))[1]
        )
    clear_cache()
    fitted(jit_compile=jit_compile)
    assert bool(called) == jit_compile
