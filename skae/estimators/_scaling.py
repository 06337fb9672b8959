"""Standardized columns: the units in which built-in networks see a table.

The statistics are those of scikit-learn's `StandardScaler`. They are applied here, block by block,
because a call of its ``transform`` takes longer than a small network.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import keras
import numpy as np
from sklearn.base import is_regressor
from sklearn.preprocessing import StandardScaler

from skae._contracts import FloatArray, Shape, Shapes
from skae.estimators._losses import keras_function

Scalers = tuple[StandardScaler | None, StandardScaler | None]
# Larger tables are standardized while they are read, so that they aren't copied as a whole.
_COPIED_BYTES = 256 * 2**20
# Statistics are computed in blocks of this size, because scikit-learn copies what it gets.
_BLOCK_BYTES = 32 * 2**20
# Keras's losses of differences. Others are of ratios, probabilities, signs or labels, which
# standardized values have none of.
_OF_DIFFERENCES = {"mean_squared_error", "mean_absolute_error", "huber", "log_cosh"}
# Squares of larger values leave float32, in which networks run.
_LARGEST = 1e9


class Standardized:
    """Rows in standard deviations from the mean, computed when they are read.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    scaler : StandardScaler
    shape : tuple of int
        Of one sample as the network takes it.
    """

    def __init__(self, rows: FloatArray, scaler: StandardScaler, shape: Shape) -> None:
        self.computed_from, self._scaler = rows, scaler
        self.shape, self.dtype = (len(rows), *shape), np.dtype(keras.config.floatx())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> FloatArray:
        # In C order: products of matrices depend on the layout in their last digits.
        values = np.subtract(self.computed_from[index], self._scaler.mean_, order="C")
        values /= self._scaler.scale_
        np.clip(values, -_LARGEST, _LARGEST, out=values)
        return values.astype(self.dtype, copy=False).reshape(-1, *self.shape[1:])


def standardized(rows: FloatArray, scaler: StandardScaler | None, shape: Shape) -> Any:
    """Return flat samples in the units and the shape that a network takes.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, ...)
    scaler : StandardScaler or None
        None: the units stay as they are.
    shape : tuple of int
    """
    if scaler is None:
        return rows.reshape(-1, *shape)
    lazy = Standardized(_flat(rows), scaler, shape)
    return lazy if rows.nbytes > _COPIED_BYTES else lazy[:]


def restored(values: FloatArray, scaler: StandardScaler | None) -> FloatArray:
    """Return what a network gave in the units of the samples, inverse to `standardized`."""
    if scaler is None:
        return values
    flat = _flat(values)
    return (flat * scaler.scale_ + scaler.mean_).reshape(values.shape)


def _flat(values: FloatArray) -> FloatArray:
    """Return one row for each sample, of which there may be none."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def is_scaled(fit: Any, shapes: Shapes) -> bool:
    """Return whether a network sees standardized columns, as the parameter `scale` asks for it."""
    if fit.scale == "auto":
        is_table = len(shapes.input) == len(shapes.output) == 1
        is_free = fit.output_activation in (None, "linear") and not _needs_units(fit)
        return isinstance(fit.model, str) and is_table and is_free and not _noise_has_units(fit)
    if fit.scale:
        check_scaled_loss(fit)
    return bool(fit.scale)


def check_scaled_loss(fit: Any) -> None:
    """Raise an error if the loss does not suit standardized columns."""
    if _needs_units(fit):
        raise ValueError(
            f"The network gets standardized columns, but loss={fit.loss!r} is not meant for "
            "negative values; set scale=False, or loss='mse'."
        )


def _needs_units(fit: Any) -> bool:
    loss = fit.loss(**fit._routed("loss")) if inspect.isclass(fit.loss) else fit.loss
    name = keras_function(loss)  # "" for a user-defined one
    return bool(name) and name not in _OF_DIFFERENCES


def _noise_has_units(fit: Any) -> bool:
    """Return whether a noise is described in the units of the samples: by values of its own."""
    is_plain = fit.noise is None or fit.noise in ("gaussian", "uniform", "masking", "dropout")
    return not is_plain or bool(fit._routed("noise"))


def learn_scalers(fit: Any, samples: Any, shapes: Shapes) -> Scalers:
    """Return the means and standard deviations of a network's inputs and of its outputs.

    Parameters
    ----------
    fit : estimator
    samples : Samples or StreamedSamples
    shapes : Shapes
    """
    if not is_scaled(fit, shapes):
        return None, None
    inputs, targets = StandardScaler(), StandardScaler()
    largest = 1.0 if samples.sample_weight is None else samples.sample_weight.max()
    exponent = np.frexp(largest)[1]  # the sum of huge weights overflows
    for values, clean, given in samples.batches():
        weight = None if given is None else np.ldexp(np.asarray(given, np.float64), -exponent)
        _learn(inputs, values, weight)
        if clean is not None:
            _learn(targets, clean, weight)
    has_targets = is_regressor(fit) and hasattr(targets, "mean_")
    return inputs, targets if has_targets else inputs


def _learn(scaler: StandardScaler, values: FloatArray, weight: FloatArray | None) -> None:
    rows = _flat(values)
    n_rows = max(_BLOCK_BYTES // rows[:1].nbytes, 1)
    for start in range(0, len(rows), n_rows):
        block = slice(start, start + n_rows)
        # Sums of columns depend on type and layout in their last digits, and a training on these.
        scaler.partial_fit(
            np.ascontiguousarray(rows[block], np.float64),
            sample_weight=None if weight is None else weight[block],
        )
