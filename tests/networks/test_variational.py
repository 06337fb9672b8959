"""The variational network: its KL is the closed form, and is always part of the loss."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy import integrate, stats

from skae import networks
from skae.networks._variational import kl_divergence
from tests.networks._specs import make_spec


def variational(shape=(6,), **parameters):
    return networks.build("variational", make_spec(shape, **parameters))


@pytest.fixture
def rows(rng):
    return rng.uniform(size=(20, 6)).astype(np.float32)


def kl_of(network, rows):
    mu, log_var = (np.asarray(part) for part in networks.posterior(network.model)(rows))
    return -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var), axis=1)


def added_loss(network, rows):
    network.model(rows)
    return float(sum(network.model.losses))


def test_the_closed_form_is_the_integral():
    mu, log_var = np.array([0.7, -1.2]), np.array([0.4, -0.8])
    expected = 0.0
    for one_mu, one_log_var in zip(mu, log_var, strict=True):
        posterior, prior = stats.norm(one_mu, np.exp(one_log_var / 2)), stats.norm()
        expected += integrate.quad(
            lambda z, p=posterior, q=prior: p.pdf(z) * (p.logpdf(z) - q.logpdf(z)), -12, 12
        )[0]
    np.testing.assert_allclose(kl_divergence(mu[None], log_var[None]), [expected], rtol=1e-6)


def test_the_prior_has_no_divergence():
    assert float(kl_divergence(np.zeros((1, 3)), np.zeros((1, 3)))[0]) == 0


@pytest.mark.parametrize("shape", [(6,), (3, 2)])
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_loss_that_is_added(rows, shape, beta):
    network = variational(shape, beta=beta)
    rows = rows.reshape(-1, *shape)
    expected = beta * kl_of(network, rows).mean() / 6
    np.testing.assert_allclose(added_loss(network, rows), expected, rtol=1e-5)
    assert (expected > 1e-3) == (beta > 0)


def test_beta_is_one_by_default(rows):
    np.testing.assert_allclose(
        added_loss(variational(), rows), added_loss(variational(beta=1.0), rows)
    )


@pytest.mark.parametrize("capacity", [0.0, 25.0])
def test_capacity(rows, capacity):
    network = variational(beta=3.0, capacity=capacity)
    expected = 3.0 * abs(kl_of(network, rows).mean() - capacity) / 6
    np.testing.assert_allclose(added_loss(network, rows), expected, rtol=1e-5)


def test_beta_may_be_an_option_where_the_estimator_has_none(rows):
    network = variational(options={"beta": 0.0})
    assert added_loss(network, rows) == 0


def test_inference_is_deterministic_and_uses_the_mean(rows):
    network = variational()
    mu, _ = networks.posterior(network.model)(rows)
    np.testing.assert_array_equal(network.encoder(rows), mu)
    np.testing.assert_array_equal(network.model(rows), network.decoder(mu))
    np.testing.assert_array_equal(network.model(rows), network.model(rows))


def test_codes_are_drawn_from_the_posterior():
    network = variational(latent_dim=1)
    sampling = network.model.get_layer("sampling")
    mu, log_var = np.full((50_000, 1), 0.7, np.float32), np.full((50_000, 1), -1.0, np.float32)
    drawn = np.asarray(sampling([mu, log_var], training=True)).ravel()
    stddev = np.exp(-0.5)
    assert abs(drawn.mean() - 0.7) < 5 * stddev / np.sqrt(drawn.size)
    assert stats.kstest((drawn - 0.7) / stddev, "norm").pvalue > 1e-4
    assert (np.asarray(sampling([mu, log_var], training=True)).ravel() != drawn).any()


def test_training_draws_depend_on_the_seed_alone(rows):
    first, again, other = (variational_of_seed(seed) for seed in (1, 1, 2))
    one = first.model(rows, training=True).numpy()
    np.testing.assert_array_equal(one, again.model(rows, training=True))
    for mine, theirs in zip(other.model.weights, first.model.weights, strict=True):
        if "seed" not in mine.path:
            mine.assign(theirs)
    np.testing.assert_array_equal(first.model(rows), other.model(rows))
    assert np.abs(one - other.model(rows, training=True).numpy()).max() > 0


def variational_of_seed(seed):
    return networks.build("variational", make_spec((6,), seed=seed))


def train(network, rows, epochs=3):
    network.model.compile(keras.optimizers.Adam(0.02), "mse")
    history = network.model.fit(
        rows, rows, epochs=epochs, verbose=0, batch_size=8, callbacks=list(network.callbacks)
    )
    return history.history


def test_loss_is_reconstruction_plus_kl(rows):
    network = variational(beta=2.0)
    network.model.compile("adam", "mse")
    reconstruction = np.mean((network.model(rows).numpy() - rows) ** 2)
    expected = reconstruction + 2.0 * kl_of(network, rows).mean() / 6
    np.testing.assert_allclose(
        network.model.evaluate(rows, rows, verbose=0, batch_size=20), expected, rtol=1e-5
    )


def test_a_larger_beta_leaves_less_divergence(rows):
    reached = []
    for beta in (0.0, 20.0):
        network = variational(beta=beta)
        train(network, rows, epochs=8)
        reached.append(kl_of(network, rows).mean())
    assert reached[1] < 0.5 * reached[0]


def test_kl_is_in_the_history(rows):
    network = variational(latent_dim=3)
    network.model.compile("sgd", "mse")
    network.model.optimizer.learning_rate = 0.0  # so that every batch has the same weights
    history = network.model.fit(
        rows, rows, epochs=2, verbose=0, batch_size=8, callbacks=list(network.callbacks)
    )
    np.testing.assert_allclose(history.history["kl_loss"], [kl_of(network, rows).mean()] * 2, 1e-5)


def test_warm_up(rows):
    network = variational(beta=3.0, kl_warmup_epochs=2)
    (monitor,) = network.callbacks
    monitor.set_model(network.model)
    betas = []
    for epoch in range(4):
        monitor.on_epoch_begin(epoch)
        betas.append(float(network.model.get_layer("sampling").beta.numpy()))
    assert betas == [0.0, 1.5, 3.0, 3.0]
    assert set(train(network, rows)) == {"loss", "kl_loss"}


def test_posterior_of_another_network():
    with pytest.raises(ValueError, match="'autoencoder' has no sub-model named 'posterior'"):
        networks.posterior(networks.build("dense", make_spec((6,))).model)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"beta": -1.0}, "beta must be a finite number of at least 0; got -1.0"),
        ({"beta": None}, "beta must be a finite number of at least 0; got None"),
        ({"capacity": -1.0}, "capacity must be None or a finite number of nats"),
        ({"kl_warmup_epochs": -1}, "kl_warmup_epochs, unless it is 0, must be an integer"),
    ],
)
def test_bad_values(parameters, message):
    with pytest.raises(ValueError, match=message):
        variational(**parameters)
