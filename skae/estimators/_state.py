"""What an estimator keeps of a network: the recipe that it is built by, and arrays.

Owns making a recipe of parameters, building a network of a recipe, and the pickling of both. No
Keras object is ever pickled.
"""

from __future__ import annotations

import functools
import inspect
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, ParamSpec, Self, TypeVar

import keras
import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from skae import networks
from skae._contracts import Network, NetworkSpec, Recipe
from skae._private import fresh_names, metadata
from skae.engine import DeferredNetwork, freeze, trainability
from skae.estimators._scikeras import KerasWrapper, same
from skae.noise import make_noise

P = ParamSpec("P")
T = TypeVar("T")


def of_one_fit(method: Callable[P, T]) -> Callable[P, T]:
    """Have a method see the state of one fit, though another thread may fit the estimator anew."""

    @functools.wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self._snapshot(), *args, **kwargs)

    return called  # type: ignore[return-value]


class RebuildableModel(KerasWrapper):
    """An estimator whose network is a recipe and arrays, and a Keras model when asked for it."""

    _deferred: DeferredNetwork

    @property
    def model_(self) -> keras.Model:
        """Input to output."""
        return self._built("model_").model

    @property
    def encoder_(self) -> keras.Model | None:
        """Input to code."""
        return self._built("encoder_").encoder

    @property
    def decoder_(self) -> keras.Model | None:
        """Code to output."""
        return self._built("decoder_").decoder

    def _built(self, name: str) -> Network:
        if "_deferred" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._deferred.expose()

    def _snapshot(self) -> Self:
        """Return an estimator of the same parameters and state, which no fit changes."""
        copied = object.__new__(type(self))
        copied.__dict__ = dict(vars(self))
        return copied

    def _make_recipe(self, noise: Any) -> Recipe:
        """Return what determines the network, from the parameters as they are now."""
        params = self.get_params(deep=False)
        names = {*self._network_parameters, "input_shape"}
        taken: Mapping[str, Any] = {}
        if callable(self.model):
            taken = inspect.signature(self.model).parameters
            names |= set(taken) & params.keys()
        others = {name: value for name, value in params.items() if name != "model"}
        available = {"meta": metadata(self), "params": others}
        return Recipe(
            builder=self.model,
            input_shape=self._input_shape,
            output_shape=self._output_shape,
            parameters={name: _held(params[name]) for name in sorted(names)},
            options=_held(self._routed("model")),
            noise=noise,
            noise_options=_held(self._routed("noise")),
            scikeras={name: available[name] for name in available if name in taken},
            compiled=_held(self._compile_parameters()),
            dtype_policy=keras.config.dtype_policy().name,
            seed=self._seed,
        )

    def _defer(
        self, recipe: Recipe, values: Any = None, slots: Any = None, device: str | None = None
    ) -> DeferredNetwork:
        build = functools.partial(build_network, type(self), recipe)
        return DeferredNetwork(recipe, build, values, slots, device)

    def _loss(self) -> Any:
        """Return the loss that the model is compiled with."""
        recipe = self._deferred.recipe
        if callable(recipe.builder):
            return self.model_.loss
        return type(self)(model=recipe.builder, **recipe.compiled)._compile_arguments()["loss"]

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters, arrays and the recipe; never a Keras model."""
        state = {**BaseEstimator.__getstate__(self), "model": _by_reference(self.model)}
        state["_versions"] = _versions()
        network = state.pop("_deferred", None)
        if network is None:
            return state
        state.pop("callbacks_", None)
        recipe = replace(network.recipe, builder=_by_reference(network.recipe.builder))
        return {
            **state,
            "_recipe": recipe,
            "_learned": network.state(),
            "_trained": trainability(network),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take parameters, arrays and the recipe; the model is built when someone asks for it."""
        state = {**state, "model": _dereferenced(state["model"])}
        learned, recipe = state.pop("_learned", None), state.pop("_recipe", None)
        trained = state.pop("_trained", None)
        self._warn_of_other_versions(state.pop("_versions"))
        BaseEstimator.__setstate__(self, state)
        if learned is None:
            return
        if isinstance(recipe, dict):  # of a version that had no Recipe
            recipe = _from_mapping(recipe, self.__dict__.pop("_compiled_with"))
        recipe = replace(recipe, builder=_dereferenced(recipe.builder))
        self.callbacks_ = list[keras.callbacks.Callback]()
        self._deferred = self._defer(recipe, learned[0], learned[1] or None)
        freeze(self._deferred, trained)

    def _warn_of_other_versions(self, pickled: str) -> None:
        if pickled != _versions():
            warning = InconsistentVersionWarning(
                estimator_name=type(self).__name__,
                current_sklearn_version=_versions(),
                original_sklearn_version=pickled,
            )
            warnings.warn(warning, stacklevel=3)


