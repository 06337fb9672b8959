"""The errors from which a detector learns its threshold."""

from __future__ import annotations

import inspect
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold

from skae import thresholds
from skae._contracts import FloatArray, ThresholdRule
from skae._messages import did_you_mean, warn
from skae._sklearn import InvalidParameterError
from skae.estimators._samples import FitData, Samples
from skae.estimators._scores import anomaly_scores
from skae.exceptions import ThresholdWarning

# "auto" cross-fits fewer samples than this, whose training errors say little of others.
_FEW = 1000
_AUTO_FOLDS = 5


def threshold_rule(detector: Any) -> ThresholdRule:
    """Return the rule that the parameters of a detector describe."""
    rule = thresholds.resolve_threshold(
        detector.threshold, n_std=detector.n_std, contamination=detector.contamination
    )
    options = detector._routed("threshold")
    _refuse_ignored(detector, options)
    if options and isinstance(rule, BaseEstimator):
        known = rule.get_params()
        for name in options.keys() - known.keys():
            raise InvalidParameterError(
                f"threshold__{name}={options[name]!r} can't be passed on: {type(rule).__name__} "
                f"has no parameter {name!r}.{did_you_mean(name, known)} It has {', '.join(known)}."
            )
        rule.set_params(**options)
    _check_rule(rule)
    return rule


def _refuse_ignored(detector: Any, options: dict[str, Any]) -> None:
    """Raise an error for parameters of a rule that another parameter overrides."""
    if options and detector.contamination != "auto":
        raise ValueError(
            f"threshold__{min(options)} has no effect, because contamination="
            f"{detector.contamination} overrides threshold; set contamination='auto'."
        )
    if options and not isinstance(detector.threshold, str):
        raise ValueError(
            f"threshold__{min(options)} has no effect, because threshold="
            f"{detector.threshold!r} has no parameters; pass the name of a rule, such as 'std'."
        )
    default = inspect.signature(type(detector)).parameters["n_std"].default
    # contamination overrides threshold='std' with its n_std, as it says.
    if detector.n_std != default and detector.threshold != "std":
        raise ValueError(
            f"n_std={detector.n_std} has no effect with threshold={detector.threshold!r}; leave "
            "n_std out, or set threshold='std'."
        )


def errors_of(detector: Any, samples: Any) -> FloatArray:
    """Return the error of every sample, those of a stream batch by batch."""
    parts = [anomaly_scores(detector, batch) for batch, *_ in samples.batches()]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def calibration_errors(detector: Any, data: FitData) -> tuple[FloatArray, FloatArray | None]:
    """Return the errors that `calibration` selects, and their weights.

    Parameters
    ----------
    detector : ReconstructionOutlierDetector
        Its network has been trained, and ``training_errors_`` set.
    data : FitData

    Returns
    -------
    errors : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    """
    calibration = _chosen(detector, data)
    if calibration == "training":
        return detector.training_errors_, data.samples.sample_weight
    if calibration == "held_out":
        return errors_of(detector, data.validation), data.validation.sample_weight
    return _out_of_fold_errors(detector, data.samples, calibration), data.samples.sample_weight


def _chosen(detector: Any, data: FitData) -> Any:
    """Return `calibration`; "auto" cross-fits built-in networks on few samples.

    Not with a contamination, which is a fraction of the training samples, as in scikit-learn.
    """
    if detector.calibration != "auto":
        return detector.calibration
    if detector.contamination != "auto":
        return "training"
    is_new = data.network is None and isinstance(detector.model, str)
    n_samples = len(data.samples.inputs) if isinstance(data.samples, Samples) else 0
    return _AUTO_FOLDS if is_new and _AUTO_FOLDS <= n_samples < _FEW else "training"


def _check_rule(rule: Any) -> None:
    """Raise an error if a rule can't be called with errors and weights."""
    try:
        inspect.signature(rule.threshold).bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"threshold={rule!r} must have a method threshold(errors, sample_weight=None); its "
            f"signature is threshold{inspect.signature(rule.threshold)}."
        ) from error


def warn_of_number(threshold: Any, errors: FloatArray) -> None:
    """Warn if a number looks like a quantile: it flags all training samples or none."""
    if not isinstance(threshold, Real) or not 0.5 <= float(threshold) < 1:
        return
    if errors.max() < threshold / 2 or errors.min() > threshold:
        flagged = "all" if errors.min() > threshold else "none"
        warn(
            f"threshold={threshold} is a threshold in units of the error, and flags {flagged} of "
            f"the training samples, whose errors go from {errors.min():.3g} to {errors.max():.3g}. "
            f"For the quantile, set contamination={1 - threshold:.3g}; to silence this, set "
            "threshold_ after fit.",
            ThresholdWarning,
        )


def check_calibration(calibration: str | int, data: FitData, mode: str) -> None:
    """Raise an error if the samples do not allow a calibration."""
    if calibration in ("auto", "training"):
        return
    if calibration == "held_out":
        if data.validation is None:
            raise ValueError(
                "calibration='held_out' needs validation samples, and there are none; set "
                "validation_split, or pass X_val to fit."
            )
        return
    if mode == "partial":
        raise ValueError(
            f"calibration={calibration} trains a new network for every fold, which partial_fit "
            "can't; use calibration='training' or 'held_out', or recalibrate after it."
        )
    if not isinstance(data.samples, Samples):
        raise ValueError(
            f"calibration={calibration} needs folds, which X as batches does not support; use "
            "calibration='held_out' with X_val, or calibration='training'."
        )
    if len(data.samples.inputs) < int(calibration):
        raise ValueError(
            f"calibration={calibration} needs at least as many samples as folds, got "
            f"n_samples={len(data.samples.inputs)}; use fewer folds, or calibration='training'."
        )


def _out_of_fold_errors(detector: Any, samples: Samples, n_folds: int) -> FloatArray:
    """Score every sample with a network trained on the other folds."""
    errors = np.empty(len(samples.inputs))
    folds = KFold(n_folds, shuffle=True, random_state=detector._seed)
    for others, fold in folds.split(samples.inputs):
        twin = clone(detector).set_params(
            calibration="training",
            input_shape=detector._input_shape,
            random_state=detector._seed,
            # Checkpoints and logs are of the detector, not of its folds.
            callbacks=None,
            verbose=0,
        )
        training = samples.take(others)
        twin.fit(training.inputs, sample_weight=training.sample_weight)
        errors[fold] = anomaly_scores(twin, samples.inputs[fold])
    return errors
