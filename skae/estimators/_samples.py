"""Checked samples of a fit, in memory or in batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.model_selection import train_test_split

from skae._contracts import Batchable, FloatArray, Shape, Shapes
from skae._validation import check_input_shape, check_rows, check_targets, check_weights
from skae.engine import DeferredNetwork, Stream, is_stream
from skae.estimators._scaling import Scalers, standardized

Batch = tuple[FloatArray, FloatArray | None, FloatArray | None]

_BY_BATCH = (
    "; a method that returns something for every sample can also be called for each batch in turn"
)


@dataclass(frozen=True)
class Samples:
    """Checked samples in memory.

    Parameters
    ----------
    inputs : ndarray of shape (n_samples, n_features)
    targets : ndarray of shape (n_samples, ...) or None
        None: the inputs themselves.
    sample_weight : ndarray of shape (n_samples,) or None
    """

    inputs: FloatArray
    targets: FloatArray | None = None
    sample_weight: FloatArray | None = None

    def take(self, indices: Any) -> Samples:
        """Return some of the samples."""
        pick = lambda array: None if array is None else array[indices]  # noqa: E731
        return Samples(self.inputs[indices], pick(self.targets), pick(self.sample_weight))

    def batches(self) -> Iterator[Batch]:
        """Iterate over inputs, targets and weights, as one batch."""
        yield self.inputs, self.targets, self.sample_weight

    def n_steps(self, batch_size: int) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(len(self.inputs) / batch_size)

    def with_weight(self) -> Samples:
        """Return the samples whose weight is not zero."""
        if self.sample_weight is None or self.sample_weight.all():
            return self
        return self.take(self.sample_weight > 0)

    def held_out(self, fraction: float, seed: int) -> tuple[Samples, Samples]:
        """Hold out a random fraction of the samples."""
        n_samples = len(self.inputs)
        if n_samples < 2:
            raise ValueError(
                f"Holding out validation samples needs at least 2, got n_samples={n_samples}; "
                "set validation_split=0 and early_stopping=False, or pass X_val."
            )
        n_held = min(max(1, round(fraction * n_samples)), n_samples - 1)
        training, validation = train_test_split(
            np.arange(n_samples), test_size=n_held, random_state=seed
        )
        return self.take(np.sort(training)), self.take(np.sort(validation))

    def batchable(self, shapes: Shapes, scalers: Scalers) -> Batchable:
        """Give the arrays the shapes and units of the model, and the weights a mean of 1.

        Keras divides the loss of a batch by its number of samples, not by the sum of their weights:
        unscaled weights would change the size of the steps.
        """
        targets, weights = self.targets, self.sample_weight
        if targets is None and shapes.input != shapes.output:
            targets = self.inputs
        if weights is not None:
            weights = weights / weights.max()  # the sum of huge weights overflows
            weights = (weights / weights.mean()).astype(np.float32)
        return Batchable(
            standardized(self.inputs, scalers[0], shapes.input),
            None if targets is None else standardized(targets, scalers[1], shapes.output),
            weights,
        )


class StreamedSamples:
    """Batches of samples, with the methods of `Samples`.

    Parameters
    ----------
    source : tf.data.Dataset, keras.utils.PyDataset or callable
        See `skae.engine.Stream`.
    name : str, default="X"
        Name in error messages.
    """

    sample_weight = None  # part of the batches

    def __init__(self, source: Any, name: str = "X") -> None:
        self._stream = Stream(source, name)
        self._n_steps: int | None = None
        first = self._stream.first_given
        self.inputs, self.targets = first[0], first[1] if len(first) > 1 else None

    def batches(self) -> Iterator[Batch]:
        """Iterate once over flat inputs, targets and weights of samples whose weight is not 0."""
        self._n_steps, has_samples = 0, False
        for inputs, *others in self._stream.batches(as_given=True):
            self._n_steps += 1
            targets, weight = (*others, None, None)[:2]
            weight = None if weight is None else weight.reshape(-1)
            used = slice(None) if weight is None else weight > 0
            flat = inputs.reshape(len(inputs), -1)[used]
            if len(flat):
                has_samples = True
                pick = [None if part is None else part[used] for part in (targets, weight)]
                yield flat, pick[0], pick[1]
        if not has_samples:
            raise ValueError(f"{self._stream.name} gives no sample of positive weight.")

    def n_steps(self, batch_size: int) -> int:
        """Return the number of batches in an epoch."""
        if self._n_steps is None:
            self._n_steps = sum(1 for _ in self.batches())
        return self._n_steps

    def with_weight(self) -> StreamedSamples:
        """Return all samples."""
        return self

    def held_out(self, fraction: float, seed: int) -> Any:
        """Raise an error: a stream can't be split."""
        raise ValueError(
            f"X is a {type(self._stream.source).__name__} that gives batches, from which no "
            "validation samples can be held out, as validation_split and early_stopping do; pass "
            "X_val, or set validation_split=0 and early_stopping=False."
        )

    def batchable(self, shapes: Shapes, scalers: Scalers) -> Batchable:
        """Return the stream, in the units of the model."""
        if scalers[0] is None:
            return Batchable(self._stream)

        def in_units(batch: list[FloatArray]) -> list[FloatArray]:
            pairs = zip(batch[:2], scalers, (shapes.input, shapes.output), strict=False)
            return [*(standardized(*pair) for pair in pairs), *batch[2:]]

        return Batchable(self._stream.mapped(in_units))


