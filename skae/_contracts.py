"""The data classes and protocols by which the parts of skae work together.

Networks, the engine, thresholds, errors and noise never import one another; an estimator passes
objects of one part to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.floating[Any]]
Arrays = list[NDArray[Any]]
Shape = tuple[int, ...]
History = dict[str, list[float]]


class Shapes(NamedTuple):
    """Shapes of one sample: in `X`, as the network's input, and as its output."""

    sample: Shape
    input: Shape
    output: Shape


@dataclass(frozen=True)
class Recipe:
    """All that determines a network and how it is compiled, except its weights.

    A pickle stores it beside the weights. Comparing two recipes shows whether training can
    continue, whether the model must be compiled again, and whether programs can be shared.

    Parameters
    ----------
    builder : str or callable
        The estimator's `model`: name of a built-in network, or a callable that returns a model.
    input_shape, output_shape : tuple of int
        Shape of one input and output sample, without the axis of samples.
    parameters : mapping of str to object
        The estimator's parameters that describe the network, `latent_dim` for example.
    options : mapping of str to object
        The routed ``model__*`` parameters, prefix removed.
    noise : str, keras.layers.Layer or None
        Corruption of the input while training.
    noise_options : mapping of str to object
        The routed ``noise__*`` parameters, prefix removed.
    scikeras : mapping of str to object
        Arguments of SciKeras for a model function that names them: `meta` and `params`.
    compiled : mapping of str to object
        Parameters that ``keras.Model.compile`` depends on, by their full name: `optimizer`,
        ``optimizer__learning_rate``, `loss`.
    dtype_policy : str
        Policy of Keras when the network was built.
    seed : int
        Every random number of the network derives from it.
    """

    builder: str | Callable[..., Any]
    input_shape: Shape
    output_shape: Shape
    parameters: Mapping[str, Any]
    options: Mapping[str, Any]
    noise: Any
    noise_options: Mapping[str, Any]
    scikeras: Mapping[str, Any]
    compiled: Mapping[str, Any]
    dtype_policy: str
    seed: int


@dataclass(frozen=True)
class NetworkSpec:
    """The arguments of a network builder.

    Parameters
    ----------
    input_shape, output_shape : tuple of int
        Shape of one input and output sample, without the axis of samples.
    parameters : mapping of str to object
        The estimator's flat parameters that describe a network: ``latent_dim``,
        ``hidden_layer_sizes``, ``activation``, ``output_activation``, and others.
    options : mapping of str to object
        The routed ``model__*`` parameters, prefix removed.
    seed : int
        Every random number of the network, of initializers and noise layers alike, derives from it.
    noise : keras.layers.Layer or None
        Corruption of the input during training, with its own seed.
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
        Input to reconstruction; the model to train. Built (all weights exist), not compiled.
    encoder, decoder : keras.Model or None
        Input to code, code to reconstruction; None if a user-defined model has none.
    callbacks : sequence of keras.callbacks.Callback
        Callbacks that the network needs during training, such as a KL warm-up.
    compiled_by_user : bool
        Whether user code has compiled the model.
    initial_weights : callable or None
        Called before the weights change, returns a function from a seed to the initial weights
        of the same builder with that seed, as arrays in the order of ``trainable_variables`` and
        ``non_trainable_variables``. None, or returns None, if they are not known without
        building the network.
    """

    model: keras.Model
    encoder: keras.Model | None = None
    decoder: keras.Model | None = None
    callbacks: Sequence[keras.callbacks.Callback] = field(default_factory=tuple)
    compiled_by_user: bool = False
    initial_weights: Callable[[], Callable[[int], Arrays] | None] | None = None


@dataclass(frozen=True)
class Batchable:
    """Samples to train on or to validate with.

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
    """How to train: everything the engine needs beside the model and the samples.

    Parameters
    ----------
    epochs : int
        Epochs to train, counted from `initial_epoch`.
    batch_size : int
    shuffle : bool
        Whether every epoch has another order, derived from `seed` and the epoch.
    initial_epoch : int
        Epochs that the model has already been trained for.
    seed : int
    verbose : {0, 1, 2}
        Silent, one progress bar, or a line per epoch.
    jit_compile : bool or "auto"
    """

    epochs: int
    batch_size: int
    shuffle: bool = True
    initial_epoch: int = 0
    seed: int = 0
    verbose: int = 0
    jit_compile: bool | str = "auto"


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training.

    Parameters
    ----------
    history : dict of str to list of float
        Values of every epoch by name: ``loss``, ``val_loss``, metrics.
    engine : {"compiled", "keras"}
        How the network was trained.
    """

    history: History
    engine: str


class ErrorFunction(Protocol):
    """Elementwise error of a reconstruction; works on NumPy arrays and on tensors alike."""

    name: str

    def __call__(self, inputs: Any, reconstruction: Any) -> Any:
        """Return the error of every value, shaped like `inputs`."""
        ...


class ThresholdRule(Protocol):
    """Turns training errors into a threshold: samples with a larger error are outliers."""

    def threshold(self, errors: FloatArray, sample_weight: FloatArray | None = None) -> float:
        """Return the threshold, in units of the error."""
        ...
