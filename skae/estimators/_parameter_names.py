"""Checks of the names of parameters, routed parameters, arguments of fits and Keras objects."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

import skae._tensorflow  # noqa: F401  isort: skip
import keras

from skae._messages import did_you_mean
from skae._sklearn import InvalidParameterError, fit_context, with_callbacks

P = ParamSpec("P")
T = TypeVar("T")

# Names in scikit-learn, Keras and PyOD.
_ELSEWHERE = {
    "latent_dim": "n_components encoding_dim code_size latent_size bottleneck n_hidden",
    "hidden_layer_sizes": "hidden_neurons hidden_neuron_list hidden_units hidden_dims layers",
    "epochs": "max_iter n_epochs nb_epochs epoch_num num_epochs n_iter",
    "optimizer__learning_rate": "lr learning_rate learning_rate_init",
    "optimizer__weight_decay": "alpha l2 weight_decay",
    "activation": "hidden_activation hidden_activation_name",
    "output_activation": "output_activation_name out_activation",
    "patience": "n_iter_no_change tol",
    "validation_split": "validation_fraction validation_size",
    "optimizer": "solver optimizer_name",
    "loss": "criterion loss_function",
    "noise": "dropout dropout_rate noise_level",
    "model": "build_fn network architecture",
    "random_state": "seed random_seed",
    "contamination": "nu outlier_fraction",
    "verbose": "verbosity",
}
_HERE = {name: ours for ours, names in _ELSEWHERE.items() for name in names.split()}
# Arguments of Keras's fit, and of fit where partial_fit has none of that name.
_HOLD_OUT = (
    " To validate, hold samples out with validation_split, or continue training by fit with "
    "warm_start=True, which takes X_val."
)
_ADVICE = {
    ("fit", "validation_data"): " Pass the samples to validate with as X_val.",
    ("partial_fit", "validation_data"): _HOLD_OUT,
    ("partial_fit", "X_val"): _HOLD_OUT,
    ("partial_fit", "y_val"): _HOLD_OUT,
    ("partial_fit", "epochs"): " It trains for one epoch; call it once for each epoch.",
}
# Short names that keras.losses and keras.metrics take, and don't list.
_SHORT = ("bce", "kld", "mae", "mape", "mse", "msle")
_MODULES: dict[str, ModuleType] = {
    "optimizer": keras.optimizers,
    "loss": keras.losses,
    "metrics": keras.metrics,
}


def fit_method(method: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method that fits, as scikit-learn asks for; tell what to do for unknown arguments.

    Raises
    ------
    TypeError
        If it gets an argument that it has not.
    """
    managed = with_callbacks(fit_context(prefer_skip_nested_validation=True)(method))
    known = inspect.signature(method).parameters

    @functools.wraps(managed)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name in sorted(kwargs.keys() - known.keys()):
            raise TypeError(
                f"{type(self).__name__}.{method.__name__} has no argument {name!r}."
                f"{_advice(type(self), method.__name__, name, known)}"
            )
        return managed(self, *args, **kwargs)

    return called  # type: ignore[return-value]


def _advice(kind: type, method: str, name: str, known: Any) -> str:
    """Return what to do instead of passing an unknown argument to a method."""
    parameters = set(inspect.signature(kind).parameters) - {"routed"}
    ours = _HERE.get(name, name)
    if (method, name) in _ADVICE:
        return _ADVICE[method, name]
    if ours in parameters or "__" in ours:
        return f" It is a parameter of the estimator: set_params({ours}=...)."
    return did_you_mean(name, set(known) - {"self"})


def check_parameter_names(estimator: Any) -> None:
    """Raise an error for unknown parameters, and for unknown names of Keras objects.

    Raises
    ------
    InvalidParameterError
        If a parameter is unknown, or routed to an object that is None, is made already or has no
        such parameter, if a string names no optimizer, loss or metric, or if a callback is none.
    """
    known = set(inspect.signature(type(estimator)).parameters) - {"routed"}
    is_fitted = "_deferred" in vars(estimator)
    for name in set(vars(estimator)) - known:
        stray = name.endswith("_") and not is_fitted
        if stray or not (name.startswith("_") or name.endswith("_")):
            _check_routed(estimator, name, known)
    compiled = estimator._compile_parameters()
    for name in _MODULES:
        _check_compiled(name, compiled[name], estimator._routed(name))
    _check_callbacks(estimator.callbacks, estimator._routed("callbacks"))


def _check_routed(estimator: Any, name: str, known: set[str]) -> None:
    prefix = name.partition("__")[0]
    if not estimator._is_routed(name):
        ours = _HERE.get(name)
        hint = f" Did you mean {ours!r}?" if ours else did_you_mean(name, known)
        raise InvalidParameterError(
            f"{type(estimator).__name__} has no parameter {name!r}.{hint} Routed parameters start "
            f"with one of {', '.join(sorted(p + '__' for p in estimator._routing_prefixes))}."
        )
    if getattr(estimator, prefix, "") is None:
        raise InvalidParameterError(
            f"{name}={getattr(estimator, name)!r} has no effect, because {prefix} is None; set "
            f"{prefix}, or leave {name} out."
        )