def _held(value: Any) -> Any:
    """Return a parameter as it is now: a list that it is may change later."""
    if type(value) is dict:
        return {name: _held(part) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_held, value))
    return value.copy() if isinstance(value, np.ndarray) else value


def _from_mapping(recipe: dict[str, Any], compiled: dict[str, Any]) -> Recipe:
    kept = ("input_shape", "output_shape", "options", "noise", "noise_options", "scikeras", "seed")
    return Recipe(
        builder=recipe["model"],
        parameters={**recipe["parameters"], "input_shape": recipe["inputs"]["input_shape"]},
        compiled=compiled,
        dtype_policy=keras.config.dtype_policy().name,
        **{name: recipe[name] for name in kept},
    )


def build_network(kind: Callable[..., KerasWrapper], recipe: Recipe) -> Network:
    """Return the network of a recipe, compiled.

    Parameters
    ----------
    kind : class
        Of the estimator, which knows how SciKeras makes compile arguments of parameters.
    recipe : Recipe
    """
    # Of the parameters that the fit had; those of the estimator may have changed since.
    holder = kind(model=recipe.builder, **recipe.compiled)
    arguments = dict(recipe.scikeras)
    if "params" in arguments:
        arguments["params"] = {**arguments["params"], "model": recipe.builder}
    if callable(recipe.builder) and holder._takes_compile_arguments():
        arguments["compile_kwargs"] = holder._compile_arguments()
    noise = recipe.noise
    if noise is not None:
        noise = make_noise(noise, recipe.seed, recipe.noise_options)
    spec = NetworkSpec(
        input_shape=recipe.input_shape,
        output_shape=recipe.output_shape,
        parameters={**recipe.parameters, **arguments},
        options=recipe.options,
        seed=recipe.seed,
        noise=noise,
    )
    with _dtype_policy(recipe.dtype_policy):
        network = networks.build(recipe.builder, spec)
        if network.model.compiled:
            holder._refuse_overruled(network.model)
            return replace(network, compiled_by_user=True)
        with fresh_names():
            jit_compile = recipe.compiled["jit_compile"]
            network.model.compile(**holder._compile_arguments(), jit_compile=jit_compile)
    return network


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    kept = keras.config.dtype_policy()
    if kept.name == name:
        yield
        return
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(kept)


def check_same_network(before: Recipe, now: Recipe) -> None:
    """Refuse to train on under parameters that describe another network.

    Parameters
    ----------
    before, now : Recipe

    Raises
    ------
    ValueError
        If they differ in more than what the model is compiled with.
    """
    if before.builder != now.builder:
        raise ValueError(
            "model was changed after the network was built, and training goes on with that "
            "network; set it back, or fit anew with warm_start=False."
        )
    pairs = (
        ("", before.parameters, now.parameters),
        ("", {"noise": before.noise}, {"noise": now.noise}),
        ("model__", before.options, now.options),
        ("noise__", before.noise_options, now.noise_options),
    )
    for prefix, old, new in pairs:
        for name in sorted({*old, *new}):
            if not same(old.get(name), new.get(name)):
                raise ValueError(
                    f"{prefix}{name} was {old.get(name)!r} when the network was built and is "
                    f"{new.get(name)!r} now, and a network that is trained on keeps its layers; "
                    "set it back, or fit anew with warm_start=False."
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
