"""The variational autoencoder, whose codes have a normal distribution near the standard one."""

from __future__ import annotations

from numbers import Real
from typing import Any

import keras

from skae._contracts import Network, NetworkSpec
from skae._random import normal
from skae.networks import _parts
from skae.networks._contractive import ContractiveEncoder
from skae.networks._dense import dense_decoder


@keras.saving.register_keras_serializable(package="skae")
class Sampling(keras.layers.Layer):
    """Draws codes from a normal posterior in training, and adds its KL divergence to the loss.

    Adds ``beta * mean(KL) / n_features``, or with a capacity
    ``beta * abs(mean(KL) - capacity) / n_features``, where
    ``KL = -1/2 sum(1 + log_var - mu**2 - exp(log_var))`` in nats, summed over the code. Outside
    training it returns the mean.

    Parameters
    ----------
    n_features : int
        Numbers in a sample: the reconstruction loss is a mean over them, so the KL is divided too.
    seed : int
        Seed of the stream that batches draw from.
    capacity : float or None, default=None
        KL in nats to aim at.
    **kwargs
        As in every Keras layer.
    """

    def __init__(
        self, n_features: int, seed: int, capacity: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_features = n_features
        self.seed = seed
        self.capacity = capacity
        self.seed_generator = keras.random.SeedGenerator(seed, name="sampling_seed")

    def build(self, input_shape: Any) -> None:
        """Create beta, which a callback can raise, and the sums that `KLMonitor` reads."""
        # Weights, so that one compiled program serves every beta, and a warm-up compiles nothing.
        self.beta = self.add_weight(shape=(), initializer="ones", trainable=False, name="beta")
        self.kl_sum, self.kl_rows = (
            self.add_weight(shape=(), initializer="zeros", trainable=False, name=name)
            for name in ("kl_sum", "kl_rows")
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return codes for ``[mu, log_var]``."""
        mu, log_var = inputs
        kl = keras.ops.mean(kl_divergence(mu, log_var))
        excess = kl if self.capacity is None else keras.ops.abs(kl - self.capacity)
        self.add_loss(self.beta * excess / self.n_features)
        if not training:
            return mu
        rows = keras.ops.cast(keras.ops.shape(mu)[0], kl.dtype)
        self.kl_sum.assign_add(kl * rows)
        self.kl_rows.assign_add(rows)
        drawn = keras.ops.cast(normal(keras.ops.shape(mu), self.seed_generator), mu.dtype)
        return mu + keras.ops.exp(0.5 * log_var) * drawn

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the codes."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"n_features": self.n_features, "seed": self.seed, "capacity": self.capacity}
        return {**super().get_config(), **own}


def kl_divergence(mu: Any, log_var: Any) -> Any:
    """Return each sample's KL divergence in nats from the standard normal distribution."""
    terms = 1.0 + log_var - keras.ops.square(mu) - keras.ops.exp(log_var)
    return -0.5 * keras.ops.sum(terms, axis=-1)


class KLMonitor(keras.callbacks.Callback):
    """Raises beta linearly over the first epochs, and adds the mean KL to the logs.

    In epoch ``e``, counted from 0, beta is ``beta * min(1, e / warmup_epochs)``; ``kl_loss`` in the
    logs is the mean divergence of the epoch's training samples in nats, not multiplied by beta.

    Parameters
    ----------
    beta : float
        Weight of the divergence after the warm-up.
    warmup_epochs : int
        Epochs before beta is reached; 0 for none.
    """

    def __init__(self, beta: float, warmup_epochs: int) -> None:
        super().__init__()
        self.beta = beta
        self.warmup_epochs = warmup_epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set beta, and begin new sums."""
        sampling = self.model.get_layer("sampling")
        fraction = min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs else 1.0
        sampling.beta.assign(self.beta * fraction)
        sampling.kl_sum.assign(0.0)
        sampling.kl_rows.assign(0.0)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add ``kl_loss`` to the logs, where callbacks after this one see it."""
        sampling = self.model.get_layer("sampling")
        rows = float(sampling.kl_rows.numpy())
        if logs is not None and rows:
            logs["kl_loss"] = float(sampling.kl_sum.numpy()) / rows


def build_variational(
    spec: NetworkSpec,
    *,
    latent_dim: int = 8,
    hidden_layer_sizes: Any = (64,),
    activation: Any = "relu",
    output_activation: Any = None,
    beta: float = 1.0,
    capacity: float | None = None,
    kl_warmup_epochs: int = 0,
    kernel_initializer: Any = "glorot_uniform",
    activity_regularizer: Any = None,
    contraction: float = 0.0,
) -> Network:
    """Return a dense variational autoencoder, with the encoder mirrored in the decoder.

    In training, codes are drawn from the posterior of each sample. Outside training the code is the
    mean, so encoder, model and scores are deterministic; the KL term is part of every loss,
    ``val_loss`` included.

    Parameters
    ----------
    spec : NetworkSpec
        Shapes, seed and noise.
    latent_dim, hidden_layer_sizes, activation, output_activation
        As the estimators have them.
    beta : float, default=1.0
        Weight of the KL divergence; the loss is the mean reconstruction + beta * KL / n_features.
    capacity : float or None, default=None
        With a number, ``abs(KL - capacity)`` takes the place of KL.
    kl_warmup_epochs : int, default=0
        Epochs over which beta rises linearly from 0.
    kernel_initializer : str or Initializer, default="glorot_uniform"
        Of every layer, each with its own seed.
    activity_regularizer : str, Regularizer or None, default=None
        Penalty on the mean of the code.
    contraction : float, default=0.0
        Weight of the squared gradient of the code's mean, see `ContractiveEncoder`.
    """
    seeds = _parts.Seeds(spec.seed)
    sizes = _parts.check_sizes(hidden_layer_sizes)
    activation = _parts.check_activation(activation, "activation")
    monitor = _monitor(beta, kl_warmup_epochs)
    sampling = Sampling(
        _parts.n_values(spec.input_shape),
        seeds.draw(),
        _check_capacity(capacity),
        name="sampling",
        dtype=_parts.output_dtype(),
    )
    inputs, rows = _parts.flat_input(spec.input_shape, "inputs")
    rows = _parts.dense_stack(rows, sizes, seeds, activation, kernel_initializer)
    normal = _normal(rows, latent_dim, seeds, kernel_initializer, activity_regularizer)
    gaussian = keras.Model(inputs, normal, name="posterior")
    decoder = dense_decoder(
        latent_dim,
        spec.output_shape,
        sizes[::-1],
        seeds,
        activation=activation,
        output_activation=output_activation,
        initializer=kernel_initializer,
    )
    inputs, corrupted = _parts.noisy_input(spec)
    normal = _parts.contracted(gaussian, contraction, seeds)(corrupted)
    model = keras.Model(inputs, decoder(sampling(normal)), name="autoencoder")
    sampling.beta.assign(0.0 if kl_warmup_epochs else beta)
    encoder = keras.Model(gaussian.input, gaussian.outputs[0], name="encoder")
    return Network(model=model, encoder=encoder, decoder=decoder, callbacks=(monitor,))


def _normal(
    rows: Any, latent_dim: int, seeds: _parts.Seeds, initializer: Any, regularizer: Any
) -> list[Any]:
    """Return mean and log-variance of the codes of `rows`.

    The log-variance starts at 0: random weights would make it large for unscaled columns in the
    hundreds, and its exponential would overflow in the first epoch.
    """
    kinds = (("mu", initializer, regularizer), ("log_var", "zeros", None))
    layers = [
        _parts.dense_layer(
            _parts.check_latent_dim(latent_dim),
            name,
            seeds,
            initializer=first,
            activity_regularizer=penalty,
            dtype=_parts.output_dtype(),
        )
        for name, first, penalty in kinds
    ]
    return [layer(rows) for layer in layers]


def posterior(model: keras.Model) -> keras.Model:
    """Return the part of a variational autoencoder that gives ``[mu, log_var]``.

    Parameters
    ----------
    model : keras.Model
        The model of a network that ``build("variational", ...)`` made, or a user-defined model
        with a sub-model named ``"posterior"``.

    Returns
    -------
    keras.Model
        Maps inputs to the mean and the logarithm of the variance of each sample's code. It shares
        the weights of `model`.

    Raises
    ------
    ValueError
        If the model has no such part.

    Examples
    --------
    >>> import numpy as np
    >>> from skae._contracts import NetworkSpec
    >>> from skae.networks import build, posterior
    >>> network = build("variational", NetworkSpec((4,), (4,), {"latent_dim": 2}, {}, seed=0))
    >>> mu, log_var = posterior(network.model)(np.ones((3, 4), "float32"))
    >>> tuple(mu.shape), tuple(log_var.shape)
    ((3, 2), (3, 2))
    """
    for layer in model.layers:
        inner = layer.layer if isinstance(layer, ContractiveEncoder) else layer
        if inner.name == "posterior" and isinstance(inner, keras.Model):
            return inner
    raise ValueError(
        f"The model {model.name!r} has no sub-model named 'posterior' that gives the mean and the "
        "log-variance of codes; use model='variational', or give such a sub-model that name."
    )


def _monitor(beta: Any, warmup_epochs: Any) -> KLMonitor:
    if not _is_amount(beta):
        raise ValueError(f"beta must be a finite number of at least 0; got {beta!r}.")
    if warmup_epochs != 0:
        _parts.check_size(warmup_epochs, "kl_warmup_epochs, unless it is 0,")
    return KLMonitor(float(beta), int(warmup_epochs))


def _check_capacity(capacity: Any) -> float | None:
    if capacity is None:
        return None
    if not _is_amount(capacity):
        raise ValueError(
            f"capacity must be None or a finite number of nats of at least 0; got {capacity!r}."
        )
    return float(capacity)


def _is_amount(value: Any) -> bool:
    return isinstance(value, Real) and 0 <= float(value) < float("inf")
