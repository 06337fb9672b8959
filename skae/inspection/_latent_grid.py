"""What the points of the latent space decode to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skae.inspection._plotting import (
    Keywords,
    Values,
    as_samples,
    begin,
    check_dimensions,
    image_options,
    image_shape_of,
    merged,
    require,
    unwrap,
)

_INCHES_PER_IMAGE = 0.65


class LatentGridDisplay:
    """What codes decode to that lie on a grid over two dimensions of the latent space.

    Make one with `from_estimator` or `from_predictions`. Each image or signal is drawn around its
    code.

    Parameters
    ----------
    decoded : array-like of shape (n_rows, n_columns, n_steps) or \
            (n_rows, n_columns, height, width, ...)
        Signals or images, from the smallest to the largest code.
    x, y : array-like of shape (n_columns,) and (n_rows,)
        The codes' two numbers.
    dimensions : tuple of int, default=(0, 1)
        Which numbers of the code the two are; for the labels of the axes.

    Attributes
    ----------
    images_ : ndarray of matplotlib AxesImage, of shape (n_rows, n_columns), or None
        The images.
    lines_ : ndarray of matplotlib Line2D, of shape (n_rows, n_columns), or None
        The signals.
    ax_ : matplotlib Axes
        Axes drawn on.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    LatentSpaceDisplay : Where rows lie in the latent space.
    explore : Sliders for the code, in a notebook.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder
    >>> from skae.inspection import LatentGridDisplay
    >>> X = load_digits().images / 16
    >>> vae = VariationalAutoencoder(latent_dim=2, epochs=3, random_state=0).fit(X)
    >>> display = LatentGridDisplay.from_estimator(vae, n_steps=5, limits=(-2, 2))
    >>> display.images_.shape
    (5, 5)
    """

    def __init__(
        self,
        *,
        decoded: ArrayLike,
        x: ArrayLike,
        y: ArrayLike,
        dimensions: tuple[int, int] = (0, 1),
    ) -> None:
        self.decoded = decoded
        self.x = x
        self.y = y
        self.dimensions = dimensions

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        n_steps: int = 10,
        limits: tuple[float, float] = (-3.0, 3.0),
        dimensions: tuple[int, int] = (0, 1),
        center: ArrayLike | None = None,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        image_kwargs: Keywords = None,
        line_kwargs: Keywords = None,
    ) -> LatentGridDisplay:
        """Decode codes on a grid, and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``inverse_transform``; may be the last step of a pipeline, or the best
            one of a search.
        n_steps : int, default=10
            Codes along each of the two dimensions.
        limits : tuple of float, default=(-3.0, 3.0)
            The smallest and the largest number, of both dimensions.
        dimensions : tuple of int, default=(0, 1)
            The two numbers of the code that change, along the horizontal and the vertical axis.
        center : array-like of shape (latent_dim,), default=None
            The code that the others are taken from; None is zero, the centre of a variational
            autoencoder's prior.
        image_shape : tuple of int, default=None
            Shape of one image; None takes that of the rows that the estimator was fitted on, or
            its `input_shape`. Flat rows, and sequences of one channel, are drawn as signals.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``.
        line_kwargs : dict, default=None
            Keywords for ``ax.plot``.

        Returns
        -------
        display : LatentGridDisplay
            The artists and what they show.
        """
        inner, _ = unwrap(estimator)
        require(inner, "inverse_transform", f"{cls.__name__}.from_estimator")
        check_is_fitted(inner)
        steps = np.linspace(*limits, n_steps)
        codes = _codes(inner, steps, dimensions, center)
        decoded = np.asarray(inner.inverse_transform(codes.astype(np.float32)))
        decoded = as_samples(decoded, image_shape_of(inner, image_shape), "the decoded codes")
        return cls.from_predictions(
            decoded.reshape(n_steps, n_steps, *decoded.shape[1:]),
            steps,
            steps,
            dimensions=dimensions,
            ax=ax,
            image_kwargs=image_kwargs,
            line_kwargs=line_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        decoded: ArrayLike,
        x: ArrayLike,
        y: ArrayLike,
        *,
        dimensions: tuple[int, int] = (0, 1),
        ax: Any = None,
        image_kwargs: Keywords = None,
        line_kwargs: Keywords = None,
    ) -> LatentGridDisplay:
        """Draw decoded codes.

        Parameters
        ----------
        decoded : array-like of shape (n_rows, n_columns, n_steps) or \
                (n_rows, n_columns, height, width, ...)
            Signals or images, from the smallest to the largest code.
        x, y : array-like of shape (n_columns,) and (n_rows,)
            The codes' two numbers, evenly spaced.
        dimensions : tuple of int, default=(0, 1)
            Which numbers of the code the two are; for the labels of the axes.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``.
        line_kwargs : dict, default=None
            Keywords for ``ax.plot``.

        Returns
        -------
        display : LatentGridDisplay
            The artists and what they show.
        """
        shape = np.asarray(decoded).shape
        wanted = (len(np.asarray(y)), len(np.asarray(x)))
        if len(shape) < 3 or shape[:2] != wanted:
            raise ValueError(
                f"decoded must have shape {wanted}, the lengths of y and x, and then that of one "
                f"sample; got {shape}."
            )
        display = cls(decoded=decoded, x=x, y=y, dimensions=dimensions)
        return display.plot(ax, image_kwargs=image_kwargs, line_kwargs=line_kwargs)

    def plot(
        self, ax: Any = None, *, image_kwargs: Keywords = None, line_kwargs: Keywords = None
    ) -> LatentGridDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``; by default all images share their range of values.
        line_kwargs : dict, default=None
            Keywords for ``ax.plot``.

        Returns
        -------
        display : LatentGridDisplay
            Itself.
        """
        decoded = np.asarray(self.decoded)
        decoded = decoded[..., 0] if decoded.shape[3:] == (1,) else decoded
        n_rows, n_columns = decoded.shape[:2]
        ratio = 0.7 if decoded.ndim == 3 else decoded.shape[2] / decoded.shape[3]
        sides = n_columns * _INCHES_PER_IMAGE, n_rows * _INCHES_PER_IMAGE * ratio
        ax = begin(self, ax, (sides[0] + 0.8, sides[1] + 0.8))
        self.images_ = self.lines_ = None
        x, y = (_cells(values) for values in (self.x, self.y))
        if decoded.ndim == 3:
            self.lines_ = _draw_signals(ax, decoded, x, y, line_kwargs)
        else:
            self.images_ = _draw_images(ax, decoded, x, y, image_kwargs)
        ax.set(xlim=(x[0, 0], x[-1, 1]), ylim=(y[0, 0], y[-1, 1]), title="Decoded codes")
        ax.set_aspect("auto")
        ax.set_box_aspect(n_rows * ratio / n_columns)
        ax.set(xlabel=f"code[{self.dimensions[0]}]", ylabel=f"code[{self.dimensions[1]}]")
        return self


