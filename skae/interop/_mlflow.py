"""Logging of every fit to MLflow."""

from __future__ import annotations

import time
from typing import Any

from skae._docs import hide_annotations_of
from skae._hooks import AFTER_FIT
from skae._messages import warn

# As MLflow's own: what a server takes of a parameter.
_MOST_CHARACTERS = 500


def autolog(disable: bool = False) -> None:
    """Log parameters, losses by epoch and the threshold of every fit to MLflow.

    ``mlflow.autolog`` logs scikit-learn's own estimators and Keras's own training. A fit is logged
    to a run of its own, inside the active run if there is one, so that a search has one for every
    candidate and fold.

    Parameters
    ----------
    disable : bool, default=False
        Whether to stop logging.

    Examples
    --------
    >>> from skae.interop import autolog
    >>> autolog(disable=True)
    """
    if disable:
        AFTER_FIT.discard(_log)
        return
    import mlflow  # noqa: F401  a missing package is noticed now, not after hours of training

    AFTER_FIT.add(_log)


def _log(estimator: Any) -> None:
    """Log a fit; a failure is a warning, because the fit itself has succeeded."""
    from mlflow.exceptions import MlflowException

    try:
        _log_run(estimator)
    except MlflowException as error:
        warn(f"MLflow could not log the fit of {type(estimator).__name__}: {error}", UserWarning)


def _log_run(estimator: Any) -> None:
    import mlflow
    from mlflow.entities import Metric

    parameters = estimator.get_params(deep=False)
    now, metrics = int(1000 * time.time()), []
    for name, values in estimator.history_.items():
        metrics += [Metric(name, float(value), now, step) for step, value in enumerate(values)]
    for name in ("threshold_", "n_iter_"):
        if hasattr(estimator, name):
            metrics.append(Metric(name.strip("_"), float(getattr(estimator, name)), now, 0))
    is_nested = mlflow.active_run() is not None
    with mlflow.start_run(run_name=type(estimator).__name__, nested=is_nested) as run:
        mlflow.log_params({k: str(v)[:_MOST_CHARACTERS] for k, v in parameters.items()})
        client = mlflow.MlflowClient()
        for start in range(0, len(metrics), 1000):
            client.log_batch(run.info.run_id, metrics=metrics[start : start + 1000])


hide_annotations_of(autolog)
