"""The recurrent autoencoder for sequences: LSTM or GRU cells encode a sequence and decode it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from skae._contracts import Network, NetworkSpec, Shape
from skae.networks import _parts

_CELLS: dict[str, Callable[..., keras.layers.Layer]] = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
}


def build_recurrent(
    spec: NetworkSpec,
    *,
    latent_dim: int = 8,
    hidden_layer_sizes: Any = (64,),
    output_activation: Any = None,
    cell: str = "lstm",
    latent_activation: Any = None,
    kernel_initializer: Any = "glorot_uniform",
    activity_regularizer: Any = None,
    contraction: float = 0.0,
) -> Network:
    """Return an autoencoder of LSTM or GRU layers.

    The encoder's last state goes through a dense layer to the code. The decoder gets the code at
    every time step, through the same layers in reverse order and a dense layer over each step.
    The cells keep their hyperbolic tangent, so the estimators' `activation` is ignored: with an
    unbounded one, states grow over long sequences, and there is no fused kernel.

    Parameters
    ----------
    spec : NetworkSpec
        Shapes, seed and noise. Samples have shape (n_steps,) or (n_steps, n_channels).
    latent_dim, hidden_layer_sizes, output_activation
        As the estimators have them.
    cell : {"lstm", "gru"}, default="lstm"
        Kind of the recurrent layers.
    latent_activation : str, callable or None, default=None
        Activation of the code; linear by default.
    kernel_initializer : str or Initializer, default="glorot_uniform"
        Of every layer, each with its own seed; recurrent weights are orthogonal.
    activity_regularizer : str, Regularizer or None, default=None
        Penalty on the code.
    contraction : float, default=0.0
        Weight of the squared gradient of the code, see `ContractiveEncoder`.
    """
    sizes = _check_cells(hidden_layer_sizes, cell)
    _check_sequence(spec.input_shape)
    _check_sequence(spec.output_shape)
    seeds = _parts.Seeds(spec.seed)
    inputs = keras.Input(spec.input_shape, name="inputs")
    steps = _with_channels(inputs, spec.input_shape)
    cells = {"seeds": seeds, "cell": cell, "initializer": kernel_initializer}
    steps = _stack(steps, sizes, **cells, sequences=False, fused=not contraction)
    code = _parts.dense_layer(
        _parts.check_latent_dim(latent_dim),
        "code",
        seeds,
        activation=_parts.check_activation(latent_activation, "model__latent_activation"),
        initializer=kernel_initializer,
        activity_regularizer=activity_regularizer,
        dtype=_parts.output_dtype(),
    )
    encoder = keras.Model(inputs, code(steps), name="encoder")
    code_size = encoder.output_shape[1]
    decoder = _decoder(code_size, spec, output_activation, sizes=sizes[::-1], **cells)
    return _parts.assemble(encoder, decoder, spec, seeds, contraction)


def _decoder(
    code_size: int, spec: NetworkSpec, output_activation: Any, **cells: Any
) -> keras.Model:
    """Return code -> the same code at every step -> recurrent layers -> values of every step."""
    codes = keras.Input((code_size,), name="code_inputs")
    steps = keras.layers.RepeatVector(spec.output_shape[0], name="repeat")(codes)
    steps = _stack(steps, **cells, sequences=True)
    output = _parts.dense_layer(
        _parts.n_values(spec.output_shape[1:]),
        "output",
        cells["seeds"],
        activation=_parts.check_activation(output_activation, "output_activation"),
        initializer=cells["initializer"],
        dtype=_parts.output_dtype(),
    )
    rows = keras.layers.Reshape(spec.output_shape, name="reshape")(output(steps))
    return keras.Model(codes, rows, name="decoder")


def _check_cells(hidden_layer_sizes: Any, cell: Any) -> tuple[int, ...]:
    if cell not in _CELLS:
        raise ValueError(f"model__cell must be one of {list(_CELLS)}; got {cell!r}.")
    sizes = _parts.check_sizes(hidden_layer_sizes)
    if not sizes:
        raise ValueError(
            "model='recurrent' needs at least one recurrent layer, but hidden_layer_sizes=(); set "
            "it to (64,), for example."
        )
    return sizes


def _check_sequence(shape: Shape) -> None:
    if len(shape) not in {1, 2}:
        raise ValueError(
            "model='recurrent' takes sequences of shape (n_steps,) or (n_steps, n_channels), but "
            f"one sample has shape {shape}; set input_shape to such a shape, or use model='conv' "
            "for images."
        )


def _with_channels(inputs: Any, shape: Shape) -> Any:
    if len(shape) == 2:
        return inputs
    return keras.layers.Reshape((*shape, 1), name="channel")(inputs)


def _stack(
    steps: Any,
    sizes: tuple[int, ...],
    seeds: _parts.Seeds,
    cell: str,
    initializer: Any,
    *,
    sequences: bool,
    fused: bool = True,
) -> Any:
    """Return `steps` after recurrent layers; the last state alone, unless `sequences`.

    A GPU's fused kernels can't be differentiated twice, which the gradient of a code needs.
    """
    for number, size in enumerate(sizes, start=1):
        layer = _CELLS[cell](
            size,
            return_sequences=sequences or number < len(sizes),
            kernel_initializer=_parts.make_initializer(initializer, seeds),
            recurrent_initializer=_parts.make_initializer("orthogonal", seeds),
            seed=seeds.draw(),
            use_cudnn="auto" if fused else False,
            name=f"recurrent_{number}",
        )
        steps = layer(steps)
    return steps
