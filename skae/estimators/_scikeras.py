"""SciKeras as the base of the estimators, with workarounds for its bugs.

The only file that imports SciKeras. Its parameter routing (``optimizer__learning_rate``), compile
arguments and construction of callbacks are used unchanged. This file works around these bugs:

- scikit-learn >= 1.7 requires ``__sklearn_tags__`` on every class of the MRO that has
  ``_more_tags``, and SciKeras 0.13 has only the latter;
- ``predict``, ``initialize``, ``scorer``, ``current_epoch``, ``initialized_`` and the two
  encoders would be public on estimators;
- ``callbacks__*`` (and skae's ``noise__*``, ``threshold__*``) were missing from its prefixes, and
  a prefix won over a nested object with parameters of its own;
- optimizers and metrics handed in as objects were trained themselves, so that a parameter changed
  during ``fit`` and clones shared state;
- its import replaces how Keras's classes are copied and pickled, for the whole process;
- its ``repr`` was a wall of text.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, Self

import skae._tensorflow  # noqa: F401  isort: skip
import keras
from sklearn.base import BaseEstimator

_CLASSES = (keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)
_BEFORE = {} if "scikeras" in sys.modules else {kind: dict(vars(kind)) for kind in _CLASSES}

from scikeras.wrappers import BaseWrapper  # noqa: E402

from skae._private import compile_arguments  # noqa: E402
from skae.estimators._parameter_names import optimizer_class, with_arguments  # noqa: E402
from skae.estimators._parameters import by_value, copied, same, unused_callbacks  # noqa: E402

for _kind, _attributes in _BEFORE.items():
    for _name in ("__reduce__", "__deepcopy__"):
        if _name in _attributes:
            setattr(_kind, _name, _attributes[_name])
        elif _name in vars(_kind):
            delattr(_kind, _name)
if "__sklearn_tags__" not in vars(BaseWrapper):
    BaseWrapper.__sklearn_tags__ = BaseEstimator.__sklearn_tags__


_AUTO = "adam"
# Of built-in networks, which few steps have to train.
_LEARNING_RATE = 0.003


class Hidden:
    """An attribute of a base class that an estimator must not have."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}")


class KerasWrapper(BaseWrapper):
    """SciKeras's wrapper, made compatible with scikit-learn's conventions."""

    _routing_prefixes = frozenset(
        {"model", "compile", "optimizer", "loss", "metrics", "callbacks", "noise"}
    )

    callbacks: Any
    loss: Any

    predict = Hidden()
    initialize = Hidden()
    initialized_ = Hidden()
    scorer = Hidden()
    current_epoch = Hidden()
    feature_encoder = Hidden()
    target_encoder = Hidden()

    __repr__ = BaseEstimator.__repr__

    def _keep(self, given: dict[str, Any]) -> None:
        """Keep what the constructor was given, as it is: its ``locals()``."""
        own = {name: value for name, value in given.items() if name not in ("self", "routed")}
        self.__dict__.update(own, **given["routed"])

    def set_params(self, **params: Any) -> KerasWrapper:
        """Set parameters, routed ones (``optimizer__learning_rate``) among them.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        # Plain parameters first: whether a prefix is routed depends on the value of its parameter.
        BaseEstimator.set_params(self, **{k: v for k, v in params.items() if "__" not in k})
        prefixed = {name: value for name, value in params.items() if "__" in name}
        nested = {k: v for k, v in prefixed.items() if not self._is_routed(k)}
        BaseEstimator.set_params(self, **nested)
        for name in prefixed.keys() - nested.keys():
            setattr(self, name, prefixed[name])
        return self

    def _get_param_names(self) -> list[str]:
        # SciKeras returns a generator, which scikit-learn would print in an error message.
        return sorted(BaseWrapper._get_param_names(self))

    def _is_routed(self, name: str) -> bool:
        prefix, separator, _ = name.partition("__")
        owner = getattr(self, prefix, None)
        # Parameters of a nested object belong to that object, as in any scikit-learn estimator.
        # Callbacks of Keras have a set_params, which is something else.
        nested = hasattr(owner, "get_params") and not inspect.isclass(owner)
        return bool(separator) and prefix in self._routing_prefixes and not nested

    def _routed(self, prefix: str) -> dict[str, Any]:
        """Return the parameters routed to `prefix`, prefix removed."""
        start = f"{prefix}__"
        params = self.get_params(deep=False)
        return {k.removeprefix(start): v for k, v in params.items() if k.startswith(start)}

    def _compile_arguments(self) -> dict[str, Any]:
        """Return SciKeras's arguments for ``keras.Model.compile``, with copies of objects."""
        loss, optimizer = self.loss, vars(self)["optimizer"]
        try:
            self.loss = with_arguments(loss, self._routed("loss"))
            # SciKeras makes an object of a name to find its class, and Keras frees none of these
            # completely: 65 kB stay.
            self.optimizer = optimizer_class(optimizer) or optimizer
            arguments = compile_arguments(self)
        finally:
            self.loss, self.optimizer = loss, optimizer
        if arguments["optimizer"] is optimizer:
            arguments["optimizer"] = copied("optimizer", optimizer)
        if self.metrics is not None:
            # SciKeras makes objects of names, and Keras then reports "mae" under another name.
            metrics = [self.metrics] if isinstance(self.metrics, str) else self.metrics
            named = isinstance(metrics, (list, tuple, dict)) and not self._routed("metrics")
            arguments["metrics"] = copied("metrics", metrics if named else arguments["metrics"])
        return arguments

    def _takes_compile_arguments(self) -> bool:
        """Return whether the model function has the parameter `compile_kwargs` of SciKeras."""
        return "compile_kwargs" in inspect.signature(self.model).parameters

    def _refuse_overruled(self, model: keras.Model) -> None:
        """Raise an error for parameters that the model's own ``compile`` overrides."""
        if not model.loss or not model.optimizer:
            raise ValueError(
                f"The model that model={self.model!r} returned is compiled without "
                f"{'a loss' if model.optimizer else 'an optimizer'}; give it one, or return it "
                "without calling compile."
            )
        if self._takes_compile_arguments():
            return  # it was compiled with them
        defaults = inspect.signature(type(self)).parameters
        for name, value in self._compile_parameters().items():
            is_auto = name == "optimizer" and same(value, _AUTO)
            if name not in defaults or not (is_auto or same(value, defaults[name].default)):
                raise ValueError(
                    f"{name}={value!r} would have no effect, because the model that "
                    f"model={self.model!r} returned is compiled already; leave {name} out, or "
                    "return the model without calling compile."
                )

    def _compile_parameters(self) -> dict[str, Any]:
        prefixes = ("compile__", "optimizer", "loss", "metrics", "jit_compile")
        params = self.get_params(deep=False)
        if same(self.optimizer, "auto"):
            rate = {"optimizer__learning_rate": _LEARNING_RATE}
            params = {**(rate if isinstance(self.model, str) else {}), **params}
            params["optimizer"] = _AUTO
        return {name: params[name] for name in sorted(params) if name.startswith(prefixes)}

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted estimator: callbacks copied shallow, Keras's objects fresh."""
        params = {**self.get_params(deep=False), "callbacks": unused_callbacks(vars(self))}
        objects = {k: v for k, v in params.items() if by_value(k, v, {}) is not v}
        plain = object.__new__(type(self))
        plain.__dict__ = {**vars(self), **dict.fromkeys(objects)}
        cloned: Self = BaseEstimator.__sklearn_clone__(plain)
        for name, value in objects.items():
            setattr(cloned, name, copied(name, value))
        return cloned
