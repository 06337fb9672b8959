"""The linear autoencoder, whose best code spans the same subspace as PCA's components."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import keras

from skae._contracts import Network, NetworkSpec
from skae.networks import _parts

# The last encoder's layer that was loaded in a thread, for the decoder that follows it.
_LOADED = threading.local()


@keras.saving.register_keras_serializable(package="skae")
class SharedDense(keras.layers.Dense):
    """A dense layer whose kernel the layer of a decoder shares."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SharedDense:
        """Return a layer, which the next `TiedDense` in this thread is tied to."""
        layer: SharedDense = super().from_config(config)
        _LOADED.layer = weakref.ref(layer)
        return layer


@keras.saving.register_keras_serializable(package="skae")
class TiedDense(keras.layers.Layer):
    """Maps a code back through the transposed kernel of the dense layer that made it.

    Computes ``code @ kernel.T + bias``; only the bias is a weight of this layer.

    Parameters
    ----------
    encoder_layer : keras.layers.Dense
        A built layer, whose kernel has shape (n_features, latent_dim).
    **kwargs
        As in every Keras layer.
    """

    def __init__(self, encoder_layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder_layer = encoder_layer

    def build(self, input_shape: Any) -> None:
        """Create the bias."""
        self.bias = self.add_weight(
            shape=(self.encoder_layer.kernel.shape[0],), initializer="zeros", name="bias"
        )

    def call(self, inputs: Any) -> Any:
        """Return the decoded samples."""
        kernel = keras.ops.transpose(self.encoder_layer.kernel)
        return keras.ops.add(keras.ops.matmul(inputs, kernel), self.bias)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Return the shape of the samples."""
        return (*input_shape[:-1], self.encoder_layer.kernel.shape[0])

    def get_config(self) -> dict[str, Any]:
        """Return the configuration, with the name of the encoder's layer."""
        return {**super().get_config(), "encoder_layer": self.encoder_layer.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TiedDense:
        """Return a layer tied to the encoder's, which a file of the whole model holds before it."""
        layer = getattr(_LOADED, "layer", lambda: None)()
        if layer is None or layer.name != config["encoder_layer"]:
            raise ValueError(
                f"The tied layer {config['name']!r} shares the kernel of the encoder's layer "
                f"{config['encoder_layer']!r} and can't be loaded without it; save and load the "
                "whole model."
            )
        return cls(**{**config, "encoder_layer": layer})


def build_linear(
    spec: NetworkSpec,
    *,
    latent_dim: int = 8,
    output_activation: Any = None,
    tied: bool = False,
    kernel_initializer: Any = "glorot_uniform",
    activity_regularizer: Any = None,
    contraction: float = 0.0,
) -> Network:
    """Return an autoencoder of two affine maps, without hidden layers or activations.

    Parameters
    ----------
    spec : NetworkSpec
        Shapes, seed and noise.
    latent_dim : int
        As the estimators have it.
    output_activation : None
        Must be None: this network is linear.
    tied : bool, default=False
        Whether the decoder's weights are the encoder's, transposed; the biases differ.
    kernel_initializer : str or Initializer, default="glorot_uniform"
        Initializer of both maps.
    activity_regularizer : str, Regularizer or None, default=None
        Penalty on the code.
    contraction : float, default=0.0
        Weight of the squared gradient of the code, see `ContractiveEncoder`.
    """
    _check_linear(output_activation, tied, spec)
    seeds = _parts.Seeds(spec.seed)
    dtype = _parts.output_dtype()
    latent_dim = _parts.check_latent_dim(latent_dim)
    inputs, rows = _parts.flat_input(spec.input_shape, "inputs")
    code = _parts.dense_layer(
        latent_dim,
        "code",
        seeds,
        initializer=kernel_initializer,
        activity_regularizer=activity_regularizer,
        dtype=dtype,
    )
    code = SharedDense.from_config(code.get_config()) if tied else code
    encoder = keras.Model(inputs, code(rows), name="encoder")
    output = _parts.dense_layer(
        _parts.n_values(spec.output_shape),
        "output",
        seeds,
        initializer=kernel_initializer,
        dtype=dtype,
    )
    if tied:
        output = TiedDense(code, name="output", dtype=dtype)
    codes = keras.Input((latent_dim,), name="code_inputs")
    decoder = keras.Model(codes, _parts.shaped(output(codes), spec.output_shape), name="decoder")
    return _parts.assemble(encoder, decoder, spec, seeds, contraction)


def _check_linear(output_activation: Any, tied: bool, spec: NetworkSpec) -> None:
    if output_activation not in (None, "linear"):
        raise ValueError(
            f"model='linear' has no activations, but output_activation={output_activation!r}; "
            "leave it at None, or use model='dense' with hidden_layer_sizes=()."
        )
    if tied and _parts.n_values(spec.input_shape) != _parts.n_values(spec.output_shape):
        raise ValueError(
            f"model__tied=True needs outputs of the inputs' size, but samples of shape "
            f"{spec.input_shape} are mapped to {spec.output_shape}; set model__tied=False."
        )
