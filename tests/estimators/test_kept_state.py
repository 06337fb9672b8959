"""A fitted network does not change when the objects that it was made of change."""

import copy
import pickle

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skae import AutoencoderTransformer
from skae.engine import clear_cache
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
