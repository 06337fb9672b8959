"""User-defined networks: a function, a ``keras.Model`` subclass, any callable.

Layers without a seed draw one from Python's global ``random`` when they are created or built. So
a lock is held meanwhile, and that state is seeded before and restored afterwards.
"""

from __future__ import annotations

import functools
import inspect
import random
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from skae._contracts import Network, NetworkSpec, Shape
from skae._messages import did_you_mean
from skae._private import all_layers
from skae.networks import _parts

# A model function may itself fit an estimator with a user-defined network.
_LOCK = threading.RLock()
_MADE: weakref.WeakSet[keras.Model] = weakref.WeakSet()
_LAYERS: weakref.WeakSet[keras.layers.Layer] = weakref.WeakSet()
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def build_custom(model: Callable[..., Any], spec: NetworkSpec) -> Network:
    """Return the built network that a callable makes.

    Parameters
    ----------
    model : callable
        Returns a ``keras.Model`` that maps `spec.input_shape` to `spec.output_shape`.
    spec : NetworkSpec
        `model` gets the parameters that its signature names, and all options.

    Returns
    -------
    Network
        With encoder and decoder, if the model has attributes or sub-layers of those names.
    """
    arguments = _arguments(model, spec)
    with _LOCK, _seeded_random(spec.seed):
        made = model(**arguments)
        _check_model(made, model)
        if made in _MADE:
            raise ValueError(
                f"model={_name_of(model)} returned a model that it has returned before, so that "
                "one fit would change another estimator's network; build a new one at every call."
            )
        _MADE.add(made)
        _check_unshared(made, _name_of(model))
        output = _apply(made, spec.input_shape, _name_of(model))
        _check_output(output, spec, _name_of(model))
        encoder = _view(made, "encoder", spec.input_shape)
        code_shape = None if encoder is None else _shape_after(encoder, spec.input_shape)
        decoder = None if code_shape is None else _view(made, "decoder", code_shape)
        _LAYERS.update(all_layers(made))
        if spec.noise is not None:
            made = _with_noise(made, spec, _name_of(model))
    return Network(model=made, encoder=encoder, decoder=decoder)


@contextmanager
def _seeded_random(seed: int) -> Iterator[None]:
    previous = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(previous)


def _name_of(model: Any) -> str:
    if isinstance(model, functools.partial):
        return _name_of(model.func)
    return str(getattr(model, "__name__", type(model).__name__))


