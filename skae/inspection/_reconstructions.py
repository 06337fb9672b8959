"""Samples and their reconstructions: rows of images, and one signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skae.inspection._docs import documented
from skae.inspection._plotting import (
    Keywords,
    as_images,
    begin,
    draw_line,
    image_options,
    image_shape_of,
    merged,
    pick_row,
    reconstruct,
    unwrap,
)

_GAP = 0.08
_INCHES_PER_IMAGE = 0.95


@documented
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

    See Also
    --------
    SignalReconstructionDisplay : A signal and its reconstruction.
    LatentGridDisplay : Decoded latent codes on a grid.

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
        """Reconstruct the first images of `X`, or denoise them with ``predict``, and draw both.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width, ...)
            Images; noisy ones for a denoiser.
        image_shape : tuple of int, default=None
            Shape of one image; None takes the estimator's `input_shape`, else that of `X`.
        """
        inner, seen = unwrap(estimator, X[:n_images])
        denoises = not hasattr(inner, "reconstruct")
        if row_labels is None and denoises:
            row_labels = ["noisy", "denoised", "clean"][: 2 if y is None else 3]
        return cls.from_predictions(
            seen,
            reconstruct(inner, seen),
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
        """Draw the first images of `X` over their reconstructions.

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
        row_labels : sequence of str, default=None
            What each row shows; None names originals, reconstructions and clean images.
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``; by default all images share the range of the clean ones,
            or else of `X`.
        """
        named = {"X": X, "X_reconstructed": X_reconstructed}
        named |= {} if y is None else {"y": y}
        rows = [as_images(images[:n_images], image_shape, name) for name, images in named.items()]
        if row_labels is None:
            row_labels = ["original", "reconstruction", "clean"][: len(rows)]
        display = cls(rows, row_labels=row_labels, column_labels=column_labels)
        # Noise exceeds the range of the images, which would look pale.
        options = image_options(rows[0] if y is None else rows[-1], image_kwargs)
        return display.plot(ax, image_kwargs=options)

    def plot(self, ax: Any = None, *, image_kwargs: Keywords = None) -> ReconstructionDisplay:
        """Draw on axes.

        Parameters
        ----------
        image_kwargs : dict, default=None
            Keywords for ``ax.imshow``; by default all images share the first row's range of
            values.
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
        columns = [] if self.column_labels is None else list(self.column_labels)[:n_columns]
        rows = [] if self.row_labels is None else list(self.row_labels)
        ax.set_xticks(np.arange(len(columns)) * step + 0.5, columns)
        ax.set_yticks(np.arange(len(rows)) * step + 0.5, rows)


@documented
class SignalReconstructionDisplay:
    """One signal with its reconstruction, and the error filled between them.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    signal, reconstruction : array-like of shape (n_steps,)
        The signal and its reconstruction.
    time : array-like of shape (n_steps,), default=None
        Where the values lie on the horizontal axis; None counts them from 0.

    Attributes
    ----------
    signal_line_, reconstruction_line_ : matplotlib Line2D
        The two signals.
    error_fill_ : matplotlib PolyCollection
        The area between them.

    See Also
    --------
    ReconstructionDisplay : Images over their reconstructions.
    FeatureErrorDisplay : The largest errors of one sample, by feature.

    Examples
    --------
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.datasets import make_ecg_beats
    >>> from skae.inspection import SignalReconstructionDisplay
    >>> beats, _ = make_ecg_beats(200, random_state=0)
    >>> detector = ReconstructionOutlierDetector(epochs=3, random_state=0).fit(beats)
    >>> display = SignalReconstructionDisplay.from_estimator(detector, beats, row=5)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['signal', 'reconstruction', 'error']
    """

    _ylabel = "value"

    def __init__(
        self, *, signal: ArrayLike, reconstruction: ArrayLike, time: ArrayLike | None = None
    ) -> None:
        self.signal = signal
        self.reconstruction = reconstruction
        self.time = time

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        row: int = 0,
        channel: int = 0,
        time: ArrayLike | None = None,
        ax: Any = None,
        signal_kwargs: Keywords = None,
        reconstruction_kwargs: Keywords = None,
        fill_kwargs: Keywords = None,
    ) -> SignalReconstructionDisplay:
        """Reconstruct one signal of `X`, or denoise it with ``predict``, and draw both.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_steps) or (n_samples, n_steps, n_channels)
            Signals.
        channel : int, default=0
            Channel to draw, of signals that have several.
        """
        inner, seen = unwrap(estimator, pick_row(X, row))
        signal, again = (np.asarray(each)[0] for each in (seen, reconstruct(inner, seen)))
        n_channels = signal.shape[-1] if signal.ndim > 1 else 0
        if n_channels:
            signal, again = signal[..., channel], again[..., channel]
        display = cls(signal=signal, reconstruction=again, time=time)
        if n_channels > 1:
            display._ylabel = f"channel {channel % n_channels}"
        return display.plot(
            ax,
            signal_kwargs=signal_kwargs,
            reconstruction_kwargs=reconstruction_kwargs,
            fill_kwargs=fill_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        signal: ArrayLike,
        reconstruction: ArrayLike,
        *,
        time: ArrayLike | None = None,
        ax: Any = None,
        signal_kwargs: Keywords = None,
        reconstruction_kwargs: Keywords = None,
        fill_kwargs: Keywords = None,
    ) -> SignalReconstructionDisplay:
        """Draw a signal and its reconstruction."""
        return cls(signal=signal, reconstruction=reconstruction, time=time).plot(
            ax,
            signal_kwargs=signal_kwargs,
            reconstruction_kwargs=reconstruction_kwargs,
            fill_kwargs=fill_kwargs,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        signal_kwargs: Keywords = None,
        reconstruction_kwargs: Keywords = None,
        fill_kwargs: Keywords = None,
    ) -> SignalReconstructionDisplay:
        """Draw on axes.

        Parameters
        ----------
        signal_kwargs, reconstruction_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        fill_kwargs : dict, default=None
            Keywords for ``ax.fill_between``.
        """
        signal, again = np.asarray(self.signal), np.asarray(self.reconstruction)
        if signal.ndim != 1 or signal.shape != again.shape:
            raise ValueError(
                "signal and reconstruction must be one signal each, of one length; got shapes "
                f"{signal.shape} and {again.shape}. Pass X[i] and its reconstruction."
            )
        ax = begin(self, ax)
        time = np.arange(len(signal)) if self.time is None else np.asarray(self.time)
        own = {"color": "tab:blue", "label": "signal"}
        self.signal_line_ = draw_line(ax, time, signal, signal_kwargs, **own)
        own = {"color": "black", "linestyle": "--", "label": "reconstruction"}
        self.reconstruction_line_ = draw_line(ax, time, again, reconstruction_kwargs, **own)
        fill = {"facecolor": "tab:red", "alpha": 0.3, "label": "error"}
        fill = merged(fill_kwargs, "collections.PolyCollection", **fill)
        self.error_fill_ = ax.fill_between(time, signal, again, **fill)
        ax.set(xlabel="step" if self.time is None else "time", ylabel=self._ylabel)
        ax.set_title(f"mean absolute error {np.abs(signal - again).mean():.3g}")
        ax.legend()
        return self
