"""What the Displays share: matplotlib on demand, axes, keywords, and estimators inside others."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Keywords = Mapping[str, Any] | None
Values = NDArray[Any]
_MOST_CLASSES = 20


def import_extra(module: str, caller: str, extra: str) -> Any:
    """Import a module that only an extra installs."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"{caller} needs {package}, which is not installed. Install it with: "
            f'pip install "skae[{extra}]"'
        ) from error


def begin(display: Any, ax: Any, figsize: tuple[float, float] | None = None) -> Any:
    """Return the axes to draw on, new ones if there are none, and keep them on the display."""
    pyplot = import_extra("matplotlib.pyplot", f"{type(display).__name__}.plot", "plot")
    if ax is None:
        _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    display.ax_ = ax
    display.figure_ = ax.figure
    return ax


def merged(given: Keywords, artist: str, **defaults: Any) -> dict[str, Any]:
    """Return `defaults` updated by `given`, where ``c`` replaces ``color`` and so on.

    `artist` is the dotted name, below ``matplotlib``, of the class that knows the aliases.
    """
    from matplotlib import cbook

    module, _, name = artist.rpartition(".")
    known = getattr(importlib.import_module(f"matplotlib.{module}"), name)
    return {**defaults, **cbook.normalize_kwargs(dict(given or {}), known)}


def unwrap(estimator: Any, X: Any = None) -> tuple[Any, Any]:
    """Return the autoencoder inside a search or a pipeline, and `X` as it sees it."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not hasattr(estimator, "steps"):
        return estimator, X
    if X is not None and len(estimator.steps) > 1:
        X = estimator[:-1].transform(X)
    return estimator[-1], X


def require(estimator: Any, method: str, caller: str) -> None:
    """Refuse an estimator that lacks what a picture is made of."""
    if not hasattr(estimator, method):
        raise TypeError(
            f"{caller} needs an estimator with {method!r}, but {type(estimator).__name__} has "
            "none; pass another estimator, or what is to be drawn to another constructor."
        )


def image_shape_of(estimator: Any, image_shape: Any) -> Any:
    """Return the shape of an image: as given, or the one that the estimator reshapes rows to."""
    return getattr(estimator, "input_shape", None) if image_shape is None else image_shape


def as_images(rows: ArrayLike, image_shape: Any, name: str) -> Values:
    """Return rows as images of shape (n_samples, height, width) or (..., 3 or 4)."""
    values = np.asarray(rows)
    shape: tuple[int, ...] = tuple(values.shape[1:] if image_shape is None else image_shape)
    if len(shape) not in {2, 3} or (len(shape) == 3 and shape[2] not in {1, 3, 4}):
        raise ValueError(
            f"The samples of {name} have shape {shape}, which is no image; pass image_shape="
            "(height, width) or (height, width, n_channels) with 1, 3 or 4 channels."
        )
    if math.prod(values.shape[1:]) != math.prod(shape):
        raise ValueError(
            f"image_shape={shape} holds {math.prod(shape)} values, but the samples of {name} have "
            f"{math.prod(values.shape[1:])} each; pass an image_shape of that many values."
        )
    shape = shape[:2] if shape[2:] == (1,) else shape
    return values.reshape(-1, *shape)


def as_samples(rows: Values, shape: Any, name: str) -> Values:
    """Return rows as images, or, flat rows and sequences of one channel, as signals."""
    sample = rows.shape[1:] if shape is None else tuple(shape)
    if len(sample) == 1 or (len(sample) == 2 and sample[1] == 1):
        return rows.reshape(len(rows), -1)
    return as_images(rows, sample, name)


def pick_row(X: Any, row: int, name: str) -> Any:
    """Return one sample as a table of one row, which keeps its label where it has one."""
    n_samples = len(X)
    if not -n_samples <= row < n_samples:
        raise ValueError(
            f"row={row} is not in {name}, which has {n_samples} samples; rows are counted by "
            "position, from 0."
        )
    start = row % n_samples
    return X.iloc[start : start + 1] if hasattr(X, "iloc") else X[start : start + 1]


def draw_threshold(ax: Any, threshold: float | None, given: Keywords) -> Any:
    """Draw the cut, if there is one."""
    if threshold is None:
        return None
    label = f"threshold {threshold:.3g}"
    options = merged(given, "lines.Line2D", color="black", linestyle="--", label=label)
    return ax.axvline(threshold, **options)


def image_options(images: Values, given: Keywords) -> dict[str, Any]:
    """Return keywords for ``imshow``, by which images of one range look alike."""
    options = merged(given, "image.AxesImage", cmap="gray")
    if "norm" not in options:
        options = {"vmin": np.nanmin(images), "vmax": np.nanmax(images), **options}
    return options


def check_dimensions(dimensions: tuple[int, int], latent_dim: int) -> None:
    """Refuse numbers of the code that are not there."""
    if len(dimensions) != 2 or not all(0 <= number < latent_dim for number in dimensions):
        raise ValueError(
            f"dimensions={dimensions} must be two numbers below {latent_dim}, the size of the "
            "code; a picture of two dimensions needs latent_dim=2 or more."
        )


def is_continuous(labels: Values) -> bool:
    """Tell numbers, which get a colour bar, from labels, which get a legend."""
    return labels.dtype.kind in "iuf" and len(np.unique(labels)) > _MOST_CLASSES
