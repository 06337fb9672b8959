"""Rows of images: originals over reconstructions, noisy over denoised over clean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skae.inspection._plotting import (
    Keywords,
    as_images,
    begin,
    image_options,
    image_shape_of,
    unwrap,
)

_GAP = 0.08
_INCHES_PER_IMAGE = 0.95


class ReconstructionDisplay:
    """Rows of images over one another: originals over reconstructions, noisy over denoised.

    Make one with `from_estimator` or `from_predictions`; the constructor takes any rows, such as
    generated images.

    Parameters
    ----------
    rows : sequence of array-like of shape (n_images, height, width) or (..., n_channels)
        Images, from top to bottom.
    row_labels : sequence of str, default=None
        What each row shows.
    column_labels : sequence of str, default=None
        What each column shows, above it.

    Attributes
    ----------
    images_ : ndarray of matplotlib AxesImage, of shape (n_rows, n_images)
        The images, by row and column.
    ax_ : matplotlib Axes
        Axes drawn on.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    SignalReconstructionDisplay : A signal and its reconstruction.
    LatentGridDisplay : Decoded codes on a grid.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> from skae.inspection import ReconstructionDisplay
    >>> X = load_digits().images / 16
    >>> coder = AutoencoderTransformer(epochs=3, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(coder, X, n_images=5)
    >>> display.images_.shape
    (2, 5)
    """

    def __init__(
        self,
        rows: Sequence[ArrayLike],
        *,
        row_labels: Sequence[str] | None = None,
        column_labels: Sequence[str] | None = None,
    ) -> None:
        self.rows = rows
        self.row_labels = row_labels
        self.column_labels = column_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        n_images: int = 10,
        image_shape: tuple[int, ...] | None = None,
        row_labels: Sequence[str] | None = None,
        column_labels: Sequence[str] | None = None,
        ax: Any = None,
        image_kwargs: Keywords = None,
    ) -> ReconstructionDisplay:
        """Reconstruct or denoise the first images of `X`, and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted; may be the last step of a pipeline, whose other steps are applied to `X`, or
            the best one of a search. One without ``reconstruct`` denoises with ``predict``.
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width, ...)
            Images; noisy ones for a denoiser.
        y : array-like of the kind of `X`, default=None
            Clean images, for a third row under a denoiser's.
        n_images : int, default=10
            How many images to draw.
        image_shape : tuple of int, default=None
            Shape of one image; None takes the estimator's `input_shape`, else that of `X`.
        row_labels, column_labels : sequence of str, default=None
            What rows and columns show; None names the rows by what they are.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``; by default all images share the range of the clean ones,
            or else of `X`.

        Returns
        -------
        display : ReconstructionDisplay
            The artists and what they show.
        """
        inner, seen = unwrap(estimator, X[:n_images])
        denoises = not hasattr(inner, "reconstruct")
        again = inner.predict(seen) if denoises else inner.reconstruct(seen)
        if row_labels is None and denoises:
            row_labels = ["noisy", "denoised", "clean"][: 2 if y is None else 3]
        return cls.from_predictions(
            seen,
            again,
            y,
            n_images=n_images,
            image_shape=image_shape_of(inner, image_shape),
            row_labels=row_labels,
            column_labels=column_labels,
            ax=ax,
            image_kwargs=image_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        X_reconstructed: Any,
        y: Any = None,
        *,
        n_images: int = 10,
        image_shape: tuple[int, ...] | None = None,
        row_labels: Sequence[str] | None = None,
        column_labels: Sequence[str] | None = None,
        ax: Any = None,
        image_kwargs: Keywords = None,
    ) -> ReconstructionDisplay:
        """Draw the first images of `X` over what an estimator made of them.

        Parameters
        ----------
        X, X_reconstructed : array-like of shape (n_samples, n_features) or (n_samples, height, ...)
            Images and their reconstructions, or noisy and denoised ones.
        y : array-like of the kind of `X`, default=None
            Clean images, for a third row.
        n_images : int, default=10
            How many images to draw.
        image_shape : tuple of int, default=None
            Shape of one image; None takes that of `X`.
        row_labels, column_labels : sequence of str, default=None
            What rows and columns show; None names the rows by what they are.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``; by default all images share the range of the clean ones,
            or else of `X`.

        Returns
        -------
        display : ReconstructionDisplay
            The artists and what they show.
        """
        given = {"X": X, "X_reconstructed": X_reconstructed}
        given |= {} if y is None else {"y": y}
        rows = [as_images(images[:n_images], image_shape, name) for name, images in given.items()]
        if row_labels is None:
            row_labels = ["original", "reconstruction", "clean"][: len(rows)]
        display = cls(rows, row_labels=row_labels, column_labels=column_labels)
        # Noise goes beyond the range of the images, and would leave them pale.
        options = image_options(rows[0] if y is None else rows[-1], image_kwargs)
        return display.plot(ax, image_kwargs=options)

    def plot(self, ax: Any = None, *, image_kwargs: Keywords = None) -> ReconstructionDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``; by default all images share the first row's range of
            values.

        Returns
        -------
        display : ReconstructionDisplay
            Itself.
        """
        rows = [np.asarray(images) for images in self.rows]
        height, width = rows[0].shape[1:3]
        n_columns = max(map(len, rows))
        inches = _INCHES_PER_IMAGE * n_columns + 1.2, _INCHES_PER_IMAGE * len(rows) * height / width
        ax = begin(self, ax, (inches[0], inches[1] + 0.4))
        options = image_options(rows[0], image_kwargs)
        self.images_ = np.full((len(rows), n_columns), None, object)
        step = 1 + _GAP
        for i, images in enumerate(rows):
            for j, image in enumerate(images):
                extent = j * step, j * step + 1, i * step + 1, i * step
                self.images_[i, j] = ax.imshow(image, extent=extent, **options)
        ax.set(xlim=(0, n_columns * step - _GAP), ylim=(len(rows) * step - _GAP, 0))
        ax.set_aspect(height / width)
        self._label(ax, step, n_columns)
        return self

    def _label(self, ax: Any, step: float, n_columns: int) -> None:
        ax.set_frame_on(False)
        ax.tick_params(length=0, labeltop=True, labelbottom=False)
        ax.set_xticks([])
        ax.set_yticks([])
        if self.column_labels is not None:
            labels = list(self.column_labels)[:n_columns]
            ax.set_xticks(np.arange(len(labels)) * step + 0.5, labels)
        if self.row_labels is not None:
            ax.set_yticks(np.arange(len(self.row_labels)) * step + 0.5, self.row_labels)
