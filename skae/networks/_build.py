"""Builds the network that the `model` parameter of an estimator describes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from skae._contracts import Network, NetworkSpec
from skae._forks import check_not_forked
from skae._messages import did_you_mean
from skae._private import fresh_names
from skae.networks._conv import build_conv
from skae.networks._custom import build_custom
from skae.networks._dense import build_dense
from skae.networks._linear import build_linear
from skae.networks._recurrent import build_recurrent
from skae.networks._variational import build_variational

_BUILDERS: dict[str, Callable[..., Network]] = {
    "dense": build_dense,
    "linear": build_linear,
    "conv": build_conv,
    "recurrent": build_recurrent,
    "variational": build_variational,
}

# An estimator has these itself; as model__latent_dim there would be two names for one thing.
_FLAT = frozenset({"latent_dim", "hidden_layer_sizes", "activation", "output_activation"})

NAMES: tuple[str, ...] = tuple(_BUILDERS)


def build(model: str | Callable[..., Any], spec: NetworkSpec) -> Network:
    """Build a built-in or user-defined network.

    Parameters
    ----------
    model : str or callable
        One of `NAMES`, or a callable that returns a ``keras.Model``: a function, a
        ``keras.Model`` subclass (the class, not an instance), a ``functools.partial``.
    spec : NetworkSpec
        Shapes, parameters, options, seed and noise.

    Returns
    -------
    Network
        Its model has all its weights and is not compiled. The global random states of Python, NumPy
        and TensorFlow are unchanged; unseeded layers of a user-defined model draw from Python's,
        which is seeded and then restored.

    Raises
    ------
    ValueError
        If the name or one of ``model__*`` is unknown, a size is not a positive integer, or a
        user-defined model maps samples to a shape other than ``spec.output_shape``.
    TypeError
        If `model` is neither a name nor a callable, or a callable returns no ``keras.Model`` or
        requires an argument that the estimator does not have.

    Examples
    --------
    >>> from skae._contracts import NetworkSpec
    >>> from skae.networks import build
    >>> spec = NetworkSpec((4,), (4,), {"latent_dim": 2}, {}, seed=0)
    >>> network = build("linear", spec)
    >>> network.encoder.output_shape
    (None, 2)
    """
    check_not_forked()
    if isinstance(model, str):
        builder = _builder(model)
        arguments = _named_arguments(model, builder, spec)
        with fresh_names():
            return builder(spec, **arguments)
    if isinstance(model, keras.layers.Layer):
        raise TypeError(
            f"model is an instance of {type(model).__name__}, but an estimator has to be able to "
            "build a new network for every fit; pass the class, or a function that builds the "
            "model."
        )
    if not callable(model):
        raise TypeError(
            f"model={model!r} is neither a name nor a callable; pass one of {list(NAMES)}, a "
            "function that returns a keras.Model, or a keras.Model subclass."
        )
    with fresh_names():
        return build_custom(model, spec)


def accepted_options(name: str) -> frozenset[str]:
    """Return the ``model__*`` options of a built-in network, prefix removed.

    Parameters
    ----------
    name : str
        One of `NAMES`.

    Returns
    -------
    frozenset of str
        Names such as ``"kernel_initializer"``.

    Examples
    --------
    >>> from skae.networks import accepted_options
    >>> sorted(accepted_options("linear"))
    ['activity_regularizer', 'contraction', 'kernel_initializer', 'tied']
    """
    return _arguments_of(_builder(name)) - _FLAT


def _builder(name: str) -> Callable[..., Network]:
    if name not in _BUILDERS:
        raise ValueError(
            f"model={name!r} is not a built-in network.{did_you_mean(name, NAMES)} "
            f"Pass one of {list(NAMES)}, or a callable that returns a keras.Model."
        )
    return _BUILDERS[name]


def _arguments_of(builder: Callable[..., Network]) -> frozenset[str]:
    parameters = inspect.signature(builder).parameters.values()
    return frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def _named_arguments(
    name: str, builder: Callable[..., Network], spec: NetworkSpec
) -> dict[str, Any]:
    """Return the estimator's parameters that the network takes, with ``model__*`` on top."""
    options = _arguments_of(builder) - _FLAT
    for option in spec.options:
        if option in _FLAT or option in spec.parameters:
            raise ValueError(f"model__{option} is not used; set {option} itself.")
        if option not in options:
            raise ValueError(
                f"model={name!r} has no option model__{option}."
                f"{did_you_mean(option, options)} It accepts "
                f"{sorted('model__' + known for known in options)}."
            )
    taken = _arguments_of(builder)
    flat = {key: value for key, value in spec.parameters.items() if key in taken}
    return {**flat, **spec.options}
