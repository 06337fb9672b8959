"""The public names of skae, from ``__all__``."""

from __future__ import annotations

import importlib
import inspect
from functools import cache

import skae
from tests.conventions._source import module_names

SUBPACKAGES = (
    "datasets",
    "engine",
    "exceptions",
    "inspection",
    "interop",
    "monitoring",
    "networks",
    "noise",
    "onnx",
    "scores",
    "thresholds",
)
# What estimators ask the other parts of skae for; nothing that users call.
SEAMS = {
    "skae.engine": {
        "DeferredNetwork",
        "Stream",
        "chosen_device",
        "freeze",
        "inference",
        "is_stream",
        "run",
        "run_errors",
        "train",
        "trainability",
    },
    "skae.networks": {"accepted_options", "build", "posterior"},
    "skae.noise": {"make_noise"},
    "skae.onnx": {"OnnxHooks"},
    "skae.thresholds": {"resolve_threshold"},
}


@cache
def estimators():
    """Return the public estimator classes."""
    names = [name for name in skae.__all__ if name[0].isupper()]
    return tuple(getattr(skae, name) for name in names)


@cache
def public_objects():
    """Return the public classes and functions by dotted name."""
    found = {f"skae.{cls.__name__}": cls for cls in estimators()}
    found["skae.trusted_types"] = skae.trusted_types
    for subpackage in sorted({f"skae.{name}" for name in SUBPACKAGES} & module_names()):
        module = importlib.import_module(subpackage)
        names = getattr(module, "__all__", [key for key in vars(module) if key[0].isupper()])
        for public in set(names) - SEAMS.get(module.__name__, set()):
            item = getattr(module, public)
            if inspect.isclass(item) or inspect.isfunction(item):
                found[f"{module.__name__}.{public}"] = item
    return found


def is_ours(item):
    """Say whether a function is written in skae, not inherited from scikit-learn or SciKeras."""
    return getattr(inspect.unwrap(item), "__module__", "").split(".")[0] == "skae"


@cache
def public_methods():
    """Return the public methods that skae itself defines, by dotted name."""
    found = {}
    for name, item in public_objects().items():
        if not inspect.isclass(item):
            continue
        for method_name, method in inspect.getmembers(item):
            if method_name.startswith("_") or isinstance(method, property):
                continue
            if hasattr(item, "add_weight"):  # a Keras layer: only Keras calls them
                continue
            if callable(method) and not inspect.isclass(method) and is_ours(method):
                found[f"{name}.{method_name}"] = method
    return found


def signature_of(item):
    """Return the parameters of a class or function, without ``self``."""
    if inspect.isclass(item) and item.__init__ is object.__init__:
        return {}
    parameters = inspect.signature(item).parameters
    return {name: value for name, value in parameters.items() if name not in {"self", "cls"}}
