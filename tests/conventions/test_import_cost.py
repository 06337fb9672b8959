"""What importing skae loads, prints and leaves behind; in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conventions._public import SUBPACKAGES
from tests.conventions._source import ROOT

HEAVY = ("keras", "matplotlib", "pandas", "scikeras", "scipy", "sklearn", "tensorflow")
LIGHT = sorted(f"skae.{name}" for name in ("datasets", "inspection", "scores", "thresholds"))
LOADED = f"""
import importlib, json, sys
def loaded():
    return {{name for name in {HEAVY!r} if name in sys.modules}}
"""


def run(code):
    """Run code in a fresh process, with no variable set that quiets TensorFlow."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def loaded_by(code):
    done = run(f"{LOADED}\n{code}\nprint(json.dumps(sorted(loaded())))")
    return set(json.loads(done.stdout))


def test_skae_alone_loads_nothing_heavy():
    assert loaded_by("import skae; skae.__version__; dir(skae)") == set()


def test_a_heavy_import_is_noticed():
    assert loaded_by("import scipy") == {"scipy"}


@pytest.fixture(scope="module")
def loaded_by_parts():
    """Return what each part loads that the ones before it have not, from one process."""
    code = f"""
{LOADED}
found = {{}}
for name in {LIGHT!r}:
    before = loaded()
    importlib.import_module(name)
    found[name] = sorted(loaded() - before)
print(json.dumps(found))
"""
    return json.loads(run(code).stdout)


@pytest.mark.parametrize("name", LIGHT)
def test_parts_that_need_no_keras_load_none(name, loaded_by_parts):
    """Neither Keras nor matplotlib, which is loaded when a picture is drawn."""
    assert not {"tensorflow", "keras", "matplotlib"} & set(loaded_by_parts[name])


@pytest.fixture(scope="module")
def imported():
    """Return a process that imported an estimator and then the rest, and what it noticed."""
    code = f"""
import json, os, random
import numpy as np

def state():
    return random.getstate(), str(np.random.get_state())

before, found = state(), {{}}
import skae
skae.AutoencoderTransformer
found["a state that was drawn from"] = state() != before
skae.ReconstructionOutlierDetector()
found["a state that was drawn from by an estimator"] = state() != before
names = ("TF_CPP_MIN_LOG_LEVEL", "TF_DETERMINISTIC_OPS")
found["variables"] = sorted(set(names) & os.environ.keys())
for name in {SUBPACKAGES!r}:
    getattr(skae, name)
found["subpackages"] = sorted({set(SUBPACKAGES)!r} & set(dir(skae)))
print(json.dumps(found))
"""
    done = run(code)
    return done, json.loads(done.stdout.splitlines()[-1])


def test_public_subpackages_are_attributes(imported):
    assert imported[1]["subpackages"] == sorted(SUBPACKAGES)


def test_an_estimator_is_imported_in_silence(imported):
    done, found = imported
    assert (done.stdout, done.stderr) == (json.dumps(found) + "\n", "")


def test_import_leaves_global_random_state_alone(imported):
    _, found = imported
    assert not found["a state that was drawn from"]
    assert not found["a state that was drawn from by an estimator"]


def test_import_sets_no_variable(imported):
    """Worker processes are not told to log, nor TensorFlow to be deterministic."""
    assert imported[1]["variables"] == []


def test_unknown_names_are_refused():
    import skae

    with pytest.raises(AttributeError, match="module 'skae' has no attribute 'Autoencodr'"):
        _ = skae.Autoencodr
