"""Fixtures that every test may use, and the environment they run in."""

from __future__ import annotations

import os
import random
from pathlib import Path

# Workers of pytest-xdist share the cores; libraries that each take all of them would queue for
# them. It has to be said before TensorFlow and NumPy load.
if "PYTEST_XDIST_WORKER" in os.environ:
    for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(_variable, "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest

import skae._tensorflow  # noqa: F401  quiet, whichever test imports TensorFlow first


def pytest_make_parametrize_id(val):
    """Refuse to name a test after bytes, which may differ between the workers that collect it."""
    if isinstance(val, bytes):
        raise pytest.UsageError(f"pass ids= for the parameter {val!r}: bytes name no test")


# The files that take longest, which start first: two workers that each take a whole file at a time
# then end together.
LONGEST = (
    "test_process.py",
    "estimators/test_compliance.py",
    "engine/test_equality_combinations.py",
    "networks/test_penalties.py",
    "test_quiet_import.py",
    "test_private_names.py",
    "estimators/test_pickling.py",
    "examples/test_reproduction.py",
    "estimators/test_interrupted_fits.py",
    "estimators/test_deferred_fits.py",
    "estimators/test_search.py",
    "onnx/test_detectors.py",
    "engine/test_sharing_of_settings.py",
    "engine/test_drawing.py",
    "engine/test_equality.py",
    "engine/test_sharing_of_graphs.py",
    "estimators/test_variational.py",
    "estimators/test_quality.py",
    "estimators/test_losses.py",
    "conventions/test_import_cost.py",
    "engine/test_history_independence.py",
    "engine/test_memory.py",
)


def pytest_configure(config):
    """Keep pytest-xdist from starting the files with most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Start the files that take longest first."""
    rank = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session")
def skae_data():
    """Return the folder of real data sets, or skip the test that asks for it."""
    named = os.environ.get("SKAE_DATA", "")
    if not named:
        pytest.skip("SKAE_DATA is not set: it names the folder of real data sets")
    folder = Path(named).expanduser()
    if not folder.is_dir():
        pytest.skip(f"SKAE_DATA names {named!r}, which is no folder")
    return folder


@pytest.fixture(autouse=True)
def _seeded():
    """Seed what layers and estimators without a seed draw from: a test does the same every time."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the state that they draw from


@pytest.fixture
def rng():
    """Return a seeded generator."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def table():
    """Return 60 rows of 6 features in [0, 1] that lie near a plane; read-only."""
    rng = np.random.default_rng(0)
    code = rng.uniform(size=(60, 2))
    rows = code @ rng.uniform(size=(2, 6)) + 0.01 * rng.standard_normal((60, 6))
    rows = ((rows - rows.min(axis=0)) / np.ptp(rows, axis=0)).astype(np.float32)
    rows.setflags(write=False)
    return rows


@pytest.fixture(scope="session")
def frame(table):
    """Return the same table as a pandas frame with names and an index of its own."""
    pd = pytest.importorskip("pandas")
    names = [f"sensor_{i}" for i in range(table.shape[1])]
    return pd.DataFrame(table.copy(), columns=names, index=pd.RangeIndex(100, 160))
