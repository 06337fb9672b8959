"""Penalties on codes: gradients and activities, on built-in and user-defined networks."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skae import AutoencoderTransformer, VariationalAutoencoder, networks
from skae.networks import ContractiveEncoder
from tests.networks._specs import BUILT_IN, make_spec, spec_of

NETWORKS = {
    **BUILT_IN,
    "conv, no bottleneck": {"latent_dim": None, "hidden_layer_sizes": (2,)},
    "gru": {"hidden_layer_sizes": (3,), "model__cell": "gru"},
}
EACH = pytest.mark.parametrize("name", NETWORKS)


def coder(name, **params):
    """Return an estimator with a small network of that kind."""
    kind = {"conv, no bottleneck": "conv", "gru": "recurrent"}.get(name, name)
    cls = VariationalAutoencoder if kind == "variational" else AutoencoderTransformer
    common = {"latent_dim": 2, "hidden_layer_sizes": (4,), "batch_size": 10, "random_state": 0}
    return cls(kind, **{**common, **NETWORKS[name], **params})


@pytest.fixture
def rows(rng):
    return rng.normal(size=(24, 5)).astype(np.float32)


def dense(*layers, size=5, dtype=None):
    return keras.Sequential([keras.Input((size,), dtype=dtype), *layers])


def penalty(encoder, rows, **options):
    """Return what the wrapper adds to the loss for rows."""
    wrapped = ContractiveEncoder(encoder, weight=1.0, **options)
    wrapped(rows)
    return float(sum(wrapped.losses))


def squared_gradient(encode, rows, step):
    """Return the mean squared Frobenius norm of the Jacobian by central differences."""
    total = 0.0
    for column in range(rows.shape[1]):
        shift = np.zeros_like(rows)
        shift[:, column] = step
        total += np.sum((encode(rows + shift) - encode(rows - shift)) ** 2) / (2 * step) ** 2
    return total / len(rows)


def test_it_is_the_closed_form_of_one_sigmoid_layer(rows):
    """Rifai et al. (2011), equation 7: sum of (h (1 - h))**2 times the squared weights."""
    encoder = dense(keras.layers.Dense(3, "sigmoid", bias_initializer="normal"))
    kernel, codes = encoder.layers[0].kernel.numpy(), encoder(rows).numpy()
    closed = np.mean((codes * (1 - codes)) ** 2 @ (kernel**2).sum(axis=0))
    assert_allclose(penalty(encoder, rows, n_directions=None), closed, rtol=1e-5)


def test_it_is_the_gradient_of_a_deep_encoder(rng):
    wide = {"dtype": "float64", "activation": "tanh"}
    layers = [keras.layers.Dense(size, **wide) for size in (6, 4, 3)]
    # The input too: rounded to float32, a step would be off by as much as it is small.
    encoder, rows = dense(*layers, dtype="float64"), rng.normal(size=(9, 5))
    expected = squared_gradient(lambda X: encoder(X).numpy(), rows, step=1e-5)
    found = penalty(encoder, rows, n_directions=None, dtype="float64")
    assert_allclose(found, expected, rtol=1e-8)


def test_it_is_the_gradient_of_a_feature_map(rng):
    encoder = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, dtype="float64")])
    rows = rng.normal(size=(3, 4, 4, 1))
    kernel = encoder.layers[0].kernel.numpy()
    # A convolution is linear: each of its 2 x 2 places has the kernel as its gradient.
    found = penalty(encoder, rows, n_directions=None, dtype="float64")
    assert_allclose(found, 4 * np.sum(kernel**2), rtol=1e-6)


@pytest.mark.parametrize("n_directions", [1, 3])
def test_random_directions_have_the_right_mean(n_directions, rows):
    encoder = dense(keras.layers.Dense(3, "tanh"))
    exact = penalty(encoder, rows, n_directions=None)
    wrapped = ContractiveEncoder(encoder, weight=1.0, n_directions=n_directions)
    drawn = []
    for _ in range(300):
        wrapped(rows, training=True)
        drawn.append(float(wrapped.losses[-1]))
    assert np.std(drawn) > 0
    assert abs(np.mean(drawn) - exact) < 4 * np.std(drawn) / np.sqrt(len(drawn))


def test_outside_training_it_is_the_same_at_every_call(rows):
    encoder = dense(keras.layers.Dense(3, "tanh"))
    # Whatever the seed, too: a compiled program serves networks of all seeds.
    assert len({penalty(encoder, rows, seed=seed) for seed in (4, 4, 5)}) == 1


def test_codes_and_state_are_the_encoders_own(rows):
    norm = keras.layers.BatchNormalization(momentum=0.5)
    encoder = dense(keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(3), norm)
    wrapped = ContractiveEncoder(encoder)
    assert_array_equal(wrapped(rows).numpy(), encoder(rows).numpy())
    drawn, averages = (
        encoder.layers[0].seed_generator.state,
        (norm.moving_mean, norm.moving_variance),
    )
    runs = []
    for train in (encoder, wrapped):
        for variable, first in zip(
            (drawn, *averages), ([0, 1], np.zeros(3), np.ones(3)), strict=True
        ):
            variable.assign(first)
        codes = train(rows, training=True).numpy()
        runs.append([codes, *(variable.numpy() for variable in (drawn, *averages))])
    for alone, inside in zip(*runs, strict=True):
        assert_array_equal(alone, inside)


def test_a_sparse_penalty_inside_counts_once(rows):
    encoder = dense(keras.layers.Dense(3, activity_regularizer=keras.regularizers.L1(0.5)))
    wrapped = ContractiveEncoder(encoder, weight=0.0)
    codes = wrapped(rows).numpy()
    assert_allclose(float(sum(wrapped.losses)), 0.5 * np.abs(codes).sum() / len(rows), rtol=1e-5)


# Keras asks its own tensors for arrays in a way that NumPy 2 has deprecated.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_model_keeps_its_penalty(rows, tmp_path):
    network = networks.build("dense", make_spec((5,), options={"contraction": 0.1}))
    network.model.save(tmp_path / "model.keras")
    losses = []
    for model in (network.model, keras.saving.load_model(tmp_path / "model.keras")):
        model.compile(loss="mse")
        losses.append(model.evaluate(rows, rows, verbose=0))
    assert losses[0] == losses[1] > np.mean((network.model(rows).numpy() - rows) ** 2)


@EACH
def test_both_loops_have_the_same_penalties(name, rows):
    options = {"model__contraction": 0.1, "model__activity_regularizer": "l1", "epochs": 2}
    compiled, keras_loop = (
        coder(name, engine=engine, **options).fit(rows, X_val=rows)
        for engine in ("compiled", "keras")
    )
    for loss in ("loss", "val_loss"):
        assert_allclose(compiled.history_[loss], keras_loop.history_[loss], rtol=1e-4)
    assert_allclose(compiled.transform(rows), keras_loop.transform(rows), atol=1e-4)
    plain = coder(name, epochs=2).fit(rows, X_val=rows)
    assert compiled.history_["loss"][0] > plain.history_["loss"][0]


@pytest.mark.parametrize("name", ["dense", "linear", "conv", "variational"])
def test_contraction_makes_codes_flat(name, rows):
    free, flat = (
        coder(name, epochs=60, model__contraction=weight, optimizer__learning_rate=0.01).fit(rows)
        for weight in (0.0, 1.0)
    )
    gradients = [squared_gradient(each.transform, rows, step=0.01) for each in (free, flat)]
    assert gradients[1] < 0.5 * gradients[0]


@EACH
def test_a_sparse_penalty_makes_codes_small(name, rows):
    options = {"epochs": 40, "optimizer__learning_rate": 0.02}
    free, sparse = (
        coder(name, model__activity_regularizer=penalty, **options).fit(rows)
        for penalty in (None, keras.regularizers.L1(0.3))
    )
    activity = [np.abs(each.transform(rows)).mean() for each in (free, sparse)]
    assert activity[1] < 0.5 * activity[0]


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_first_weights_are_those_without_a_penalty(name):
    plain, penalised = (
        networks.build(name, spec_of(name, (6,), options=options))
        for options in ({}, {"contraction": 0.1})
    )
    assert_array_equal(
        np.concatenate([np.ravel(v) for v in plain.model.trainable_variables]),
        np.concatenate([np.ravel(v) for v in penalised.model.trainable_variables]),
    )


@pytest.mark.parametrize("name", ["dense", "variational"])
def test_pickled_and_cloned_it_trains_on_alike(name, rows):
    fitted = coder(name, epochs=2, model__contraction=0.1).fit(rows)
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.transform(rows), fitted.transform(rows))
    assert copy.partial_fit(rows).history_ == fitted.partial_fit(rows).history_
    again = clone(fitted).fit(rows)
    assert again.history_["loss"] == fitted.history_["loss"][:2]


class Own(keras.Model):
    """A user-defined network with a contractive encoder."""

    def __init__(self, weight=0.1):
        super().__init__()
        layers = [keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)]
        self.encoder = ContractiveEncoder(keras.Sequential(layers), weight)
        self.decoder = keras.Sequential([keras.layers.Dense(5)])

    def call(self, x, training=None):
        return self.decoder(self.encoder(x, training=training))


def test_a_user_defined_network_takes_the_wrapper(rows):
    losses = []
    for weight, engine in ((0.1, "compiled"), (0.1, "keras"), (0.0, "compiled")):
        own = AutoencoderTransformer(
            Own, 2, model__weight=weight, engine=engine, epochs=2, random_state=0
        ).fit(rows)
        assert own.inverse_transform(own.transform(rows)).shape == rows.shape
        losses.append(own.history_["loss"])
    assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][0] > losses[2][0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weight": -1.0}, ValueError, "weight must be a finite number of at least 0; got -1.0"),
        ({"n_directions": 0}, ValueError, "n_directions must be None or an integer .* got 0"),
        ({"layer": np.tanh}, TypeError, "layer must be a Keras layer or model"),
    ],
)
def test_what_the_wrapper_refuses(options, error, message):
    with pytest.raises(error, match=message):
        ContractiveEncoder(**{"layer": dense(keras.layers.Dense(2)), **options})


@pytest.mark.parametrize("weight", [-0.1, "strong", float("inf")])
def test_a_weight_that_can_not_be_is_refused_by_name(weight, rows):
    with pytest.raises(ValueError, match="model__contraction must be a finite number"):
        coder("dense", model__contraction=weight).fit(rows)
