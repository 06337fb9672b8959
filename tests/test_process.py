"""Forks, and the cores of worker processes."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sys
import textwrap
import types

import joblib
import numpy as np
import pytest

from skae import ReconstructionOutlierDetector, _forks, _tensorflow
from tests._scripts import run
from tests.conventions._source import ROOT

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
FORKED = """
import os, pickle, signal
import numpy as np

def forked(work):
    '''Return what `work` returns, or how it fails, in a child that has 40 seconds.'''
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(40)
        try:
            answer = repr(work())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(send, answer.encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as end:
        answer = end.read()
    os.waitpid(child, 0)
    return answer or "the child hung or died"

X = np.random.default_rng(0).random((500, 4), dtype=np.float32)
parameters = {"latent_dim": 2, "epochs": 1, "random_state": 0}

def trained():
    return ReconstructionOutlierDetector(**parameters).fit(X)

REFUSAL = "RuntimeError: This process was forked after TensorFlow had been used"
"""


def printed(code, **variables):
    return json.loads(run(code, **variables).stdout)


@needs_fork
def test_a_child_forked_after_tensorflow_was_used_refuses_at_once():
    code = (
        FORKED
        + """
import json
from skae import DenoisingRegressor, ReconstructionOutlierDetector
detector, loop = trained(), ReconstructionOutlierDetector(**parameters, engine="keras")
denoiser = DenoisingRegressor(**parameters).fit(X)
pickled = pickle.dumps(detector)
work = {
    "one row": lambda: detector.predict(X[:1]),
    "many rows": lambda: detector.score_samples(X),
    "reconstruct": lambda: detector.reconstruct(X),
    "fit": trained,
    "fit by Keras": lambda: loop.fit(X),
    "partial_fit": lambda: detector.partial_fit(X),
    "noisy fit": lambda: denoiser.fit(X, X_val=X),
    "load": lambda: pickle.loads(pickled).predict(X[:1]),
    "child of a child": lambda: forked(lambda: detector.predict(X[:1])),
}
answers = {name: forked(function) for name, function in work.items()}
print(json.dumps({name: text for name, text in answers.items() if REFUSAL not in text}))
"""
    )
    assert printed(code) == {}


@needs_fork
def test_a_child_forked_before_tensorflow_was_used_works():
    code = (
        FORKED
        + """
import json
import skae
def scores():
    global ReconstructionOutlierDetector
    from skae import ReconstructionOutlierDetector
    return trained().score_samples(X).tolist()

def scores_and_child():
    detector = scores()
    return forked(lambda: trained()), detector

answers = [forked(scores)]  # TensorFlow is not imported
from skae import ReconstructionOutlierDetector
answers += [forked(scores), forked(lambda: forked(scores))]
child_of_a_user, expected = eval(forked(scores_and_child))
own = scores()
print(json.dumps([answers[0] == repr(own), answers[1] == repr(own), answers[2] == repr(repr(own)),
                  expected == own, REFUSAL in child_of_a_user, REFUSAL in forked(scores)]))
"""
    )
    assert printed(code) == [True] * 6


@needs_fork
def test_a_users_own_tensorflow_counts():
    code = (
        FORKED
        + """
import skae
import tensorflow as tf
tf.constant(1.0) + 1
def fit():
    return skae.ReconstructionOutlierDetector(**parameters).fit(X)
print(forked(fit))
"""
    )
    said = run(code).stdout
    assert "forked after TensorFlow had been used" in said
    for advice in ("--preload", "post_fork", "forkserver", "spawn"):
        assert advice in said


@needs_fork
def test_a_pool_of_forked_workers_hands_the_refusal_on():
    code = (
        FORKED
        + """
import multiprocessing
from skae import ReconstructionOutlierDetector
detector = trained()

def predict(rows):  # a detector among the arguments would already fail to load
    return detector.predict(rows)

with multiprocessing.get_context("fork").Pool(1) as pool:
    try:
        pool.apply_async(predict, [X]).get(60)
    except RuntimeError as error:
        print(error)
"""
    )
    assert "get_context('forkserver')" in run(code).stdout


@pytest.mark.slow
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_the_workers_of_the_guide(method, tmp_path, monkeypatch):
    guide = (ROOT / "docs" / "user_guide" / "serving.rst").read_text(encoding="utf-8")
    block = guide.split(".. code-block:: python\n\n")[1].split("\n\n.. ")[0]
    script = "".join(line for line in block.splitlines(True) if line.startswith(("   ", "\n")))
    assert "forkserver" in script
    script = textwrap.dedent(script).replace("forkserver", method)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    X = np.random.default_rng(0).uniform(size=(300, 6))
    detector = ReconstructionOutlierDetector(latent_dim=2, epochs=1, random_state=0).fit(X)
    joblib.dump(detector, tmp_path / "detector.joblib")
    code = """
import runpy
print(runpy.run_path("script.py", run_name="__main__")["labels"].tolist())
"""
    labels = run(code, cwd=tmp_path, PYTHONPATH=str(ROOT)).stdout
    assert json.loads(labels) == detector.predict(X).tolist()


def test_where_tensorflow_hides_its_runtime_it_counts_as_started(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow.python.eager.context", types.ModuleType("empty"))
    assert _forks.runtime_started()
    monkeypatch.delitem(sys.modules, "tensorflow")
    assert not _forks.runtime_started()


@pytest.fixture
def in_worker(monkeypatch):
    """Make this process look like a worker that joblib gave 3 cores, before TensorFlow starts."""
    for name in THREADS:
        monkeypatch.setenv(name, "")  # so that what is set is put back
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the user's process")
    monkeypatch.setattr(_tensorflow, "runtime_started", lambda: False)
    return monkeypatch


def limits():
    _tensorflow._limit_threads()
    return [os.environ.get(name) for name in THREADS]


def test_a_worker_keeps_to_its_cores_and_says_so(in_worker, caplog):
    caplog.set_level(logging.DEBUG, "skae")
    assert limits() == ["3", "3"]
    assert "Set TF_NUM_INTRAOP_THREADS=3" in caplog.text


def test_what_a_user_says_of_threads_is_kept(in_worker):
    in_worker.setenv("TF_NUM_INTRAOP_THREADS", "8")
    assert limits() == ["8", "3"]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("runtime_started", lambda: True), ("multiprocessing.parent_process", lambda: None)],
    ids=["a runtime that runs", "a process of the user"],
)
def test_nothing_is_set_in(in_worker, attribute, value):
    in_worker.setattr(f"skae._tensorflow.{attribute}", value)
    assert limits() == [None, None]


@pytest.mark.parametrize("cores", ["", "all"])
def test_without_a_number_of_cores_nothing_is_set(in_worker, cores):
    in_worker.setenv("OMP_NUM_THREADS", cores)
    assert limits() == [None, None]


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux lists them")
def test_tensorflow_takes_no_more_threads_than_joblib_says():
    code = """
import json, os
import joblib

def threads():
    import keras  # TensorFlow without skae, not started
    before = len(os.listdir("/proc/self/task"))
    import skae.engine
    keras.ops.ones(3) + 1
    variables = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return len(os.listdir("/proc/self/task")) - before, *map(os.environ.get, variables)

answers = []
for cores in (1, 20):
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=cores):
        answers += joblib.Parallel()([joblib.delayed(threads)()])
