"""Precision and recall against the cut."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve
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

_LINE = "lines.Line2D"


class ThresholdCurveDisplay:
    """Precision and recall against the cut.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    thresholds : array-like of shape (n_thresholds,)
        Cuts, in units of the error.
    precision, recall : array-like of shape (n_thresholds,)
        Of the class `pos_label` at every cut.
    threshold : float, default=None
        The cut in use.
    pos_label : {-1, 1}, default=-1
        The class that is to be found: outliers or normal rows.

    Attributes
    ----------
    precision_line_, recall_line_ : matplotlib Line2D
        The two curves.
    threshold_line_ : matplotlib Line2D or None
        The cut in use.
    ax_ : matplotlib Axes
        Axes drawn on.
    figure_ : matplotlib Figure
        Figure of the axes.

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
        """Draw precision and recall of a detector at every cut, and its own.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``reconstruction_error``; may be the last step of a pipeline, whose other
            steps are applied to `X`, or the best one of a search.
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            +1 for normal rows and -1 for outliers.
        pos_label : {-1, 1}, default=-1
            The class that is to be found: outliers or normal rows.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        precision_kwargs, recall_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        threshold_kwargs : dict, default=None
            Keywords for ``ax.axvline``.

        Returns
        -------
        display : ThresholdCurveDisplay
            The artists and what they show.
        """
        inner, seen = unwrap(estimator, X)
        require(inner, "reconstruction_error", f"{cls.__name__}.from_estimator")
        return cls.from_predictions(
            y,
            inner.reconstruction_error(seen),
            threshold=getattr(inner, "threshold_", None),
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
        """Draw precision and recall of errors at every cut.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            +1 for normal rows and -1 for outliers.
        errors : array-like of shape (n_samples,)
            Error of every row.
        threshold : float, default=None
            The cut in use.
        pos_label : {-1, 1}, default=-1
            The class that is to be found: outliers or normal rows.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        precision_kwargs, recall_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        threshold_kwargs : dict, default=None
            Keywords for ``ax.axvline``.

        Returns
        -------
        display : ThresholdCurveDisplay
            The artists and what they show.
        """
        labels = _check_labels(y_true, pos_label)
        check_consistent_length(labels, errors)
        # Larger scores have to mean the positive class: errors do for outliers.
        sign = -pos_label
        precision, recall, cuts = precision_recall_curve(
            labels == pos_label, sign * np.asarray(errors, np.float64)
        )
        display = cls(
            thresholds=sign * cuts,
            precision=precision[:-1],
            recall=recall[:-1],
            threshold=threshold,
            pos_label=pos_label,
        )
        return display.plot(
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
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        precision_kwargs, recall_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        threshold_kwargs : dict, default=None
            Keywords for ``ax.axvline``.

        Returns
        -------
        display : ThresholdCurveDisplay
            Itself.
        """
        ax = begin(self, ax)
        options = merged(precision_kwargs, _LINE, label="precision")
        (self.precision_line_,) = ax.plot(self.thresholds, self.precision, **options)
        options = merged(recall_kwargs, _LINE, label="recall")
        (self.recall_line_,) = ax.plot(self.thresholds, self.recall, **options)
        self.threshold_line_ = draw_threshold(ax, self.threshold, threshold_kwargs)
        found = "normal rows" if self.pos_label == 1 else "outliers"
        ax.set(xlabel="threshold", ylabel=f"precision and recall of {found}", ylim=(-0.02, 1.02))
        ax.legend()
        return self


def _check_labels(y: ArrayLike, pos_label: int) -> Values:
    labels = np.asarray(y)
    found = set(np.unique(labels).tolist())
    if found != {-1, 1}:
        raise ValueError(
            f"y must hold +1 for normal rows and -1 for outliers, and both; got {sorted(found)}. "
            "Labels of 0 and 1 mean opposite things in this field: convert them, for instance by "
            "np.where(is_outlier, -1, 1)."
        )
    if pos_label not in found:
        raise ValueError(f"pos_label must be 1 or -1; got {pos_label!r}.")
    return labels
