"""What an estimator keeps of a model: arrays, and the recipe by which it is built again.

Owns the snapshot of a model's variables (for pickling, and for undoing a fit that failed), the
recipe, and the pickling of the callable behind ``model``. No Keras object is ever pickled.
"""

from __future__ import annotations

import functools
import inspect
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from skae import networks
from skae._contracts import Network, NetworkSpec
from skae.noise import make_noise

Arrays = list[np.ndarray[Any, np.dtype[Any]]]


@dataclass(frozen=True)
class ModelState:
    """Variables of a model and of its optimizer, in the order in which Keras lists them."""

    weights: Arrays
    optimizer: Arrays

    @classmethod
    def of(cls, model: keras.Model) -> ModelState:
        """Copy the variables of `model`."""
        return cls(_arrays(_variables(model)), _arrays(_optimizer_variables(model)))

    def put_into(self, model: keras.Model) -> None:
        """Set the variables of `model`; those of its optimizer where it has been compiled."""
        _assign(_variables(model), self.weights)
        if self.optimizer and model.compiled:
            model.optimizer.build(model.trainable_variables)
            _assign(model.optimizer.variables, self.optimizer)


def _variables(model: keras.Model) -> list[Any]:
    # Not `get_weights`, which leaves out the seeds of noise and dropout layers: a model that is
    # trained on after a pickle would draw other noise.
    return [*model.trainable_variables, *model.non_trainable_variables]


def _optimizer_variables(model: keras.Model) -> list[Any]:
    return list(model.optimizer.variables) if model.compiled and model.optimizer.built else []


def _arrays(variables: list[Any]) -> Arrays:
    return [np.array(variable.numpy()) for variable in variables]


def _assign(variables: list[Any], values: Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@contextmanager
def unchanged_on_failure(estimator: Any, *, resumes: bool) -> Iterator[None]:
    """Put an estimator back as it was where its fit fails, for whatever reason.

    Parameters
    ----------
    estimator : estimator
    resumes : bool
        Whether the fit trains the model that is there already; its variables are put back too.
    """
    before = dict(vars(estimator))
    state = ModelState.of(estimator.model_) if resumes else None
    compiled = dict(vars(estimator.model_)) if resumes else {}
    try:
        yield
    except BaseException:  # Ctrl-C is a failure like any other
        vars(estimator).clear()
        vars(estimator).update(before)
        if state is not None:
            # A fit with another optimizer has compiled the model anew. Set past Keras's tracking
            # of attributes, which knows all of these already.
            vars(estimator.model_).update(compiled)
            state.put_into(estimator.model_)
        raise


class RebuildableModel:
    """A model that is built from ``_recipe``, and pickled as that recipe and arrays."""

    _rebuilt: tuple[str, ...] = ("model_", "encoder_", "decoder_", "callbacks_")

    def _network(self: Any) -> Network:
        """Build the recipe's network."""
        recipe = self._recipe
        model = recipe["model"]
        noise = recipe["noise"]
        if noise is not None:
            noise = make_noise(noise, recipe["seed"], recipe["noise_options"])
        spec = NetworkSpec(
            input_shape=recipe["input_shape"],
            output_shape=recipe["output_shape"],
            parameters={**recipe["parameters"], **self._for_signature(model)},
            options=recipe["options"],
            seed=recipe["seed"],
            noise=noise,
        )
        return networks.build(model, spec)

    def _scikeras_arguments(self: Any) -> dict[str, Any]:
        """Return what SciKeras hands to a function that names it, as it is when the fit builds."""
        named = inspect.signature(self.model).parameters if callable(self.model) else {}
        params = {k: v for k, v in self.get_params(deep=False).items() if k != "model"}
        available = {"meta": self._get_metadata(), "params": params}
        return {name: available[name] for name in available if name in named}

    def _for_signature(self: Any, model: Any) -> dict[str, Any]:
        arguments = dict(self._recipe["scikeras"])
        if "params" in arguments:
            arguments["params"] = {**arguments["params"], "model": model}
        if callable(model) and "compile_kwargs" in inspect.signature(model).parameters:
            arguments["compile_kwargs"] = self._compile_arguments()
        return arguments

    def _set_network(self: Any, network: Network) -> None:
        self.model_ = network.model
        self.encoder_ = network.encoder
        self.decoder_ = network.decoder
        self.callbacks_ = list[keras.callbacks.Callback]()
        self._network_callbacks = list(network.callbacks)

    def _resume_optimizer(self: Any) -> None:
        """Put back the optimizer's slots, which a pickle keeps until somebody trains on."""
        state = vars(self).pop("_optimizer_state", None)
        if state is not None:
            self._compile()
            state.put_into(self.model_)

    def __getstate__(self: Any) -> dict[str, Any]:
        """Return parameters, arrays and the recipe; never a Keras model."""
        state = {**BaseEstimator.__getstate__(self), "model": _by_reference(self.model)}
        state["_versions"] = _versions()
        if "model_" not in state:
            return state
        learned = ModelState.of(self.model_)
        kept = state.pop("_optimizer_state", learned)
        for name in (*self._rebuilt, "_network_callbacks"):
            state.pop(name, None)
        recipe = {**self._recipe, "model": _by_reference(self._recipe["model"])}
        return {**state, "_recipe": recipe, "_learned": (learned.weights, kept.optimizer)}

    def __setstate__(self: Any, state: dict[str, Any]) -> None:
        """Build the model again and put the arrays into it."""
        state = {**state, "model": _dereferenced(state["model"])}
        weights, slots = state.pop("_learned", (None, None))
        self._warn_of_other_versions(state.pop("_versions"))
        BaseEstimator.__setstate__(self, state)
        if weights is None:
            return
        self._recipe = {**self._recipe, "model": _dereferenced(self._recipe["model"])}
        self._set_network(self._network())
        ModelState(weights, []).put_into(self.model_)
        self._optimizer_state = ModelState(weights, slots)

    def _warn_of_other_versions(self, pickled: str) -> None:
        if pickled != _versions():
            warning = InconsistentVersionWarning(
                estimator_name=type(self).__name__,
                current_sklearn_version=_versions(),
                original_sklearn_version=pickled,
            )
            warnings.warn(warning, stacklevel=3)


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