def _codes(
    estimator: Any, steps: Values, dimensions: tuple[int, int], center: ArrayLike | None
) -> Values:
    """Return the codes of the grid, row by row."""
    # The decoder is asked, since latent_dim is None where the code is a feature map.
    size = math.prod(estimator.decoder_.input_shape[1:])
    check_dimensions(dimensions, size)
    base = np.zeros(size) if center is None else np.asarray(center, np.float64)
    if base.shape != (size,):
        raise ValueError(f"center must be a code of shape ({size},); got {base.shape}.")
    codes = np.tile(base, (len(steps) ** 2, 1))
    codes[:, dimensions[0]] = np.tile(steps, len(steps))
    codes[:, dimensions[1]] = np.repeat(steps, len(steps))
    return codes


def _cells(centers: ArrayLike) -> Values:
    """Return the lower and upper end of the cell around each of evenly spaced numbers."""
    values = np.asarray(centers, np.float64)
    half = np.ptp(values) / (len(values) - 1) / 2 if len(values) > 1 else 0.5
    return np.column_stack([values - half, values + half])


def _draw_images(ax: Any, decoded: Values, x: Values, y: Values, given: Keywords) -> Values:
    options = image_options(decoded, given)
    images = np.empty(decoded.shape[:2], object)
    for i, j in np.ndindex(images.shape):
        images[i, j] = ax.imshow(decoded[i, j], extent=(*x[j], *y[i]), **options)
    return images


def _draw_signals(ax: Any, decoded: Values, x: Values, y: Values, given: Keywords) -> Values:
    options = merged(given, "lines.Line2D", color="tab:blue", linewidth=1)
    span = np.ptp(decoded) or 1.0
    heights = 0.05 + 0.9 * (decoded - decoded.min()) / span
    places = np.linspace(0.05, 0.95, decoded.shape[2])
    lines = np.empty(decoded.shape[:2], object)
    for i, j in np.ndindex(lines.shape):
        across = x[j, 0] + places * np.ptp(x[j])
        up = y[i, 0] + heights[i, j] * np.ptp(y[i])
        (lines[i, j],) = ax.plot(across, up, **options)
    return lines
