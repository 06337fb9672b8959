"""Checks of rows on their way into an estimator, and the shapes that they fix."""

from __future__ import annotations

import math
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skae import engine
from skae._contracts import Batchable, FloatArray, Shape
from skae._validation import check_input_shape, check_rows, check_weights
from skae.engine import is_stream
from skae.estimators._rows import Rows
from skae.estimators._streams import StreamedRows


class RowChecks:
    """Turns what users hand in into `Rows`; learns the shapes of samples when fitting."""

    def _check_training_rows(self: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Rows:
        if is_stream(X):
            return self._check_stream(X, y, sample_weight, reset=reset)
        shape = getattr(self, "_sample_shape", None)
        X, came = check_rows(self, X, reset=reset, shape=shape)
        targets = self._check_targets(y, len(X))
        if reset:
            self._sample_shape = came
            self._input_shape = check_input_shape(self.input_shape or came, X.shape[1])
            self._output_shape = self._input_shape
        if targets is not None:
            self._output_shape = self._target_output_shape(targets, reset=reset)
        weights = None if sample_weight is None else check_weights(sample_weight, X)
        return Rows(X, targets, weights)

    def _check_stream(self: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Any:
        if y is not None or sample_weight is not None:
            raise ValueError(
                "With batches as X, y and sample_weight must be None; X itself gives batches of "
                "(inputs, targets, sample_weight)."
            )
        rows = StreamedRows(X)
        if self.input_shape is not None and tuple(self.input_shape) != rows.sample_shape:
            raise ValueError(
                f"X gives samples of shape {rows.sample_shape}, but input_shape={self.input_shape}"
                "; batches go to the network as they are, so reshape them, or leave input_shape "
                "out."
            )
        if not reset and rows.sample_shape != self._sample_shape:
            raise ValueError(
                f"X gives samples of shape {rows.sample_shape}, but {type(self).__name__} was "
                f"fitted on samples of shape {self._sample_shape}."
            )
        self._sample_shape = self._input_shape = self._output_shape = rows.sample_shape
        self.n_features_in_ = math.prod(rows.sample_shape)
        self.__dict__.pop("feature_names_in_", None)
        if rows.targets is not None:
            self._output_shape = tuple(rows.targets.shape[1:]) or (1,)
        return rows

    def _target_output_shape(self: Any, targets: FloatArray, *, reset: bool) -> Shape:
        came = tuple(targets.shape[1:])
        # Clean rows that look like the noisy ones are reshaped as those are.
        shape = self._input_shape if came == self._sample_shape else came or (1,)
        if not reset and shape != self._output_shape:
            raise ValueError(
                f"y has rows of shape {shape}, but {type(self).__name__} was fitted on rows of "
                f"shape {self._output_shape}; fit a new estimator for another width."
            )
        return shape

    def _check_targets(self: Any, y: Any, n_samples: int) -> FloatArray | None:
        """Return the rows to learn; None for the inputs themselves, whatever `y` is."""
        return None

    def _check_validation_rows(self: Any, X_val: Any, y_val: Any) -> Rows:
        if is_stream(X_val):
            if y_val is not None:
                raise ValueError(
                    "With batches as X_val, y_val must be None; X_val itself gives batches of "
                    "(inputs, targets)."
                )
            return StreamedRows(X_val)  # type: ignore[return-value]
        X_val, _ = check_rows(self, X_val, reset=False, shape=self._sample_shape)
        targets = self._check_targets(y_val, len(X_val))
        if targets is not None:
            self._target_output_shape(targets, reset=False)
        return Rows(X_val, targets)

    def _check_inputs(self: Any, X: Any) -> tuple[FloatArray, Shape]:
        """Check rows to run the model on; return them flat, with the shape in which they came."""
        # scikit-learn's check looks at all attributes, for a tenth of the time of one row.
        if "_deferred" not in vars(self):
            check_is_fitted(self)
        return check_rows(self, X, reset=False, shape=self._sample_shape)

    def _batchable(self: Any, rows: Rows) -> Batchable:
        return rows.batchable(self._input_shape, self._output_shape)

    def _run(self: Any, part: str, X: FloatArray) -> FloatArray:
        """Run a part of the network on flat rows."""
        rows = X.reshape(-1, *self._input_shape)
        return engine.run(self._deferred, rows, part, jit_compile=self.jit_compile)
