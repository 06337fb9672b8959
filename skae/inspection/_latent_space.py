"""Where rows lie in the latent space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skae.inspection._plotting import (
    Keywords,
    Values,
    begin,
    check_dimensions,
    is_continuous,
    merged,
    require,
    unwrap,
)


class LatentSpaceDisplay:
    """Codes of rows as points of two dimensions, by label where labels are known.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    codes : array-like of shape (n_samples, 2)
        Codes.
    y : array-like of shape (n_samples,), default=None
        Labels, or numbers for a colour bar.
    dimensions : tuple of int, default=(0, 1)
        Which numbers of the code the two are; for the labels of the axes.

    Attributes
    ----------
    scatters_ : dict of matplotlib PathCollection
        Points of each label; under None where there are no labels, or numbers.
    legend_ : matplotlib Legend or None
        Legend of the labels.
    colorbar_ : matplotlib Colorbar or None
        Colours of the numbers.
    ax_ : matplotlib Axes
        Axes drawn on.
    figure_ : matplotlib Figure
        Figure of the axes.

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
        self,
        *,
        codes: ArrayLike,
        y: ArrayLike | None = None,
        dimensions: tuple[int, int] = (0, 1),
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
        """Encode rows, and draw their codes.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``transform``; may be the last step of a pipeline, whose other steps are
            applied to `X`, or the best one of a search.
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Labels; more than 20 different numbers get a colour bar.
        dimensions : tuple of int, default=(0, 1)
            The two numbers of the code to draw.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        scatter_kwargs : dict, default=None
            Keywords for ``ax.scatter``.

        Returns
        -------
        display : LatentSpaceDisplay
            The artists and what they show.
        """
        inner, seen = unwrap(estimator, X)
        require(inner, "transform", f"{cls.__name__}.from_estimator")
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
        """Draw codes.

        Parameters
        ----------
        codes : array-like of shape (n_samples, latent_dim)
            Codes.
        y : array-like of shape (n_samples,), default=None
            Labels; more than 20 different numbers get a colour bar.
        dimensions : tuple of int, default=(0, 1)
            The two numbers of the code to draw.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        scatter_kwargs : dict, default=None
            Keywords for ``ax.scatter``.

        Returns
        -------
        display : LatentSpaceDisplay
            The artists and what they show.
        """
        table = np.asarray(codes)
        table = table.reshape(len(table), -1)
        check_dimensions(dimensions, table.shape[1])
        display = cls(codes=table[:, list(dimensions)], y=y, dimensions=dimensions)
        return display.plot(ax, scatter_kwargs=scatter_kwargs)

    def plot(self, ax: Any = None, *, scatter_kwargs: Keywords = None) -> LatentSpaceDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        scatter_kwargs : dict, default=None
            Keywords for ``ax.scatter``.

        Returns
        -------
        display : LatentSpaceDisplay
            Itself.
        """
        ax = begin(self, ax)
        codes = np.asarray(self.codes)
        labels = None if self.y is None else np.asarray(self.y)
        options = merged(scatter_kwargs, "collections.PathCollection", alpha=0.7)
        options = options if {"s", "sizes"} & options.keys() else {**options, "s": 10}
        self.legend_ = self.colorbar_ = None
        if labels is None:
            self.scatters_ = {None: ax.scatter(*codes.T, **options)}
        elif is_continuous(labels):
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
