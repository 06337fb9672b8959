"""Pickles of estimators: parameters, the recipe and arrays; never a Keras model.

The file format of Keras depends on its version, and a model has attributes that can't be pickled.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import keras
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from skae._contracts import Recipe
from skae._version import __version__
from skae.engine import freeze, trainability
from skae.errors import AbsoluteError, CustomError, SquaredError, resolve_error
from skae.estimators._parameters import ByValue, by_value, unused_callbacks
from skae.estimators._recipe import defer


def pickled_state(state: dict[str, Any], parameters: Iterable[str]) -> dict[str, Any]:
    """Return the attributes of an estimator with arrays and a recipe in place of its network."""
    known: dict[int, ByValue] = {}
    state = {**state, "callbacks": unused_callbacks(state)}
    state.pop("_callbacks_before", None)
    names = [name for name in (*parameters, "score_") if name in state]
    state |= {name: by_value(name, state[name], known) for name in names}
    if "_error" in state:
        error = state["_error"]
        own = isinstance(error, CustomError)
        state["_error"] = by_value("error", error.function, known) if own else error.name
    state["_versions"] = _versions()
    network = state.pop("_deferred", None)
    if network is None:
        return state
    state.pop("callbacks_", None)
    recipe = {
        part.name: by_value(part.name, getattr(network.recipe, part.name), known)
        for part in fields(Recipe)
    }
    learned, trained = network.state(), trainability(network)
    return {**state, "_recipe": recipe, "_learned": learned, "_trained": trained}


def unpickled_state(kind: type, state: dict[str, Any]) -> dict[str, Any]:
    """Return attributes with a network in place of arrays; a model is built when it is read."""
    state = _completed(kind, state)
    learned, recipe = state.pop("_learned", None), state.pop("_recipe", None)
    trained = state.pop("_trained", None)
    _warn_of_other_versions(kind, state.pop("_versions"))
    if learned is None:
        return state
    if isinstance(recipe, dict) and "builder" in recipe:
        recipe = Recipe(**recipe)
    elif isinstance(recipe, dict):  # of a version that had no Recipe
        recipe = _from_mapping(recipe, state.pop("_compiled_with"))
    if "scale" not in recipe.parameters:  # of skae 0.1
        recipe = replace(recipe, parameters={**recipe.parameters, "scale": False})
    network = defer(kind, recipe, learned[0], learned[1] or None)
    freeze(network, trained)
    if not isinstance(state["_error"], (AbsoluteError, SquaredError, CustomError)):
        state["_error"] = resolve_error(state["_error"])
    return {**state, "callbacks_": [], "_deferred": network}


def _completed(kind: type, state: dict[str, Any]) -> dict[str, Any]:
    """Return attributes with those that a pickle of skae 0.1 lacks, as they had been there."""
    if "scale" in state:
        return dict(state)
    parameters = {"scale": False, "anomaly_score": "error"}
    known = inspect.signature(kind).parameters
    added: dict[str, Any] = {name: parameters[name] for name in parameters if name in known}
    if "_learned" in state:
        added |= {"scaler_": None, "_output_scaler": None}
    if state.get("threshold", "std") != "std" and "n_std" in known:
        state = {**state, "n_std": known["n_std"].default}  # it has no effect, and had another one
    if "threshold_" in state:
        added |= {"score_": None, "_reference": None}
    return {**added, **state}


def _warn_of_other_versions(kind: type, pickled: str) -> None:
    if pickled != _versions():
        warning = InconsistentVersionWarning(
            estimator_name=kind.__name__,
            current_sklearn_version=_versions(),
            original_sklearn_version=pickled,
        )
        warnings.warn(warning, stacklevel=4)


def _from_mapping(recipe: dict[str, Any], compiled: dict[str, Any]) -> Recipe:
    same = ("input_shape", "output_shape", "options", "noise", "noise_options", "scikeras", "seed")
    return Recipe(
        builder=recipe["model"],
        parameters={**recipe["parameters"], "input_shape": recipe["inputs"]["input_shape"]},
        compiled=compiled,
        dtype_policy=keras.config.dtype_policy().name,
        **{name: recipe[name] for name in same},
    )


def _versions() -> str:
    return f"skae {__version__}, Keras {keras.__version__}, scikit-learn {sklearn.__version__}"
