"""All private names of Keras, SciKeras and TensorFlow that skae uses.

Each private name is used through one function of this file. `_NAMES` lists them; `problem` checks
that they exist, once. If one is missing, skae uses Keras's public interface: the engine trains
with ``keras.Model.fit`` and scores by calling the model, and logs why.
"""

from __future__ import annotations

import collections
import functools
import importlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import skae._tensorflow  # noqa: F401  isort: skip
import keras

_LOGGER = logging.getLogger("skae")

# Description in skae: private name.
_NAMES: dict[str, str] = {
    "counters module": "keras.src.backend.common.global_state",
    "counters of a thread": "GLOBAL_STATE_TRACKER",
    "counters": "object_name_uids",
    "neutral optimizer": "BaseOptimizer",
    "key of a variable": "_var_key",
    "weight decay": "_apply_weight_decay",
    "update step": "_backend_update_step",
    "clipping by norm": "_clip_by_norm",
    "learning rate": "_learning_rate",
    "trained variables": "_trainable_variables",
    "variables without decay": "_exclude_from_weight_decay",
    "patterns without decay": "_exclude_from_weight_decay_pattern",
    "last profiled batch": "_stop_batch",
    "compile arguments": "_get_compile_kwargs",
    "make callbacks": "_initialize_callbacks",
    "made callbacks": "_fit_callbacks",
    "metadata": "_get_metadata",
    "inner layers": "_flatten_layers",
    "mask": "_keras_mask",
    "context module": "tensorflow.python.eager.context",
    "kernel cache": "clear_kernel_cache",
}
# Public methods that Keras's TensorFlow optimizer replaces to go through `tf.distribute`.
_DISTRIBUTED = (
    "add_variable_from_reference",
    "stateless_apply",
    "assign",
    "assign_add",
    "assign_sub",
)
_MISSING = object()


def _neutral_optimizer() -> Any:
    """Return the backend-neutral base class of all optimizers."""
    found = [
        base
        for base in keras.optimizers.Optimizer.__mro__
        if base.__name__ == _NAMES["neutral optimizer"]
    ]
    return found[0] if found else None


def _taken() -> tuple[str, ...]:
    private = ("key of a variable", "weight decay", "update step", "clipping by norm")
    return (*_DISTRIBUTED, *(_NAMES[what] for what in private))


@functools.cache
def problem() -> str | None:
    """Return which private name this version of Keras lacks, or None."""
    neutral = _neutral_optimizer()
    if neutral is None:
        missing: list[str] = [_NAMES["neutral optimizer"]]
    else:
        missing = [name for name in _taken() if not hasattr(neutral, name)]
    if _counters() is None:
        missing.append(_NAMES["counters of a thread"])
    if not missing:
        return None
    reason = f"Keras {keras.__version__} has no {missing[0]}"
    _LOGGER.warning("skae's compiled engine is off, Keras's own loop takes over: %s.", reason)
    return reason


def _counters() -> Any:
    try:
        module = importlib.import_module(_NAMES["counters module"])
    except ImportError:
        return None
    return getattr(module, _NAMES["counters of a thread"], None)


@contextmanager
def fresh_names() -> Iterator[None]:
    """Make Keras number unnamed objects from the start, and restore its counters afterwards.

    TensorFlow keeps about 35 kB for every distinct variable name that it has seen: measured, 36 kB
    a build for one dropout layer, and none where names are the same at every build. Without the
    private name, names go on counting, and that memory stays.
    """
    state, name = _counters(), _NAMES["counters"]
    if state is None:
        yield
        return
    previous = getattr(state, name, _MISSING)
    setattr(state, name, collections.defaultdict(int))
    try:
        yield
    finally:
        if previous is _MISSING:
            delattr(state, name)
        else:
            setattr(state, name, previous)


