"""The errors from which a detector learns its threshold."""

from __future__ import annotations

import inspect
from numbers import Real
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold

from skae import thresholds
from skae._contracts import FloatArray, ThresholdRule
from skae._messages import did_you_mean, warn
from skae._sklearn import InvalidParameterError
from skae._statistics import conformal_p_values, effective_counts, weighted_quantile
from skae._validation import check_threshold
from skae.estimators._base import BaseAutoencoder, held_out
from skae.estimators._parameters import copied
from skae.estimators._samples import FitData, Samples
from skae.estimators._scores import anomaly_scores, learn_score
from skae.exceptions import DriftWarning, ThresholdWarning

# Errors, and weights if there are any.
Weighted = tuple[FloatArray, FloatArray | None]
# "auto" cross-fits fewer samples than this, whose training errors say little of others.
_FEW = 1000
_AUTO_FOLDS = 5
# Of p-values of samples to continue with, their median: most look as only 1 % of normal ones do.
_ABNORMAL = 0.01
# With fewer samples to compare with, a small batch may look so by chance.
_ENOUGH = 20
_MANY_TIMES = 4


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


def errors_of(detector: Any, samples: Any) -> Weighted:
    """Return the errors and weights of samples, those of a stream batch by batch."""
    errors, weights = [], list[Any]()
    for inputs, _, weight in samples.batches():
        errors.append(anomaly_scores(detector, inputs))
        weights.append(weight)
    is_weighted = weights[0] is not None
    return np.concatenate(errors), np.concatenate(weights) if is_weighted else None


def calibrate(
    detector: Any, rule: ThresholdRule, errors: FloatArray, weight: Any, *, is_unseen: bool
) -> None:
    """Set a detector's threshold, and what its p-values compare with, from errors.

    Parameters
    ----------
    detector : ReconstructionOutlierDetector
    rule : ThresholdRule
    errors : ndarray of shape (n_samples,)
    weight : ndarray of shape (n_samples,) or None
    is_unseen : bool
        Whether these are errors of samples that the network was not trained on.
    """
    detector.threshold_ = check_threshold(rule.threshold(errors, weight), rule)
    _keep(detector, errors, weight, is_unseen=is_unseen)


def _keep(detector: Any, errors: FloatArray, weight: Any, *, is_unseen: bool) -> None:
    detector.calibration_errors_ = errors
    weighted = weight is not None
    counts = effective_counts(np.asarray(weight, float)) if weighted else np.ones(len(errors))
    detector._reference = (errors, counts) if is_unseen else None


def recalibrate(
    detector: Any, errors: FloatArray, y: Any, *, beta: float, max_fpr: float | None
) -> None:
    """Set a detector's threshold from errors of other samples, by their labels if there are any."""
    is_normal = np.full(len(errors), True) if y is None else np.asarray(y) == 1
    if y is None and beta != 1.0 and max_fpr is None:
        raise ValueError(
            f"beta={beta} weighs recall of outliers against precision, and without y the "
            "outliers are unknown; pass y, or max_fpr for normal samples alone."
        )
    if y is None and max_fpr is None:
        calibrate(detector, threshold_rule(detector), errors, None, is_unseen=True)
        return
    labels = np.ones(len(errors)) if y is None else y
    detector.threshold_ = thresholds.threshold_from_labels(
        errors, labels, beta=beta, max_fpr=max_fpr
    )
    _keep(detector, errors[is_normal], None, is_unseen=True)


def is_unseen(calibration: str | int, data: FitData) -> bool:
    """Return whether the network was not trained on the samples of a calibration."""
    return calibration != "training" and not (calibration == "held_out" and data.may_be_seen)


def p_values(detector: Any, scores: FloatArray) -> FloatArray:
    """Return conformal p-values of anomaly scores."""
    if detector._reference is None:
        raise ValueError(
            "p-values compare with normal samples that the network was not trained on, but the "
            "threshold came from training samples, whose scores are too low (held-out samples too, "
            "if an earlier fit may have trained on them); set calibration "
            "to 'held_out' (with validation_split or X_val) or to a number of folds, or pass other "
            "normal samples to recalibrate."
        )
    return conformal_p_values(scores, *detector._reference)


def calibration_errors(
    detector: Any, data: FitData, calibration: str | int, training: Weighted
) -> Weighted:
    """Return the errors that a calibration takes, and their weights.

    Parameters
    ----------
    detector : ReconstructionOutlierDetector
        Its network has been trained.
    data : FitData
    calibration : {"training", "held_out"} or int
    training : tuple of ndarray
        Errors and weights of the training samples.

    Returns
    -------
    errors : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    """
    if calibration == "training":
        return training
    if calibration == "held_out":
        return errors_of(detector, data.validation)
    return _out_of_fold_errors(detector, data, int(calibration)), data.samples.sample_weight


