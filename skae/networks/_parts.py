"""Parts of the built-in networks: seeds, sizes, names, layers, and the assembly of the model.

Names are explicit and the same at every build, because TensorFlow keeps about 35 kB for each
distinct variable name it has ever seen. Every layer gets a seed, because Keras would draw it from
Python's global ``random``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Sequence
from functools import partial
from numbers import Integral
from typing import Any

import keras

from skae._contracts import Network, NetworkSpec, Shape
from skae._messages import did_you_mean
from skae.networks._contractive import ContractiveEncoder, check_contraction
from skae.networks._initial import NetworkSeeds as Seeds


def check_sizes(hidden_layer_sizes: Any, name: str = "hidden_layer_sizes") -> tuple[int, ...]:
    """Return layer sizes as a tuple of positive integers; one integer is one layer."""
    if isinstance(hidden_layer_sizes, Integral):
        hidden_layer_sizes = (hidden_layer_sizes,)
    if not isinstance(hidden_layer_sizes, Iterable) or isinstance(hidden_layer_sizes, str):
        raise TypeError(
            f"{name}={hidden_layer_sizes!r} is not understood; pass a tuple of positive integers, "
            "such as (64, 32), or () for none."
        )
    return tuple(check_size(size, f"every element of {name}") for size in hidden_layer_sizes)


def check_size(size: Any, name: str) -> int:
    """Return `size` as an integer of at least 1."""
    if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
        raise ValueError(f"{name} must be an integer of at least 1; got {size!r}.")
    return int(size)


def check_latent_dim(latent_dim: Any) -> int:
    """Return the size of a dense code; for networks that have one."""
    if latent_dim is None:
        raise ValueError(
            "latent_dim=None is only for model='conv', whose last feature map can be the code; "
            "set latent_dim to an integer of at least 1."
        )
    return check_size(latent_dim, "latent_dim")


def check_activation(activation: Any, name: str) -> Any:
    """Return `activation` if Keras knows it; None is linear."""
    try:
        keras.activations.get(activation)
    except (ValueError, TypeError) as error:
        known = sorted(n for n in dir(keras.activations) if n.islower() and n[0] != "_")
        raise ValueError(
            f"{name}={activation!r} is not an activation that Keras knows."
            f"{did_you_mean(str(activation), known)} Pass one of the names in keras.activations, "
            "a function, or None for linear."
        ) from error
    return activation


def make_initializer(identifier: Any, seeds: Seeds) -> keras.initializers.Initializer:
    """Return a Keras initializer with a seed of its own, from a name or an instance."""
    if isinstance(identifier, str):
        # keras.initializers.get would draw a seed from Python's global generator.
        kind: Any = getattr(keras.initializers, identifier, None)
        config: dict[str, Any] = {}
        if not inspect.isclass(kind):
            raise ValueError(
                f"model__kernel_initializer={identifier!r} is not an initializer that Keras knows; "
                "pass one of the names in keras.initializers, such as 'he_normal', or an instance."
            )
        seeded = "seed" in inspect.signature(kind).parameters
    else:
        kind, config = type(identifier), keras.initializers.get(identifier).get_config()
        seeded = "seed" in config
    return seeds.initializer(kind, config) if seeded else kind.from_config(config)


def output_dtype() -> str:
    """Return the type of codes and reconstructions: never below float32.

    Under a mixed-precision policy the hidden layers compute in half precision; errors computed
    from a half-precision reconstruction would have three digits.
    """
    policy = keras.config.dtype_policy()
    return str(
        policy.variable_dtype if policy.compute_dtype != policy.variable_dtype else policy.name
    )


def dense_layer(
    units: int,
    name: str,
    seeds: Seeds,
    *,
    activation: Any = None,
    initializer: Any = "glorot_uniform",
    **options: Any,
) -> keras.layers.Dense:
    """Return a dense layer with a name and a seeded initializer."""
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=make_initializer(initializer, seeds),
        name=name,
        **options,
    )


def flat_input(shape: Shape, name: str) -> tuple[Any, Any]:
    """Return an input of that shape, and the same flattened to one axis."""
    inputs = keras.Input(shape, name=name)
    return inputs, flatten(inputs) if len(shape) > 1 else inputs


def flatten(rows: Any) -> Any:
    """Flatten samples in the order of `shaped`, independent of Keras's data format."""
    return keras.layers.Flatten(data_format="channels_last", name="flatten")(rows)


def shaped(flat: Any, shape: Shape) -> Any:
    """Return flat rows put back into `shape`."""
    return keras.layers.Reshape(shape, name="reshape")(flat) if len(shape) > 1 else flat


def dense_stack(
    rows: Any, sizes: Sequence[int], seeds: Seeds, activation: Any, initializer: Any
) -> Any:
    """Return `rows` after hidden dense layers of these sizes."""
    for number, size in enumerate(sizes, start=1):
        layer = dense_layer(
            size, f"hidden_{number}", seeds, activation=activation, initializer=initializer
        )
        rows = layer(rows)
    return rows


def n_values(shape: Shape) -> int:
    """Return how many numbers one sample of this shape holds."""
    return math.prod(shape)


def noisy_input(spec: NetworkSpec) -> tuple[Any, Any]:
    """Return an input for whole samples, and the same with noise while training."""
    inputs = keras.Input(spec.input_shape, name="inputs")
    return inputs, inputs if spec.noise is None else spec.noise(inputs)


def contracted(encoder: keras.Model, contraction: Any, seeds: Seeds) -> keras.layers.Layer:
    """Return the encoder, with a penalty on the gradient of its codes unless `contraction` is 0."""
    weight = check_contraction(contraction, "model__contraction")
    if weight == 0:
        return encoder
    return ContractiveEncoder(encoder, weight, seed=seeds.draw(), dtype=output_dtype())


def assemble(
    encoder: keras.Model,
    decoder: keras.Model,
    spec: NetworkSpec,
    seeds: Seeds,
    contraction: Any,
) -> Network:
    """Return input -> noise -> encoder -> decoder as one model with its two views."""
    inputs, corrupted = noisy_input(spec)
    codes = contracted(encoder, contraction, seeds)(corrupted)
    model = keras.Model(inputs, decoder(codes), name="autoencoder")
    initial_weights = partial(seeds.initial_weights, model)
    return Network(model, encoder, decoder, initial_weights=initial_weights)
