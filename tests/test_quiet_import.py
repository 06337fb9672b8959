"""The import of TensorFlow: backend and messages."""

from __future__ import annotations

import os
import re
import sys
import tempfile

import pytest

from skae import _tensorflow
from tests._scripts import run
from tests.conventions._source import ROOT

CHATTER = b"I0000 00:00:1795656089.389635    8436 port.cc:153] oneDNN custom operations are on.\n"


@pytest.fixture
def backends(tmp_path):
    """Return a folder where Keras's other backends say their name and end the process."""
    for name in ("jax", "torch"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('it is {name}')", encoding="utf-8")
    return tmp_path


def test_another_backend_is_refused_before_anything_loads(backends):
    code = """
import sys
try:
    import skae.estimators
except ImportError as error:
    print(error, {"tensorflow", "torch", "keras"} & sys.modules.keys())
"""
    said = run(code, KERAS_BACKEND="torch", PYTHONPATH=str(backends)).stdout
    assert "Keras runs on 'torch'; set the environment variable KERAS_BACKEND" in said
    assert said.strip().endswith("set()")


@pytest.mark.parametrize(("variable", "chosen"), [(None, "jax"), ("", "jax"), ("torch", "torch")])
def test_the_backend_is_looked_up_as_keras_does(variable, chosen, backends):
    (backends / "keras.json").write_text('{"backend": "jax"}', encoding="utf-8")
    variables = {"KERAS_HOME": str(backends), "PYTHONPATH": str(backends)}
    if variable is not None:
        variables["KERAS_BACKEND"] = variable
    assert run("import keras", check=False, **variables).stderr == f"it is {chosen}\n"
    refused = run("import skae.engine", check=False, **variables).stderr
    assert f"Keras runs on {chosen!r}" in refused


@pytest.mark.parametrize("text", [None, "{", "{}"], ids=["no file", "broken", "no backend"])
def test_without_settings_keras_runs_on_tensorflow(text, tmp_path, monkeypatch):
    if text is not None:
        (tmp_path / "keras.json").write_text(text, encoding="utf-8")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras")
    assert _tensorflow._configured_backend() == "tensorflow"


def lines(text):
    """Return the lines of a log without numbers, which differ from run to run."""
    return sorted(re.sub(r"\d+", "", text).splitlines())


USE = "import tensorflow as tf; tf.constant(1.0) + 1"


@pytest.fixture(scope="module")
def alone():
    """Return a process that uses TensorFlow, and then has skae find Keras on another backend."""
    code = f"""
{USE}
import keras
keras.backend.backend = lambda: "jax"
try:
    import skae
    skae.noise
except ImportError as error:
    print(error)
"""
    return run(code, TF_CPP_MIN_LOG_LEVEL="2")


@pytest.mark.slow
def test_who_asks_for_messages_sees_those_of_tensorflow(alone):
    with_skae = run(f"import skae.estimators; {USE}", TF_CPP_MIN_LOG_LEVEL="2")
    assert lines(with_skae.stderr) == lines(alone.stderr)


def test_another_backend_of_an_imported_keras_is_refused(alone):
    wanted = "skae runs on Keras's TensorFlow backend, but Keras runs on 'jax'"
    assert alone.stdout.startswith(wanted)


def test_three_threads_may_import_at_once_and_who_asks_for_silence_has_it():
    code = """
from concurrent.futures import ThreadPoolExecutor
import importlib, os
with ThreadPoolExecutor(3) as pool:
    found = list(pool.map(importlib.import_module, ["skae.noise", "skae.engine", "skae.networks"]))
import skae.estimators
print(len(found), os.environ.get("TF_CPP_MIN_LOG_LEVEL"))
"""
    done = run(code, TF_CPP_MIN_LOG_LEVEL="3")
    assert (done.stdout, done.stderr) == ("3 3\n", "")


@pytest.fixture
def slow_and_noisy(tmp_path):
    """Return a folder with a TensorFlow that loads slowly and says so, and a Keras on it."""
    text = f"import os, time; os.write(2, {CHATTER!r}); time.sleep(0.3); os.write(2, {CHATTER!r})"
    (tmp_path / "tensorflow.py").write_text(text, encoding="utf-8")
    text = "class backend:\n    backend = staticmethod(lambda: 'tensorflow')\n"
    (tmp_path / "keras.py").write_text(text, encoding="utf-8")
    return tmp_path


def test_threads_that_import_at_once_hide_all_and_leave_no_level(slow_and_noisy):
    code = """
from concurrent.futures import ThreadPoolExecutor
import importlib, os
with ThreadPoolExecutor(3) as pool:
    found = list(pool.map(importlib.import_module, ["skae._tensorflow"] * 3))
print(len(found), os.environ.get("TF_CPP_MIN_LOG_LEVEL"))
"""
    done = run(code, PYTHONPATH=f"{slow_and_noisy}{os.pathsep}{ROOT}")
    assert (done.stdout, done.stderr) == ("3 None\n", "")


def test_no_standard_error_at_all():
    """Under pythonw and some services: descriptor 2 is closed, and ``sys.stderr`` is None."""
    code = "import os, sys; os.close(2); sys.stderr = None; import skae.engine; print('imported')"
    assert run(code).stdout == "imported\n"


@pytest.mark.parametrize("level", [None, "3", "7"])
def test_only_what_tensorflow_writes_is_hidden(level, capfd, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with _tensorflow._quietly():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (level or "3")
        os.write(2, CHATTER + b"a line of another thread\n")
    assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") == level
    assert capfd.readouterr().err == "a line of another thread\n"


@pytest.mark.parametrize("level", ["0", "1", "2", "", "much"])
def test_messages_that_are_asked_for_are_shown_at_once(level, capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with _tensorflow._quietly():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level
        os.write(2, CHATTER)
        assert capfd.readouterr().err == CHATTER.decode()


def import_that_fails():
    with _tensorflow._quietly():
        os.write(2, CHATTER)
        raise ImportError("libcuda")


def test_an_import_that_fails_hides_nothing(capfd, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with pytest.raises(ImportError, match="libcuda"):
        import_that_fails()
    assert capfd.readouterr().err == CHATTER.decode()


def no_file():
    raise FileNotFoundError("No usable temporary directory found")


class Closed:
    def flush(self):
        raise ValueError("I/O operation on closed file.")


def test_without_a_place_for_a_file_all_is_shown(capfd, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setattr(tempfile, "TemporaryFile", no_file)
    monkeypatch.setattr(sys, "stderr", Closed())
    with _tensorflow._quietly():
        os.write(2, CHATTER)
    assert capfd.readouterr().err == CHATTER.decode()
