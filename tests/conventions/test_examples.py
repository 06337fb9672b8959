"""Every example of the documentation runs, and gives the documented output."""

from __future__ import annotations

import doctest
import importlib
import sys

import numpy as np
import pytest

from tests.conventions._source import ROOT, modules

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PAGES = [
    page for page in sorted((ROOT / "docs").rglob("*.rst")) if ">>> " in page.read_text("utf-8")
]
EXAMPLES = [module.name for module in modules() if ">>> " in module.text]


def failures(tests):
    """Run doctests and return the report of those that failed."""
    reports = []
    for test in tests:
        report = []
        runner = doctest.DocTestRunner(optionflags=OPTIONS)
        runner.run(test, out=report.append)
        reports += [f"{test.name}\n{''.join(report)}"] if runner.failures else []
    return "\n".join(reports)


# Modules whose examples need a package of an extra.
NEEDS = {"skae.interop._pyod": "pyod"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    tests = doctest.DocTestFinder(exclude_empty=True).find(module)
    report = failures([test for test in tests if test.examples])
    assert not report, report


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, page.stem, str(page), 0)
    report = failures([test])
    assert not report, report


def test_an_example_that_lies_is_noticed():
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "lie", None, 0)
    assert "Expected:\n    3\nGot:\n    2" in failures([test])


def test_readme(tmp_path, monkeypatch):
    """The Python of the README runs as it stands."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    assert blocks
    names = {"__name__": "readme", "np": np}
    monkeypatch.setitem(sys.modules, "readme", type(sys)("readme"))
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
