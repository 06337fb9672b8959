"""What the documentation of the Displays has in common, written once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

_Class = TypeVar("_Class")
_Function = TypeVar("_Function", bound=Callable[..., Any])
_SHARED = """
Parameters
----------
estimator : estimator
    Fitted estimator. A search stands for its best estimator, and a pipeline for its last step,
    which sees what the other steps make of the samples.
X : array-like of shape (n_samples, n_features) or (n_samples, ...)
    Samples.
row : int, default=0
    Position in `X` of the sample to draw.
dimensions : tuple of int, default=(0, 1)
    The two dimensions of the latent code to draw.
ax : matplotlib Axes, default=None
    Axes to draw on; None makes a figure.
image_kwargs : dict, default=None
    Keywords for ``ax.imshow``.
line_kwargs : dict, default=None
    Keywords for ``ax.plot``.
threshold_kwargs : dict, default=None
    Keywords for ``ax.axvline``.
"""
_AXES = """
ax_ : matplotlib Axes
    Axes drawn on.
figure_ : matplotlib Figure
    Figure of the axes."""
_RETURNS = """

Returns
-------
display : {}
    The display, which keeps the artists as attributes."""


def documented(display: type[_Class]) -> type[_Class]:
    """Complete the docstrings of a Display, so that ``help`` describes every parameter.

    A docstring describes what is its own. What it leaves out is taken from the other methods, the
    class and `_SHARED`.
    """
    hide_annotations(display.__init__)
    methods = [
        getattr(each, "__func__", each) for name, each in vars(display).items() if name[0] != "_"
    ]
    described = _descriptions(_SHARED) | _descriptions(display.__doc__)
    for method in reversed(methods):
        described |= _descriptions(method.__doc__)
    for method in methods:
        hide_annotations(method)
        _complete(method, described, display.__name__)
    own, heading, rest = inspect.cleandoc(display.__doc__ or "").partition("\n\nSee Also")
    display.__doc__ = own + _AXES + heading + rest
    return display


def hide_annotations(function: _Function) -> _Function:
    """Leave types to the docstring: ``help`` would show annotations as quoted strings."""
    signature = inspect.signature(function)
    plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    cast(Any, function).__signature__ = inspect.Signature(plain)
    return function


def _descriptions(doc: str | None) -> dict[str, str]:
    """Return what a docstring says of each parameter, by name."""
    section = inspect.cleandoc(doc or "").partition("Parameters\n----------\n")[2]
    entries = re.split(r"\n(?=\S)", section.partition("\n\n")[0])
    return {
        name.strip(): entry for entry in entries for name in entry.partition(" : ")[0].split(",")
    }


def _complete(method: Any, described: dict[str, str], returned: str) -> None:
    """Describe all parameters of a method, and what it returns."""
    described = described | _descriptions(method.__doc__)
    summary = inspect.cleandoc(method.__doc__ or "").partition("\n\nParameters\n")[0]
    names = [name for name in inspect.signature(method).parameters if name not in {"self", "cls"}]
    # One entry may describe several parameters; without docstrings (-OO) there is none.
    entries = dict.fromkeys(described.get(name, name) for name in names)
    lines = [summary, "", "Parameters", "----------", *entries]
    method.__doc__ = "\n".join(lines) + _RETURNS.format(returned)
