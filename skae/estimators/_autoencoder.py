"""The autoencoder as a transformer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skae import engine
from skae._contracts import FloatArray
from skae._validation import check_float32_range, float_dtypes
from skae.estimators._base import BaseAutoencoder, Mode
from skae.estimators._docs import documented
from skae.estimators._samples import FitData, refuse_batches
from skae.estimators._scaling import restored
from skae.estimators._snapshots import of_one_fit


@documented
class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseAutoencoder):
    """Compress samples to latent codes, and reconstruct them.

    An encoder `f` and a decoder `g` are trained together to minimize the mean over the training
    samples of ``loss(x, g(f(x)))`` [1]_; `transform` is `f` and `inverse_transform` is `g`. With
    ``model="linear"`` and a squared loss the codes span the subspace of
    :class:`~sklearn.decomposition.PCA`, of the standardized columns unless ``scale=False``.

    Attributes
    ----------
    model_ : keras.Model
        Input to reconstruction, in the units of the network: standardized with ``scaler_`` where
        there is one.
    encoder_, decoder_ : keras.Model
        Views on the two halves of ``model_``.

    See Also
    --------
    VariationalAutoencoder : Codes with a distribution, from which new samples are drawn.
    sklearn.decomposition.PCA : The linear case in closed form.

    References
    ----------
    .. [1] G. E. Hinton and R. R. Salakhutdinov (2006). "Reducing the Dimensionality of Data with
       Neural Networks". Science 313. :doi:`10.1126/science.1127647`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> X = load_digits().data / 16
    >>> autoencoder = AutoencoderTransformer(latent_dim=8, epochs=5, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape
    (1797, 8)
    >>> autoencoder.inverse_transform(autoencoder.transform(X)).shape
    (1797, 64)
    """

    # Codes are not metadata, although they are not called X.
    __metadata_request__inverse_transform: ClassVar = {"Z": UNUSED}
    _required_views = ("encoder", "decoder")

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

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> FloatArray:
        """Train the network, and encode the samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.
        y : Ignored
            Not used, present for API consistency by convention.
        **fit_params : dict
            Arguments of `fit`.

        Returns
        -------
        Z : ndarray of shape (n_samples, latent_dim)
            Codes, in the float type of `X`.
        """
        refuse_batches(X, ", or call fit, and then transform for each batch")
        return super().fit_transform(X, y, **fit_params)

    @of_one_fit
    def transform(self, X: Any) -> FloatArray:
        """Encode samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        Z : ndarray of shape (n_samples, latent_dim)
            Codes, in the float type of `X`; a feature map is flattened.
        """
        X, _ = self._check_inputs(X)
        codes = self._run("encoder", X)
        return codes.reshape(len(codes), -1).astype(X.dtype, copy=False)

    @of_one_fit
    def inverse_transform(self, Z: Any) -> FloatArray:
        """Decode codes.

        Parameters
        ----------
        Z : array-like of shape (n_samples, latent_dim) or (n_samples, ...)
            Codes as `transform` returns them, or shaped like the encoder's output.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_samples, ...)
            Shaped like the samples that `fit` got, in the float type of `Z`.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=float_dtypes(Z), allow_nd=True, input_name="Z")
        check_float32_range(Z, "Z")
        if Z[0].size != self._n_features_out:
            raise ValueError(
                f"Z has {Z[0].size} values per sample, but {type(self).__name__} was fitted with "
                f"codes of {self._n_features_out}; pass what transform returns."
            )
        decoded = restored(self._decode(Z), self._output_scaler)
        return decoded.reshape(-1, *self._sample_shape).astype(Z.dtype, copy=False)

    def _decode(self, Z: FloatArray) -> FloatArray:
        """Decode flat codes to the units of the network."""
        return engine.run(self._deferred, Z.reshape(-1, *self._code_shape), "decoder")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _train(self, data: FitData, mode: Mode, bridge: Callable[[Any], Any]) -> None:
        super()._train(data, mode, bridge)
        self._code_shape = self._run("encoder", data.samples.inputs[:1]).shape[1:]

    @property
    def _n_features_out(self) -> int:
        return int(np.prod(self._code_shape, dtype=int))
