"""One signal, its reconstruction, and the error between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skae.inspection._plotting import Keywords, Values, begin, merged, pick_row, unwrap

_LINE = "lines.Line2D"


class SignalReconstructionDisplay:
    """One signal with its reconstruction, and the error filled between them.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    signal, reconstruction : array-like of shape (n_steps,)
        The signal and what the estimator made of it.
    time : array-like of shape (n_steps,), default=None
        Where the values lie on the horizontal axis; None counts them from 0.

    Attributes
    ----------
    signal_line_, reconstruction_line_ : matplotlib Line2D
        The two signals.
    error_fill_ : matplotlib PolyCollection
        The area between them.
    ax_ : matplotlib Axes
        Axes drawn on.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    ReconstructionDisplay : Images over their reconstructions.
    FeatureErrorDisplay : The largest errors of one row, by feature.

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
        """Reconstruct or denoise one row of `X`, and draw it.

        Parameters
        ----------
        estimator : estimator
            Fitted; may be the last step of a pipeline, whose other steps are applied to `X`, or
            the best one of a search. One without ``reconstruct`` denoises with ``predict``.
        X : array-like of shape (n_samples, n_steps) or (n_samples, n_steps, n_channels)
            Signals.
        row : int, default=0
            Position in `X` of the signal to draw.
        channel : int, default=0
            Channel to draw, of signals that have several.
        time : array-like of shape (n_steps,), default=None
            Where the values lie on the horizontal axis; None counts them from 0.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        signal_kwargs, reconstruction_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        fill_kwargs : dict, default=None
            Keywords for ``ax.fill_between``.

        Returns
        -------
        display : SignalReconstructionDisplay
            The artists and what they show.
        """
        inner, seen = unwrap(estimator, pick_row(X, row, "X"))
        run = inner.reconstruct if hasattr(inner, "reconstruct") else inner.predict
        return cls.from_predictions(
            _channel(seen, channel),
            _channel(run(seen), channel),
            time=time,
            ax=ax,
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
        """Draw a signal and its reconstruction.

        Parameters
        ----------
        signal, reconstruction : array-like of shape (n_steps,)
            The signal and what the estimator made of it.
        time : array-like of shape (n_steps,), default=None
            Where the values lie on the horizontal axis; None counts them from 0.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        signal_kwargs, reconstruction_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        fill_kwargs : dict, default=None
            Keywords for ``ax.fill_between``.

        Returns
        -------
        display : SignalReconstructionDisplay
            The artists and what they show.
        """
        first, second = np.asarray(signal), np.asarray(reconstruction)
        if first.ndim != 1 or first.shape != second.shape:
            raise ValueError(
                "signal and reconstruction must be one signal each, of one length; got shapes "
                f"{first.shape} and {second.shape}. Pass X[i] and its reconstruction."
            )
        return cls(signal=first, reconstruction=second, time=time).plot(
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
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        signal_kwargs, reconstruction_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        fill_kwargs : dict, default=None
            Keywords for ``ax.fill_between``.

        Returns
        -------
        display : SignalReconstructionDisplay
            Itself.
        """
        ax = begin(self, ax)
        signal, again = np.asarray(self.signal), np.asarray(self.reconstruction)
        time = np.arange(len(signal)) if self.time is None else np.asarray(self.time)
        options = merged(signal_kwargs, _LINE, color="tab:blue", label="signal")
        (self.signal_line_,) = ax.plot(time, signal, **options)
        options = merged(
            reconstruction_kwargs, _LINE, color="black", linestyle="--", label="reconstruction"
        )
        (self.reconstruction_line_,) = ax.plot(time, again, **options)
        options = merged(
            fill_kwargs,
            "collections.PolyCollection",
            facecolor="tab:red",
            alpha=0.3,
            label="error",
        )
        self.error_fill_ = ax.fill_between(time, signal, again, **options)
        ax.set(xlabel="step" if self.time is None else "time", ylabel="value")
        ax.set_title(f"mean absolute error {np.abs(signal - again).mean():.3g}")
        ax.legend()
        return self


def _channel(rows: Any, channel: int) -> Values:
    """Return one channel of the one signal that `rows` holds."""
    signal = np.asarray(rows)[0]
    return signal if signal.ndim == 1 else signal[..., channel]
