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
from skae._validation import FLOAT_DTYPES, check_float32_range
from skae.estimators._base import BaseAutoencoder, Mode
from skae.estimators._samples import FitData
from skae.estimators._snapshots import of_one_fit


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseAutoencoder):
    """Compress rows to short codes, and bring them back.

    An encoder `f` and a decoder `g` are trained together to minimise the mean over the training
    rows of ``loss(x, g(f(x)))`` [1]_; `transform` is `f` and `inverse_transform` is `g`. With
    ``model="linear"`` and a squared loss the codes span the subspace of
    :class:`~sklearn.decomposition.PCA`.

    Parameters
    ----------
    model : {"dense", "linear", "conv", "recurrent", "variational"} or callable, default="dense"
        Name of a built-in network, or a callable that returns a Keras model: a function, or a
        ``keras.Model`` subclass passed as the class itself. A callable receives the parameters
        that its signature names and its own ``model__*``.
    latent_dim : int or None, default=8
        Size of the code. None, with ``model="conv"``: no dense bottleneck, the last feature map
        is the code.
    hidden_layer_sizes : int or array-like of int, default=(64,)
        Sizes of the encoder's hidden layers; the decoder mirrors them.
    activation : str or callable, default="relu"
        Activation of the hidden layers, as Keras takes it.
    output_activation : str, callable or None, default=None
        Activation of the last layer; None is linear.
    input_shape : tuple of int or None, default=None
        Shape of one sample, into which the rows of a 2-D `X` are reshaped inside. None takes
        the shape of `X`.
    noise : str, keras.layers.Layer or None, default=None
        Noise that is added to the input while training, drawn anew for every batch: "gaussian",
        "uniform", "masking" (or "dropout"), "salt_and_pepper", or a Keras layer. ``noise__*``
        is routed to a noise by name. None adds none.
    optimizer : str, class or keras.optimizers.Optimizer, default="adam"
        As Keras takes it; ``optimizer__learning_rate`` is routed to it.
    loss : str, callable or keras.losses.Loss, default="mse"
        As Keras takes it.
    metrics : list, dict, str, callable or None, default=None
        As Keras takes them; their values by epoch are in ``history_``.
    epochs : int, default=100
        Passes over the training rows.
    batch_size : int, default=32
        Rows in a batch; the last, short batch is never dropped.
    shuffle : bool, default=True
        Whether every epoch has a new order of rows.
    validation_split : float in [0, 1), default=0.0
        Fraction of the samples, drawn at random, that is held out and gives ``val_loss``. Not used
        where `fit` gets `X_val`.
    early_stopping : bool, default=False
        Whether training stops when ``val_loss`` no longer falls, and the best weights are
        restored. Without `X_val` or a `validation_split`, 0.1 of the rows is held out.
    patience : int, default=10
        Epochs without a better ``val_loss`` after which early stopping acts.
    callbacks : list, dict, class or keras.callbacks.Callback, default=None
        Keras callbacks, which see every epoch. Classes are built with ``callbacks__*``; objects
        run themselves, and `clone` copies each of them without what it points to.
    warm_start : bool, default=False
        Whether `fit` trains on from the weights of the last fit.
    verbose : int, default=0
        0 is silent, 1 shows one progress bar, 2 prints a line an epoch.
    random_state : int, RandomState instance or None, default=None
        Seeds the weights, the noise, the held-out rows and the order of rows. An int makes a fit
        repeatable bit for bit on a CPU; None draws from NumPy's global state.
    engine : {"auto", "compiled", "keras"}, default="auto"
        How the network is trained: by compiled epochs or by ``keras.Model.fit``. "auto" compiles
        wherever all that was asked for can be honoured.
    jit_compile : bool or "auto", default="auto"
        Whether XLA compiles the network; "auto" chooses by its layers and the number of steps.
    **routed : dict
        Routed parameters: ``optimizer__learning_rate``, ``model__*``, ``callbacks__*``,
        ``noise__*`` and so on. `fit` raises an error for unknown names.

    Attributes
    ----------
    model_ : keras.Model
        Input to reconstruction.
    encoder_, decoder_ : keras.Model
        Views on the two halves of ``model_``.
    history_ : dict of str to list of float
        Losses and metrics of every epoch since the network was initialized, warm starts and
        `partial_fit` included.
    n_iter_ : int
        Number of these epochs.
    engine_ : str
        "compiled" or "keras": how the network was trained.
    callbacks_ : list of keras.callbacks.Callback
        The callbacks that ran in the last fit. Not pickled.
    n_features_in_ : int
        Values in a row.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `X` had string names for all of them.

    See Also
    --------
    VariationalAutoencoder : Codes with a distribution, from which new rows are drawn.
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

    # What is to be decoded is no metadata, though it is not called X.
    __metadata_request__inverse_transform: ClassVar = {"Z": UNUSED}
    _required_views = ("encoder", "decoder")

    def __init__(
        self,
        model: str | Callable[..., Any] = "dense",
        latent_dim: int | None = 8,
        *,
        hidden_layer_sizes: Any = (64,),
        activation: Any = "relu",
        output_activation: Any = None,
        input_shape: tuple[int, ...] | None = None,
        noise: Any = None,
        optimizer: Any = "adam",
        loss: Any = "mse",
        metrics: Any = None,
        epochs: int = 100,
        batch_size: int = 32,
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
        self.model = model
        self.latent_dim = latent_dim
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.output_activation = output_activation
        self.input_shape = input_shape
        self.noise = noise
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.patience = patience
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.engine = engine
        self.jit_compile = jit_compile
        self.__dict__.update(routed)

    @of_one_fit
    def transform(self, X: Any) -> FloatArray:
        """Encode rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows, images or sequences.

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
            Shaped as the rows that `fit` got, in the float type of `Z`.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=FLOAT_DTYPES, allow_nd=True, input_name="Z")
        check_float32_range(Z, "Z")
        if Z[0].size != self._n_features_out:
            raise ValueError(
                f"Z has {Z[0].size} values in each row, but {type(self).__name__} was fitted with "
                f"codes of {self._n_features_out}; pass what transform returns."
            )
        rows = engine.run(self._deferred, Z.reshape(-1, *self._code_shape), "decoder")
        return rows.reshape(-1, *self._sample_shape).astype(Z.dtype, copy=False)

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
