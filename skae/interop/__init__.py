"""Adapters to other libraries: PyOD's interface, and logging to MLflow.

Each imports its library when it is used. The formats of skops, ONNX and Keras need no adapter.
"""

from __future__ import annotations

import importlib

from skae.interop._mlflow import autolog

__all__ = ["autolog"]  # and PyODDetector, where pyod is installed


def __getattr__(name: str) -> object:
    if name != "PyODDetector":
        raise AttributeError(f"module 'skae.interop' has no attribute {name!r}")
    try:
        return importlib.import_module("skae.interop._pyod").PyODDetector
    except ModuleNotFoundError as error:
        raise ImportError(
            "PyODDetector needs pyod, which is not installed. Install it with: "
            'pip install "skae[pyod]"'
        ) from error
