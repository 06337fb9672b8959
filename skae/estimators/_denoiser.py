"""The denoiser: from noisy samples to clean ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from skae._contracts import FloatArray, Shape
from skae._validation import check_targets
from skae.estimators._base import BaseAutoencoder, Mode, observed_values, r2_of_values
from skae.estimators._docs import documented
from skae.estimators._parameter_names import fit_method
from skae.estimators._samples import FitData, Samples
from skae.estimators._scaling import restored, standardized
from skae.estimators._scikeras import Hidden
from skae.estimators._snapshots import of_one_fit
from skae.noise import make_noise


@documented
class DenoisingRegressor(RegressorMixin, BaseAutoencoder):
    """Learn to remove noise from samples.

    A network `g` is trained to minimize the mean over the training samples of
    ``loss(clean, g(noisy))`` [1]_. Pass pairs of samples (``fit(X_noisy, X_clean)``), or clean
    samples alone (``fit(X)``), to which noise is added anew for every batch.

    Parameters
    ----------
    noise : str, keras.layers.Layer or None, default="gaussian"
        Noise that `fit` adds to clean samples, drawn anew for every batch, where it gets no
        pairs; "gaussian" has a standard deviation of 0.1. The others are "uniform", "masking" (or
        "dropout"), "salt_and_pepper", or a Keras layer; ``noise__*`` is routed to a noise by
        name.

    See Also
    --------
    AutoencoderTransformer : With ``noise``, the codes of a denoising autoencoder.

    References
    ----------
    .. [1] P. Vincent, H. Larochelle, Y. Bengio and P.-A. Manzagol (2008). "Extracting and
       Composing Robust Features with Denoising Autoencoders". ICML.
       :doi:`10.1145/1390156.1390294`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingRegressor
    >>> X = load_digits().data / 16
    >>> noisy = X + np.random.default_rng(0).normal(0, 0.2, X.shape)
    >>> denoiser = DenoisingRegressor(latent_dim=32, epochs=50, random_state=0).fit(noisy, X)
    >>> bool(np.mean((denoiser.predict(noisy) - X) ** 2) < np.mean((noisy - X) ** 2))
    True
    """

    __metadata_request__fit: ClassVar = {"X_val": True, "y_val": True}

    # A prediction is compared with clean samples, not with its input.
    reconstruct = Hidden()
    reconstruction_error = Hidden()
    _target_shape: Shape | None

    def __init__(
        self,
        model: str | Callable[..., Any] = "dense",
        latent_dim: int | str | None = "auto",
        *,
        hidden_layer_sizes: Any = (64,),
        activation: Any = "relu",
        output_activation: Any = None,
        input_shape: tuple[int, ...] | None = None,
        scale: bool | str = "auto",
        noise: Any = "gaussian",
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

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> DenoisingRegressor:
        """Train the network on pairs of samples, or on clean samples alone.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Noisy samples; clean ones where `y` is None.
        y : array-like of shape (n_samples,) or (n_samples, ...), default=None
            Clean samples, of any width. None: `X` is clean, and `noise` is added to it.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of samples; scaled to mean 1, and samples of weight 0 are dropped.
        X_val, y_val : array-like of the kind of `X` and `y`, default=None
            Samples to validate with.

        Returns
        -------
        self : DenoisingRegressor
            The fitted estimator.
        """
        if X_val is None and y_val is not None:
            raise ValueError("Got y_val without X_val; pass the noisy validation samples too.")
        self._fit(X, y, sample_weight=sample_weight, X_val=X_val, y_val=y_val)
        return self

    @fit_method
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> DenoisingRegressor:
        """Train for one more epoch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Noisy samples; clean ones where `y` is None.
        y : array-like of shape (n_samples,) or (n_samples, ...), default=None
            Clean samples, given at every call or at none.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of samples.

        Returns
        -------
        self : DenoisingRegressor
            The fitted estimator.
        """
        self._fit(X, y, sample_weight=sample_weight, mode="partial")
        return self

    @of_one_fit
    def predict(self, X: Any) -> FloatArray:
        """Denoise samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Noisy samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, ...)
            float64 and 1-D where the clean samples of `fit` were 1-D, otherwise shaped like them
            (like `X`, where `fit` got none) and of the float type of `X`.
        """
        X, shape = self._check_inputs(X)
        clean = restored(self._run("model", X), self._output_scaler)
        if self._target_shape == ():
            return clean.reshape(-1).astype(np.float64)
        shape = shape if self._target_shape is None else self._target_shape
        return clean.reshape(-1, *shape).astype(X.dtype, copy=False)

    @of_one_fit
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Compute the R2 of the predictions over all values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Noisy samples; clean ones where `y` is None.
        y : array-like of shape (n_samples,) or (n_samples, ...), default=None
            Clean samples. None: `X` is clean, and is denoised after `noise` has been added to it,
            the same noise at every call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of samples.

        Returns
        -------
        score : float
            1 - sum of squared errors / sum of squared differences from the mean of all values;
            1 is best. In the units of the network: standardized targets weigh equally.
        """
        X, _ = self._check_inputs(X)
        samples = Samples(X, None if y is None else check_targets(y, len(X)))
        if y is None:
            recipe = self._deferred.recipe
            noise = make_noise(recipe.noise, recipe.seed, recipe.noise_options)
            samples = self._corrupted(samples, noise)
        n_values = math.prod(self._output_shape)
        truth = samples.targets.reshape(len(X), -1)  # type: ignore[union-attr]
        if truth.shape[1] != n_values:
            raise ValueError(
                f"y has {truth.shape[1]} values per sample, but predictions have {n_values}; pass "
                "as many as fit got."
            )
        truth = standardized(truth, self._output_scaler, (n_values,))[:]
        prediction = self._run("model", samples.inputs).reshape(truth.shape)
        observed = None if truth.shape != X.shape else observed_values(self, samples.inputs)
        return r2_of_values(truth, prediction, sample_weight, observed)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.target_tags.multi_output = True
        return tags

    def _check_data(
        self, X: Any, y: Any, mode: Mode, *, sample_weight: Any, X_val: Any, y_val: Any
    ) -> FitData:
        """Check pairs, or clean samples; these are validated with noise that is drawn once."""
        data = super()._check_data(
            X, y, mode, sample_weight=sample_weight, X_val=X_val, y_val=y_val
        )
        targets = data.samples.targets
        if data.network is not None and (targets is None) != (self._target_shape is None):
            raise ValueError(
                "Pass y at every call of a continued training, or at none; got y "
                f"{'after calls without it' if y is not None else 'missing'}."
            )
        if targets is None and self.noise is None:
            raise ValueError(
                "Got y=None and noise=None, so there is no noise to remove; pass the clean "
                "samples as y, or set noise='gaussian'."
            )
        self._target_shape = None if targets is None else tuple(targets.shape[1:])
        validation = data.validation
        if not isinstance(validation, Samples):
            return replace(data, noise=self.noise if targets is None else None)
        if (validation.targets is None) != (targets is None):
            raise ValueError(
                "Pass y_val with X_val if fit gets y, and only then; got y_val "
                f"{'missing' if y_val is None else 'without y'}."
            )
        if targets is not None:
            return replace(data, noise=None)
        seed = self._seed if data.network is None else data.network.recipe.seed
        noise = make_noise(self.noise, seed, self._routed("noise"))
        return replace(data, validation=self._corrupted(validation, noise))

    def _corrupted(self, samples: Samples, noise: Any) -> Samples:
        """Add noise to clean samples, the same at every call; it is silent outside training."""
        noisy = np.asarray(noise(self._network_inputs(samples.inputs)[:], training=True))
        noisy = restored(noisy, self.scaler_).reshape(samples.inputs.shape)
        return replace(samples, inputs=noisy, targets=samples.inputs)
