"""Histogram of reconstruction errors, with the cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length

from skae.inspection._plotting import (
    Keywords,
    Values,
    begin,
    draw_threshold,
    merged,
    require,
    unwrap,
)

_NAMES = {1: "normal", -1: "outlier"}
_COLORS = {1: "tab:blue", -1: "tab:red"}


class ErrorHistogramDisplay:
    """Histogram of reconstruction errors with the cut, by class where labels are known.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    errors : array-like of shape (n_samples,)
        Error of every row.
    y : array-like of shape (n_samples,), default=None
        Labels; there is one histogram for each.
    threshold : float, default=None
        The cut: rows with a larger error are outliers.

    Attributes
    ----------
    bars_ : dict of matplotlib BarContainer
        One histogram for each label; under None where there are no labels.
    threshold_line_ : matplotlib Line2D or None
        The cut.
    ax_ : matplotlib Axes
        Axes drawn on.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    ThresholdCurveDisplay : Precision and recall against the cut.

    Examples
    --------
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.datasets import make_ecg_beats
    >>> from skae.inspection import ErrorHistogramDisplay
    >>> X, y = make_ecg_beats(200, contamination=0.2, random_state=0)
    >>> detector = ReconstructionOutlierDetector(epochs=3, random_state=0).fit(X[y == 1])
    >>> display = ErrorHistogramDisplay.from_estimator(detector, X, y)
    >>> sorted(display.bars_)
    [-1, 1]
    """

    def __init__(
        self, *, errors: ArrayLike, y: ArrayLike | None = None, threshold: float | None = None
    ) -> None:
        self.errors = errors
        self.y = y
        self.threshold = threshold

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        bins: Any = 50,
        class_names: Mapping[Any, str] | None = None,
        ax: Any = None,
        hist_kwargs: Keywords = None,
        threshold_kwargs: Keywords = None,
    ) -> ErrorHistogramDisplay:
        """Draw the errors of rows, with the estimator's cut where it has one.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``reconstruction_error``; may be the last step of a pipeline, whose other
            steps are applied to `X`, or the best one of a search.
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Labels; there is one histogram for each.
        bins : int, str or array-like, default=50
            As ``numpy.histogram_bin_edges`` takes them; all labels share them.
        class_names : mapping of label to str, default=None
            Names in the legend; +1 is "normal" and -1 "outlier" by default.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        hist_kwargs : dict, default=None
            Keywords for ``ax.hist``.
        threshold_kwargs : dict, default=None
            Keywords for ``ax.axvline``.

        Returns
        -------
        display : ErrorHistogramDisplay
            The artists and what they show.
        """
        inner, seen = unwrap(estimator, X)
        require(inner, "reconstruction_error", f"{cls.__name__}.from_estimator")
        return cls.from_predictions(
            inner.reconstruction_error(seen),
            y,
            threshold=getattr(inner, "threshold_", None),
            bins=bins,
            class_names=class_names,
            ax=ax,
            hist_kwargs=hist_kwargs,
            threshold_kwargs=threshold_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        errors: ArrayLike,
        y: ArrayLike | None = None,
        *,
        threshold: float | None = None,
        bins: Any = 50,
        class_names: Mapping[Any, str] | None = None,
        ax: Any = None,
        hist_kwargs: Keywords = None,
        threshold_kwargs: Keywords = None,
    ) -> ErrorHistogramDisplay:
        """Draw errors.

        Parameters
        ----------
        errors : array-like of shape (n_samples,)
            Error of every row.
        y : array-like of shape (n_samples,), default=None
            Labels; there is one histogram for each.
        threshold : float, default=None
            The cut.
        bins : int, str or array-like, default=50
            As ``numpy.histogram_bin_edges`` takes them; all labels share them.
        class_names : mapping of label to str, default=None
            Names in the legend; +1 is "normal" and -1 "outlier" by default.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        hist_kwargs : dict, default=None
            Keywords for ``ax.hist``.
        threshold_kwargs : dict, default=None
            Keywords for ``ax.axvline``.

        Returns
        -------
        display : ErrorHistogramDisplay
            The artists and what they show.
        """
        check_consistent_length(errors, y)
        return cls(errors=errors, y=y, threshold=threshold).plot(
            ax,
            bins=bins,
            class_names=class_names,
            hist_kwargs=hist_kwargs,
            threshold_kwargs=threshold_kwargs,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        bins: Any = 50,
        class_names: Mapping[Any, str] | None = None,
        hist_kwargs: Keywords = None,
        threshold_kwargs: Keywords = None,
    ) -> ErrorHistogramDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        bins : int, str or array-like, default=50
            As ``numpy.histogram_bin_edges`` takes them; all labels share them.
        class_names : mapping of label to str, default=None
            Names in the legend; +1 is "normal" and -1 "outlier" by default.
        hist_kwargs : dict, default=None
            Keywords for ``ax.hist``.
        threshold_kwargs : dict, default=None
            Keywords for ``ax.axvline``.

        Returns
        -------
        display : ErrorHistogramDisplay
            Itself.
        """
        ax = begin(self, ax)
        errors = np.asarray(self.errors, np.float64)
        edges = np.histogram_bin_edges(errors, bins)
        self.bars_ = {}
        for label, among in _by_label(errors, self.y).items():
            own = {"label": _name(label, class_names)}
            own |= {"color": _COLORS[label]} if label in _COLORS else {}
            options = merged(hist_kwargs, "patches.Patch", alpha=0.6, **own)
            _, _, self.bars_[label] = ax.hist(among, edges, **options)
        self.threshold_line_ = draw_threshold(ax, self.threshold, threshold_kwargs)
        ax.set(xlabel="reconstruction error", ylabel="number of rows")
        ax.legend()
        return self


def _by_label(errors: Values, y: ArrayLike | None) -> dict[Any, Values]:
    if y is None:
        return {None: errors}
    labels = np.asarray(y)
    # Normal rows first: outliers, fewer and wider, then lie on top.
    return {label: errors[labels == label] for label in np.unique(labels)[::-1].tolist()}


def _name(label: Any, class_names: Mapping[Any, str] | None) -> str:
    return {None: "rows", **_NAMES, **(class_names or {})}.get(label, str(label))
