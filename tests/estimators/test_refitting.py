"""A thread that scores during a refit gets the results of the old or of the new fit.

The expected results come from a twin that takes the same steps alone, with the same seeds.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from sklearn.base import clone

from skae import ReconstructionOutlierDetector
from tests.estimators._cases import ESTIMATORS, output, small

N_STEPS = 8


@pytest.fixture(autouse=True)
def _eager_threads():
    """Have threads take turns far more often than they do by themselves."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def _rounded(frame):
    return frame.select_dtypes("number").to_numpy()


READERS = {
    "decision_function": lambda fitted, X: fitted.decision_function(X),
    "predict": lambda fitted, X: fitted.predict(X),
    "score_samples": lambda fitted, X: fitted.score_samples(X),
    "reconstruct": lambda fitted, X: fitted.reconstruct(X),
    "explain": lambda fitted, X: _rounded(fitted.explain(X)),
}


def _read_while(act, estimator, read):
    """Return what another thread reads before, while and after `act` runs."""
    seen, started, done = [], threading.Event(), threading.Event()

    def keep_reading():
        try:
            while not done.wait(1e-4):
                seen.append(read(estimator))
                started.set()
            seen.append(read(estimator))
        finally:
            started.set()

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(keep_reading)
        try:
            started.wait(60)
            act()
        finally:
            done.set()
        reading.result()
    return seen


def _check(estimator, rows, steps, read):
    """Take `steps` alone, then beside a reader, who has to see the same versions in their order."""
    twin = clone(estimator).fit(rows)
    versions = [read(twin)]
    for step in steps:
        step(twin)
        versions.append(read(twin))
    estimator.fit(rows)
    seen = _read_while(lambda: [step(estimator) for step in steps], estimator, read)
    assert len({version.tobytes() for version in versions}) > 1, "the steps change nothing"
    current, mixtures = 0, 0
    for got in seen:
        same = [n for n in range(current, len(versions)) if np.array_equal(versions[n], got)]
        current = same[0] if same else current
        mixtures += not same
    assert mixtures == 0, f"{mixtures} of {len(seen)} results are of no version"
    np.testing.assert_array_equal(seen[-1], versions[-1])


def _alternately(table, name):
    """Return steps that train on other rows each time."""
    parts = [table * 0.5 + 0.2, table]
    return [lambda e, part=parts[n % 2]: getattr(e, name)(part) for n in range(N_STEPS)]


def _recalibrations(table):
    steps = []
    for number, step in enumerate(_alternately(table, "fit")):
        rows = table[number : number + 20]
        steps += [step, lambda e, rows=rows: e.recalibrate(rows)]
    return steps


class _Failing(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("stopped by hand")


def _failures(table):
    def fail(estimator):
        estimator.set_params(callbacks=[_Failing()])
        with pytest.raises(RuntimeError, match="stopped by hand"):
            estimator.fit(table * 0.5)
        estimator.set_params(callbacks=None)

    return [fail, *_alternately(table, "fit")[:1]] * 3


def _mixed(table):
    half = table * 0.5
    return [
        lambda e: e.partial_fit(half),
        lambda e: e.fit(half),
        lambda e: e.recalibrate(table),
        lambda e: e.set_params(warm_start=True).fit(table),
        lambda e: e.partial_fit(table),
        lambda e: e.set_params(warm_start=False).fit(half),
    ]


WAYS = {
    "fit": lambda table: _alternately(table, "fit"),
    "partial_fit": lambda table: _alternately(table, "partial_fit"),
    "warm": lambda table: _alternately(table, "fit"),
    "recalibrate": _recalibrations,
    "failing": _failures,
    "mixed": _mixed,
}


# Few rows are scored in NumPy, many by a compiled program.
@pytest.mark.parametrize(
    ("reader", "n"), [("decision_function", 2), ("decision_function", 600), ("predict", 60)]
)
@pytest.mark.parametrize("way", WAYS)
def test_labels_while_a_detector_is_refitted(way, reader, n, table):
    rows = np.resize(table, (n, table.shape[1]))
    detector = small(ReconstructionOutlierDetector, warm_start=way == "warm")
    _check(detector, table, WAYS[way](table), lambda fitted: READERS[reader](fitted, rows))


@pytest.mark.parametrize("way", ["fit", "mixed"])
@pytest.mark.parametrize("reader", ["score_samples", "reconstruct", "explain"])
def test_scores_while_a_detector_is_refitted(way, reader, table):
    detector = small(ReconstructionOutlierDetector)
    _check(detector, table, WAYS[way](table), lambda fitted: READERS[reader](fitted, table))


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_other_estimators_while_they_are_refitted(kind, way, table):
    _check(small(kind), table, WAYS[way](table), lambda fitted: output(fitted, table))


def test_labels_while_the_loop_of_keras_refits(table):
    detector = small(ReconstructionOutlierDetector, engine="keras")
    steps = _alternately(table, "fit")[:1]
    _check(detector, table, steps, lambda fitted: fitted.decision_function(table))