def forget_kernels() -> None:
    """Free the memory that TensorFlow keeps of deleted functions.

    It keeps 1.4 MB for each program of a small network. Programs in use make their part anew.
    Without the private name that memory stays.
    """
    try:
        context = importlib.import_module(_NAMES["context module"]).context()
        getattr(context, _NAMES["kernel cache"])()
    except (ImportError, AttributeError):
        _LOGGER.debug("TensorFlow has no %s; memory of old programs stays.", _NAMES["kernel cache"])


def build_optimizer(model: keras.Model) -> None:
    """Create the variables of a compiled model's optimizer, unless they exist."""
    optimizer = model.optimizer
    if optimizer.built:
        return
    # Keras numbers optimizers (adam_7), their variables are named after them, and TensorFlow
    # keeps some 35 kB for every name it ever met: 0.8 MB a fit of a small network.
    base, _, number = optimizer.name.rpartition("_")
    if number.isdigit():
        optimizer.name = base
    optimizer.build(model.trainable_variables)


def has_neutral_steps(kind: type) -> bool:
    """Return whether an optimizer's class overrides none of the methods that are replaced.

    Parameters
    ----------
    kind : type
        Subclass of ``keras.optimizers.Optimizer``; Nadam and Muon override such methods.
    """
    neutral = _neutral_optimizer()
    if neutral is None:
        return False
    owners = [
        next(base for base in kind.__mro__ if name in vars(base))
        for name in _taken()
        if hasattr(kind, name)
    ]
    return all(o is neutral or o.__module__.startswith("keras.src.backend") for o in owners)


@functools.cache
def _stateless_class(kind: Any) -> Any:
    """Return a subclass whose ``stateless_apply`` works.

    On TensorFlow, Keras's own raises an error, because every update goes through ``tf.distribute``.
    The backend-neutral base class has the same steps without it.
    """
    neutral = _neutral_optimizer()
    methods = {name: getattr(neutral, name) for name in _taken() if hasattr(neutral, name)}
    return type(kind.__name__, (kind,), methods)


def stateless_optimizer(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[Any]
) -> keras.optimizers.Optimizer:
    """Return an optimizer of the same settings that has a ``stateless_apply``.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Gives class and configuration; not changed.
    variables : sequence of keras.Variable
        Variables to train.
    """
    config = {**configuration(optimizer), "name": "stateless"}
    twin = _stateless_class(type(optimizer)).from_config(config)  # type: ignore[arg-type]
    twin.build(list(variables))
    return twin


def slot_names(
    optimizer: keras.optimizers.Optimizer, n_weights: int
) -> list[tuple[int | None, Any]]:
    """Return names of the variables that an optimizer has for a number of weights.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Gives class and configuration; not changed.
    n_weights : int

    Returns
    -------
    names : list of (int or None, object)
        In the order of ``optimizer.variables``: the weight's index and the kind ("momentum"), or
        None and a number for variables that all weights share.
    """
    weights = [object() for _ in range(n_weights)]
    names: list[tuple[int | None, Any]] = []

    def note(self: Any, reference: object, name: str = "var", **_: Any) -> None:  # noqa: ARG001
        names.append((weights.index(reference), name))

    kind: Any = _stateless_class(type(optimizer))  # type: ignore[arg-type]
    noting: Any = type(kind.__name__, (kind,), {"add_variable_from_reference": note})
    twin = noting.from_config({**configuration(optimizer), "name": "noting"})
    shared = len(twin.variables)
    twin.build(weights)
    return [*((None, number) for number in range(shared)), *names]


def schedule_of(optimizer: keras.optimizers.Optimizer) -> Any:
    """Return an optimizer's learning rate schedule, None where the rate is a number.

    Returns
    -------
    schedule : LearningRateSchedule, callable or None
        "unknown" if this version of Keras does not reveal it.
    """
    rate = getattr(optimizer, _NAMES["learning rate"], "unknown")
    return None if isinstance(rate, keras.Variable) else rate


