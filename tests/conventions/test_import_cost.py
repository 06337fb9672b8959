"""What importing skae loads and prints; each test in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conventions._public import SUBPACKAGES
from tests.conventions._source import ROOT, module_names

HEAVY = ("keras", "matplotlib", "pandas", "scikeras", "scipy", "sklearn", "tensorflow")


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
    report = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    return set(eval(run(f"{code}\n{report}").stdout))  # a list of the names above


def test_skae_alone_loads_nothing_heavy():
    assert loaded_by("import skae; skae.__version__; dir(skae)") == set()


def test_public_subpackages_are_attributes():
    names = ", ".join(f"skae.{name}" for name in SUBPACKAGES)
    run(f"import skae; {names}; assert {set(SUBPACKAGES)!r} <= set(dir(skae))")


def test_a_heavy_import_is_noticed():
    assert loaded_by("import scipy") == {"scipy"}


@pytest.mark.parametrize(
    "name", sorted({"skae.datasets", "skae.inspection", "skae.thresholds"} & module_names())
)
def test_parts_that_need_no_keras_load_none(name):
    """Neither Keras nor matplotlib, which is loaded when a picture is drawn."""
    assert not {"tensorflow", "keras", "matplotlib"} & loaded_by(f"import {name}")


def test_an_estimator_is_imported_in_silence():
    done = run("import skae; skae.AutoencoderTransformer")
    assert (done.stdout, done.stderr) == ("", "")


def test_import_leaves_global_random_state_alone():
    code = (
        "import random, numpy as np\n"
        "before = random.getstate(), str(np.random.get_state())\n"
        "import skae; skae.ReconstructionOutlierDetector()\n"
        "print(before == (random.getstate(), str(np.random.get_state())))"
    )
    assert run(code).stdout.strip() == "True"


def test_unknown_names_are_refused():
    import skae

    with pytest.raises(AttributeError, match="module 'skae' has no attribute 'Autoencodr'"):
        _ = skae.Autoencodr


def test_another_backend_of_keras_is_refused():
    code = "import keras; keras.backend.backend = lambda: 'jax'; import skae; skae.noise"
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run(code)
    assert "skae runs on Keras's TensorFlow backend, but Keras runs on 'jax'" in raised.value.stderr
