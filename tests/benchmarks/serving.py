"""Cases of running a fitted model, of memory, and of imports."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from tests.benchmarks.tools import (
    LAYERS,
    clocked,
    detector,
    keras_dense,
    keras_fit,
    measures,
    peak,
    resident,
    uniform,
)


@measures("one_row", "skae")
def _():
    X = uniform(500, 140)
    estimator = detector(epochs=1).fit(X)
    return clocked(lambda: [estimator.decision_function(X[:1]) for _ in range(200)], 10) / 200


@measures("one_row", "scikit-learn")
def _():
    import warnings

    from sklearn.neural_network import MLPRegressor

    X = uniform(500, 140)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = MLPRegressor(hidden_layer_sizes=LAYERS, max_iter=1).fit(X, X)
    return clocked(lambda: [estimator.predict(X[:1]) for _ in range(200)], 10) / 200


@measures("one_row", "keras")
def _():
    X = uniform(1, 140)
    model = keras_dense()
    model.predict(X, verbose=0)
    return clocked(lambda: model.predict(X, verbose=0), 10)


SCORE_ROWS = 1_000_000


@measures("score", "skae")
def _():
    estimator = detector(epochs=1).fit(uniform(1000, 140))
    X = uniform(SCORE_ROWS, 140)
    estimator.score_samples(X[:20_000])
    return clocked(lambda: estimator.score_samples(X), 2)


@measures("score", "keras")
def _():
    model = keras_dense()
    # Its time is proportional to rows; a tenth of them spares the reader two minutes.
    X = uniform(SCORE_ROWS // 10, 140)
    model.predict(X[:64], verbose=0)
    return 10 * clocked(lambda: model.predict(X, verbose=0))


@measures("score", "numpy")
def _():
    X = uniform(SCORE_ROWS, 140)
    sizes = (140, *LAYERS, 140)
    weights = [uniform(*pair) - 0.5 for pair in pairwise(sizes)]

    def forward():
        for start in range(0, len(X), 8192):
            z = X[start : start + 8192]
            for weight in weights:
                z = np.maximum(z @ weight, 0)

    return clocked(forward, 2)


def _scored(detector):
    X = uniform(100_000, 30)
    detector.fit(X[:5000])
    return clocked(lambda: detector.score_samples(X), 4)


@measures("default_score", "skae")
def _():
    from skae import ReconstructionOutlierDetector

    return _scored(ReconstructionOutlierDetector(random_state=0))


@measures("default_score", "isolation forest")
def _():
    from sklearn.ensemble import IsolationForest

    return _scored(IsolationForest(random_state=0))


WRITE = """
import joblib, numpy as np
from skl2onnx import to_onnx
from skae import ReconstructionOutlierDetector
X = np.random.default_rng(0).normal(size=(500, 20))
detector = ReconstructionOutlierDetector(epochs=1, random_state=0).fit(X)
np.save("row.npy", X[:1])
joblib.dump(detector, "detector.joblib")
open("detector.onnx", "wb").write(to_onnx(detector, X[:1]).SerializeToString())
"""
# Each prints the seconds to the first answer, the peak of memory in MB, and the seconds of another.
ANSWER = """
import time
start = time.perf_counter()
import resource
import numpy as np
{load}
row = np.load("row.npy")
answer(row)
first = time.perf_counter() - start
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
times = []
for _ in range(2000):
    start = time.perf_counter()
    answer(row)
    times.append(time.perf_counter() - start)
print(first, memory, min(times))
"""
LOAD = {
    "skae": """
import onnxruntime
session = onnxruntime.InferenceSession("detector.onnx")
answer = lambda row: session.run(["decision"], {"X": row})
""",
    "pickle": """
import joblib
answer = joblib.load("detector.joblib").decision_function
""",
}


def _answered(contender, place):
    """Return a figure of a fresh process that reads a file and scores one row."""
    with tempfile.TemporaryDirectory() as folder:
        for code in (WRITE, ANSWER.format(load=LOAD[contender])):
            command = [sys.executable, "-W", "ignore", "-c", code]
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[place])


for _place, _case in enumerate(("onnx_first", "onnx_memory", "onnx_row")):
    for _contender in LOAD:
        measures(_case, _contender)(partial(_answered, _contender, _place))


def _growth(fit, n):
    for _ in range(5):
        fit()
    before = resident()
    for _ in range(n):
        fit()
    return (resident() - before) / n


@measures("growth", "skae")
def _():
    X = uniform(500, 140)
    return _growth(lambda: detector(epochs=1).fit(X), 200)


@measures("growth", "keras")
def _():
    X = uniform(500, 140)
    return _growth(lambda: keras_fit(X, epochs=1), 20)


@measures("peak_array", "skae")
def _():
    """Peak memory beyond 1.2 times an array of 500 MB."""
    detector(epochs=1).fit(uniform(600, 140))
    before = resident()
    X = uniform(500 * 2**20 // 560, 140)
    detector(epochs=1).fit(X)
    return max(peak() - before - 1.2 * X.nbytes / 2**20, 0.0)


@measures("peak_memmap", "skae")
def _():
    """Peak memory of a fit on a memory map of 4 GB, file pages aside."""
    detector(epochs=1).fit(uniform(600, 140))
    with tempfile.TemporaryDirectory() as folder:
        rows = 4 * 2**30 // 560
        X = np.memmap(Path(folder) / "rows.dat", np.float32, "w+", shape=(rows, 140))
        X.flush()
        return _anonymous_peak(lambda: detector(epochs=1, batch_size=4096).fit(X))


def _anonymous_peak(function):
    import threading

    def anonymous():
        status = Path("/proc/self/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1024

    before, seen, done = anonymous(), [0.0], threading.Event()

    def watch():
        while not done.wait(0.05):
            seen.append(anonymous())

    thread = threading.Thread(target=watch)
    thread.start()
    function()
    done.set()
    thread.join()
    return max(seen) - before


def _import(module):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def _bare():
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return time.perf_counter() - start


@measures("import", "skae")
def _():
    return max(_import("skae") - _bare(), 0.0)


@measures("import", "scikit-learn")
def _():
    return _import("sklearn") - _bare()
