"""A fitted network does not change when the objects that it was made of change."""

import copy
import pickle

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skae import AutoencoderTransformer
from skae.engine import clear_cache
from skae.engine._deferred import is_changed
from tests.estimators import tutorial_models
from tests.estimators._cases import small


@pytest.mark.parametrize("seed", range(4))
def test_orthogonal_kernels_of_one_element(table, seed):
    """They are 1 or -1 by the seed, and look like constants."""

    def fitted(state):
        options = {"hidden_layer_sizes": (1,), "model__kernel_initializer": "orthogonal"}
        return small(AutoencoderTransformer, latent_dim=1, random_state=state, **options).fit(table)

    clear_cache()
    alone = fitted(seed).history_["loss"]
    clear_cache()
    fitted(seed + 1)
    assert fitted(seed).history_["loss"] == alone


def test_initializers_of_a_noise_layer_count(table):
    def fitted(beta):
        noise = keras.layers.BatchNormalization(beta_initializer=beta, name="noise")
        return small(AutoencoderTransformer, noise=noise).fit(table).history_["loss"]

    clear_cache()
    alone = fitted("ones")
    clear_cache()
    fitted("zeros")
    assert fitted("ones") == alone


@pytest.mark.parametrize("other", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_model_that_was_compiled_and_trained_by_hand(table, other):
    estimator = small(AutoencoderTransformer).fit(table)
    estimator.model_.compile("sgd", "mse")
    estimator.model_.fit(table, table, verbose=0)
    copied = other(estimator)
    assert_allclose(copied.transform(table), estimator.transform(table), rtol=1e-6)
    assert copied.partial_fit(table).n_iter_ == estimator.partial_fit(table).n_iter_


def test_a_list_that_grows_after_the_fit(table):
    sizes = [4]
    estimator = small(AutoencoderTransformer, hidden_layer_sizes=sizes).fit(table)
    before = estimator.reconstruct(table)
    sizes.append(3)
    clear_cache()
    assert_array_equal(estimator.reconstruct(table), before)
    with pytest.raises(ValueError, match="hidden_layer_sizes was .* when the network was built"):
        estimator.partial_fit(table)


def test_an_encoder_and_a_decoder_of_one_configuration(table):
    def half():
        return keras.Sequential(
            [keras.Input((6,), name="x"), keras.layers.Dense(6, name="d")], name="h"
        )

    class Halves(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = half(), half()

        def call(self, x):
            return self.decoder(self.encoder(x))

    estimator = AutoencoderTransformer(Halves, epochs=1, random_state=0).fit(table)
    estimator.decoder_.set_weights(estimator.encoder_.get_weights())
    codes = estimator.transform(table)
    estimator.inverse_transform(codes)
    estimator.decoder_.set_weights([np.zeros_like(w) for w in estimator.decoder_.get_weights()])
    assert not estimator.inverse_transform(codes).any()


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_each_batch_of_a_stream_is_one_step(table, engine):
    def batches():
        return iter((table[:25], table[25:50], table[50:]))

    estimator = small(AutoencoderTransformer, epochs=3, engine=engine).fit(batches)
    assert int(estimator.model_.optimizer.iterations) == 9


def _dense_layers(model):
    inner = [layer for part in model.layers for layer in getattr(part, "layers", [part])]
    return [layer for layer in inner if isinstance(layer, keras.layers.Dense)]


def _quantize(model):
    for layer in _dense_layers(model):
        layer.quantize("int8")


def _set_activation(model):
    _dense_layers(model)[0].activation = keras.activations.tanh


def _set_bias(model):
    _dense_layers(model)[0].use_bias = False


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("change", [_quantize, _set_activation, _set_bias])
@pytest.mark.parametrize("model", ["dense", tutorial_models.functional])
def test_layers_changed_by_hand_count(model, change, table):
    """Scores are those of the model that can be seen, and nothing keeps the old one silently."""
    estimator = small(AutoencoderTransformer, model=model, scale=False).fit(table)
    before = estimator.reconstruct(table)
    for layer in _dense_layers(estimator.model_):
        layer.bias.assign_add(0.1 * keras.ops.ones_like(layer.bias))
    change(estimator.model_)
    many = np.tile(table, (5, 1))
    for rows in (table[:3], many):
        live = np.asarray(estimator.model_(rows, training=False))
        assert_allclose(estimator.reconstruct(rows), live, rtol=1e-5, atol=1e-6)
    assert np.abs(estimator.reconstruct(table) - before).max() > 1e-3
    for use in (pickle.dumps, lambda e: e.partial_fit(table)):
        with pytest.raises(ValueError, match="Layers of model_ were changed by hand"):
            use(estimator)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("model", ["dense", tutorial_models.functional])
def test_a_model_that_was_looked_at_and_used_is_unchanged(model, table, tmp_path):
    estimator = small(AutoencoderTransformer, model=model).fit(table)
    expected = estimator.reconstruct(table)
    estimator.model_.predict(table, verbose=0)
    estimator.model_.evaluate(table, table, verbose=0)
    estimator.model_.summary(print_fn=lambda *_, **__: None)
    estimator.model_.save(tmp_path / "model.keras")
    estimator.model_.save_weights(tmp_path / "model.weights.h5")
    estimator.model_.load_weights(tmp_path / "model.weights.h5")
    assert_array_equal(estimator.reconstruct(table), expected)
    assert not is_changed(estimator._deferred)
    pickle.loads(pickle.dumps(estimator)).partial_fit(table)
