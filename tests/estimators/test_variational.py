"""The variational autoencoder: its divergence, and deterministic results."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, stats
from sklearn.base import clone

from skae import VariationalAutoencoder, networks
from skae.engine import clear_cache
from tests.estimators._cases import small


def _vae(**params):
    """Return one in the units of the table, in which the closed forms below are."""
    return small(VariationalAutoencoder, **{"scale": False, "batch_size": 32, **params})


@pytest.fixture(scope="module")
def vae(table):
    return _vae(epochs=20, optimizer__learning_rate=0.01).fit(table)


def test_codes_are_the_posterior_mean(vae, table):
    mu, log_var = vae.posterior(table)
    assert mu.shape == log_var.shape == (60, 2)
    assert_allclose(vae.transform(table), mu, rtol=1e-5, atol=1e-6)
    assert_array_equal(vae.transform(table), vae.transform(table))
    assert_array_equal(vae.reconstruct(table), vae.reconstruct(table))
    assert vae.score(table) == vae.score(table)
    assert_allclose(
        vae.inverse_transform(vae.transform(table)), vae.reconstruct(table), rtol=1e-5, atol=1e-6
    )


def test_divergence_is_its_definition(vae, table):
    """Integrated numerically: E_q[log q - log p] over each coordinate."""
    mu, log_var = vae.posterior(table[:3].astype(np.float64))

    def divergence(mean, scale):
        q, p = stats.norm(mean, scale), stats.norm()
        low, high = mean - 12 * scale, mean + 12 * scale
        return integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), low, high)[0]

    expected = [
        sum(divergence(m, np.exp(v / 2)) for m, v in zip(*row, strict=True))
        for row in zip(mu, log_var, strict=True)
    ]
    assert_allclose(vae.kl_divergence(table[:3]), expected, rtol=1e-4)
    assert (vae.kl_divergence(table) > 0).all()


@pytest.mark.parametrize(
    ("beta", "engine"), [(0.0, "auto"), (1.0, "auto"), (4.0, "auto"), (4.0, "keras")]
)
def test_divergence_is_in_the_loss(beta, engine, table):
    """One full batch, nothing learned: the validation loss is reconstruction + beta KL / width."""
    settings = {"optimizer": "sgd", "optimizer__learning_rate": 0.0, "epochs": 1, "engine": engine}
    vae = _vae(beta=beta, batch_size=60, **settings).fit(table, X_val=table)
    reconstruction = np.mean((vae.reconstruct(table) - table) ** 2)
    divergence = vae.kl_divergence(table).mean()
    assert divergence > 1e-3
    expected = reconstruction + beta * divergence / 6
    assert_allclose(vae.history_["val_loss"], [expected], rtol=1e-5)
    assert_allclose(vae.history_["kl_loss"], [divergence], rtol=1e-5)


def test_divergence_is_never_zero_by_default(vae):
    assert min(vae.history_["kl_loss"]) > 0


def test_loss_grows_with_beta_and_the_divergence_falls(table):
    fits = [
        _vae(beta=beta, epochs=50, optimizer__learning_rate=0.03).fit(table)
        for beta in (0.0, 0.05, 1.0)
    ]
    losses = [fit.history_["loss"][-1] for fit in fits]
    divergences = [fit.kl_divergence(table).mean() for fit in fits]
    errors = [fit.reconstruction_error(table).mean() for fit in fits]
    assert losses == sorted(losses)
    assert divergences == sorted(divergences, reverse=True)
    assert errors[0] < errors[2]


def test_capacity_is_aimed_at(table):
    vae = _vae(
        capacity=1.5, beta=20.0, epochs=60, batch_size=60, optimizer__learning_rate=0.05
    ).fit(table)
    assert_allclose(vae.kl_divergence(table).mean(), 1.5, rtol=0.1)


def test_warm_up_raises_beta_from_zero(table):
    settings = {"optimizer": "sgd", "optimizer__learning_rate": 0.0, "epochs": 4, "batch_size": 60}
    vae = _vae(beta=6.0, kl_warmup_epochs=2, **settings).fit(table, X_val=table)
    divergence = vae.kl_divergence(table).mean()
    reconstruction = vae.reconstruction_error(table).mean()
    expected = [reconstruction + fraction * divergence for fraction in (0, 0.5, 1, 1)]
    assert_allclose(vae.history_["val_loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("patience", [1, 10])
def test_early_stopping_begins_after_the_warm_up(patience, table):
    """While beta rises, the loss does too, and its first epochs would always be the best."""
    settings = {"optimizer": "sgd", "optimizer__learning_rate": 0.0, "epochs": 6, "batch_size": 60}
    vae = _vae(
        beta=6.0, kl_warmup_epochs=4, early_stopping=True, patience=patience, **settings
    ).fit(table, X_val=table)
    assert len(vae.history_["val_loss"]) == 6
    stopping = vae.callbacks_[-1]
    assert stopping.best_epoch == 4
    assert stopping.best == vae.history_["val_loss"][4] > vae.history_["val_loss"][0]


def test_sample_decodes_draws_from_the_prior(vae):
    rows = vae.sample(5, random_state=3)
    assert rows.shape == (5, 6)
    assert rows.dtype == np.float32
    assert_array_equal(rows, vae.sample(5, random_state=3))
    assert not np.array_equal(rows, vae.sample(5, random_state=4))
    codes = np.random.RandomState(3).normal(size=(5, 2)).astype(np.float32)
    assert_allclose(rows, vae.decoder_(codes).numpy(), rtol=1e-5, atol=1e-6)
    assert vae.sample().shape == (1, 6)


@pytest.mark.parametrize("n_samples", [0, -2, 1.5, None, "3"])
def test_sample_refuses_a_number(n_samples, vae):
    with pytest.raises(ValueError, match="n_samples must be a positive integer, got"):
        vae.sample(n_samples)


def test_sample_of_images(table):
    vae = _vae(epochs=1).fit(table.reshape(60, 3, 2))
    assert vae.sample(4, random_state=0).shape == (4, 3, 2)


def test_elbo_averages_over_draws(vae, table):
    many = vae.elbo(table, n_draws=400, random_state=0)
    assert_array_equal(vae.elbo(table, random_state=1), vae.elbo(table, random_state=1))
    one = np.mean([vae.elbo(table, random_state=seed) for seed in range(1, 101)], axis=0)
    assert_allclose(one.mean(), many.mean(), rtol=0.05)
    # Without noise in the code there is less to lose.
    bound = -(6 * vae.reconstruction_error(table) + vae.kl_divergence(table))
    assert many.mean() < bound.mean()


def test_elbo_is_the_normal_decoders(vae, table):
    """With a variance of 1/2 its log-likelihood is minus the sum of squares, and a constant."""
    mu, log_var = vae.posterior(table.astype(np.float64))
    drawn = np.random.RandomState(5).normal(size=mu.shape)
    decoded = vae.inverse_transform((mu + np.exp(log_var / 2) * drawn).astype(np.float32))
    normal = stats.norm(decoded.astype(float), np.sqrt(0.5)).logpdf(table)
    constant = stats.norm(0, np.sqrt(0.5)).logpdf(0)
    expected = (normal - constant).sum(axis=1) - vae.kl_divergence(table)
    assert_allclose(vae.elbo(table, random_state=5), expected, rtol=1e-4, atol=1e-5)


def test_elbo_of_a_binary_cross_entropy_is_in_nats(table):
    vae = _vae(loss="binary_crossentropy", output_activation="sigmoid").fit(table)
    elbo = vae.elbo(table, n_draws=50, random_state=0)
    chance = vae.reconstruct(table).astype(float)
    likelihood = (table * np.log(chance) + (1 - table) * np.log(1 - chance)).sum(axis=1)
    assert_allclose(elbo.mean(), (likelihood - vae.kl_divergence(table)).mean(), rtol=0.1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"beta": -1.0}, "'beta' parameter of VariationalAutoencoder must be a float"),
        ({"capacity": -1.0}, "'capacity' parameter"),
        ({"kl_warmup_epochs": 1.5}, "'kl_warmup_epochs' parameter"),
        ({"model": "dense"}, "'model' parameter"),
        ({"model__beta": 2.0}, "model__beta is not used; set beta itself"),
    ],
)
def test_parameters_that_can_not_work(params, message, table):
    with pytest.raises(ValueError, match=message):
        _vae(**params).fit(table)


def test_the_view_on_the_posterior_is_made_once_for_a_model(table, monkeypatch):
    clear_cache()
    made = []
    posterior = networks.posterior
    monkeypatch.setattr(networks, "posterior", lambda model: made.append(model) or posterior(model))
    vae = _vae().fit(table)
    for _ in range(2):
        vae.posterior(table)
        vae.elbo(table)
    assert made == [vae.model_]
    copy = pickle.loads(pickle.dumps(vae))
    for ours, theirs in zip(vae.posterior(table), copy.posterior(table), strict=True):
        assert_array_equal(ours, theirs)
    assert made == [vae.model_]  # the copy finds its program, and builds no model


def test_the_posterior_is_that_of_the_last_fit(table):
    vae = _vae().fit(table)
    before = vae.posterior(table)[0]
    vae.partial_fit(table)
    mu, _ = vae.posterior(table)
    assert np.abs(mu - before).max() > 1e-6
    assert_allclose(vae.transform(table), mu, rtol=1e-5, atol=1e-6)
    vae.set_params(latent_dim=3, random_state=1).fit(table)
    assert vae.posterior(table)[0].shape == (60, 3)
    assert_allclose(vae.transform(table), vae.posterior(table)[0], rtol=1e-5, atol=1e-6)
    assert not hasattr(clone(vae), "_posterior")
