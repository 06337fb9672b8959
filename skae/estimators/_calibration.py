"""Errors from which a detector learns its cut."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold

from skae import thresholds
from skae._contracts import FloatArray, ThresholdRule
from skae._validation import check_threshold
from skae.estimators._rows import Rows


class CutMixin:
    """How a detector comes to its cut, and what it refuses before it trains."""

    def _threshold_rule(self: Any) -> ThresholdRule:
        rule = thresholds.resolve_threshold(
            self.threshold, n_std=self.n_std, contamination=self.contamination
        )
        options = self._routed("threshold")
        if options and self.contamination != "auto":
            raise ValueError(
                f"threshold__{min(options)} has nothing to act on, because contamination="
                f"{self.contamination} overrides threshold; set contamination='auto'."
            )
        if options and not isinstance(self.threshold, str):
            raise ValueError(
                f"threshold__{min(options)} has nothing to act on, because threshold="
                f"{self.threshold!r} is no rule with parameters; name one, such as 'std'."
            )
        if isinstance(rule, BaseEstimator):
            rule.set_params(**options)
        return rule

    def _set_threshold(self: Any, cut: float) -> None:
        # Both at once, for a thread that scores meanwhile.
        self.__dict__ = {**vars(self), "threshold_": float(cut), "offset_": -float(cut)}

    def _errors_of(self: Any, rows: Rows) -> FloatArray:
        parts = [self._row_errors(batch) for batch in rows.batches()]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _check_plan(self: Any, rows: Rows, validation: Rows | None, *, partial: bool) -> None:
        check_rule(self._threshold_rule())
        check_calibration(self.calibration, rows, validation, partial=partial)

    def _held_out(
        self: Any, rows: Rows, given: Rows | None, *, partial: bool
    ) -> tuple[Rows, Rows | None]:
        keeps = partial and self.calibration == "held_out"
        return super()._held_out(  # type: ignore[misc]
            rows, given, partial=partial and not keeps
        )

    def _finish_fit(self: Any, rows: Rows, validation: Rows | None) -> None:
        rule = self._threshold_rule()
        self.training_errors_ = self._errors_of(rows)
        errors, weights = calibration_errors(self, rows, validation)
        self.calibration_errors_ = errors
        self._set_threshold(check_threshold(rule.threshold(errors, weights), rule))


def calibration_errors(
    detector: Any, rows: Rows, validation: Rows | None
) -> tuple[FloatArray, FloatArray | None]:
    """Return the errors that `detector`'s ``calibration`` asks for, and their weights.

    Parameters
    ----------
    detector : ReconstructionOutlierDetector
        Its network has been trained, and ``training_errors_`` set.
    rows : Rows
        Rows that it was trained on.
    validation : Rows or None
        Rows that it was validated with.

    Returns
    -------
    errors : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    """
    if detector.calibration == "training":
        return detector.training_errors_, rows.sample_weight
    if detector.calibration == "held_out" and validation is not None:
        return detector._errors_of(validation), validation.sample_weight
    return _out_of_fold_errors(detector, rows), rows.sample_weight


def check_rule(rule: Any) -> None:
    """Refuse a rule that can't be called with errors and weights, before anything is trained."""
    try:
        inspect.signature(rule.threshold).bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"threshold={rule!r} must have a method threshold(errors, sample_weight=None); its "
            f"signature is threshold{inspect.signature(rule.threshold)}."
        ) from error


def check_calibration(calibration: str | int, rows: Any, validation: Any, *, partial: bool) -> None:
    """Refuse a calibration that these rows can't give, before anything is trained."""
    if calibration == "training":
        return
    if calibration == "held_out":
        if validation is None:
            raise ValueError(
                "calibration='held_out' needs rows that were not trained on, and there are none; "
                "set validation_split, or pass X_val to fit."
            )
        return
    if partial:
        raise ValueError(
            f"calibration={calibration} trains one network for every fold from the start, which "
            "partial_fit can't; use calibration='training' or 'held_out', or recalibrate after it."
        )
    if not isinstance(rows, Rows):
        raise ValueError(
            f"calibration={calibration} draws folds, which batches as X can't give; use "
            "calibration='held_out' with X_val, or calibration='training'."
        )
    if len(rows.inputs) < int(calibration):
        raise ValueError(
            f"calibration={calibration} needs at least as many rows as folds, got "
            f"n_samples={len(rows.inputs)}; use fewer folds, or calibration='training'."
        )


def _out_of_fold_errors(detector: Any, rows: Rows) -> FloatArray:
    """Score every row by a network that was trained on the other folds."""
    errors = np.empty(len(rows.inputs))
    folds = KFold(detector.calibration, shuffle=True, random_state=detector._seed)
    for others, fold in folds.split(rows.inputs):
        twin = clone(detector).set_params(
            calibration="training",
            input_shape=detector._input_shape,
            random_state=detector._seed,
            # A checkpoint or a log is the detector's own, not its folds'.
            callbacks=None,
            verbose=0,
        )
        kept = rows.take(others)
        twin.fit(kept.inputs, sample_weight=kept.sample_weight)
        errors[fold] = twin._row_errors(rows.inputs[fold])
    return errors
