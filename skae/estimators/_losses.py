"""What a loss asks of rows and of the network's last layer."""

from __future__ import annotations

from typing import Any

import keras

from skae._contracts import FloatArray

_FUNCTIONS = (keras.losses.binary_crossentropy, keras.losses.binary_focal_crossentropy)
_CLASSES = (keras.losses.BinaryCrossentropy, keras.losses.BinaryFocalCrossentropy)
# MinMaxScaler ends at 1 + 2e-16, or at 1 + 1.2e-7 in float32.
_ROUNDING = 1e-6


def check_loss(loss: Any, targets: FloatArray, name: str, *, is_linear: bool) -> None:
    """Refuse a binary cross-entropy where it can't be learned from.

    Outside [0, 1] it has no minimum and falls below zero without end. A linear output leaves
    [0, 1], where Keras clips it and no gradient comes back: on the digits the R2 is then -0.01, and
    0.95 with a sigmoid.

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
        If the targets leave [0, 1], or the network does.
    """
    found = keras.losses.get(loss) if isinstance(loss, str) else loss
    if found not in _FUNCTIONS and not isinstance(found, _CLASSES):
        return
    low, high = float(targets.min()), float(targets.max())
    shown = getattr(found, "__name__", type(found).__name__)
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            f"The loss {shown} takes values in [0, 1], but {name} has values from {low:.3g} to "
            f"{high:.3g}, where it has no minimum; scale {name} with MinMaxScaler(clip=True), or "
            "set loss='mse'."
        )
    if is_linear and not getattr(found, "from_logits", False):
        raise ValueError(
            f"The loss {shown} takes reconstructions in [0, 1], but the network's last layer is "
            "linear; set output_activation='sigmoid', or loss='mse'."
        )
