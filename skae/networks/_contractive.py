"""The contractive penalty, for codes that change little if the input changes a little."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import keras
import tensorflow as tf

from skae._private import all_layers
from skae._random import uniform


@keras.saving.register_keras_serializable(package="skae")
class ContractiveEncoder(keras.layers.Wrapper):
    """An encoder that adds the squared gradient of its codes to the loss.

    Adds ``weight * mean(||J||**2)``, where `J` is the Jacobian of a sample's code with respect to
    the sample, ``||J||**2`` the sum of its squared elements, and the mean is over a batch [1]_. The
    gradient is that of the encoder outside training: dropout and noise inside it are off. With
    random directions ``||J||**2`` is replaced by ``||v @ J||**2``, where the elements of `v` are +1
    or -1 by chance, anew for every sample and batch; its expectation is the same [2]_.

    Parameters
    ----------
    layer : keras.layers.Layer
        Maps samples to codes: a layer or a model that can be differentiated twice; each code must
        depend on its own sample only. The first of several outputs is the code.
    weight : float, default=0.001
        Weight of the penalty in the loss.
    n_directions : int or None, default=1
        Random directions for every sample. None goes through all coordinates of the code, which is
        exact and costs as many times the encoder's gradient.
    seed : int, default=0
        Seed of the stream that batches draw directions from; outside training they are always
        the same.
    **kwargs
        As in every Keras layer; the name is that of `layer` by default.

    References
    ----------
    .. [1] S. Rifai, P. Vincent, X. Muller, X. Glorot and Y. Bengio (2011). "Contractive
       Auto-Encoders: Explicit Invariance During Feature Extraction". ICML.
    .. [2] M. F. Hutchinson (1989). "A stochastic estimator of the trace of the influence matrix
       for Laplacian smoothing splines". Communications in Statistics - Simulation and Computation
       18(3). :doi:`10.1080/03610918908812806`

    Examples
    --------
    >>> import numpy as np
    >>> import keras
    >>> from skae.networks import ContractiveEncoder
    >>> double = keras.Sequential([keras.Input((3,)), keras.layers.Rescaling(2.0)])
    >>> encoder = ContractiveEncoder(double, weight=1.0, n_directions=None)
    >>> encoder(np.ones((1, 3), "float32")).numpy()
    array([[2., 2., 2.]], dtype=float32)
    >>> float(encoder.losses[0])  # three elements of 2, squared
    12.0
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        weight: float = 0.001,
        *,
        n_directions: int | None = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(_check_layer(layer), **{"name": layer.name, **kwargs})
        self.weight = check_contraction(weight, "weight")
        self.n_directions = _check_directions(n_directions)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed, name="contraction_seed")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the codes of `inputs`."""
        # Constant directions outside training, because networks of all seeds share a program.
        seed = self.seed_generator if training else 0
        self.add_loss(self.weight * self._squared_norm(inputs, seed))
        return self.layer(inputs, training=training)

    def _squared_norm(self, inputs: Any, seed: Any) -> Any:
        """Return the mean over samples of the Jacobian's squared Frobenius norm."""
        repeats = self.n_directions or self._code_size(inputs)
        rows = inputs if repeats == 1 else keras.ops.repeat(inputs, repeats, axis=0)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            codes = self._codes(rows)
        directions = self._directions(codes, repeats, seed)
        gradients = tape.gradient(
            codes, rows, directions, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        n_terms = keras.ops.shape(inputs)[0] * (self.n_directions or 1)
        return keras.ops.sum(keras.ops.square(gradients)) / keras.ops.cast(n_terms, gradients.dtype)

    def _codes(self, rows: Any) -> Any:
        # A stateless scope keeps this call from adding the encoder's activity regularization twice,
        # and from updating moving averages twice.
        state = [(variable, variable.value) for variable in self.layer.variables]
        with keras.StatelessScope(state):
            return _first(self.layer(rows, training=False))

    def _code_size(self, inputs: Any) -> int:
        codes = _first(self.layer.compute_output_spec(keras.KerasTensor(inputs.shape)))
        return math.prod(codes.shape[1:])

    def _directions(self, codes: Any, repeats: int, seed: Any) -> Any:
        shape = keras.ops.shape(codes)
        if self.n_directions is None:
            every = keras.ops.eye(repeats, dtype=codes.dtype)
            return keras.ops.reshape(keras.ops.tile(every, (shape[0] // repeats, 1)), shape)
        ones = keras.ops.ones_like(codes)
        return keras.ops.where(uniform(shape, seed) < 0.5, -ones, ones)

    def gains_from_xla(self, batch_size: int) -> bool:
        """Return whether training is faster if XLA compiles the layer.

        More than one direction multiplies the number of samples that convolutions process.
        """
        return self.n_directions == 1 or not any(
            hasattr(layer, "gains_from_xla") for layer in all_layers(self.layer)
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the codes."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"weight": self.weight, "n_directions": self.n_directions, "seed": self.seed}
        return {**super().get_config(), **own}


def _first(outputs: Any) -> Any:
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs


def check_contraction(weight: Any, name: str) -> float:
    """Return the weight of a penalty as a finite number of at least 0."""
    if not isinstance(weight, Real) or not 0 <= float(weight) < math.inf:
        raise ValueError(f"{name} must be a finite number of at least 0; got {weight!r}.")
    return float(weight)


def _check_directions(n_directions: Any) -> int | None:
    if n_directions is None:
        return None
    if not isinstance(n_directions, Integral) or isinstance(n_directions, bool) or n_directions < 1:
        raise ValueError(
            f"n_directions must be None or an integer of at least 1; got {n_directions!r}."
        )
    return int(n_directions)


def _check_layer(layer: Any) -> Any:
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(
            f"layer must be a Keras layer or model that encodes samples; got {layer!r} of type "
            f"{type(layer).__name__}."
        )
    return layer
