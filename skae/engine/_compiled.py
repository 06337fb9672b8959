"""Trains a network with compiled programs or with Keras's loop, and runs epochs and callbacks.

A pass over the samples is a few blocks; each is one call of a program.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import keras
import tensorflow as tf

from skae._contracts import Batchable, TrainingPlan, TrainingResult
from skae._forks import check_not_forked
from skae.engine._blocks import BlockSource, Layout, RowBlocks, StreamBlocks, as_samples
from skae.engine._deferred import DeferredNetwork, frozen
from skae.engine._keras_loop import Watch, train_by_keras
from skae.engine._program import Program, State, build_program, computes_alike
from skae.engine._rows import Rows
from skae.engine._selection import Traits, obstacle, traits_of, wants_xla
from skae.engine._streams import Stream
from skae.engine._tensors import NotPureError

_LOGGER = logging.getLogger("skae")


def train(
    network: DeferredNetwork,
    rows: Batchable,
    validation: Batchable | None,
    plan: TrainingPlan,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    engine: str = "auto",
) -> TrainingResult:
    """Train a network in place.

    Parameters
    ----------
    network : DeferredNetwork
    rows : Batchable
    validation : Batchable or None
    plan : TrainingPlan
    callbacks : sequence of keras.callbacks.Callback
    engine : {"auto", "compiled", "keras"}, default="auto"
        "auto" uses compiled programs wherever they support all that is requested.

    Returns
    -------
    TrainingResult
        The values of every epoch, and the engine.

    Raises
    ------
    NonFiniteLossError
        If a loss, or a weight at the end, is NaN or infinite.
    ValueError
        If `engine` is none of these, or "compiled" is not supported; the message says why.
    """
    check_not_forked()
    if engine not in ("auto", "compiled", "keras"):
        raise ValueError(f"engine must be 'auto', 'compiled' or 'keras'; got {engine!r}.")
    if engine != "keras":
        try:
            training = _Training(network, rows, validation, plan, callbacks)
        except NotPureError as error:
            if engine == "compiled":
                raise ValueError(
                    f"engine='compiled' can't train this model: {error}. Pass engine='auto', which "
                    "then trains it with Keras's own loop, or remove the obstacle."
                ) from error
            _LOGGER.debug("Keras's own loop trains: %s.", error)
        else:
            return training.run()
    model = network.expose().model if callbacks else network.network.model
    return train_by_keras(model, rows, validation, plan, callbacks)


class _Pass:
    """One pass over samples, for training or evaluation."""

    def __init__(self, source: BlockSource) -> None:
        self.source = source
        self.programs: dict[bool, Program] = {}

    def run(self, state: State, epoch: int) -> tuple[State, dict[str, float]]:
        """Return the state after all batches, and the metrics."""
        results, names = None, tuple[str, ...]()
        for block in self.source.epoch(epoch):
            program = self.programs[block.is_full]
            sizes = tf.constant(block.n_rows), tf.constant(block.batch_size)
            flat = program.function(*state.flat(), *block.tensors, *sizes)
            # Waits for the program, so that its block can be reused.
            state, results, names = state.like(flat[:-1]), flat[-1].numpy(), program.names
        if results is None:
            raise ValueError(
                "X gave no batch in this epoch; a function must return a new iterator at every "
                "call."
            )
        return state, dict(zip(names, results.tolist(), strict=True))

    def first(self) -> Program:
        """Return the program that starts an epoch."""
        return next(iter(self.programs.values()))


class _Training:
    """One training, with its programs, epochs and callbacks."""

    def __init__(
        self,
        network: DeferredNetwork,
        rows: Batchable,
        validation: Batchable | None,
        plan: TrainingPlan,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        self._network, self._plan, self._callbacks = network, plan, callbacks
        reason = obstacle(callbacks)
        if reason is not None:
            raise NotPureError(reason)
        self._samples = as_samples(rows, plan.batch_size)
        if frozen(network):
            raise NotPureError("weights were frozen or unfrozen after the model was built")
        traits = self._traits()
        network.start()
        xla = wants_xla(traits, self._samples, plan)
        self._passes: list[_Pass] = []
        packed = traits.is_packable and not xla
        held_out = [] if validation is None else [as_samples(validation, plan.batch_size)]
        for samples in [self._samples, *held_out]:
            training = not self._passes
            one = _Pass(_source(samples, plan, training=training, fixed=xla))
            layout = _layout(samples, one.source, training=training, packed=packed)
            for is_full in one.source.kinds:
                wanted = layout if is_full else replace(layout, batch_size=None, block_rows=None)
                with network.programs.place(("train", wanted), compiled=True) as place:
                    place.verify(partial(computes_alike, network, samples.first_batch))
                    place.program = place.program or build_program(
                        place.network.network.model, wanted, verifiable=place.is_verifiable
                    )
                one.programs[is_full] = place.program
            packed = one.first().layout.packed
            self._passes.append(one)

    def _traits(self) -> Traits:
        network, size = self._network, len(self._samples.first_batch[0])
        with network.programs.place(("traits", size), compiled=True, traits=True) as place:
            place.verify(lambda traits: bool(traits == traits_of(network, size)))
            place.program = place.program or traits_of(place.network, size)
        traits: Traits = place.program
        if traits.obstacle is not None:
            raise NotPureError(traits.obstacle)
        return traits

    def run(self) -> TrainingResult:
        """Train, with the model's variables up to date for every callback."""
        plan, history = self._plan, dict[str, list[float]]()
        watch, logs, n_epochs = Watch(plan), dict[str, float](), 0
        callbacks = self._listed(watch)
        state = self._state()
        callbacks.on_train_begin()
        for epoch in range(plan.initial_epoch, plan.initial_epoch + plan.epochs):
            callbacks.on_epoch_begin(epoch)
            state = self._state() if self._is_watched else state
            state.metrics = self._passes[0].first().first_metrics
            state, logs = self._passes[0].run(state, epoch)
            if self._is_watched:
                self._take(state)
            logs |= self._measured(state, callbacks)
            n_epochs += 1
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
            callbacks.on_epoch_end(epoch, logs)
            if not watch.is_finite(epoch, logs) or self._is_stopped():
                break
        if not self._is_watched:
            self._take(state)
        callbacks.on_train_end(logs)
        watch.check(n_epochs, self._network.values())
        if self._is_watched:  # callbacks may have added to it
            history = self._network.network.model.history.history
        return TrainingResult(history, "compiled")

    @property
    def _is_watched(self) -> bool:
        """Whether callbacks may read or change the model between epochs."""
        return bool(self._callbacks) or self._plan.verbose > 0

    def _is_stopped(self) -> bool:
        return self._is_watched and self._network.network.model.stop_training

    def _listed(self, watch: Watch) -> keras.callbacks.CallbackList:
        if not self._is_watched:
            return keras.callbacks.CallbackList()
        plan, model = self._plan, self._network.expose().model
        model.stop_training = False
        n_rows = len(self._samples) if isinstance(self._samples, Rows) else None
        return keras.callbacks.CallbackList(
            [*self._callbacks, *watch.callbacks()],
            add_history=True,
            add_progbar=plan.verbose > 1,
            model=model,
            verbose=plan.verbose,
            epochs=plan.initial_epoch + plan.epochs,
            steps=None if n_rows is None else -(-n_rows // plan.batch_size),
        )

    def _state(self) -> State:
        slots = self._network.slots()
        assert slots is not None  # made with the program
        values = [*self._network.values(), *slots]
        trainable, fixed, optimizer = self._passes[0].first().packing.joined(values)
        return State(trainable, fixed, optimizer, [])

    def _take(self, state: State) -> None:
        parts = [state.trainable, state.fixed, state.optimizer]
        self._network.take(*self._passes[0].first().packing.parted(parts))

    def _measured(self, state: State, callbacks: keras.callbacks.CallbackList) -> dict[str, float]:
        """Return the metrics of the validation samples."""
        if len(self._passes) == 1:
            return {}
        callbacks.on_test_begin()
        if self._is_watched:  # a callback may put averaged weights in place for it
            state = self._state()
        first = self._passes[1].first().first_metrics
        _, logs = self._passes[1].run(State(state.trainable, state.fixed, [], first), 0)
        callbacks.on_test_end(logs)
        return {f"val_{name}": value for name, value in logs.items()}


def _source(
    samples: Rows | Stream, plan: TrainingPlan, *, training: bool, fixed: bool
) -> BlockSource:
    if isinstance(samples, Stream):
        return StreamBlocks(samples, fixed=fixed, training=training)
    return RowBlocks(samples, plan, shuffle=training and plan.shuffle, fixed=fixed)


def _layout(samples: Rows | Stream, source: BlockSource, *, training: bool, packed: bool) -> Layout:
    """Return the layout of full blocks."""
    shapes, weighted = samples.shapes, samples.is_weighted
    return Layout(
        input_shape=shapes[0],
        target_shape=shapes[1] if len(shapes) - weighted == 2 else None,
        weighted=weighted,
        training=training,
        batch_size=source.batch_size,
        block_rows=source.block_rows,
        packed=packed,
    )
