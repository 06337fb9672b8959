"""Training and validation loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skae._messages import did_you_mean
from skae.inspection._docs import documented
from skae.inspection._plotting import Keywords, begin, draw_line, unwrap


@documented
class LossCurveDisplay:
    """Training and validation loss, or another metric, by epoch.

    Make one with `from_estimator` or `from_history`.

    Parameters
    ----------
    train : array-like of shape (n_epochs,)
        Values on the training samples.
    validation : array-like of shape (n_epochs,), default=None
        Values on the validation samples.
    metric : str, default="loss"
        What the values are; the label of the vertical axis.

    Attributes
    ----------
    train_line_ : matplotlib Line2D
        Values on the training samples.
    validation_line_ : matplotlib Line2D or None
        Values on the validation samples.

    See Also
    --------
    ReconstructionDisplay : Images over their reconstructions.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> from skae.inspection import LossCurveDisplay
    >>> X = load_digits().data / 16
    >>> coder = AutoencoderTransformer(epochs=3, validation_split=0.2, random_state=0).fit(X)
    >>> display = LossCurveDisplay.from_estimator(coder)
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('epoch', 'loss')
    """

    def __init__(
        self, *, train: ArrayLike, validation: ArrayLike | None = None, metric: str = "loss"
    ) -> None:
        self.train = train
        self.validation = validation
        self.metric = metric

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        metric: str = "loss",
        ax: Any = None,
        train_kwargs: Keywords = None,
        validation_kwargs: Keywords = None,
    ) -> LossCurveDisplay:
        """Draw the ``history_`` of a fitted estimator."""
        inner, _ = unwrap(estimator)
        check_is_fitted(inner, "history_")
        return cls.from_history(
            inner.history_,
            metric=metric,
            ax=ax,
            train_kwargs=train_kwargs,
            validation_kwargs=validation_kwargs,
        )

    @classmethod
    def from_history(
        cls,
        history: Any,
        *,
        metric: str = "loss",
        ax: Any = None,
        train_kwargs: Keywords = None,
        validation_kwargs: Keywords = None,
    ) -> LossCurveDisplay:
        """Draw a history: a dict of lists, or what ``keras.Model.fit`` returns.

        Parameters
        ----------
        history : mapping of str to list of float, or keras.callbacks.History
            Values by epoch.
        metric : str, default="loss"
            Key of the history; its validation values, ``"val_" + metric``, are drawn too.
        """
        values: Mapping[str, Any] = getattr(history, "history", history)
        if metric not in values:
            raise ValueError(
                f"The history has no {metric!r}; it has {sorted(values)}."
                f"{did_you_mean(metric, values)}"
            )
        display = cls(train=values[metric], validation=values.get(f"val_{metric}"), metric=metric)
        return display.plot(ax, train_kwargs=train_kwargs, validation_kwargs=validation_kwargs)

    def plot(
        self, ax: Any = None, *, train_kwargs: Keywords = None, validation_kwargs: Keywords = None
    ) -> LossCurveDisplay:
        """Draw on axes.

        Parameters
        ----------
        train_kwargs, validation_kwargs : dict, default=None
            Keywords for ``ax.plot``.
        """
        ax = begin(self, ax)
        epochs = np.arange(1, len(np.asarray(self.train)) + 1)
        # A line of one point can't be seen.
        marker = "o" if len(epochs) == 1 else None
        own = {"label": "training", "marker": marker}
        self.train_line_ = draw_line(ax, epochs, self.train, train_kwargs, **own)
        self.validation_line_ = None
        if self.validation is not None:
            own["label"] = "validation"
            self.validation_line_ = draw_line(ax, epochs, self.validation, validation_kwargs, **own)
        ax.set(xlabel="epoch", ylabel=self.metric)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
        return self
