"""Keras's epoch callbacks work as in Keras's own loop."""

from __future__ import annotations

import csv
from dataclasses import replace

import keras
import numpy as np
import pytest

from skae import engine
from skae._contracts import Batchable, TrainingPlan
from skae.exceptions import NonFiniteLossError
from tests.engine._networks import model_of, weights_of

# Keras's own callbacks read the learning rate in a way that NumPy 2 is to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
LONG = TrainingPlan(epochs=12, batch_size=10, seed=5)


class Recorder(keras.callbacks.Callback):
    """Keeps the calls, the logs and the weights that it sees."""

    def __init__(self):
        super().__init__()
        self.calls, self.logs, self.weights = [], [], []

    def on_train_begin(self, logs=None):
        self.calls.append("train")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"begin {epoch}")

    def on_test_end(self, logs=None):
        self.calls.append("test")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"end {epoch}")
        self.logs.append(dict(logs))
        self.weights.append(self.model.get_weights()[0])

    def on_train_end(self, logs=None):
        self.calls.append("done")


def both(make, rows, callbacks, plan=LONG):
    """Train by both engines with callbacks made anew; return weights, histories, callbacks."""
    results = []
    for name in ("keras", "compiled"):
        network, made = make(), callbacks()
        held = Batchable(rows[:8] + 1)
        result = engine.train(network, Batchable(rows), held, plan, callbacks=made, engine=name)
        results.append((weights_of(network), result.history, made))
    return zip(*results, strict=True)


def test_same_calls_logs_and_weights(make_dense, rows, plan):
    *_, made = both(make_dense, rows, lambda: [Recorder()], plan)
    (wanted,), (got,) = made
    assert got.calls == wanted.calls
    for ours, theirs in zip(got.logs, wanted.logs, strict=True):
        assert list(ours) == list(theirs)
        np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-5)
    np.testing.assert_allclose(got.weights, wanted.weights, rtol=1e-4, atol=1e-6)


def test_early_stopping_restores_the_best_weights(make_dense, rows):
    def stopping():
        return [keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)]

    def make():
        return make_dense(optimizer=lambda: keras.optimizers.SGD(2.0, momentum=0.5))

    weights, histories, _ = both(make, rows, stopping)
    assert len(histories[0]["loss"]) == len(histories[1]["loss"]) < LONG.epochs
    np.testing.assert_allclose(weights[1][0], weights[0][0], rtol=1e-3)


def test_learning_rate_changes_count(make_dense, rows):
    def changing():
        halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
        return [halve, keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=0.1)]

    weights, histories, _ = both(make_dense, rows, changing)
    np.testing.assert_allclose(
        histories[1]["learning_rate"], histories[0]["learning_rate"], rtol=1e-6
    )
    assert histories[1]["learning_rate"][-1] < 1e-4
    np.testing.assert_allclose(weights[1][0], weights[0][0], rtol=1e-4)


def test_files_are_written(make_dense, rows, plan, tmp_path, train):
    best, log = tmp_path / "best.weights.h5", tmp_path / "log.csv"
    callbacks = [
        keras.callbacks.ModelCheckpoint(best, monitor="loss", save_weights_only=True),
        keras.callbacks.CSVLogger(str(log)),
    ]
    network = make_dense()
    history = train(network, callbacks=callbacks)
    with log.open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(losses, history["loss"], rtol=1e-6)
    fresh = model_of(make_dense(9))
    fresh.optimizer.build(fresh.trainable_variables)
    fresh.load_weights(best)
    np.testing.assert_array_equal(fresh.get_weights()[0], weights_of(network)[0])


def test_tensorboard(make_dense, train, tmp_path):
    pytest.importorskip("tensorboard")
    train(make_dense(), callbacks=[keras.callbacks.TensorBoard(str(tmp_path), write_graph=False)])
    assert list(tmp_path.rglob("events*"))


def test_weights_that_a_callback_sets_are_trained_on(make_dense, rows, train, plan):
    class Zero(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.set_weights([np.zeros_like(w) for w in self.model.get_weights()])

    history = train(make_dense(), callbacks=[Zero()], plan=replace(plan, epochs=3))
    # From zeros the reconstruction is almost zero for a few steps.
    assert history["loss"][2] == pytest.approx(float(np.mean(rows**2)), rel=0.01)


@pytest.mark.parametrize("name", ["keras", "compiled"])
@pytest.mark.parametrize("callbacks", [[], [keras.callbacks.TerminateOnNaN()]])
def test_losses_that_are_no_numbers(name, callbacks, make_dense, train):
    network = make_dense(optimizer=lambda: keras.optimizers.SGD(1e20))
    recorder = Recorder()
    with pytest.raises(NonFiniteLossError, match=r"epoch 1: .*learning rate .*not scaled"):
        train(network, callbacks=[recorder, *callbacks], name=name)
    assert recorder.calls[-1] == "done"


@pytest.mark.parametrize("name", ["keras", "compiled"])
def test_weights_that_are_no_numbers_after_the_last_step(name, make_dense, rows, train):
    plan = TrainingPlan(epochs=1, batch_size=len(rows))
    network = make_dense(optimizer=lambda: keras.optimizers.SGD(np.inf))
    with pytest.raises(NonFiniteLossError, match="epoch 1: its last step left weights"):
        train(network, plan=plan, name=name)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_programs_survive_an_interrupted_fit(error, make_dense, train, empty_cache):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise error

    with pytest.raises(error):
        train(make_dense(), callbacks=[Interrupt()])
    first, second = make_dense(), make_dense()
    train(first)
    engine.clear_cache()
    train(second)
    np.testing.assert_array_equal(weights_of(first)[0], weights_of(second)[0])


@pytest.mark.parametrize("name", ["keras", "compiled"])
@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_what_is_shown(name, verbose, make_dense, train, plan, capsys):
    plan = replace(plan, verbose=verbose)
    train(make_dense(), plan=plan, name=name)
    shown = capsys.readouterr().out
    if verbose == 0:
        assert shown == ""
    elif verbose == 1:
        assert "3/3" in shown
        assert "loss" in shown
        assert shown.count("\n") == 1
    else:
        assert shown.count("loss") == plan.epochs


class Zeroed(keras.callbacks.Callback):
    """Measures with weights of zero, and trains with the others."""

    def on_test_begin(self, logs=None):
        self.saved = self.model.get_weights()
        self.model.set_weights([weights * 0 for weights in self.saved])

    def on_test_end(self, logs=None):
        self.model.set_weights(self.saved)


def test_weights_put_in_place_for_the_validation(make_dense, rows, train):
    histories = [
        train(make_dense(), validation=rows, callbacks=[Zeroed()], name=name)
        for name in ("keras", "compiled")
    ]
    np.testing.assert_allclose(histories[1]["val_loss"], np.mean(rows**2), rtol=1e-5)
    for key, values in histories[0].items():
        np.testing.assert_allclose(histories[1][key], values, rtol=1e-5)
