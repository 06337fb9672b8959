"""Helpers of the Displays: optional packages, keywords, nested estimators, images."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Keywords = Mapping[str, Any] | None
Values = NDArray[Any]
# Of functions, which have no other constructor.
_ADVICE = {
    "explain": "such as a ReconstructionOutlierDetector or a pipeline that ends in one",
    "explore": "such as an AutoencoderTransformer or a pipeline that ends in one",
}


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
    """Return the axes to draw on, new ones if there are none, and keep them."""
    pyplot = import_extra("matplotlib.pyplot", f"{type(display).__name__}.plot", "plot")
    if ax is None:
        _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def merged(kwargs: Keywords, artist: str, **defaults: Any) -> dict[str, Any]:
    """Return `defaults` updated by `kwargs`, where ``c`` replaces ``color`` and so on.

    `artist` is the dotted name, below ``matplotlib``, of the class that knows the aliases.
    """
    from matplotlib import cbook

    module, _, name = artist.rpartition(".")
    known = getattr(importlib.import_module(f"matplotlib.{module}"), name)
    return {**defaults, **cbook.normalize_kwargs(dict(kwargs or {}), known)}


def draw_line(ax: Any, x: ArrayLike, y: ArrayLike, kwargs: Keywords, **defaults: Any) -> Any:
    """Draw one line."""
    (line,) = ax.plot(x, y, **merged(kwargs, "lines.Line2D", **defaults))
    return line


def unwrap(estimator: Any, X: Any = None, method: str = "", caller: str = "") -> tuple[Any, Any]:
    """Return the autoencoder inside a search or a pipeline, and its input; check for `method`."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    steps: Any = estimator if hasattr(estimator, "steps") else [estimator]
    if method and not hasattr(steps[-1], method):
        kind = type(steps[-1]).__name__
        advice = _ADVICE.get(caller, "or give what is to be drawn to another constructor")
        raise TypeError(
            f"{caller} needs an estimator with {method!r}, but {kind} has none; pass another "
            f"estimator, {advice}."
        )
    if X is not None and len(steps) > 1:
        X = steps[:-1].transform(X)
    return steps[-1], X


def reconstruct(estimator: Any, X: Any) -> Any:
    """Reconstruct samples, or denoise them where the estimator predicts."""
    return estimator.reconstruct(X) if hasattr(estimator, "reconstruct") else estimator.predict(X)


def pick_row(X: Any, row: int) -> Any:
    """Return one sample as a table of one row, which keeps its label where it has one."""
    n_samples = len(X)
    if not -n_samples <= row < n_samples:
        raise ValueError(
            f"row={row} is not in X, which has {n_samples} samples; rows are counted by "
            "position, from 0."
        )
    start = row % n_samples
    return X.iloc[start : start + 1] if hasattr(X, "iloc") else X[start : start + 1]


def image_shape_of(estimator: Any, image_shape: Any) -> Any:
    """Return the shape of an image: as given, or the estimator's `input_shape`."""
    return getattr(estimator, "input_shape", None) if image_shape is None else image_shape


def as_images(samples: ArrayLike, image_shape: Any, name: str) -> Values:
    """Return samples as images of shape (n_samples, height, width) or (..., 3 or 4)."""
    values = np.asarray(samples)
    shape = tuple(values.shape[1:] if image_shape is None else image_shape)
    if len(shape) not in {2, 3} or (len(shape) == 3 and shape[2] not in {1, 3, 4}):
        raise ValueError(
            f"The samples of {name} have shape {shape}, which is no image; pass image_shape="
            "(height, width) or (height, width, n_channels) with 1, 3 or 4 channels."
        )
    size, wanted = math.prod(values.shape[1:]), math.prod(shape)
    if size != wanted:
        raise ValueError(
            f"image_shape={shape} holds {wanted} values, but the samples of {name} have {size} "
            "each; pass an image_shape of that many values."
        )
    return values.reshape(-1, *(shape[:2] if shape[2:] == (1,) else shape))


def image_options(images: Values, kwargs: Keywords) -> dict[str, Any]:
    """Return keywords for ``imshow`` that give all images the same range."""
    options = merged(kwargs, "image.AxesImage", cmap="gray")
    if "norm" in options:
        return options
    return {"vmin": np.nanmin(images), "vmax": np.nanmax(images), **options}


def latent_size(estimator: Any) -> int:
    """Return how many numbers a latent code has; `latent_dim` is None for feature maps."""
    return math.prod(estimator.decoder_.input_shape[1:])


def check_dimensions(dimensions: tuple[int, int], latent_dim: int) -> None:
    """Raise an error for dimensions that the latent code does not have."""
    if len(dimensions) != 2 or not all(0 <= number < latent_dim for number in dimensions):
        raise ValueError(
            f"dimensions={dimensions} must be two numbers below {latent_dim}, the size of the "
            "latent code; a picture of two dimensions needs latent_dim=2 or more."
        )


def decode(estimator: Any, codes: Values, image_shape: Any) -> Values:
    """Decode latent codes to images, or to signals: flat samples and sequences of one channel."""
    decoded = np.asarray(estimator.inverse_transform(codes.astype(np.float32)))
    shape = image_shape_of(estimator, image_shape)
    sample = decoded.shape[1:] if shape is None else tuple(shape)
    if len(sample) == 1 or (len(sample) == 2 and sample[1] == 1):
        return decoded.reshape(len(decoded), -1)
    return as_images(decoded, sample, "the decoded codes")