@dataclass(frozen=True)
class FitData:
    """The samples and the network of one fit.

    Parameters
    ----------
    samples : Samples or StreamedSamples
    validation : Samples, StreamedSamples or None
    noise : str, keras.layers.Layer or None
        Added to the inputs during training.
    network : DeferredNetwork or None
        The network to train on; None for a new one.
    is_given : bool, default=False
        Whether the user gave the validation samples.
    """

    samples: Any
    validation: Any
    noise: Any
    network: DeferredNetwork | None
    is_given: bool = False

    @property
    def may_be_seen(self) -> bool:
        """Whether an earlier fit may have trained on what is held out now."""
        return self.network is not None and not self.is_given


def refuse_batches(X: Any, advice: str = "") -> None:
    """Raise an error for a stream where samples in memory are needed.

    Parameters
    ----------
    X : object
    advice : str, default=""
        What to do instead, other than to pass one array.
    """
    if not isinstance(X, np.ndarray) and is_stream(X):
        raise TypeError(
            f"X is a {type(X).__name__} that gives batches, which only fit and partial_fit take. "
            f"Pass all samples as one array{advice or _BY_BATCH}."
        )


def check_samples(
    estimator: Any, X: Any, y: Any, sample_weight: Any, known: Shapes | None
) -> tuple[Any, Shapes]:
    """Check samples to train on.

    Parameters
    ----------
    estimator : estimator
        `n_features_in_` and `feature_names_in_` are set if `known` is None, and checked
        otherwise.
    X : array-like or stream
    y : array-like or None
        Targets.
    sample_weight : array-like or None
    known : Shapes or None
        Shapes of the network to continue training; None for a new one.
    """
    if is_stream(X):
        return _check_stream(estimator, X, y, sample_weight, known)
    sample_shape = None if known is None else known.sample
    X, shape = check_rows(estimator, X, reset=known is None, shape=sample_shape)
    weights = None if sample_weight is None else check_weights(sample_weight, X)
    targets = None if y is None else check_targets(y, len(X))
    if known is None:
        input_shape = check_input_shape(estimator.input_shape or shape, X.shape[1])
        shapes = Shapes(shape, input_shape, input_shape)
    else:
        shapes = known
    if targets is not None:
        output = _output_shape(estimator, targets, shapes, known)
        shapes = Shapes(shapes.sample, shapes.input, output)
    return Samples(X, targets, weights), shapes


def check_validation(estimator: Any, X_val: Any, y_val: Any, shapes: Shapes) -> Any:
    """Check validation samples; return them as `Samples` or `StreamedSamples`."""
    if is_stream(X_val):
        if y_val is not None:
            raise ValueError(
                "With batches as X_val, y_val must be None; X_val itself gives batches of "
                "(inputs, targets)."
            )
        streamed = StreamedSamples(X_val, "X_val")
        _check_streamed_targets(estimator, streamed, "X_val")
        return streamed
    X_val, _ = check_rows(estimator, X_val, reset=False, shape=shapes.sample, name="X_val")
    if y_val is None:
        return Samples(X_val)
    targets = check_targets(y_val, len(X_val), "y_val", "X_val")
    _output_shape(estimator, targets, shapes, shapes)
    return Samples(X_val, targets)


def _check_stream(
    estimator: Any, X: Any, y: Any, sample_weight: Any, known: Shapes | None
) -> tuple[StreamedSamples, Shapes]:
    if y is not None or sample_weight is not None:
        raise ValueError(
            "With batches as X, y and sample_weight must be None; X itself gives batches of "
            "(inputs, targets, sample_weight)."
        )
    samples = StreamedSamples(X)
    shape = tuple(samples.inputs.shape[1:])
    if estimator.input_shape is not None and tuple(estimator.input_shape) != shape:
        raise ValueError(
            f"X gives samples of shape {shape}, but input_shape={estimator.input_shape}; batches "
            "go to the network as they are, so reshape them, or leave input_shape out."
        )
    if known is not None and shape != known.sample:
        raise ValueError(
            f"X gives samples of shape {shape}, but {type(estimator).__name__} was fitted on "
            f"samples of shape {known.sample}."
        )
    estimator.n_features_in_ = math.prod(shape)
    estimator.__dict__.pop("feature_names_in_", None)
    targets = samples.targets
    _check_streamed_targets(estimator, samples, "X")
    return samples, Shapes(shape, shape, shape if targets is None else targets.shape[1:] or (1,))


def _check_streamed_targets(estimator: Any, samples: StreamedSamples, name: str) -> None:
    """Raise an error for labels beside the inputs of an estimator that reconstructs them."""
    shape, targets = samples.inputs.shape[1:], samples.targets
    if targets is not None and targets.shape[1:] != shape and not is_regressor(estimator):
        raise ValueError(
            f"{name} gives targets of shape {targets.shape[1:]} with inputs of shape {shape}, but "
            f"{type(estimator).__name__} reconstructs its inputs. Pass batches of inputs alone, "
            "such as dataset.map(lambda x, y: x)."
        )


def _output_shape(estimator: Any, targets: FloatArray, shapes: Shapes, known: Any) -> Shape:
    shape = tuple(targets.shape[1:])
    # Targets of the same shape as the inputs are reshaped like them.
    shape = shapes.input if shape == shapes.sample else shape or (1,)
    if known is not None and shape != known.output:
        raise ValueError(
            f"y has samples of shape {shape}, but {type(estimator).__name__} was fitted on samples "
            f"of shape {known.output}; fit a new estimator for another shape."
        )
    return shape
