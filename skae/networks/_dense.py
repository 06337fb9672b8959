"""The dense autoencoder: fully connected layers down to the code, and the mirror image back."""

from __future__ import annotations

from typing import Any

import keras

from skae._contracts import Network, NetworkSpec, Shape
from skae.networks import _parts


def build_dense(
    spec: NetworkSpec,
    *,
    latent_dim: int = 8,
    hidden_layer_sizes: Any = (64,),
    activation: Any = "relu",
    output_activation: Any = None,
    latent_activation: Any = None,
    kernel_initializer: Any = "glorot_uniform",
    activity_regularizer: Any = None,
    contraction: float = 0.0,
) -> Network:
    """Return a dense autoencoder with the encoder's hidden layers mirrored in the decoder.

    Parameters
    ----------
    spec : NetworkSpec
        Shapes, seed and noise.
    latent_dim, hidden_layer_sizes, activation, output_activation
        As the estimators have them.
    latent_activation : str, callable or None, default=None
        Activation of the code; linear by default.
    kernel_initializer : str or Initializer, default="glorot_uniform"
        Of every layer, each with its own seed.
    activity_regularizer : str, Regularizer or None, default=None
        Penalty on the code, such as ``keras.regularizers.L1(1e-4)`` for a sparse one.
    contraction : float, default=0.0
        Weight of the squared gradient of the code, see `ContractiveEncoder`.
    """
    # A linear code by default. Compared with a relu code: Fashion-MNIST at 784-64-784 has a test
    # mse of 0.0087 against 0.0089, digits at 64-32-2 of 0.047 against 0.053, and two of six relu
    # networks lost one of their two units, because a dead relu stays dead.
    seeds = _parts.Seeds(spec.seed)
    sizes = _parts.check_sizes(hidden_layer_sizes)
    activation = _parts.check_activation(activation, "activation")
    inputs, rows = _parts.flat_input(spec.input_shape, "inputs")
    rows = _parts.dense_stack(rows, sizes, seeds, activation, kernel_initializer)
    code = _parts.dense_layer(
        _parts.check_latent_dim(latent_dim),
        "code",
        seeds,
        activation=_parts.check_activation(latent_activation, "model__latent_activation"),
        initializer=kernel_initializer,
        activity_regularizer=activity_regularizer,
        dtype=_parts.output_dtype(),
    )
    encoder = keras.Model(inputs, code(rows), name="encoder")
    decoder = dense_decoder(
        encoder.output_shape[1],
        spec.output_shape,
        sizes[::-1],
        seeds,
        activation=activation,
        output_activation=output_activation,
        initializer=kernel_initializer,
    )
    return _parts.assemble(encoder, decoder, spec, seeds, contraction)


def dense_decoder(
    latent_dim: int,
    output_shape: Shape,
    sizes: tuple[int, ...],
    seeds: _parts.Seeds,
    *,
    activation: Any,
    output_activation: Any,
    initializer: Any,
) -> keras.Model:
    """Return code -> hidden layers -> values of `output_shape`."""
    inputs = keras.Input((latent_dim,), name="code_inputs")
    rows = _parts.dense_stack(inputs, sizes, seeds, activation, initializer)
    output = _parts.dense_layer(
        _parts.n_values(output_shape),
        "output",
        seeds,
        activation=_parts.check_activation(output_activation, "output_activation"),
        initializer=initializer,
        dtype=_parts.output_dtype(),
    )
    return keras.Model(inputs, _parts.shaped(output(rows), output_shape), name="decoder")
