"""Reads the source of skae: files, modules, functions, imports."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "skae"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


@dataclass(frozen=True)
class Import:
    """One imported module, and where it stands."""

    module: str
    name: str | None
    line: int
    typing_only: bool
    top_level: bool


@dataclass(frozen=True)
class Module:
    """One parsed file of the package."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    @property
    def is_package(self):
        return self.path.name == "__init__.py"

    @property
    def layer(self):
        """Return the part of skae that the module belongs to; ``""`` for ``skae`` itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


def parse(path, name, text):
    """Return the module that `text` is."""
    return Module(path, name, text, ast.parse(text))


@cache
def modules():
    """Return every module of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(parse(path, name, path.read_text(encoding="utf-8")))
    return tuple(found)


@cache
def module_names():
    """Return the dotted names of every module of the package."""
    return frozenset(module.name for module in modules())


def _is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _base_of(module, node):
    if not node.level:
        return node.module
    parts = module.name.split(".")
    up = node.level - 1 if module.is_package else node.level
    base = parts[: len(parts) - up]
    return ".".join([*base, node.module] if node.module else base)


def _imports_of(module, node, *, typing_only, top_level):
    flags = (node.lineno, typing_only, top_level)
    if isinstance(node, ast.Import):
        return [Import(alias.name, None, *flags) for alias in node.names]
    base = _base_of(module, node)
    found = []
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        is_module = inner in module_names()
        found.append(Import(inner if is_module else base, alias.name, *flags))
    return found


def imports(module):
    """Return every import of a module, those inside functions included."""
    found = []

    def visit(node, typing_only, top_level):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                found.extend(
                    _imports_of(module, child, typing_only=typing_only, top_level=top_level)
                )
            else:
                inside = isinstance(child, FUNCTIONS)
                visit(child, typing_only or _is_type_checking(child), top_level and not inside)

    visit(module.tree, typing_only=False, top_level=True)
    return found


def functions(module):
    """Return ``(qualified name, node, enclosing class or None)`` of every function."""
    found = []

    def visit(node, prefix, owner):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, FUNCTIONS):
                found.append((f"{prefix}.{child.name}", child, owner))
                visit(child, f"{prefix}.{child.name}", None)
            elif isinstance(child, ast.ClassDef):
                visit(child, f"{prefix}.{child.name}", child)
            else:
                visit(child, prefix, owner)

    visit(module.tree, module.name, None)
    return found


def classes(module):
    """Return every class of a module."""
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]


def _code_rows(text):
    rows = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            rows.update(range(token.start[0], token.end[0] + 1))
    return rows


def body_without_docstring(node):
    """Return the statements of a function, its docstring left out."""
    has_docstring = ast.get_docstring(node, clean=False) is not None
    return node.body[1:] if has_docstring else node.body


def code_lines(module, node):
    """Return how many lines of code a function's body has: no docstring, comments or blanks."""
    body = body_without_docstring(node)
    if not body:
        return 0
    rows = range(body[0].lineno, body[-1].end_lineno + 1)
    return len(_code_rows(module.text).intersection(rows))


def nesting(node):
    """Return how deep the blocks inside a function are nested."""
    blocks = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith, ast.Match)

    def depth(current, level):
        deepest = level
        for child in ast.iter_child_nodes(current):
            if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
                continue
            is_elif = isinstance(current, ast.If) and child in current.orelse
            is_elif = is_elif and isinstance(child, ast.If) and len(current.orelse) == 1
            step = isinstance(child, blocks) and not is_elif
            deepest = max(deepest, depth(child, level + step))
        return deepest

    return depth(node, 0)
