"""Builds the network that an estimator's parameters describe."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras

from skae import engine, networks
from skae._contracts import Network, NetworkSpec, Recipe, Shapes
from skae._messages import warn
from skae._private import fresh_names, metadata
from skae.engine import DeferredNetwork
from skae.estimators._parameters import copied_containers, same
from skae.estimators._scikeras import KerasWrapper
from skae.exceptions import LatentSizeWarning
from skae.noise import make_noise

_LARGEST_AUTO = 8


def make_recipe(estimator: Any, shapes: Shapes, noise: Any, seed: int) -> Recipe:
    """Return the recipe of the network that the current parameters describe."""
    params = estimator.get_params(deep=False)
    params["latent_dim"] = _latent_dim(estimator.latent_dim, math.prod(shapes.input))
    names = {*estimator._network_parameters, "input_shape"}
    taken: Mapping[str, Any] = {}
    if callable(estimator.model):
        taken = inspect.signature(estimator.model).parameters
        names |= set(taken) & params.keys()
    others = {name: value for name, value in params.items() if name != "model"}
    available = {"meta": metadata(estimator), "params": others}
    return Recipe(
        builder=estimator.model,
        input_shape=shapes.input,
        output_shape=shapes.output,
        parameters={name: copied_containers(params[name]) for name in sorted(names)},
        options=copied_containers(estimator._routed("model")),
        noise=noise,
        noise_options=copied_containers(estimator._routed("noise")),
        scikeras={name: available[name] for name in available if name in taken},
        compiled=copied_containers(estimator._compile_parameters()),
        dtype_policy=keras.config.dtype_policy().name,
        seed=seed,
    )


def defer(
    kind: Any, recipe: Recipe, values: Any = None, slots: Any = None, device: str | None = None
) -> DeferredNetwork:
    """Return the network of a recipe; its Keras model is built on first use."""
    build = functools.partial(build_network, kind, recipe)
    return DeferredNetwork(recipe, build, values, slots, device)


def resume(kind: Any, old: DeferredNetwork, now: Recipe) -> DeferredNetwork:
    """Return a copy of a network to train on, compiled with the current parameters."""
    check_same_network(old.recipe, now)
    (values, slots), device = old.state(), engine.chosen_device()
    if same(old.recipe.compiled, now.compiled):
        network = defer(kind, old.recipe, values, slots, device)
        network.programs.inherit(old.programs)
    else:
        compiled = replace(old.recipe, compiled=now.compiled)
        network = defer(kind, compiled, values, device=device)
    engine.freeze(network, engine.trainability(old))
    return network


def new_network(kind: Any, recipe: Recipe, required_views: tuple[str, ...]) -> DeferredNetwork:
    """Return a network to train; raise an error if a user-defined one lacks a required view."""
    network = defer(kind, recipe, device=engine.chosen_device())
    for view in required_views if callable(recipe.builder) else ():
        if getattr(network.network, view) is None:
            n_outputs = len(getattr(network.network.encoder, "outputs", "1"))
            if n_outputs > 1:
                raise ValueError(
                    f"The encoder of the model that model={recipe.builder!r} returned has "
                    f"{n_outputs} outputs; a code is one tensor. Rename that part, and name the "
                    "one that returns the code encoder, for example the posterior mean:\n"
                    "    self.posterior = keras.Model(inputs, [mean, log_var, code])\n"
                    "    self.encoder = keras.Model(inputs, mean)"
                )
            raise ValueError(
                f"{kind.__name__} needs the model's {view}, but the model that "
                f"model={recipe.builder!r} returned has no attribute and no sub-model named "
                f"{view!r}; add one, a Keras model or layer."
            )
    return network


def _latent_dim(latent_dim: Any, n_features: int) -> int | None:
    """Return the size of the code: "auto" can't copy a sample of more than one feature."""
    return min(max(n_features // 2, 1), _LARGEST_AUTO) if latent_dim == "auto" else latent_dim


def warn_of_latent_dim(fit: Any) -> None:
    """Warn if a built-in network can copy its input."""
    n_features = math.prod(fit._input_shape)
    latent_dim = _latent_dim(fit.latent_dim, n_features)
    if isinstance(fit.model, str) and latent_dim and latent_dim >= n_features:
        warn(
            f"latent_dim={latent_dim} is not below the number of features "
            f"({n_features}), so the network can copy its input instead of learning "
            "its structure; choose a smaller latent_dim, or 'auto'.",
            LatentSizeWarning,
        )


class FittedModel:
    """An attribute of a fitted estimator: its Keras model or a part of it, built on first use."""

    def __init__(self, part: str) -> None:
        self.part = part

    def __get__(self, estimator: Any, owner: type) -> Any:
        if estimator is None:
            return self
        if "_deferred" not in vars(estimator):
            raise AttributeError(f"{owner.__name__!r} object has no attribute '{self.part}_'")
        return getattr(estimator._deferred.expose(), self.part)


def loss_of(kind: Any, network: DeferredNetwork) -> Any:
    """Return the loss that a network is compiled with."""
    recipe = network.recipe
    if callable(recipe.builder):
        return network.expose().model.loss
    others = {k: v for k, v in recipe.compiled.items() if not k.startswith("optimizer")}
    return kind(model=recipe.builder, optimizer=None, **others)._compile_arguments()["loss"]


def build_network(kind: Callable[..., KerasWrapper], recipe: Recipe) -> Network:
    """Return the network of a recipe, compiled.

    Parameters
    ----------
    kind : class
        Class of the estimator, which converts parameters to compile arguments.
    recipe : Recipe
    """
    # With the parameters of the fit; those of the estimator may have changed since.
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
    previous = keras.config.dtype_policy()
    if previous.name == name:
        yield
        return
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def check_same_network(before: Recipe, now: Recipe) -> None:
    """Raise an error if the parameters no longer describe the same network.

    Raises
    ------
    ValueError
        If they differ in more than what the model is compiled with.
    """
    if before.builder != now.builder:
        raise ValueError(
            "model was changed after the network was built, but training continues with that "
            "network; set it back, or fit again with warm_start=False."
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
                    f"{new.get(name)!r} now, but training continues with that network; "
                    "set it back, or fit again with warm_start=False."
                )
