"""Reconstruction errors and the threshold: the histogram, and precision and recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_outlier_detector
from sklearn.metrics import precision_recall_curve
from sklearn.utils import check_consistent_length

from skae.inspection._docs import documented
from skae.inspection._plotting import Keywords, Values, begin, draw_line, merged, unwrap

_NAMES = {None: "samples", 1: "normal", -1: "outlier"}
_COLORS = {1: "tab:blue", -1: "tab:red"}


@documented
class ErrorHistogramDisplay:
    """Histogram of errors or anomaly scores with the threshold, by class where labels are known.

    Make one with `from_estimator` or `from_predictions`. The counts have a logarithmic axis, on
    which a few outliers among thousands of samples can be seen.

    Parameters
    ----------
    errors : array-like of shape (n_samples,)
        Error of every sample.
    y : array-like of shape (n_samples,), default=None
        Labels; there is one histogram for each.
    threshold : float, default=None
        Samples with a larger error are outliers.

    Attributes
    ----------
    bars_ : dict of matplotlib BarContainer
        One histogram for each label; under None where there are no labels.
    threshold_line_ : matplotlib Line2D or None
        The threshold.

    See Also
    --------
    ThresholdCurveDisplay : Precision and recall against the threshold.

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
        """Draw the ``reconstruction_error`` of samples, or the scores and threshold of a detector.

        The score of a detector is minus its ``score_samples``.
        """
        errors, threshold = _errors(cls, estimator, X)
        return cls.from_predictions(
            errors,
            y,
            threshold=threshold,
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
        """Draw errors."""
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
        """Draw on axes.

        Parameters
        ----------
        bins : int, str or array-like, default=50
            As ``numpy.histogram_bin_edges`` takes them; all labels share them.
        class_names : mapping of label to str, default=None
            Names in the legend; +1 is "normal" and -1 "outlier" by default.
        hist_kwargs : dict, default=None
            Keywords for ``ax.hist``, such as ``log=False``.
        """
        ax = begin(self, ax)
        errors = np.asarray(self.errors, np.float64)
        edges = np.histogram_bin_edges(errors, bins)
        names = {**_NAMES, **(class_names or {})}
        self.bars_ = {}
        for label, among in _by_label(errors, self.y).items():
            own = {"label": names.get(label, str(label))}
            own |= {"color": _COLORS[label]} if label in _COLORS else {}
            options = merged(hist_kwargs, "patches.Patch", alpha=0.6, log=True, **own)
            _, _, self.bars_[label] = ax.hist(among, edges, **options)
        self.threshold_line_ = _draw_threshold(ax, self.threshold, threshold_kwargs)
        measured = "reconstruction error" if self.threshold is None else "anomaly score"
        ax.set(xlabel=measured, ylabel="number of samples")
        ax.legend()
        return self


@documented
class ThresholdCurveDisplay:
    """Precision and recall against the threshold.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    thresholds : array-like of shape (n_thresholds,)
        Thresholds, in units of the error.
    precision, recall : array-like of shape (n_thresholds,)
        Of the class `pos_label` at every threshold.
    threshold : float, default=None
        The threshold in use.
    pos_label : {-1, 1}, default=-1
        The class to find: outliers or normal samples.

    Attributes
    ----------
    precision_line_, recall_line_ : matplotlib Line2D
        The two curves.
    threshold_line_ : matplotlib Line2D or None
        The threshold in use.

    See Also
    --------
    ErrorHistogramDisplay : The errors themselves.
    sklearn.metrics.PrecisionRecallDisplay : Precision against recall.

    Examples
    --------
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.datasets import make_ecg_beats
    >>> from skae.inspection import ThresholdCurveDisplay
    >>> X, y = make_ecg_beats(200, contamination=0.2, random_state=0)
    >>> detector = ReconstructionOutlierDetector(epochs=3, random_state=0).fit(X[y == 1])
    >>> display = ThresholdCurveDisplay.from_estimator(detector, X, y)
    >>> display.ax_.get_xlabel()
    'threshold'
    """

    def __init__(
        self,
        *,
        thresholds: ArrayLike,
        precision: ArrayLike,
        recall: ArrayLike,
        threshold: float | None = None,
        pos_label: int = -1,
    ) -> None:
        self.thresholds = thresholds
        self.precision = precision
        self.recall = recall
        self.threshold = threshold
        self.pos_label = pos_label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        pos_label: int = -1,
        ax: Any = None,
        precision_kwargs: Keywords = None,
        recall_kwargs: Keywords = None,
        threshold_kwargs: Keywords = None,
    ) -> ThresholdCurveDisplay:
        """Draw the curves of a detector, by its anomaly score, and its threshold.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            +1 for normal samples and -1 for outliers.
        """
        errors, threshold = _errors(cls, estimator, X)
        return cls.from_predictions(
            y,
            errors,
            threshold=threshold,
            pos_label=pos_label,
            ax=ax,
            precision_kwargs=precision_kwargs,
            recall_kwargs=recall_kwargs,
            threshold_kwargs=threshold_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        errors: ArrayLike,
        *,
        threshold: float | None = None,
        pos_label: int = -1,
        ax: Any = None,
        precision_kwargs: Keywords = None,
        recall_kwargs: Keywords = None,
        threshold_kwargs: Keywords = None,
    ) -> ThresholdCurveDisplay:
        """Draw precision and recall of errors at every threshold.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            +1 for normal samples and -1 for outliers.
        errors : array-like of shape (n_samples,)
            Error of every sample.
        """
        labels = np.asarray(y_true)
        _check_labels(labels, pos_label)
        # Larger scores have to mean the positive class: errors do for outliers.
        scores = -pos_label * np.asarray(errors, np.float64)
        precision, recall, at = precision_recall_curve(labels, scores, pos_label=pos_label)
        return cls(
            thresholds=-pos_label * at,
            precision=precision[:-1],
            recall=recall[:-1],
            threshold=threshold,
            pos_label=pos_label,
        ).plot(
            ax,
            precision_kwargs=precision_kwargs,
            recall_kwargs=recall_kwargs,
            threshold_kwargs=threshold_kwargs,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        precision_kwargs: Keywords = None,
        recall_kwargs: Keywords = None,
        threshold_kwargs: Keywords = None,
    ) -> ThresholdCurveDisplay:
        """Draw on axes.

        Parameters
        ----------
        precision_kwargs, recall_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        """
        ax = begin(self, ax)
        x = self.thresholds
        self.precision_line_ = draw_line(ax, x, self.precision, precision_kwargs, label="precision")
        self.recall_line_ = draw_line(ax, x, self.recall, recall_kwargs, label="recall")
        self.threshold_line_ = _draw_threshold(ax, self.threshold, threshold_kwargs)
        found = "normal samples" if self.pos_label == 1 else "outliers"
        ax.set(xlabel="threshold", ylabel=f"precision and recall of {found}", ylim=(-0.02, 1.02))
        ax.legend()
        return self


