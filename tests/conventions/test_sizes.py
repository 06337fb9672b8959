"""Files, functions and classes stay small enough to be read in one go."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

from tests.conventions._source import ROOT, classes, code_lines, functions, modules, nesting, parse

FILE_LINES = {"skae": 400, "skae/engine": 300, "tests": 400, "examples": 400}
FUNCTION_LINES = 30
MEDIAN_FUNCTION_LINES = 8
METHODS = 15
NESTING = 3
EACH = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)


def is_constructor_of_an_estimator(module, node, owner):
    # As long as it has parameters; another rule keeps everything but assignments out of it.
    return module.layer == "estimators" and owner is not None and node.name == "__init__"


def methods_of(node):
    return [child for child in node.body if isinstance(child, ast.FunctionDef)]


@pytest.mark.parametrize("folder", FILE_LINES)
def test_files_are_short(folder):
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path: n for path, n in lengths.items() if n > FILE_LINES[folder]} == {}


@EACH
def test_functions_are_short(module):
    lengths = {
        name: code_lines(module, node)
        for name, node, owner in functions(module)
        if not is_constructor_of_an_estimator(module, node, owner)
    }
    assert {name: n for name, n in lengths.items() if n > FUNCTION_LINES} == {}


@EACH
def test_functions_are_flat(module):
    depths = {name: nesting(node) for name, node, _ in functions(module)}
    assert {name: n for name, n in depths.items() if n > NESTING} == {}


@EACH
def test_classes_are_small(module):
    counts = {node.name: len(methods_of(node)) for node in classes(module)}
    assert {name: n for name, n in counts.items() if n > METHODS} == {}


def test_most_functions_are_very_short():
    lengths = [code_lines(module, node) for module in modules() for _, node, _ in functions(module)]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION_LINES


def test_counting_leaves_out_what_is_no_code():
    text = (
        'def f(\n    a,\n):\n    """Say.\n\n    More.\n    """\n'
        "    # why\n\n    return (\n        a\n    )\n"
    )
    module = parse(Path("skae/x.py"), "skae.x", text)
    assert code_lines(module, functions(module)[0][1]) == 3


def test_nesting_counts_blocks_and_not_elif():
    text = (
        "def f(a):\n    if a:\n        for b in a:\n            with b:\n                pass\n"
        "    elif b:\n        pass\n    elif c:\n        pass\n"
    )
    module = parse(Path("skae/x.py"), "skae.x", text)
    assert nesting(functions(module)[0][1]) == 3
