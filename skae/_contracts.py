"""The protocols by which the parts of skae know each other.

Networks, the engine, thresholds, errors and noise never import one another; an estimator takes
an object from one of them and hands it to the next, and these are the shapes it relies on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.floating[Any]]
Shape = tuple[int, ...]
History = dict[str, list[float]]


@dataclass(frozen=True)
class NetworkSpec:
    """What an estimator asks a network builder for.

    Parameters
    ----------
    input_shape, output_shape : tuple of int
        Shape of one sample going in and coming out, without the axis of samples.
    parameters : mapping of str to object
        The estimator's flat parameters that describe a network: ``latent_dim``,
        ``hidden_layer_sizes``, ``activation``, ``output_activation``, and what else it has.
    options : mapping of str to object
        The routed ``model__*`` parameters, prefix removed.
    seed : int
        Every random number of the network, initialisers and noise layers alike, derives from it.
    noise : keras.layers.Layer or None
        Corruption of the input while training, with a seed of its own.
    """

    input_shape: Shape
    output_shape: Shape
    parameters: Mapping[str, Any]
    options: Mapping[str, Any]
    seed: int
    noise: keras.layers.Layer | None = None


@dataclass(frozen=True)
class Network:
    """One Keras model and the views on it; encoder and decoder share the model's weights.

    Parameters
    ----------
    model : keras.Model
        Input to reconstruction; what is trained. Built (all weights exist), not compiled.
    encoder, decoder : keras.Model or None
        Input to code, code to reconstruction; None where a custom model has none.
    callbacks : sequence of keras.callbacks.Callback
        What the network itself needs while it trains, such as a KL warm-up.
    """

    model: keras.Model
    encoder: keras.Model | None = None
    decoder: keras.Model | None = None
    callbacks: Sequence[keras.callbacks.Callback] = field(default_factory=tuple)


@dataclass(frozen=True)
class Batchable:
    """Rows to train on or to validate with.

    Parameters
    ----------
    inputs : array-like of shape (n_samples, ...)
    targets : array-like of shape (n_samples, ...) or None
        None: the inputs are their own targets.
    sample_weight : ndarray of shape (n_samples,) or None
        float32, already scaled to mean 1, without zeros.
    """

    inputs: Any
    targets: Any = None
    sample_weight: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """How to train: everything the engine needs beside the model and the rows.

    Parameters
    ----------
    epochs : int
        Epochs to train, counted from `initial_epoch`.
    batch_size : int
    shuffle : bool
        Whether every epoch has an order of its own; it derives from `seed` and the epoch.
    initial_epoch : int
        Epochs that the model has been trained for already.
    seed : int
    verbose : {0, 1, 2}
        Nothing, one progress bar, or a line an epoch.
    jit_compile : bool or "auto"
    """

    epochs: int
    batch_size: int
    shuffle: bool = True
    initial_epoch: int = 0
    seed: int = 0
    verbose: int = 0
    jit_compile: bool | str = "auto"


class Trainer(Protocol):
    """One way to train a compiled Keras model (``compile`` has been called on it)."""

    name: str

    def train(
        self,
        model: keras.Model,
        rows: Batchable,
        validation: Batchable | None,
        plan: TrainingPlan,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> History:
        """Train in place and return the values of every epoch by name (``loss``, ``val_loss``)."""
        ...


class ErrorFunction(Protocol):
    """Elementwise error of a reconstruction; works on NumPy arrays and on tensors alike."""

    name: str

    def __call__(self, inputs: Any, reconstruction: Any) -> Any:
        """Return the error of every value, shaped like `inputs`."""
        ...


class ThresholdRule(Protocol):
    """Turns training errors into a cut: rows with a larger error are outliers."""

    def threshold(self, errors: FloatArray, sample_weight: FloatArray | None = None) -> float:
        """Return the cut, in units of the error."""
        ...
