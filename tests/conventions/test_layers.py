"""Which modules may import which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conventions._source import Module, imports, modules, parse

EVERYWHERE = {
    "_by_value",
    "_docs",
    "_explanations",
    "_forks",
    "_hooks",
    "_messages",
    "_private",
    "_random",
    "_seeds",
    "_statistics",
    "_store",
    "_tables",
    "_tensorflow",
    "_version",
    "_xla_context",
    "exceptions",
}
WORKERS = {"networks", "engine", "noise", "scores", "thresholds", "errors"}
ALLOWED = {
    "": {"_trusted"},
    "_contracts": set(),
    "_by_value": set(),
    "_docs": set(),
    "_explanations": set(),
    "_forks": set(),
    "_hooks": set(),
    "_trusted": {"estimators", "monitoring", "scores", "thresholds"},
    "_private": set(),
    "_seeds": set(),
    "_store": set(),
    "_tables": set(),
    "_messages": set(),
    "_random": set(),
    "_tensorflow": set(),
    "_version": set(),
    "_xla_context": set(),
    "exceptions": set(),
    "_sklearn": set(),
    "_statistics": set(),
    "_validation": {"_sklearn", "_contracts"},
    **{worker: {"_contracts", "_sklearn", "_validation"} for worker in WORKERS},
    "onnx": {"_contracts", "engine", "scores"},
    "estimators": {*WORKERS, "onnx", "_contracts", "_validation", "_sklearn"},
    "inspection": {"_validation"},
    "metrics": {"_validation"},
    "interop": {"_contracts"},
    "monitoring": {"_sklearn", "_statistics", "_validation"},
    "datasets": {"_sklearn", "_validation"},
}
EACH = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)


def layer_faults(module: Module):
    allowed = ALLOWED[module.layer] | EVERYWHERE | {module.layer}
    faults = []
    for found in imports(module):
        parts = found.module.split(".")
        # The root's names are loaded lazily; its own type-checking imports are all that it has.
        if parts[0] != "skae" or (module.name == "skae" and found.typing_only):
            continue
        layer = parts[1] if len(parts) > 1 else "skae itself"
        if layer not in allowed:
            faults.append(f"line {found.line}: {module.layer} imports {found.module}")
    return faults


def outside(module: Module, package: str):
    return [found for found in imports(module) if found.module.split(".")[0] == package]


@EACH
def test_arrows_point_down(module):
    assert module.layer in ALLOWED, f"{module.name} belongs to no known part of skae"
    assert layer_faults(module) == []


@pytest.mark.parametrize(
    "line",
    [
        "from skae.engine import run",
        "import skae.engine._blocks",
        "from ..engine import run",
        "from skae import AutoencoderTransformer",
        "def f():\n    from skae.errors import squared",
    ],
)
def test_an_arrow_that_points_sideways_is_noticed(line):
    module = parse(Path("skae/networks/_dense.py"), "skae.networks._dense", line)
    assert len(layer_faults(module)) == 1


def test_scikeras_stays_in_one_file():
    users = [module.name for module in modules() if outside(module, "scikeras")]
    assert len(users) == 1
    assert users[0].startswith("skae.estimators.")


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def names_read(module):
    """Return the attributes that a module reads, ``getattr`` and the like included."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            found.append((node.attr, node.lineno))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            named = [a.value for a in node.args if isinstance(a, ast.Constant)]
            found += [(name, node.lineno) for name in named if isinstance(name, str)]
    return found


def names_given(module):
    """Return what a module defines, in classes and on ``self`` too, and what its files are."""
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and (
            isinstance(node.ctx, ast.Store) and ast.unparse(node.value) in {"self", "cls", "fit"}
        ):
            yield node.attr
    yield from module.name.split(".")


# What scikit-learn documents for estimators to have and to use, and Python's own.
CONVENTIONS = {
    *("_check_feature_names", "_check_n_features", "_init_callback_context", "_n_features_out"),
    *("_parameter_constraints", "_skl_callbacks", "_sklearn_output_config", "_validate_params"),
    "_getframe",
}


def foreign_private_names(module):
    """Return private names that are read and that skae has not given itself."""
    own = {name for other in [*modules(), module] for name in names_given(other)} | CONVENTIONS
    return [found for found in names_read(module) if is_private(found[0]) and found[0] not in own]


@EACH
def test_private_names_of_others_stay_in_one_file(module):
    # `_forks` asks a TensorFlow that it must not load.
    if module.name not in {"skae._private", "skae._sklearn", "skae._forks"}:
        assert foreign_private_names(module) == []


@pytest.mark.parametrize(
    "line",
    [
        "optimizer._backend_update_step(x)",
        "getattr(model, '_flatten_layers')()",
        "hasattr(wrapper, '_get_compile_kwargs')",
        "vars(self)['model']._nested.thing",
        "optimizer._iterations = None",
    ],
)
def test_a_private_name_of_another_package_is_noticed(line):
    module = parse(Path("skae/engine/_x.py"), "skae.engine._x", line)
    assert len(foreign_private_names(module)) == 1


def test_private_names_of_the_same_package_are_allowed():
    line = "class A:\n    def f(self, network):\n        self._x = network._deferred._x"
    module = parse(Path("skae/engine/_x.py"), "skae.engine._x", line)
    assert foreign_private_names(module) == []


@EACH
def test_private_scikit_learn_stays_in_one_file(module):
    if module.name == "skae._sklearn":
        return
    private = [
        found.line
        for found in outside(module, "sklearn")
        if any(part.startswith("_") for part in [*found.module.split("."), found.name or ""])
    ]
    assert private == []


@EACH
def test_matplotlib_and_ipywidgets_stay_in_inspection(module):
    if module.layer != "inspection":
        assert outside(module, "matplotlib") + outside(module, "ipywidgets") == []


@EACH
def test_scores_and_thresholds_know_no_network(module):
    if module.layer in ("scores", "thresholds"):
        assert outside(module, "keras") + outside(module, "tensorflow") == []


@EACH
def test_no_private_keras(module):
    assert [found.line for found in imports(module) if found.module.startswith("keras.src")] == []


def first_line(module, *packages):
    """Return where a module first loads one of `packages` at import; 0 where it never does."""
    found = [
        found.line
        for found in imports(module)
        if found.top_level and not found.typing_only
        if found.module in packages or found.module.split(".")[0] in packages
    ]
    return min(found, default=0)


@EACH
def test_tensorflow_is_imported_quietly(module):
    """Before a module loads Keras, its own package or itself has loaded `skae._tensorflow`."""
    loud = first_line(module, "keras", "tensorflow", "scikeras")
    if not loud or module.name == "skae._tensorflow":
        return
    package = f"skae.{module.layer}"
    quiet = [first_line(other, "skae._tensorflow") for other in modules() if other.name == package]
    own = first_line(module, "skae._tensorflow")
    is_quiet = (quiet and quiet[0] and not module.is_package) or 0 < own < loud
    assert is_quiet, f"line {loud} loads TensorFlow, and nothing quiets it"


def cycle_in(graph):
    """Return one cycle of a graph, or an empty list."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        path.append(node)
        found = next((cycle for cycle in map(visit, sorted(graph[node])) if cycle), [])
        path.pop()
        done.add(node)
        return found

    return next((cycle for cycle in map(visit, sorted(graph)) if cycle), [])


def test_no_import_cycles():
    names = {module.name for module in modules()}
    graph = {
        module.name: {
            found.module
            for found in imports(module)
            if not found.typing_only and found.module in names - {module.name}
        }
        for module in modules()
    }
    assert cycle_in(graph) == []


def test_a_cycle_is_noticed():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
