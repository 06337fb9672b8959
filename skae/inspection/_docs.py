"""The documentation that the Displays share, written once."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from skae._docs import entries, hide_annotations, parameters_of

_Class = TypeVar("_Class")
_SHARED = """
Parameters
----------
estimator : estimator
    Fitted estimator. Of a search, its best estimator is used, and of a pipeline its last step,
    which gets the samples that the other steps transformed.
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

    A docstring describes its own parameters. Others are taken from the other methods, the class and
    `_SHARED`.
    """
    hide_annotations(display.__init__)
    methods = [
        getattr(each, "__func__", each) for name, each in vars(display).items() if name[0] != "_"
    ]
    described = entries(_SHARED, "Parameters") | entries(display.__doc__, "Parameters")
    for method in reversed(methods):
        described |= entries(method.__doc__, "Parameters")
    for method in methods:
        hide_annotations(method)
        _complete(method, described, display.__name__)
    own, heading, rest = inspect.cleandoc(display.__doc__ or "").partition("\n\nSee Also")
    display.__doc__ = own + _AXES + heading + rest
    return display


def _complete(method: Any, described: dict[str, str], returned: str) -> None:
    """Describe all parameters of a method, and what it returns."""
    described = described | entries(method.__doc__, "Parameters")
    summary = inspect.cleandoc(method.__doc__ or "").partition("\n\nParameters\n")[0]
    # One entry may describe several parameters; without docstrings (-OO) there is none.
    found = dict.fromkeys(described.get(name, name) for name in parameters_of(method))
    lines = [summary, "", "Parameters", "----------", *found]
    method.__doc__ = "\n".join(lines) + _RETURNS.format(returned)