def _check_compiled(parameter: str, value: Any, arguments: dict[str, Any]) -> None:
    """Check the names of an optimizer, a loss or metrics, and of what is routed to it."""
    for part in keras.tree.flatten(value):
        if isinstance(part, str):
            _found(parameter, part)
    _refuse_arguments_of_objects(parameter, value, arguments)
    kind = _class_of(parameter, value)
    if not arguments or kind is None or any("__" in name for name in arguments):
        return
    accepted = _arguments_of(kind)
    for name in arguments.keys() - accepted:
        ours = {"lr": "learning_rate", "decay": "weight_decay"}.get(name)
        hint = f" Did you mean {ours!r}?" if ours in accepted else did_you_mean(name, accepted)
        raise InvalidParameterError(
            f"{parameter}__{name}={arguments[name]!r} can't be passed on: {kind.__name__} has no "
            f"argument {name!r}.{hint} It has {', '.join(sorted(accepted))}."
        )


def _check_callbacks(callbacks: Any, arguments: dict[str, Any]) -> None:
    """Check that callbacks are objects or classes of Keras, and what is routed to them."""
    for part in keras.tree.flatten(callbacks):
        if part is not None and not (hasattr(part, "set_model") and hasattr(part, "on_epoch_end")):
            hint = " For a function, pass keras.callbacks.LambdaCallback(on_epoch_end=function)."
            raise InvalidParameterError(
                f"callbacks has {part!r}, which is neither a keras.callbacks.Callback nor a class "
                f"of them.{hint if callable(part) else ''}"
            )
    _refuse_arguments_of_objects("callbacks", callbacks, arguments)


def _refuse_arguments_of_objects(parameter: str, value: Any, arguments: dict[str, Any]) -> None:
    """Raise an error for arguments where there is no class or name that could get them."""
    parts = keras.tree.flatten(value)
    if arguments and not any(isinstance(part, str) or inspect.isclass(part) for part in parts):
        name = min(arguments)
        shown = ", ".join(getattr(part, "__name__", type(part).__name__) for part in parts)
        raise InvalidParameterError(
            f"{parameter}__{name}={arguments[name]!r} can't be passed on, because {parameter} is "
            f"no name and no class, but an object: {shown}. Give {name} to it where you make it, "
            f"or set {parameter} to a name or to a class."
        )


def _found(parameter: str, name: str) -> Any:
    """Return the Keras object with a name, or the class of an optimizer."""
    module = _MODULES[parameter]
    if parameter == "optimizer" and optimizer_class(name):
        return optimizer_class(name)
    if parameter == "metrics" and name in ("acc", "accuracy", "crossentropy", "ce"):
        return name  # Keras chooses the metric by the targets
    try:
        found = module.get(name)
    except ValueError:
        found = None
    if found is None:
        known = [each for each in dir(module) if each[0] != "_"]
        short = () if parameter == "optimizer" else _SHORT
        raise InvalidParameterError(
            f"{parameter}={name!r} is not in keras.{module.__name__.rpartition('.')[2]}."
            f"{did_you_mean(name, [*known, *short])}"
        )
    return found


def _class_of(parameter: str, value: Any) -> type | None:
    """Return the class that arguments are routed to; None where they go to an object or a list."""
    if inspect.isclass(value):
        return value
    if not isinstance(value, str):
        return None
    found = _found(parameter, value)
    if parameter == "loss" and inspect.isfunction(found):
        return next((kind for kind in _losses() if kind().fn is found), None)
    return found if inspect.isclass(found) else type(found)


def _losses() -> list[Any]:
    """Return the Keras losses that also exist as a function."""
    found = [each for each in vars(keras.losses).values() if inspect.isclass(each)]
    return [kind for kind in found if kind is not keras.losses.Loss and hasattr(kind(), "fn")]


def optimizer_class(name: Any) -> type | None:
    """Return the class of Keras that a name in any case means; None for other values."""
    if not isinstance(name, str):
        return None
    for each, kind in vars(keras.optimizers).items():
        if each.lower() == name.lower() and inspect.isclass(kind) and _makes_itself(kind):
            return kind
    return None


def _makes_itself(kind: type) -> bool:
    """Return whether a class can be called without arguments."""
    parameters = inspect.signature(kind).parameters.values()
    kinds = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
    return all(p.default is not p.empty or p.kind in kinds for p in parameters)


def with_arguments(loss: Any, arguments: dict[str, Any]) -> Any:
    """Return the class of a loss that is named by a string and gets arguments."""
    kind = _class_of("loss", loss) if arguments and isinstance(loss, str) else None
    return loss if kind is None else kind


def _arguments_of(kind: type) -> set[str]:
    """Return the arguments of a constructor and of the base classes that get its ``**kwargs``."""
    names: set[str] = set()
    for base in kind.__mro__:
        constructor: Any = vars(base).get("__init__")
        if constructor is None:
            continue
        parameters = inspect.signature(constructor).parameters.values()
        ends_here = not any(each.kind is each.VAR_KEYWORD for each in parameters)
        variable = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
        names |= {each.name for each in parameters if each.kind not in variable}
        if ends_here:
            break
    return names - {"self"}
