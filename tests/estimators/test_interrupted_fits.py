"""An interrupted fit leaves the estimator unchanged."""

import _thread
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae.estimators._scikeras import keras
from tests.estimators._cases import ESTIMATORS, output, small, weights


class _Interrupt(keras.callbacks.Callback):
    def __init__(self, epoch, error=KeyboardInterrupt):
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_end(self, epoch, logs=None):
        if epoch >= self.epoch:
            raise self.error("stopped by hand")


@pytest.mark.parametrize("engine", ["auto", "keras"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_fit_leaves_an_unfitted_estimator(error, engine, table):
    estimator = small(AutoencoderTransformer, callbacks=[_Interrupt(0, error)], engine=engine)
    before = dict(vars(estimator))
    with pytest.raises(error, match="stopped by hand"):
        estimator.fit(table)
    assert vars(estimator) == before


@pytest.fixture
def heard_ctrl_c():
    """Have Ctrl-C raise, which a process that was started in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def undisturbed(table):
    """Return what the networks give that nobody interrupted, by engine."""
    return {
        engine: output(small(AutoencoderTransformer, engine=engine).fit(table), table)
        for engine in ("compiled", "keras")
    }


@pytest.mark.usefixtures("heard_ctrl_c")
@pytest.mark.parametrize("engine", ["compiled", "keras"])
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.02, 0.2])
def test_ctrl_c_anywhere_in_training(delay, engine, undisturbed, table):
    expected = undisturbed[engine]
    fitted = small(AutoencoderTransformer, engine=engine, warm_start=True).fit(table)
    new = small(AutoencoderTransformer, engine=engine)
    for estimator in (new, fitted):
        timer = threading.Timer(delay, _thread.interrupt_main)
        ends = time.monotonic() + 60

        # Not while Keras traces, in its first epoch: there it turns any exception into a warning.
        def on_epoch_end(epoch, logs, timer=timer, ends=ends):
            if not (timer.is_alive() or timer.finished.is_set()):
                timer.start()
            assert time.monotonic() < ends, "Ctrl-C had no effect"

        start = keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)
        estimator.set_params(epochs=10**6, callbacks=[start])
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(table)
        timer.join()
    assert not hasattr(new, "model_")
    assert_array_equal(output(fitted, table), expected)
    # The programs that both were interrupted in go on giving what they gave.
    again = small(AutoencoderTransformer, engine=engine).fit(table)
    assert_array_equal(output(again, table), expected)


@pytest.mark.parametrize(
    ("kind", "how", "engine"),
    [
        *((kind, how, "auto") for kind in ESTIMATORS for how in ("fit", "warm", "partial")),
        (ReconstructionOutlierDetector, "warm", "keras"),
    ],
)
def test_interrupted_fit_puts_back_what_was_learned(kind, how, engine, table):
    estimator = small(kind, engine=engine).fit(table)
    twin = small(kind, engine=engine).fit(table)
    expected, state = output(estimator, table), weights(estimator)
    history = dict(estimator.history_)
    estimator.set_params(callbacks=[_Interrupt(0)], warm_start=how == "warm")
    with pytest.raises(KeyboardInterrupt):
        (estimator.partial_fit if how == "partial" else estimator.fit)(table * 0.5)
    assert_array_equal(output(estimator, table), expected)
    for now, then in zip(weights(estimator), state, strict=True):
        assert_array_equal(now, then)
    assert estimator.history_ == history
    if hasattr(estimator, "inverse_transform"):
        codes = estimator.transform(table)
        assert_array_equal(estimator.inverse_transform(codes), twin.inverse_transform(codes))
    # The optimizer was put back too: training on gives what it would have given.
    estimator.set_params(callbacks=None).partial_fit(table)
    assert_array_equal(output(estimator, table), output(twin.partial_fit(table), table))


def test_failed_fit_on_other_columns_keeps_the_old_ones(frame):
    estimator = small(ReconstructionOutlierDetector).fit(frame)
    other = pd.DataFrame(np.full((5, 2), 1e39), columns=["a", "b"])
    with pytest.raises(ValueError, match="too large"):
        estimator.fit(other)
    assert list(estimator.feature_names_in_) == list(frame.columns)
    assert estimator.n_features_in_ == 6
    assert len(estimator.predict(frame)) == 60


def test_rule_that_fails_after_training_undoes_the_fit(table):
    class Broken:
        def threshold(self, errors, sample_weight=None):
            raise RuntimeError("no cut today")

    estimator = small(ReconstructionOutlierDetector, threshold=Broken())
    with pytest.raises(RuntimeError, match="no cut today"):
        estimator.fit(table)
    assert not hasattr(estimator, "model_")
