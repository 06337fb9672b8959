"""Code of skae avoids known hazards."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.conventions._source import (
    ROOT,
    functions,
    modules,
    parse,
)

EACH = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
GLOBAL_STATE = {
    "enable_op_determinism",
    "set_global_policy",
    "set_random_seed",
    "set_floatx",
    "clear_session",
}
GLOBAL_SEEDS = {"np.random.seed", "numpy.random.seed", "tf.random.set_seed"}
IGNORED = re.compile(
    r"\.git|\.venv.*|.*_cache|.*\.egg-info|__pycache__|build|dist|_build|auto_examples|generated"
)
TEXT = {".cfg", ".csv", ".ini", ".json", ".md", ".py", ".rst", ".toml", ".txt", ".yml", ".yaml"}
WORKPLACE = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|workspace|mnt)/\w")


def mutable_defaults(module):
    mutable = (ast.List, ast.Dict, ast.Set, ast.Call, ast.ListComp, ast.DictComp, ast.SetComp)
    return [
        f"{name}, line {default.lineno}"
        for name, node, _ in functions(module)
        for default in [*node.args.defaults, *node.args.kw_defaults]
        if isinstance(default, mutable)
    ]


def broad_excepts(module):
    """Return handlers that swallow everything; one that raises again swallows nothing."""
    found = []
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        names = {"BaseException"} if node.type is None else set(ast.unparse(node.type).split("."))
        broad = names & {"Exception", "BaseException"}
        raises = any(isinstance(child, ast.Raise) for child in ast.walk(node))
        if broad and not raises:
            found.append(node.lineno)
    return found


def calls(module):
    return [
        (ast.unparse(node.func), node.lineno)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
    ]


def missing_annotations(module):
    faults = []
    for name, node, owner in functions(module):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [extra for extra in (node.args.vararg, node.args.kwarg) if extra]
        skip = {"self", "cls"} if owner is not None else set()
        faults += [
            f"{name}({argument.arg})"
            for argument in arguments
            if argument.annotation is None and argument.arg not in skip
        ]
        if node.returns is None:
            faults.append(f"{name} -> ?")
    return faults


def is_plain_assignment(statement):
    # Parameters that are routed by prefix have no names to assign one by one.
    if ast.unparse(statement) in {"vars(self).update(routed)", "self.__dict__.update(routed)"}:
        return True
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    return ast.unparse(statement) == f"self.{ast.unparse(statement.value)} = " + ast.unparse(
        statement.value
    )


@EACH
def test_no_mutable_defaults(module):
    assert mutable_defaults(module) == []


@EACH
def test_no_broad_except(module):
    assert broad_excepts(module) == []


@EACH
def test_no_print(module):
    assert [line for name, line in calls(module) if name == "print"] == []


@EACH
def test_global_state_is_left_alone(module):
    changed = [
        (name, line)
        for name, line in calls(module)
        if name.split(".")[-1] in GLOBAL_STATE or name in GLOBAL_SEEDS
    ]
    assert changed == []


@EACH
def test_annotations_are_complete(module):
    assert missing_annotations(module) == []


def test_hazards_are_noticed():
    text = (
        "class DenoisingRegressor:\n"
        "    def __init__(self, a=[], *rest):\n"
        "        self.a = a or []\n"
        "        try:\n"
        "            print(a)\n"
        "        except Exception:\n"
        "            pass\n"
    )
    module = parse(Path("skae/x.py"), "skae.x", text)
    assert len(mutable_defaults(module)) == 1
    assert broad_excepts(module) == [6]
    assert "print" in [name for name, _ in calls(module)]
    assert missing_annotations(module) == [
        "skae.x.DenoisingRegressor.__init__(a)",
        "skae.x.DenoisingRegressor.__init__(rest)",
        "skae.x.DenoisingRegressor.__init__ -> ?",
    ]


def test_the_linter_holds_the_rest():
    """Complexity, prints, blind excepts, commented-out code: ruff's, as long as they stay on."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lint = settings["tool"]["ruff"]["lint"]
    assert {"ANN", "B", "BLE", "C90", "D", "ERA", "F", "NPY", "PL", "T20"} <= set(lint["select"])
    assert lint["mccabe"]["max-complexity"] <= 8
    assert not any(pattern.startswith("skae") for pattern in lint["per-file-ignores"])


@EACH
def test_no_module_silences_the_linter(module):
    waived = re.findall(r"noqa: *[^#\n]*\b(C901|BLE001|T201|ERA001|B006|PLR09\d\d)\b", module.text)
    assert waived == []


def texts_of_the_repository():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not IGNORED.fullmatch(name)]
        for path in (Path(folder, name) for name in names):
            if path.suffix in TEXT or path.name == "Makefile" or path.parent.name == ".ci":
                yield path


def test_no_absolute_paths():
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in texts_of_the_repository()
        for match in WORKPLACE.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_an_absolute_path_is_noticed():
    folder = "home"
    assert WORKPLACE.search(f'np.load("/{folder}/ann/data.npz")')
    assert not WORKPLACE.search("https://example.org/home/page")