import skae.engine
print(json.dumps([*answers, os.environ.get("TF_NUM_INTRAOP_THREADS")]))
"""
    (few, *one), (many, *twenty), own = printed(code)
    assert (one, twenty, own) == (["1", "1"], ["20", "20"], None)
    assert many - few >= 2 * 19


def test_the_classes_of_others_are_left_as_they_were():
    code = """
import json, pickle, sys
import keras, numpy as np, sklearn.base
from sklearn.base import clone

def attributes():
    classes = [keras.Model, keras.Layer, keras.losses.Loss, keras.metrics.Metric]
    classes += [keras.optimizers.Optimizer, keras.optimizers.Adam, keras.layers.Dense]
    classes += [keras.callbacks.Callback, sklearn.base.BaseEstimator, sklearn.base.OutlierMixin]
    return {f"{kind}.{name}": id(value) for kind in classes for name, value in vars(kind).items()
            if not name.startswith("_abc_") and callable(value)}

before = attributes()
from skae import ReconstructionOutlierDetector
X = np.random.default_rng(0).random((40, 4))
for engine in ("compiled", "keras"):
    detector = ReconstructionOutlierDetector(
        latent_dim=1, epochs=1, engine=engine, loss=keras.losses.Huber(), metrics=["mae"]
    )
    pickle.loads(pickle.dumps(clone(detector).fit(X))).predict(X)
after = attributes()
print(json.dumps(sorted(k for k in {**before, **after} if before.get(k) != after.get(k))))
"""
    assert printed(code) == []