def _parameters_of(model: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a callable by name, without those bound by a partial.

    The estimator's defaults must not override what a user has bound.
    """
    if isinstance(model, functools.partial):
        inner = list(_parameters_of(model.func).items())[len(model.args) :]
        return {name: p for name, p in inner if name not in model.keywords}
    # inspect.signature of a class can pick the catch-all __new__ of keras.Model.
    function = model.__init__ if inspect.isclass(model) else model
    try:
        parameters = list(inspect.signature(function).parameters.items())
    except ValueError:
        return {}
    return dict(parameters[1:] if inspect.isclass(model) else parameters)


def _arguments(model: Callable[..., Any], spec: NetworkSpec) -> dict[str, Any]:
    parameters = _parameters_of(model)
    named = {name: p for name, p in parameters.items() if p.kind in _NAMED}
    bound = model.keywords if isinstance(model, functools.partial) else {}
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for option in spec.options:
        if option not in named and option not in bound and not takes_any:
            raise ValueError(
                f"{_name_of(model)} takes no argument {option!r}, but model__{option} is set."
                f"{did_you_mean(option, named)} It takes {sorted(named)}."
            )
    offered = {
        **spec.parameters,
        "input_shape": spec.input_shape,
        "output_shape": spec.output_shape,
    }
    arguments = {name: offered[name] for name in named if name in offered}
    arguments.update(spec.options)
    _check_complete(model, named, arguments, offered)
    return arguments


def _check_complete(
    model: Any,
    named: Mapping[str, inspect.Parameter],
    arguments: Mapping[str, Any],
    offered: Mapping[str, Any],
) -> None:
    empty = inspect.Parameter.empty
    missing = [n for n, p in named.items() if p.default is empty and n not in arguments]
    if missing:
        options = ", ".join(f"model__{name}=..." for name in missing)
        raise TypeError(
            f"{_name_of(model)} requires {missing}, which the estimator does not have; set "
            f"{options}. By name it can ask for {sorted(offered)}."
        )


def _check_model(made: Any, model: Any) -> None:
    if not isinstance(made, keras.Model):
        got = "None (is its return statement missing?)" if made is None else repr(type(made))
        raise TypeError(
            f"{_name_of(model)} returned {got}; a callable passed as model has to return a "
            "keras.Model."
        )


def _check_unshared(made: keras.Model, name: str) -> None:
    shared = next(
        (layer for layer in all_layers(made) if layer in _LAYERS and layer.trainable_variables),
        None,
    )
    if shared is not None:
        raise ValueError(
            f"The model that {name} returned has the layer {shared.name!r}, which another model "
            "that it returned has too, so that one fit would change another estimator's network; "
            "make every layer inside the function."
        )


def _apply(made: keras.Model, input_shape: Shape, name: str) -> Any:
    """Call a model symbolically, which builds all its weights."""
    inputs = getattr(made, "inputs", None) or []
    if len(inputs) > 1:
        raise ValueError(
            f"The model that {name} returned has {len(inputs)} inputs; it has to take one, the "
            "samples. Take them apart inside the model, for example by keras.ops.split(x, n, -1)."
        )
    try:
        return made(keras.Input(input_shape, name="inputs"))
    except NotImplementedError as error:
        raise ValueError(
            f"The model that {name} returned has no call, so it can't predict. "
            "Add one that returns the reconstruction, such as\n"
            "    def call(self, inputs):\n"
            "        return self.decoder(self.encoder(inputs))\n"
            "If the encoder returns several tensors, pass the decoder the one with the code."
        ) from error
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"The model that {name} returned can't be applied to samples of shape {input_shape}: "
            f"{error}\nSet input_shape to the shape that it expects, or change the model."
        ) from error


def _check_output(output: Any, spec: NetworkSpec, name: str) -> None:
    if not isinstance(output, keras.KerasTensor):
        raise ValueError(
            f"The model that {name} returned has {type(output).__name__} as its output; it has to "
            "return one tensor, the reconstruction."
        )
    got = tuple(output.shape[1:])
    agrees = len(got) == len(spec.output_shape) and all(
        size in (None, expected) for size, expected in zip(got, spec.output_shape, strict=True)
    )
    if not agrees:
        raise ValueError(
            f"The model that {name} returned maps samples of shape {spec.input_shape} to shape "
            f"{got}, but shape {spec.output_shape} is expected; change its last layer, or set "
            "input_shape."
        )


def _shape_after(layer: Any, shape: Shape) -> Shape | None:
    output = layer(keras.Input(shape, name="inputs"))
    if isinstance(output, keras.KerasTensor):
        return tuple(output.shape[1:])
    return None


def _view(made: keras.Model, name: str, shape: Shape) -> keras.Model | None:
    """Return the part of a model that is called `name`, if it maps samples of `shape`."""
    named_layers = (layer for layer in made.layers if layer.name == name)
    part = getattr(made, name, None)
    part = part if isinstance(part, keras.layers.Layer) else next(named_layers, None)
    if part is None:
        return None
    inputs = keras.Input(shape, name="inputs")
    try:
        outputs = part(inputs)
    except (ValueError, TypeError):
        # A part that takes something other than samples is no encoder or decoder.
        return None
    return part if isinstance(part, keras.Model) else keras.Model(inputs, outputs, name=name)


def _with_noise(made: keras.Model, spec: NetworkSpec, name: str) -> keras.Model:
    own = [
        method
        for method in ("train_step", "test_step", "compute_loss")
        if getattr(type(made), method) is not getattr(keras.Model, method)
    ]
    if own:
        raise ValueError(
            f"noise={type(spec.noise).__name__} can't be put before the model that {name} "
            f"returned, because it overrides {', '.join(own)}; add the noise inside the model "
            "and set noise=None."
        )
    inputs, corrupted = _parts.noisy_input(spec)
    return keras.Model(inputs, made(corrupted), name="autoencoder")