def configuration(value: Any) -> dict[str, Any]:
    """Return the configuration of a metric or an optimizer, with its schedule as it is."""
    is_optimizer = isinstance(value, keras.optimizers.Optimizer)
    schedule = schedule_of(value) if is_optimizer else None
    if not callable(schedule):
        config: dict[str, Any] = value.get_config()
        return config
    try:
        config = value.get_config()
    except NotImplementedError:  # the schedule has no configuration
        config = type(value)().get_config()
        config |= {name: part for name, part in vars(value).items() if name in config}
    return {**config, "learning_rate": schedule}


def sums_rows(optimizer: Any) -> bool:
    """Return whether Keras's optimizer sums gradients of an index that occurs twice in a batch.

    SGD without momentum adds them up; Adam, for example, squares each of them.
    """
    return type(optimizer).__name__ == "SGD" and not optimizer.momentum


def trains(optimizer: keras.optimizers.Optimizer, variables: Sequence[Any]) -> bool:
    """Return whether a built optimizer was built for these variables."""
    known = getattr(optimizer, _NAMES["trained variables"], ())
    return list(map(id, known)) == list(map(id, variables))


def spares_weights(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether weight decay leaves out some variables."""
    names = (_NAMES["variables without decay"], _NAMES["patterns without decay"])
    return any(getattr(optimizer, name, None) for name in names)


def profiles_batches(callback: keras.callbacks.TensorBoard) -> bool:
    """Return whether TensorBoard looks at single batches to profile them."""
    return bool(getattr(callback, _NAMES["last profiled batch"], 1) != 0)


def compile_arguments(wrapper: Any) -> dict[str, Any]:
    """Return the arguments for ``keras.Model.compile`` that SciKeras derives from parameters."""
    make = getattr(wrapper, _NAMES["compile arguments"], None)
    if make is not None:
        arguments: dict[str, Any] = make()
        return arguments
    params = wrapper.get_params(deep=False)
    plain = {name: params[name] for name in ("optimizer", "loss", "metrics")}
    routed = [k for k in params if k.startswith(tuple(f"{name}__" for name in plain))]
    if routed:
        raise ValueError(
            f"{routed[0]} can't be routed, because this version of SciKeras has no "
            f"{_NAMES['compile arguments']}; pass an object, such as keras.optimizers.Adam(1e-2)."
        )
    compiled = {k.removeprefix("compile__"): v for k, v in params.items() if k[:9] == "compile__"}
    chosen = plain["optimizer"]
    made = chosen() if isinstance(chosen, type) else keras.optimizers.get(chosen)
    return {**plain, "optimizer": made, **compiled}


def made_callbacks(wrapper: Any) -> list[Any]:
    """Return the callbacks that SciKeras builds from `callbacks` and the parameters routed to it.

    The wrapper is left as it is.
    """
    make = getattr(wrapper, _NAMES["make callbacks"], None)
    before, made = dict(vars(wrapper)), None
    if make is not None:
        try:
            make()
            made = vars(wrapper).get(_NAMES["made callbacks"])
        finally:
            wrapper.__dict__ = before
    return keras.tree.flatten(wrapper.callbacks or []) if made is None else list(made)


def all_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return a layer and all layers inside it, outer ones first."""
    inner = getattr(layer, _NAMES["inner layers"], None)
    if inner is not None:
        return list(inner())
    parts = getattr(layer, "layers", ())
    return [layer, *(each for part in parts for each in all_layers(part))]


def mask_of(outputs: Any) -> Any:
    """Return the mask that a model's layers put on its outputs; None where there is none."""
    return getattr(outputs, _NAMES["mask"], None)


def metadata(wrapper: Any) -> dict[str, Any]:
    """Return the fitted attributes, which SciKeras passes to a model function as `meta`."""
    make = getattr(wrapper, _NAMES["metadata"], None)
    if make is not None:
        found: dict[str, Any] = make()
        return found
    return {k: v for k, v in vars(wrapper).items() if k.endswith("_") and not k.startswith("_")}
