"""Sliders for the latent code, and the decoded image or signal beside them."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._docs import hide_annotations
from skae.inspection import _plotting
from skae.inspection._plotting import Values

_PRIOR_LIMIT = 3.0
_STEPS = 100
_MARGIN = 0.05


@hide_annotations
def explore(
    estimator: Any, X: Any = None, *, n_sliders: int = 8, image_shape: tuple[int, ...] | None = None
) -> Any:
    """Show sliders for the latent code, and what it decodes to, in a notebook.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator with ``transform`` and ``inverse_transform``; the last step of a pipeline
        and the best estimator of a search are used.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...), default=None
        Samples whose latent codes give the sliders their limits; the first one gives their
        values. None takes -3 to 3 and zero, the bulk of a variational autoencoder's prior.
    n_sliders : int, default=8
        The most sliders to show, 1 or more: for the dimensions of the latent code that vary most
        over `X`, or the first ones.
    image_shape : tuple of int, default=None
        Shape of one image; None takes the `input_shape` of the estimator, or the shape of the
        training samples. Flat samples, and sequences of one channel, are drawn as signals.

    Returns
    -------
    box : ipywidgets.HBox
        The sliders, and an image that follows them.

    See Also
    --------
    LatentGridDisplay : Decoded latent codes on a grid.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder
    >>> from skae.inspection import explore
    >>> X = load_digits().images / 16
    >>> vae = VariationalAutoencoder(latent_dim=4, epochs=3, random_state=0).fit(X)
    >>> box = explore(vae, X)  # doctest: +SKIP
    """
    widgets = _plotting.import_extra("ipywidgets", "explore", "notebook")
    _plotting.import_extra("matplotlib", "explore", "notebook")
    if n_sliders < 1:
        raise ValueError(f"n_sliders must be 1 or more, got {n_sliders}.")
    inner, seen = _plotting.unwrap(estimator, X, "inverse_transform", "explore")
    check_is_fitted(inner)
    start, low, high = _codes(inner, seen)
    chosen = np.sort(np.argsort(low - high, kind="stable")[:n_sliders]).tolist()
    sliders = [_slider(widgets, i, start[i], low[i], high[i]) for i in chosen]
    picture = widgets.Image(format="png", layout={"object_fit": "contain"})
    decode = partial(_plotting.decode, inner, image_shape=image_shape)
    shown = decode(_ends(start, low, high, chosen)) if seen is None else np.asarray(seen)
    limits = float(shown.min()), float(shown.max())

    def draw(_: Any = None) -> None:
        code = start.copy()
        code[chosen] = [slider.value for slider in sliders]
        picture.value = _picture(decode(code[None])[0], limits)

    for slider in sliders:
        slider.observe(draw, names="value")
    draw()
    return widgets.HBox([widgets.VBox(sliders), picture])


def _codes(estimator: Any, X: Any) -> tuple[Values, Values, Values]:
    """Return the latent code to begin with, and the limits of its dimensions."""
    if X is None:
        limit = np.full(_plotting.latent_size(estimator), _PRIOR_LIMIT)
        return np.zeros_like(limit), -limit, limit
    codes = np.asarray(estimator.transform(X), np.float64)
    return codes[0], codes.min(axis=0), codes.max(axis=0)


def _ends(start: Values, low: Values, high: Values, chosen: list[int]) -> Values:
    """Return the latent codes with one slider at one of its ends.

    All pictures have one range of values, so that the effect of a slider is visible.
    """
    codes = np.tile(start, (1 + 2 * len(chosen), 1))
    for row, number in enumerate(chosen):
        codes[2 * row, number], codes[2 * row + 1, number] = low[number], high[number]
    return codes


def _slider(widgets: Any, number: int, value: float, low: float, high: float) -> Any:
    # A constant would give a slider of length 0.
    high = high if high > low else low + 1.0
    return widgets.FloatSlider(
        value=value,
        min=low,
        max=high,
        step=(high - low) / _STEPS,
        description=f"code[{number}]",
        readout_format=".3g",
    )


def _picture(sample: Values, limits: tuple[float, float]) -> bytes:
    """Return one image or signal as PNG."""
    from matplotlib.figure import Figure

    # A Figure that pyplot does not know draws the same in every notebook, and is shown once.
    figure = Figure(figsize=(3.2, 3.2), layout="constrained")
    ax = figure.add_subplot()
    if sample.ndim > 1:
        ax.imshow(sample, **_plotting.image_options(sample, {"vmin": limits[0], "vmax": limits[1]}))
        ax.set_axis_off()
    else:
        margin = _MARGIN * (limits[1] - limits[0]) or 1.0
        ax.plot(sample)
        ax.set(xlabel="step", ylabel="value", ylim=(limits[0] - margin, limits[1] + margin))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
