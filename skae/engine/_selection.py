"""Chooses how a model is trained, and says why where the choice is not the fast one."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import keras

from skae._contracts import Trainer, TrainingPlan
from skae.engine._keras_loop import KerasTrainer

_LOGGER = logging.getLogger("skae")


def _obstacle(
    model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], plan: TrainingPlan
) -> str | None:
    return "the compiled engine is not there yet"


def select_trainer(
    engine: str,
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
    plan: TrainingPlan,
) -> Trainer:
    """Return the trainer for a model.

    Parameters
    ----------
    engine : {"auto", "compiled", "keras"}
        "auto" takes the compiled programs wherever they can honour all that is asked.
    model : keras.Model
        Compiled by ``model.compile``.
    callbacks : sequence of keras.callbacks.Callback
    plan : TrainingPlan

    Returns
    -------
    trainer : Trainer
        Its ``name`` is "compiled" or "keras".

    Raises
    ------
    ValueError
        If `engine` is none of these, or "compiled" can't be honoured; the message says why.
    """
    if engine not in ("auto", "compiled", "keras"):
        raise ValueError(f"engine must be 'auto', 'compiled' or 'keras'; got {engine!r}.")
    if engine == "keras":
        return KerasTrainer()
    reason = _obstacle(model, callbacks, plan)
    if engine == "compiled" and reason is not None:
        raise ValueError(
            f"engine='compiled' can't train this model: {reason}. Pass engine='auto', which then "
            "trains it by Keras's own loop, or remove the obstacle."
        )
    _LOGGER.debug("Keras's own loop trains %r: %s.", model.name, reason)
    return KerasTrainer()
