"""Pickles of estimators: parameters, the recipe and arrays; never a Keras model.

The format of Keras's own files follows the version of Keras, and a model holds what can't be
pickled.
"""

from __future__ import annotations

import functools
import pickle
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import keras
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from skae._contracts import Recipe
from skae.engine import freeze, trainability
from skae.estimators._recipe import defer


def pickled_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an estimator with arrays and a recipe in place of its network."""
    state = {**state, "model": _by_reference(state["model"]), "_versions": _versions()}
    network = state.pop("_deferred", None)
    if network is None:
        return state
    state.pop("callbacks_", None)
    recipe = replace(network.recipe, builder=_by_reference(network.recipe.builder))
    trained = trainability(network)
    return {**state, "_recipe": recipe, "_learned": network.state(), "_trained": trained}


def unpickled_state(kind: type, state: dict[str, Any]) -> dict[str, Any]:
    """Return attributes with a network in place of arrays; a model is built when it is read."""
    state = {**state, "model": _dereferenced(state["model"])}
    learned, recipe = state.pop("_learned", None), state.pop("_recipe", None)
    trained = state.pop("_trained", None)
    _warn_of_other_versions(kind, state.pop("_versions"))
    if learned is None:
        return state
    if isinstance(recipe, dict):  # of a version that had no Recipe
        recipe = _from_mapping(recipe, state.pop("_compiled_with"))
    recipe = replace(recipe, builder=_dereferenced(recipe.builder))
    network = defer(kind, recipe, learned[0], learned[1] or None)
    freeze(network, trained)
    return {**state, "callbacks_": [], "_deferred": network}


def _warn_of_other_versions(kind: type, pickled: str) -> None:
    if pickled != _versions():
        warning = InconsistentVersionWarning(
            estimator_name=kind.__name__,
            current_sklearn_version=_versions(),
            original_sklearn_version=pickled,
        )
        warnings.warn(warning, stacklevel=4)


def _from_mapping(recipe: dict[str, Any], compiled: dict[str, Any]) -> Recipe:
    kept = ("input_shape", "output_shape", "options", "noise", "noise_options", "scikeras", "seed")
    return Recipe(
        builder=recipe["model"],
        parameters={**recipe["parameters"], "input_shape": recipe["inputs"]["input_shape"]},
        compiled=compiled,
        dtype_policy=keras.config.dtype_policy().name,
        **{name: recipe[name] for name in kept},
    )


@functools.cache
def _installed() -> str:
    return version("skae")  # read from disk


def _versions() -> str:
    return f"skae {_installed()}, Keras {keras.__version__}, scikit-learn {sklearn.__version__}"


def _by_reference(model: Any) -> Any:
    return CallableReference(model) if callable(model) else model


def _dereferenced(model: Any) -> Any:
    return model.target if isinstance(model, CallableReference) else model


@dataclass(frozen=True)
class CallableReference:
    """Pickles a model's callable by its name, and says what to do where that can't work."""

    target: Callable[..., Any]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if not _importable(self.target) and not _pickled_by_value():
            name = getattr(self.target, "__qualname__", repr(self.target))
            raise pickle.PicklingError(
                f"model={name} can't be pickled: another process can't import it, because it is "
                "defined in __main__ or inside a function. Move it to a module of its own, or "
                "use cloudpickle.dumps in place of pickle.dumps (and cloudpickle.dump in place "
                "of joblib.dump)."
            )
        return (CallableReference, (self.target,))

    def __deepcopy__(self, memo: dict[int, Any]) -> CallableReference:
        return self


def _importable(target: Any) -> bool:
    if not hasattr(target, "__qualname__"):
        return True  # an instance, a partial: pickle itself goes through what they hold
    if target.__module__ == "__main__":
        return False
    found: Any = sys.modules.get(target.__module__)
    for part in target.__qualname__.split("."):
        found = getattr(found, part, None)
    return bool(found == target)  # a bound method is another object at every look


def _pickled_by_value() -> bool:
    """Whether cloudpickle (loky's too) or dill is at work; only their frames tell."""
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if "cloudpickle" in module or module.startswith(("dill", "joblib.hashing")):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
