"""Adapters say which extra installs what they need."""

import sys

import pytest

import skae.interop


def test_without_pyod_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyod.models.base", None)
    monkeypatch.delitem(sys.modules, "skae.interop._pyod", raising=False)
    with pytest.raises(ImportError, match=r'pip install "skae\[pyod\]"'):
        skae.interop.PyODDetector  # noqa: B018


def test_without_mlflow_autolog_fails_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match="mlflow"):
        skae.interop.autolog()
