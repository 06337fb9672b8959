"""The errors of one sample, by feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skae.inspection._docs import documented
from skae.inspection._plotting import Keywords, begin, merged, pick_row, unwrap


@documented
class FeatureErrorDisplay:
    """The largest errors of one sample, by feature: why the sample was flagged.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    errors : array-like of shape (n_features,)
        Errors, the largest first.
    feature_names : sequence of str
        Name of every feature.
    values, reconstruction : array-like of shape (n_features,), default=None
        The sample's values and their reconstruction; written beside the bars.
    title : str, default=None
        Title of the axes.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        One bar for every feature, the largest error on top.
    texts_ : list of matplotlib Annotation
        Value and reconstruction beside the bars; empty where they are not known.

    See Also
    --------
    skae.ReconstructionOutlierDetector.explain : The same as a table, for all flagged samples.
    SignalReconstructionDisplay : A sample whose features are the points of a signal.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.inspection import FeatureErrorDisplay
    >>> X = StandardScaler().set_output(transform="pandas").fit_transform(
    ...     load_wine(as_frame=True).data
    ... )
    >>> detector = ReconstructionOutlierDetector(latent_dim=4, epochs=20, random_state=0).fit(X)
    >>> display = FeatureErrorDisplay.from_estimator(detector, X, row=59, n_features=3)
    >>> len(display.bars_)
    3
    """

    def __init__(
        self,
        *,
        errors: ArrayLike,
        feature_names: Sequence[str],
        values: ArrayLike | None = None,
        reconstruction: ArrayLike | None = None,
        title: str | None = None,
    ) -> None:
        self.errors = errors
        self.feature_names = feature_names
        self.values = values
        self.reconstruction = reconstruction
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        row: int = 0,
        n_features: int | None = 10,
        groups: Any = None,
        ax: Any = None,
        bar_kwargs: Keywords = None,
    ) -> FeatureErrorDisplay:
        """Draw the ``feature_errors`` that a detector finds in one sample of `X`.

        A pipeline's features are those that its last step gets, under the names that
        ``get_feature_names_out`` of the others gives; :func:`explain` has the columns of `X`.

        Parameters
        ----------
        groups : mapping of str to list of str or int, default=None
            Columns that belong together, as in ``feature_errors``; a group has neither value nor
            reconstruction.
        """
        one = pick_row(X, row)
        inner, seen = unwrap(estimator, one, "feature_errors", cls.__name__)
        errors = inner.feature_errors(seen, groups=groups)
        known: dict[str, Any] = {}
        if groups is None:
            known["values"] = np.asarray(seen).ravel()
            known["reconstruction"] = np.asarray(inner.reconstruct(seen)).ravel()
        label = one.index[0] if hasattr(one, "iloc") else row
        return cls.from_predictions(
            errors.to_numpy()[0],
            _names_of(estimator, list(errors.columns)),
            **known,
            n_features=n_features,
            title=f"Row {label}: error by feature",
            ax=ax,
            bar_kwargs=bar_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        errors: ArrayLike,
        feature_names: Sequence[str] | None = None,
        *,
        values: ArrayLike | None = None,
        reconstruction: ArrayLike | None = None,
        n_features: int | None = 10,
        title: str | None = None,
        ax: Any = None,
        bar_kwargs: Keywords = None,
    ) -> FeatureErrorDisplay:
        """Draw the largest errors of one sample.

        Parameters
        ----------
        errors : array-like of shape (n_features,)
            Error of every feature.
        feature_names : sequence of str, default=None
            Name of every feature; None counts them: x0, x1, ...
        n_features : int or None, default=10
            How many features to draw, those with the largest errors; None draws all.
        """
        sizes = np.asarray(errors, np.float64)
        if sizes.ndim != 1:
            raise ValueError(
                "errors must be those of one sample, of shape (n_features,); got shape "
                f"{sizes.shape}. Pass errors[i] for sample i."
            )
        names = [f"x{i}" for i in range(len(sizes))] if feature_names is None else feature_names
        top = np.argsort(-sizes, kind="stable")[:n_features]
        return cls(
            errors=sizes[top],
            feature_names=[names[i] for i in top],
            values=None if values is None else np.asarray(values)[top],
            reconstruction=None if reconstruction is None else np.asarray(reconstruction)[top],
            title=title,
        ).plot(ax, bar_kwargs=bar_kwargs)

    def plot(self, ax: Any = None, *, bar_kwargs: Keywords = None) -> FeatureErrorDisplay:
        """Draw on axes.

        Parameters
        ----------
        bar_kwargs : dict, default=None
            Keywords for ``ax.barh``.
        """
        names = list(self.feature_names)
        ax = begin(self, ax, (6.4, 1.2 + 0.32 * len(names)))
        places = np.arange(len(names))
        options = merged(bar_kwargs, "patches.Patch", color="tab:red")
        self.bars_ = ax.barh(places, self.errors, **options)
        self.texts_ = []
        if self.values is not None and self.reconstruction is not None:
            pairs = zip(np.asarray(self.values), np.asarray(self.reconstruction), strict=True)
            labels = [f"is {value:.3g}, expected {again:.3g}" for value, again in pairs]
            self.texts_ = ax.bar_label(self.bars_, labels, padding=3, fontsize="small")
            ax.margins(x=0.7)  # room for the labels
        ax.set_yticks(places, names)
        ax.invert_yaxis()
        ax.set(xlabel="error", title=self.title or "")
        return self


def _names_of(estimator: Any, columns: list[Any]) -> list[str]:
    """Return names of features; those that a detector only counts are named by the steps before."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    outputs: Any = []
    if hasattr(estimator, "steps") and not hasattr(estimator[-1], "feature_names_in_"):
        try:
            outputs = estimator[:-1].get_feature_names_out()
        except (AttributeError, ValueError):
            outputs = []  # a step names nothing
    known = {f"x{number}": name for number, name in enumerate(outputs)}
    return [str(known.get(name, name)) for name in columns]
