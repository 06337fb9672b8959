"""Reads parameters from docstrings, and hides annotations from ``help``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def parameters_of(function: Any) -> list[str]:
    """Return the names of a function's parameters, as a docstring lists them."""
    parameters = inspect.signature(function).parameters.values()
    names = ["**" + p.name if p.kind is p.VAR_KEYWORD else p.name for p in parameters]
    return [name for name in names if name not in {"self", "cls"}]


def entries(doc: str | None, heading: str) -> dict[str, str]:
    """Return the entries of a docstring's section by name."""
    section = inspect.cleandoc(doc or "").partition(f"{heading}\n{'-' * len(heading)}\n")[2]
    found = re.split(r"\n(?=\S)", section.partition("\n\n")[0])
    return {name.strip(): entry for entry in found for name in entry.partition(" : ")[0].split(",")}


def hide_annotations(function: _Function) -> _Function:
    """Hide annotations from ``help``, which would show them as quoted strings."""
    signature = inspect.signature(function)
    plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    cast(Any, function).__signature__ = inspect.Signature(plain)
    return function


def hide_annotations_of(*items: Any) -> None:
    """Hide annotations of functions, and of the public methods of classes and their bases."""
    for item in items:
        bases = item.__mro__ if isinstance(item, type) else ()
        methods = [
            method
            for base in bases
            if base.__module__.startswith("skae.")
            for name, method in vars(base).items()
            if inspect.isfunction(method) and (name[0] != "_" or name == "__init__")
        ]
        for function in methods if bases else [item]:
            hide_annotations(function)
