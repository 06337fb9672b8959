"""The latent space: where samples lie, and what its points decode to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skae.inspection._docs import documented
from skae.inspection._plotting import (
    Keywords,
    Values,
    begin,
    check_dimensions,
    decode,
    draw_line,
    image_options,
    latent_size,
    merged,
    unwrap,
)

_MOST_CLASSES = 20
_INCHES_PER_IMAGE = 0.65


@documented
class LatentSpaceDisplay:
    """Latent codes as points in two dimensions, by label where labels are known.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    codes : array-like of shape (n_samples, 2)
        Latent codes.
    y : array-like of shape (n_samples,), default=None
        Labels; more than 20 different numbers get a color bar.
    dimensions : tuple of int, default=(0, 1)
        The two dimensions of the latent code, for the labels of the axes.

    Attributes
    ----------
    scatters_ : dict of matplotlib PathCollection
        Points of each label; under None where there are no labels, or numbers.
    legend_ : matplotlib Legend or None
        Legend of the labels.
    colorbar_ : matplotlib Colorbar or None
        Colors of the numbers.

    See Also
    --------
    LatentGridDisplay : What the points of the latent space decode to.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> from skae.inspection import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> coder = AutoencoderTransformer(latent_dim=2, epochs=3, random_state=0).fit(X / 16)
    >>> display = LatentSpaceDisplay.from_estimator(coder, X / 16, y)
    >>> len(display.scatters_)
    10
    """

    def __init__(
        self, *, codes: ArrayLike, y: ArrayLike | None = None, dimensions: tuple[int, int] = (0, 1)
    ) -> None:
        self.codes = codes
        self.y = y
        self.dimensions = dimensions

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        dimensions: tuple[int, int] = (0, 1),
        ax: Any = None,
        scatter_kwargs: Keywords = None,
    ) -> LatentSpaceDisplay:
        """Encode samples with ``transform``, and draw their latent codes."""
        inner, seen = unwrap(estimator, X, "transform", cls.__name__)
        return cls.from_predictions(
            inner.transform(seen), y, dimensions=dimensions, ax=ax, scatter_kwargs=scatter_kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        codes: ArrayLike,
        y: ArrayLike | None = None,
        *,
        dimensions: tuple[int, int] = (0, 1),
        ax: Any = None,
        scatter_kwargs: Keywords = None,
    ) -> LatentSpaceDisplay:
        """Draw latent codes.

        Parameters
        ----------
        codes : array-like of shape (n_samples, latent_dim)
            Latent codes.
        dimensions : tuple of int, default=(0, 1)
            The two dimensions of the latent code to draw.
        """
        table = np.asarray(codes)
        table = table.reshape(len(table), -1)
        check_dimensions(dimensions, table.shape[1])
        display = cls(codes=table[:, list(dimensions)], y=y, dimensions=dimensions)
        return display.plot(ax, scatter_kwargs=scatter_kwargs)

    def plot(self, ax: Any = None, *, scatter_kwargs: Keywords = None) -> LatentSpaceDisplay:
        """Draw on axes.

        Parameters
        ----------
        scatter_kwargs : dict, default=None
            Keywords for ``ax.scatter``.
        """
        ax = begin(self, ax)
        codes = np.asarray(self.codes)
        labels = None if self.y is None else np.asarray(self.y)
        options = merged(scatter_kwargs, "collections.PathCollection", alpha=0.7)
        if not {"s", "sizes"} & options.keys():
            options["s"] = 10
        self.legend_ = self.colorbar_ = None
        if labels is None:
            self.scatters_ = {None: ax.scatter(*codes.T, **options)}
        elif labels.dtype.kind in "iuf" and len(np.unique(labels)) > _MOST_CLASSES:
            self.scatters_ = {None: ax.scatter(*codes.T, c=labels, **options)}
            self.colorbar_ = ax.figure.colorbar(self.scatters_[None], ax=ax)
        else:
            self._plot_classes(ax, codes, labels, options)
        first, second = self.dimensions
        ax.set(xlabel=f"code[{first}]", ylabel=f"code[{second}]", title="Latent space")
        return self

    def _plot_classes(
        self, ax: Any, codes: Values, labels: Values, options: dict[str, Any]
    ) -> None:
        from matplotlib import colormaps

        classes = np.unique(labels).tolist()
        palette = colormaps["tab10" if len(classes) <= 10 else "tab20"]
        self.scatters_ = {}
        for number, label in enumerate(classes):
            own = {"color": palette(number % palette.N), "label": str(label), **options}
            self.scatters_[label] = ax.scatter(*codes[labels == label].T, **own)
        # Beside the points only where a layout makes room: else it would lie on the next picture.
        place: dict[str, Any] = {"loc": "upper right"}
        if ax.figure.get_layout_engine() is not None:
            place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        self.legend_ = ax.legend(markerscale=2, title="label", **place)


@documented
class LatentGridDisplay:
    """Decoded latent codes on a grid over two dimensions of the latent space.

    Make one with `from_estimator` or `from_predictions`. Each image or signal is drawn around its
    latent code.

    Parameters
    ----------
    decoded : array-like of shape (n_rows, n_columns, n_steps) or \
            (n_rows, n_columns, height, width, ...)
        Signals or images, from the smallest to the largest latent code.
    x, y : array-like of shape (n_columns,) and (n_rows,)
        Places of the latent codes along the two dimensions, evenly spaced.
    dimensions : tuple of int, default=(0, 1)
        The two dimensions of the latent code, for the labels of the axes.

    Attributes
    ----------
    images_ : ndarray of matplotlib AxesImage, of shape (n_rows, n_columns), or None
        The images.
    lines_ : ndarray of matplotlib Line2D, of shape (n_rows, n_columns), or None
        The signals.

    See Also
    --------
    LatentSpaceDisplay : Where samples lie in the latent space.
    explore : Sliders for the latent code, in a notebook.

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
        """Decode latent codes on a grid with ``inverse_transform``, and draw them.

        Parameters
        ----------
        n_steps : int, default=10
            Latent codes along each of the two dimensions.
        limits : tuple of float, default=(-3.0, 3.0)
            The smallest and the largest number, of both dimensions.
        dimensions : tuple of int, default=(0, 1)
            The dimensions of the latent code that change, horizontally and vertically.
        center : array-like of shape (latent_dim,), default=None
            The latent code that gives the other dimensions; None is zero, the center of a
            variational autoencoder's prior.
        image_shape : tuple of int, default=None
            Shape of one image; None takes the `input_shape` of the estimator, or the shape of the
            training samples. Flat samples, and sequences of one channel, are drawn as signals.
        """
        inner, _ = unwrap(estimator, None, "inverse_transform", cls.__name__)
        check_is_fitted(inner)
        steps = np.linspace(*limits, n_steps)
        codes = _codes(latent_size(inner), steps, dimensions, center)
        decoded = decode(inner, codes, image_shape)
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
        """Draw decoded latent codes."""
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
        """Draw on axes.

        Parameters
        ----------
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``; by default all images share their range of values.
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
        ax.set(xlim=(x[0, 0], x[-1, 1]), ylim=(y[0, 0], y[-1, 1]), title="Decoded latent codes")
        ax.set_aspect("auto")
        ax.set_box_aspect(n_rows * ratio / n_columns)
        ax.set(xlabel=f"code[{self.dimensions[0]}]", ylabel=f"code[{self.dimensions[1]}]")
        return self


def _codes(
    size: int, steps: Values, dimensions: tuple[int, int], center: ArrayLike | None
) -> Values:
    """Return the latent codes of the grid, row by row."""
    check_dimensions(dimensions, size)
    base = np.zeros(size) if center is None else np.asarray(center, np.float64)
    if base.shape != (size,):
        raise ValueError(f"center must be a latent code of shape ({size},); got {base.shape}.")
    codes = np.tile(base, (len(steps) ** 2, 1))
    codes[:, dimensions[0]] = np.tile(steps, len(steps))
    codes[:, dimensions[1]] = np.repeat(steps, len(steps))
    return codes


def _cells(centers: ArrayLike) -> Values:
    """Return the lower and upper end of the cell around each of evenly spaced numbers."""
    values = np.asarray(centers, np.float64)
    half = np.ptp(values) / (len(values) - 1) / 2 if len(values) > 1 else 0.5
    return np.column_stack([values - half, values + half])


def _draw_images(ax: Any, decoded: Values, x: Values, y: Values, kwargs: Keywords) -> Values:
    options = image_options(decoded, kwargs)
    images = np.empty(decoded.shape[:2], object)
    for i, j in np.ndindex(images.shape):
        images[i, j] = ax.imshow(decoded[i, j], extent=(*x[j], *y[i]), **options)
    return images


def _draw_signals(ax: Any, decoded: Values, x: Values, y: Values, kwargs: Keywords) -> Values:
    span = np.ptp(decoded) or 1.0
    heights = 0.05 + 0.9 * (decoded - decoded.min()) / span
    places = np.linspace(0.05, 0.95, decoded.shape[2])
    lines = np.empty(decoded.shape[:2], object)
    for i, j in np.ndindex(lines.shape):
        across = x[j, 0] + places * np.ptp(x[j])
        up = y[i, 0] + heights[i, j] * np.ptp(y[i])
        lines[i, j] = draw_line(ax, across, up, kwargs, color="tab:blue", linewidth=1)
    return lines
