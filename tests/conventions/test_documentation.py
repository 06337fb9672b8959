"""Every public name is documented, and its documentation is correct."""

from __future__ import annotations

import ast
import inspect
import re

import numpy as np
import pytest
from numpydoc.docscrape import FunctionDoc
from numpydoc.validate import validate

from tests.conventions._public import estimators, public_methods, public_objects, signature_of
from tests.conventions._source import ROOT

OBJECTS = public_objects()
METHODS = public_methods()
# Codes of numpydoc: no docstring, its layout, the summary, the parameters, what is returned.
LAYOUT = {"GL03", "GL06", "GL07", "GL08", "GL10", "SS01", "SS02", "SS03", "SS04", "SS06"}
PARAMETERS = {"PR01", "PR02", "PR03", "PR04", "PR06", "PR07"}
RETURNS = {"RT01", "RT03"}
EXAMPLE = {"EX01"}
TINY = {
    "latent_dim": 2,
    "hidden_layer_sizes": (4,),
    "epochs": 1,
    "random_state": 0,
}
DEFAULT = re.compile(r"default[=:]\s*(?P<value>.+?)\s*$")


def faults(name, codes):
    found = validate(resolvable(name))["errors"]
    return [f"{code}: {text}" for code, text in found if code in codes]


def resolvable(name):
    """Return the name under which numpydoc finds an object by importing its module."""
    item = {**OBJECTS, **METHODS}[name]
    if name in METHODS:
        owner, _, method = name.rpartition(".")
        return f"{OBJECTS[owner].__module__}.{OBJECTS[owner].__qualname__}.{method}"
    return f"{item.__module__}.{item.__qualname__}"


def documented(item):
    """Return ``{parameter: type as documented}`` of a class or function."""
    types = {}
    for entry in FunctionDoc(item, doc=inspect.getdoc(item) or "")["Parameters"]:
        names = [name.strip().lstrip("*") for name in entry.name.split(",")]
        # "low, high : float, default=0.0 and 1.0" documents one default for each name.
        kind, found, defaults = entry.type.rpartition("default=")
        each = defaults.split(" and ")
        each = each if len(each) == len(names) else [defaults] * len(names)
        types |= {name: kind + found + own for name, own in zip(names, each, strict=True)}
    return types


def same(text, value):
    text = text.strip("`").rstrip(".")
    try:
        return ast.literal_eval(text) == value
    except (ValueError, SyntaxError):
        return text.rpartition(".")[2] in {repr(value), getattr(value, "__name__", None)}


def wrong_defaults(item):
    found = []
    types = documented(item)
    for name, parameter in signature_of(item).items():
        if parameter.default is parameter.empty or types.get(name, "Ignored") == "Ignored":
            continue
        match = DEFAULT.search(types[name])
        if match is None:
            found.append(f"{name}: no 'default=' in {types[name]!r}")
        elif not same(match["value"], parameter.default):
            found.append(f"{name}: documented {match['value']}, is {parameter.default!r}")
    return found


def is_exception(item):
    return inspect.isclass(item) and issubclass(item, BaseException)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_public_names_are_documented(name):
    if is_exception(OBJECTS[name]):
        assert faults(name, LAYOUT) == []
        return
    codes = LAYOUT | PARAMETERS | EXAMPLE
    codes |= RETURNS if inspect.isfunction(OBJECTS[name]) else set()
    assert faults(name, codes) == []


def inherits_documentation(method):
    return not method.__doc__ and bool(inspect.getdoc(method))


@pytest.mark.parametrize(
    "name", sorted(name for name in METHODS if not inherits_documentation(METHODS[name]))
)
def test_public_methods_are_documented(name):
    assert faults(name, LAYOUT | PARAMETERS | RETURNS) == []


@pytest.mark.parametrize("name", sorted({**OBJECTS, **METHODS}))
def test_documented_defaults_are_the_real_ones(name):
    item = {**OBJECTS, **METHODS}[name]
    if not is_exception(item):
        assert wrong_defaults(item) == []


def test_a_wrong_default_is_noticed():
    def function(a=1, b=2, c=(3,)):
        """Add.

        Parameters
        ----------
        a : int, default=1
        b : int, default=3
        c : tuple
        """

    assert wrong_defaults(function) == [
        "b: documented 3, is 2",
        "c: no 'default=' in 'tuple'",
    ]


def test_the_api_reference_lists_every_public_name():
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed, module = set(), ""
    for line in text.splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif re.fullmatch(r"   [A-Za-z_]\w*", line):
            listed.add(f"{module}.{line.strip()}")
    assert listed == set(OBJECTS)


def fitted(estimator):
    pd = pytest.importorskip("pandas")
    values = np.random.default_rng(0).uniform(size=(20, 4)).astype(np.float32)
    return estimator(**TINY).fit(pd.DataFrame(values, columns=list("abcd")))


@pytest.mark.parametrize("estimator", estimators(), ids=lambda cls: cls.__name__)
def test_documented_attributes_are_those_that_fit_sets(estimator):
    attributes = FunctionDoc(estimator, doc=inspect.getdoc(estimator))["Attributes"]
    names = {name.strip() for item in attributes for name in item.name.split(",")}
    model = fitted(estimator)
    missing = {name for name in names if not hasattr(model, name)}
    state = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    assert (missing, state - names) == (set(), set())


@pytest.mark.parametrize("estimator", estimators(), ids=lambda cls: cls.__name__)
def test_before_fit_there_is_no_fitted_state(estimator):
    state = [name for name in vars(estimator()) if name.endswith("_") and name[0] != "_"]
    assert state == []


@pytest.mark.parametrize("name", sorted({**OBJECTS, **METHODS}))
def test_help_shows_no_quoted_annotations(name):
    item = {**OBJECTS, **METHODS}[name]
    if callable(item) and not (isinstance(item, type) and issubclass(item, BaseException)):
        parameters = inspect.signature(item).parameters.values()
        assert [p.name for p in parameters if isinstance(p.annotation, str)] == []
