"""Runs scripts in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conventions._source import ROOT

SET_BY_TESTS = {
    "KERAS_BACKEND",
    "KERAS_HOME",
    "OMP_NUM_THREADS",
    "TF_CPP_MIN_LOG_LEVEL",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
}


def run(code, *, check=True, cwd=ROOT, **variables):
    """Run a script in a fresh process with these variables, and with no others that tests set."""
    environment = {k: v for k, v in os.environ.items() if k not in SET_BY_TESTS}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=200,
        check=check,
    )