def chosen_calibration(detector: Any, rule: Any, data: FitData, mode: str) -> str | int:
    """Return `calibration`, checked against the samples and the rule.

    "auto" cross-fits built-in networks on few samples, but not with a contamination, which is a
    fraction of the training samples, as in scikit-learn. For a conformal threshold, which needs
    samples that the network has not seen, it takes held-out samples, or cross-fits.

    Parameters
    ----------
    detector : ReconstructionOutlierDetector
    rule : ThresholdRule
    data : FitData
    mode : {"new", "warm", "partial"}
    """
    is_conformal = isinstance(rule, thresholds.ConformalThreshold)
    chosen = detector.calibration
    if chosen == "auto" and is_conformal:
        chosen = "held_out" if data.validation is not None else _AUTO_FOLDS
        if chosen == _AUTO_FOLDS and (mode == "partial" or not isinstance(data.samples, Samples)):
            raise ValueError(
                "threshold='conformal' needs samples that the network is not trained on, and there "
                "are no folds of batches or in partial_fit; set validation_split or pass X_val, or "
                "train with another threshold and recalibrate with threshold='conformal'."
            )
    elif chosen == "auto":
        cross_fits = mode != "partial" and _cross_fits(detector, rule, data)
        chosen = _AUTO_FOLDS if cross_fits else "training"
    _check_samples(chosen, data, mode)
    if is_conformal and not is_unseen(chosen, data):
        raise ValueError(
            "threshold='conformal' needs errors of samples that the network was not trained on, "
            f"but calibration={chosen!r}{' after an earlier fit' if data.network else ''}; set "
            "calibration='auto', 'held_out' or a number of folds, and pass X_val to go on training."
        )
    if is_conformal and mode != "partial":
        _check_enough(rule, data.validation if chosen == "held_out" else data.samples)
    return chosen


def _cross_fits(detector: Any, rule: Any, data: FitData) -> bool:
    needs_no_errors = isinstance(rule, thresholds.FixedThreshold)
    if detector.contamination != "auto" or data.network is not None or needs_no_errors:
        return False
    n_samples = len(data.samples.inputs) if isinstance(data.samples, Samples) else 0
    return isinstance(detector.model, str) and _AUTO_FOLDS <= n_samples < _FEW


def _check_enough(rule: Any, samples: Any) -> None:
    """Raise an error before training if a conformal threshold needs more samples."""
    if isinstance(samples, Samples):
        weight = samples.sample_weight
        rule.check_enough(
            len(samples.inputs) if weight is None else int(effective_counts(weight).sum() + 1e-6)
        )


def _check_rule(rule: Any) -> None:
    """Raise an error if a rule can't be called with errors and weights."""
    try:
        inspect.signature(rule.threshold).bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"threshold={rule!r} must have a method threshold(errors, sample_weight=None); its "
            f"signature is threshold{inspect.signature(rule.threshold)}."
        ) from error


def warn_of_change(detector: Any, data: FitData, mode: str) -> None:
    """Warn before training goes on with samples most of which look abnormal to the detector."""
    if mode != "partial" or data.network is None:
        return
    reference = detector.calibration_errors_
    scores, weight = errors_of(detector, data.samples)
    counts = np.ones(len(scores)) if weight is None else effective_counts(np.asarray(weight, float))
    median = weighted_quantile(np.asarray(scores, np.float64), counts, 0.5)
    # The score of few training samples is that of others even less.
    is_seen = detector._reference is None
    if len(reference) < (10 * detector.n_features_in_ if is_seen else _ENOUGH):
        is_changed = median > _MANY_TIMES * reference.max()
    else:
        p_value = conformal_p_values(np.array([median]), reference, np.ones(len(reference)))
        is_changed = p_value[0] <= max(_ABNORMAL, 1 / (1 + len(reference)))
    if is_changed:
        warn(
            f"Most of the samples to continue with look abnormal: their median anomaly score is "
            f"{median:.3g}, but the samples that gave the threshold have scores up to "
            f"{reference.max():.3g}. Training on them moves the threshold, so that such samples "
            "are not flagged any more; leave them out if they are not normal.",
            DriftWarning,
        )


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


def _check_samples(calibration: str | int, data: FitData, mode: str) -> None:
    """Raise an error if the samples do not allow a calibration."""
    if calibration == "training":
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


def _out_of_fold_errors(detector: Any, data: FitData, n_folds: int) -> FloatArray:
    """Score every sample with a network trained on the other folds."""
    samples = data.samples
    errors = np.empty(len(samples.inputs))
    folds = KFold(n_folds, shuffle=True, random_state=detector._seed)
    for others, fold in folds.split(samples.inputs):
        twin = _twin(detector, continues=data.network is not None)
        training, validation = held_out(twin, samples.take(others))
        twin.callbacks = _steering(detector.callbacks_, validation)
        of_fold = FitData(training, validation, detector.noise, None)
        BaseAutoencoder._train(twin, of_fold, "new", lambda _: None)
        twin.score_ = learn_score(twin, training)
        errors[fold] = anomaly_scores(twin, samples.inputs[fold])
    return errors


def _twin(detector: Any, *, continues: bool) -> Any:
    """Return a copy to train on a fold: in the same units, and for as many epochs."""
    twin = object.__new__(type(detector))
    own = {name: value for name, value in vars(detector).items() if "callbacks" not in name}
    can_stop = detector.callbacks is not None or "_skl_callbacks" in vars(detector)
    epochs = detector.n_iter_ if can_stop or continues else detector.epochs
    twin.__dict__ = {**own, "verbose": 0, "epochs": epochs}
    return twin


def _steering(callbacks: list[Any], validation: Any) -> list[Any]:
    """Return copies of Keras's callbacks that set the learning rate; others are of the detector."""
    kinds = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    return [
        copied("callbacks", each)
        for each in callbacks
        if type(each) in kinds
        and (validation is not None or not getattr(each, "monitor", "").startswith("val_"))
    ]