def _errors(display: type, estimator: Any, X: Any) -> tuple[Values, float | None]:
    """Return the errors of samples, and the threshold of a detector."""
    inner, seen = unwrap(estimator, X, "reconstruction_error", display.__name__)
    if is_outlier_detector(inner):
        return -inner.score_samples(seen), inner.threshold_
    return inner.reconstruction_error(seen), None


def _draw_threshold(ax: Any, threshold: float | None, kwargs: Keywords) -> Any:
    """Draw the threshold, if there is one."""
    if threshold is None:
        return None
    own = {"color": "black", "linestyle": "--", "label": f"threshold {threshold:.3g}"}
    return ax.axvline(threshold, **merged(kwargs, "lines.Line2D", **own))


def _by_label(errors: Values, y: ArrayLike | None) -> dict[Any, Values]:
    if y is None:
        return {None: errors}
    labels = np.asarray(y)
    # Normal samples first, so that outliers, which are fewer and wider, are drawn on top.
    return {label: errors[labels == label] for label in np.unique(labels)[::-1].tolist()}


def _check_labels(labels: Values, pos_label: int) -> None:
    found = np.unique(labels).tolist()
    if found != [-1, 1]:
        raise ValueError(
            f"y must hold +1 for normal samples and -1 for outliers, and both; got {found}. "
            "Labels of 0 and 1 mean opposite things in this field: convert them, for instance by "
            "np.where(is_outlier, -1, 1)."
        )
    if pos_label not in found:
        raise ValueError(f"pos_label must be 1 or -1; got {pos_label!r}.")
