"""Errors from which a detector learns its cut."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold

from skae._contracts import FloatArray
from skae.estimators._rows import Rows


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
    if detector.calibration == "held_out":
        if validation is None:
            raise ValueError(
                "calibration='held_out' needs rows that were not trained on, and there are none; "
                "set validation_split, or pass X_val to fit."
            )
        return detector._errors_of(validation), validation.sample_weight
    return _out_of_fold_errors(detector, rows), rows.sample_weight


def _out_of_fold_errors(detector: Any, rows: Rows) -> FloatArray:
    """Score every row by a network that was trained on the other folds."""
    n_folds = detector.calibration
    if not isinstance(rows, Rows):
        raise ValueError(
            f"calibration={n_folds} draws folds, which batches as X can't give; use "
            "calibration='held_out' with X_val, or calibration='training'."
        )
    if len(rows.inputs) < n_folds:
        raise ValueError(
            f"calibration={n_folds} needs at least as many rows as folds, got "
            f"n_samples={len(rows.inputs)}; use fewer folds, or calibration='training'."
        )
    errors = np.empty(len(rows.inputs))
    folds = KFold(n_folds, shuffle=True, random_state=detector._seed)
    for others, fold in folds.split(rows.inputs):
        twin = clone(detector).set_params(
            calibration="training",
            input_shape=detector._input_shape,
            random_state=detector._seed,
            verbose=0,
        )
        kept = rows.take(others)
        twin.fit(kept.inputs, sample_weight=kept.sample_weight)
        errors[fold] = twin._row_errors(rows.inputs[fold])
    return errors
