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
from tests import _forking
from tests._scripts import run
from tests.conventions._source import ROOT

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@pytest.fixture(scope="module")
def said():
    """Return what a fresh process says of forks, workers and the classes of others."""
    return json.loads(run("from tests._forking import tell; tell()").stdout)


@needs_fork
@pytest.mark.parametrize(
    "use",
    [
        "one row",
        "many rows",
        "reconstruct",
        "fit",
        "fit by Keras",
        "partial_fit",
        "noisy fit",
        "load",
        "child of a child",
    ],
)
def test_a_child_forked_after_tensorflow_was_used_refuses_at_once(use, said):
    assert _forking.REFUSAL in said["refusals"][use]


@needs_fork
@pytest.mark.parametrize("parent", ["skae alone", "imported", "child of a child"])
def test_a_child_forked_before_tensorflow_was_used_works(parent, said):
    assert said[parent] == said["own"]


@needs_fork
def test_what_a_child_forks_after_its_own_use_refuses(said):
    scores, answer = said["child of a child that trained"]
    assert scores == said["own"]
    assert _forking.REFUSAL in answer


@needs_fork
@pytest.mark.parametrize("advice", ["--preload", "post_fork", "forkserver", "spawn"])
def test_a_users_own_tensorflow_counts(advice, said):
    assert "forked after TensorFlow had been used" in said["users own"]
    assert advice in said["users own"]


@needs_fork
def test_a_pool_of_forked_workers_hands_the_refusal_on(said):
    assert "get_context('forkserver')" in said["pool"]


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
    for name in _forking.THREADS:
        monkeypatch.setenv(name, "")  # so that what is set is put back
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the user's process")
    monkeypatch.setattr(_tensorflow, "runtime_started", lambda: False)
    return monkeypatch


def limits():
    _tensorflow._limit_threads()
    return [os.environ.get(name) for name in _forking.THREADS]


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
def test_tensorflow_takes_no_more_threads_than_joblib_says(said):
    (few, *one), (many, *twenty) = said["threads"]
    assert (one, twenty, said["own threads"]) == (["1", "1"], ["20", "20"], None)
    assert many - few >= 2 * 19


def test_the_classes_of_others_are_left_as_they_were(said):
    assert said["replaced"] == []
