"""The variational autoencoder: codes with a distribution, from which new samples are drawn."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skae import networks
from skae._contracts import FloatArray
from skae._sklearn import Interval, StrOptions
from skae.estimators._autoencoder import AutoencoderTransformer
from skae.estimators._docs import documented
from skae.estimators._recipe import loss_of
from skae.estimators._snapshots import of_one_fit


@documented
class VariationalAutoencoder(AutoencoderTransformer):
    """Compress samples to codes of a known distribution, and generate new ones.

    The encoder gives the mean and the log-variance of a normal posterior over codes, the decoder
    is trained on codes drawn from it, and the loss is the mean reconstruction error +
    ``beta * KL / n_features`` [1]_, where ``KL = -1/2 sum(1 + log_var - mu**2 - exp(log_var))`` is
    the divergence of the posterior from the standard normal prior. `transform` is the posterior
    mean, so it is deterministic, as are reconstructions and scores.

    Parameters
    ----------
    model : {"variational"} or callable, default="variational"
        Name of a built-in network, or a callable that returns a Keras model: a function, or a
        ``keras.Model`` subclass passed as the class itself. A callable receives the parameters
        that its signature names and its own ``model__*``.
    latent_dim : int, "auto" or None, default="auto"
        Size of the code. "auto" is half the number of features, at least 1 and at most 8. None is
        for callables that need none.
    beta : float, default=1.0
        Weight of the Kullback-Leibler divergence; the loss is the mean reconstruction error +
        beta * KL / number of features.
    capacity : float or None, default=None
        Nats that the code may carry: a number penalizes beta * abs(KL - capacity) / number of
        features instead [2]_.
    kl_warmup_epochs : int, default=0
        Epochs over which the weight of the divergence rises linearly from 0. Early stopping
        compares the epochs after them.

    Attributes
    ----------
    encoder_, decoder_ : keras.Model
        Views on the two halves of ``model_``; the encoder gives the posterior mean.

    See Also
    --------
    AutoencoderTransformer : Codes without a distribution.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling (2014). "Auto-Encoding Variational Bayes". ICLR.
       :doi:`10.48550/arXiv.1312.6114`
    .. [2] C. P. Burgess et al. (2018). "Understanding disentangling in beta-VAE".
       :doi:`10.48550/arXiv.1804.03599`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder
    >>> X = load_digits().data / 16
    >>> vae = VariationalAutoencoder(latent_dim=4, epochs=5, random_state=0).fit(X)
    >>> vae.sample(3, random_state=0).shape
    (3, 64)
    """

    _required_views = ("encoder", "decoder")
    _network_parameters = (
        *AutoencoderTransformer._network_parameters,
        "beta",
        "capacity",
        "kl_warmup_epochs",
    )
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AutoencoderTransformer._parameter_constraints,
        "beta": [Interval(Real, 0, None, closed="left")],
        "capacity": [Interval(Real, 0, None, closed="left"), None],
        "kl_warmup_epochs": [Interval(Integral, 0, None, closed="left")],
        "model": [StrOptions({"variational"}), callable],
    }

    def __init__(
        self,
        model: str | Callable[..., Any] = "variational",
        latent_dim: int | str | None = "auto",
        *,
        hidden_layer_sizes: Any = (64,),
        activation: Any = "relu",
        output_activation: Any = None,
        input_shape: tuple[int, ...] | None = None,
        scale: bool | str = "auto",
        beta: float = 1.0,
        capacity: float | None = None,
        kl_warmup_epochs: int = 0,
        noise: Any = None,
        optimizer: Any = "auto",
        loss: Any = "mse",
        metrics: Any = None,
        epochs: int | str = "auto",
        batch_size: int = 256,
        shuffle: bool = True,
        validation_split: float = 0.0,
        early_stopping: bool = False,
        patience: int = 10,
        callbacks: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        engine: str = "auto",
        jit_compile: bool | str = "auto",
        **routed: Any,
    ) -> None:
        self._keep(locals())

    @of_one_fit
    def sample(self, n_samples: int = 1, random_state: Any = None) -> FloatArray:
        """Generate samples: decode codes drawn from the standard normal prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples to generate.
        random_state : int, RandomState instance or None, default=None
            Seeds the drawing of codes.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_samples, ...)
            float32 samples, shaped like those that `fit` got.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be a positive integer, got {n_samples!r}.")
        rng = check_random_state(random_state)
        codes = rng.normal(size=(int(n_samples), self._n_features_out))
        return self.inverse_transform(codes.astype(np.float32))

    @of_one_fit
    def posterior(self, X: Any) -> tuple[FloatArray, FloatArray]:
        """Compute the posterior distribution of every sample's code.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        mu, log_var : ndarray of shape (n_samples, latent_dim)
            Mean and logarithm of the variance.
        """
        X, _ = self._check_inputs(X)
        self._deferred.views["posterior"] = _posterior_view
        both = self._run("posterior", X)
        mu, log_var = np.split(both.astype(X.dtype, copy=False), 2, axis=1)
        return mu, log_var

    def kl_divergence(self, X: Any) -> FloatArray:
        """Compute the divergence of every sample's posterior from the prior, in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        kl : ndarray of shape (n_samples,)
            ``-1/2 sum(1 + log_var - mu**2 - exp(log_var))``, in closed form.
        """
        return _divergence(*self.posterior(X))

    @of_one_fit
    def elbo(self, X: Any, n_draws: int = 1, random_state: Any = None) -> FloatArray:
        """Estimate every sample's evidence lower bound by drawing codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.
        n_draws : int, default=1
            Codes drawn from the posterior of every sample.
        random_state : int, RandomState instance or None, default=None
            Seeds the drawing of codes.

        Returns
        -------
        elbo : ndarray of shape (n_samples,)
            Minus (n_features * the mean loss over the draws + KL). In nats for a binary
            cross-entropy; for a mean squared error, up to a constant, that of a normal decoder
            of variance 1/2.
        """
        if not isinstance(n_draws, Integral) or n_draws < 1:
            raise ValueError(f"n_draws must be a positive integer, got {n_draws!r}.")
        mu, log_var = self.posterior(X)
        X, _ = self._check_inputs(X)
        samples = self._network_inputs(X)[:].reshape(X.shape)
        rng = check_random_state(random_state)
        loss, losses = loss_of(type(self), self._deferred), np.zeros(len(samples))
        for _ in range(n_draws):
            codes = mu + np.exp(log_var / 2) * rng.normal(size=mu.shape)
            decoded = self._decode(codes.astype(np.float32)).reshape(samples.shape)
            losses += _sample_losses(loss, samples, decoded) / n_draws
        return -(samples.shape[1] * losses + _divergence(mu, log_var))


def _posterior_view(model: keras.Model) -> keras.Model:
    """Return the view that gives means and log-variances side by side."""
    view = networks.posterior(model)
    both = keras.ops.concatenate(view.outputs, axis=-1)
    return keras.Model(view.inputs, both, name="posterior_view")


def _divergence(mu: FloatArray, log_var: FloatArray) -> FloatArray:
    return -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var), axis=1)


def _sample_losses(loss: Any, samples: FloatArray, decoded: FloatArray) -> FloatArray:
    function = keras.losses.get(loss)
    if isinstance(function, keras.losses.Loss):
        function = function.call
    truth = keras.ops.convert_to_tensor(samples.astype(np.float32))
    return np.asarray(function(truth, keras.ops.convert_to_tensor(decoded)), np.float64)
