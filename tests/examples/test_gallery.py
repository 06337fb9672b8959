"""Gallery scripts run, and use only the public API."""

from __future__ import annotations

import ast
import runpy

import matplotlib.pyplot as plt
import pytest

from tests.conventions._source import ROOT

SCRIPTS = sorted((ROOT / "examples").glob("plot_*.py"))
EACH = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
QUICK = ["plot_linear_pca", "plot_detect_heartbeats"]


@EACH
def test_the_title_is_a_question(script):
    title, line = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))).splitlines()[:2]
    assert title.endswith("?")
    assert line == "=" * len(title)


@EACH
def test_only_what_is_public_is_used(script):
    tree = ast.parse(script.read_text(encoding="utf-8"))
    names = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    names += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    private = [name for name in names if name.startswith("_") or "._" in name]
    assert private == []


@EACH
def test_it_prints_its_figures_and_shows_its_pictures(script):
    tree = ast.parse(script.read_text(encoding="utf-8"))
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert "print" in calls
    assert ast.unparse(tree.body[-1]) == "plt.show()"


@pytest.mark.parametrize("name", QUICK)
def test_it_runs(name, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SKAE_DATA", str(tmp_path))  # no data there: generated ones
    monkeypatch.setattr(plt, "show", lambda: None)
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"))
    assert capsys.readouterr().out
    assert len(plt.get_fignums()) >= 1
    plt.close("all")
