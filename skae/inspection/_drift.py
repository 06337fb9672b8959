"""Evidence of a change, and mean scores, by batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skae.inspection._docs import documented
from skae.inspection._plotting import Keywords, begin, draw_line, merged


@documented
class DriftDisplay:
    """Evidence that samples have changed, by batch, with the line of an alarm.

    Make one with `from_monitor`.

    Parameters
    ----------
    log10_martingale : array-like of shape (n_batches,)
        Logarithm of the capital of a conformal test martingale.
    mean_score : array-like of shape (n_batches,)
        Mean anomaly score.
    false_alarm_rate : float
        The alarm is raised where the capital reaches one over this.
    alarm : int or None, default=None
        The batch of the alarm.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Evidence by batch.
    threshold_line_ : matplotlib Line2D
        Where an alarm is raised.
    score_line_ : matplotlib Line2D
        Mean scores, on an axis of their own.
    score_ax_ : matplotlib Axes
        That axis.

    See Also
    --------
    skae.monitoring.DriftMonitor : What it draws.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skae.inspection import DriftDisplay
    >>> from skae.monitoring import DriftMonitor
    >>> rng = np.random.default_rng(0)
    >>> detector = IsolationForest(random_state=0).fit(rng.normal(size=(200, 3)))
    >>> monitor = DriftMonitor(detector, random_state=0).fit(rng.normal(size=(200, 3)))
    >>> monitor = monitor.update(rng.normal(size=(100, 3)))
    >>> DriftDisplay.from_monitor(monitor).ax_.get_xlabel()
    'batch'
    """

    def __init__(
        self,
        *,
        log10_martingale: ArrayLike,
        mean_score: ArrayLike,
        false_alarm_rate: float,
        alarm: int | None = None,
    ) -> None:
        self.log10_martingale = log10_martingale
        self.mean_score = mean_score
        self.false_alarm_rate = false_alarm_rate
        self.alarm = alarm

    @classmethod
    def from_monitor(
        cls,
        monitor: Any,
        *,
        ax: Any = None,
        line_kwargs: Keywords = None,
        threshold_kwargs: Keywords = None,
    ) -> DriftDisplay:
        """Draw the batches of a monitor.

        Parameters
        ----------
        monitor : DriftMonitor
            With at least one batch.
        threshold_kwargs : dict, default=None
            Keywords for ``ax.axhline``.
        """
        history = monitor.history_
        if history.empty:
            raise ValueError("The monitor has no batch yet; call its update first.")
        display = cls(
            log10_martingale=history["log10_martingale"].to_numpy(),
            mean_score=history["mean_score"].to_numpy(),
            false_alarm_rate=monitor.false_alarm_rate,
            alarm=monitor.alarm_,
        )
        return display.plot(ax, line_kwargs=line_kwargs, threshold_kwargs=threshold_kwargs)

    def plot(
        self, ax: Any = None, *, line_kwargs: Keywords = None, threshold_kwargs: Keywords = None
    ) -> DriftDisplay:
        """Draw on axes.

        Parameters
        ----------
        threshold_kwargs : dict, default=None
            Keywords for ``ax.axhline``.
        """
        ax = begin(self, ax)
        batches = np.arange(len(np.asarray(self.log10_martingale)))
        own = {"marker": "o", "label": "evidence", "zorder": 3}
        self.line_ = draw_line(ax, batches, self.log10_martingale, line_kwargs, **own)
        alarm_at = {"color": "tab:red", "linestyle": "--", "label": "alarm"}
        self.threshold_line_ = ax.axhline(
            -math.log10(self.false_alarm_rate),
            **merged(threshold_kwargs, "lines.Line2D", **alarm_at),
        )
        self.score_ax_ = ax.twinx()
        faint = {"color": "tab:gray", "marker": ".", "label": "mean score"}
        self.score_line_ = draw_line(self.score_ax_, batches, self.mean_score, None, **faint)
        self.score_ax_.set_ylabel("mean anomaly score")
        title = "no change" if self.alarm is None else f"changed, alarm at batch {self.alarm}"
        ax.set(xlabel="batch", ylabel="evidence of a change (log10)", title=title)
        ax.xaxis.get_major_locator().set_params(integer=True)
        lines = [self.line_, self.threshold_line_, self.score_line_]
        ax.legend(handles=lines, loc="upper left")
        return self
