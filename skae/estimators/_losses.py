"""Checks of losses and error functions against the samples and the network."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning

from skae._contracts import ErrorFunction, FloatArray, Shape
from skae._messages import warn
from skae.errors import CustomError, resolve_error
from skae.estimators._recipe import loss_of

# Losses of values in [0, 1], and the output activation that goes with each.
_OF_FRACTIONS = {
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "kl_divergence": "softmax",
    "categorical_crossentropy": "softmax",
    "categorical_focal_crossentropy": "softmax",
}
# What an output activation can return.
_RANGES = {"sigmoid": (0, 1), "hard_sigmoid": (0, 1), "softmax": (0, 1), "tanh": (-1, 1)}
# MinMaxScaler ends at 1 + 2e-16, or at 1 + 1.2e-7 in float32.
_ROUNDING = 1e-6


def check_loss_and_error(fit: Any, samples: Any) -> ErrorFunction:
    """Return the error function of a fit, if it and the loss suit the samples and the network.

    Parameters
    ----------
    fit : estimator
        The copy that is fitted, with its network.
    samples : Samples or StreamedSamples
    """
    loss = loss_of(type(fit), fit._deferred)
    error = resolve_error(getattr(fit, "error", "auto"), loss)
    check_error(error, fit._output_shape)
    targets, name = (samples.inputs, "X") if samples.targets is None else (samples.targets, "y")
    last = keras.activations.get(fit.output_activation)
    is_linear = isinstance(fit.model, str) and last is keras.activations.linear
    check_loss(loss, targets, name, is_linear=is_linear)
    check_user_loss(loss, fit._output_shape, weighted=samples.sample_weight is not None)
    if isinstance(fit.model, str):
        _warn_of_range(keras_function(last), targets, name)
    return error


def _warn_of_range(activation: str, targets: FloatArray, name: str) -> None:
    """Warn if a network ends with an activation that can't return the targets."""
    if activation not in _RANGES:
        return
    (least, most), (low, high) = _RANGES[activation], _extremes(targets)
    if low < least - _ROUNDING or high > most + _ROUNDING:
        warn(
            f"{name} has values from {low:.3g} to {high:.3g}, but the network returns values in "
            f"[{least}, {most}] only, because output_activation={activation!r}; set "
            f"output_activation=None, or scale {name} with MinMaxScaler(feature_range=({least}, "
            f"{most}), clip=True).",
            ConvergenceWarning,
        )


def _extremes(targets: FloatArray) -> tuple[float, float]:
    return float(targets.min()), float(targets.max())


def check_user_loss(loss: Any, shape: Shape, *, weighted: bool) -> None:
    """Raise an error if a loss fails on tensors, or does not support sample weights.

    Parameters
    ----------
    loss : str, callable or keras.losses.Loss
    shape : tuple of int
        Of a reconstruction.
    weighted : bool
        Whether samples have weights.

    Raises
    ------
    TypeError
        If a function fails on tensors, as NumPy's functions do.
    ValueError
        If samples have weights and it returns one number for a batch.
    """
    if not inspect.isfunction(loss) or loss.__module__.partition(".")[0] == "keras":
        return
    batch = tf.TensorSpec((None, *shape), keras.config.floatx())
    try:
        traced = tf.function(loss, autograph=False).get_concrete_function(batch, batch)
    except (AttributeError, NotImplementedError, TypeError, ValueError) as reason:
        raise TypeError(
            f"loss={loss.__name__} fails on tensors ({type(reason).__name__}); write it with "
            "operators and keras.ops, for example lambda y_true, y_pred: "
            "keras.ops.mean(abs(y_true - y_pred), axis=-1)."
        ) from reason
    returned = getattr(traced.structured_outputs, "shape", None)
    if weighted and returned is not None and returned.rank == 0:
        raise ValueError(
            f"loss={loss.__name__} returns one number for a batch, on which sample_weight can't "
            "act; return a value for every sample: take the mean over axis=-1."
        )


def check_loss(loss: Any, targets: FloatArray, name: str, *, is_linear: bool) -> None:
    """Raise an error if a loss does not suit the targets or the network.

    Outside [0, 1], cross-entropies and the Kullback-Leibler divergence have no minimum, or Keras
    clips the targets. A linear output leaves [0, 1], where Keras clips it and the gradient is zero:
    on the digits the R2 with a binary cross-entropy is then -0.01, and 0.95 with a sigmoid.

    Parameters
    ----------
    loss : str, callable or keras.losses.Loss
        As the model was compiled with it.
    targets : ndarray of shape (n_samples, ...)
    name : {"X", "y"}
        Of the targets.
    is_linear : bool
        Whether the network is known to end without an activation.

    Raises
    ------
    ValueError
        If the loss takes class labels, or if the targets or the network leave its range.
    """
    function = keras_function(loss)
    if function == "sparse_categorical_crossentropy":
        raise ValueError(
            f"The loss {function} compares class labels with probabilities, but here each value "
            f"of {name} is compared with its reconstruction; set loss='mse', or "
            "'binary_crossentropy' for values in [0, 1]."
        )
    if function not in _OF_FRACTIONS:
        return
    low, high = _extremes(targets)
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            f"The loss {function} takes values in [0, 1], but {name} has values from {low:.3g} to "
            f"{high:.3g}; scale {name} with MinMaxScaler(clip=True), or set loss='mse'."
        )
    if is_linear and not getattr(loss, "from_logits", False):
        raise ValueError(
            f"The loss {function} takes reconstructions in [0, 1], but the network's last layer is "
            f"linear; set output_activation={_OF_FRACTIONS[function]!r}, or loss='mse'."
        )


def keras_function(used: Any) -> str:
    """Return the name of the Keras function that a loss or an activation is; "" for others."""
    used = keras.losses.get(used) if isinstance(used, str) else used
    function = getattr(used, "fn", used)
    module = getattr(function, "__module__", None) or ""
    return getattr(function, "__name__", "") if module.partition(".")[0] == "keras" else ""


def check_error(error: ErrorFunction, shape: Shape) -> None:
    """Raise an error if a compiled program can't compute an error function.

    Parameters
    ----------
    error : ErrorFunction
    shape : tuple of int
        Of a reconstruction.

    Raises
    ------
    TypeError
        If a user-defined function fails on tensors, as NumPy's functions do, or does not return
        the error of every value.
    """
    if not isinstance(error, CustomError):
        return
    spec = tf.TensorSpec((None, *shape), keras.config.floatx())
    try:
        traced = tf.function(error.function, autograph=False).get_concrete_function(spec, spec)
    except (AttributeError, NotImplementedError, TypeError, ValueError) as reason:
        raise TypeError(
            f"error={error.name} fails on tensors ({type(reason).__name__}); write it with "
            "operators and keras.ops, for example lambda x, r: keras.ops.abs(x - r)."
        ) from reason
    returned = getattr(traced.structured_outputs, "shape", None)
    if returned is None or not spec.shape.is_compatible_with(returned):
        raise TypeError(
            f"error={error.name} must return the error of every value, of shape "
            f"{(None, *shape)}; it returned {'no tensor' if returned is None else returned}."
        )
