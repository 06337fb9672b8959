"""The order of a fit: check, defer, train, learn, put in place.

`BaseAutoencoder` owns that order and the tags. It holds no layers, no losses and no epochs:
networks are built by `skae.networks` and trained and run by `skae.engine`.
"""

from __future__ import annotations

import warnings
from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import keras
from sklearn.utils import Tags, check_random_state

from skae import engine, networks
from skae._contracts import History, TrainingPlan
from skae._sklearn import CallbackSupportMixin, HasMethods, Interval, StrOptions
from skae.errors import resolve_error
from skae.estimators._callbacks import EpochBridge
from skae.estimators._checks import RowChecks
from skae.estimators._losses import check_error, check_loss
from skae.estimators._rows import Rows
from skae.estimators._scikeras import same
from skae.estimators._state import RebuildableModel, check_same_network
from skae.exceptions import LatentSizeWarning

_EARLY_STOPPING_SPLIT = 0.1
# _warn_of_latent_size, _new_network, _fit, fit and the two wrappers of scikit-learn around it.
_STEPS_TO_THE_CALLER = 7


class BaseAutoencoder(CallbackSupportMixin, RowChecks, RebuildableModel, ABC):
    """Base of all estimators; what they share of `fit`, `partial_fit` and pickling."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": [StrOptions(set(networks.NAMES)), callable],
        "latent_dim": [Interval(Integral, 1, None, closed="left"), None],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, callable, None],
        "output_activation": [str, callable, None],
        "input_shape": [tuple, list, None],
        "noise": [str, HasMethods(["call", "get_config"]), None],
        "optimizer": [str, type, HasMethods(["apply_gradients", "get_config"])],
        "loss": [str, callable, None],
        "metrics": [list, dict, tuple, str, callable, None],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "validation_split": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "patience": [Interval(Integral, 0, None, closed="left")],
        "callbacks": [list, tuple, dict, type, HasMethods(["set_model", "on_epoch_end"]), None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "engine": [StrOptions({"auto", "compiled", "keras"})],
        "jit_compile": ["boolean", StrOptions({"auto"})],
    }

    _network_parameters: ClassVar[tuple[str, ...]] = (
        "latent_dim",
        "hidden_layer_sizes",
        "activation",
        "output_activation",
    )
    _required_views: ClassVar[tuple[str, ...]] = ()

    history_: dict[str, list[float]]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        tags.input_tags.three_d_array = True
        return tags

    def _fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        partial: bool = False,
    ) -> None:
        """Check, defer, train and learn on a copy, whose state this estimator takes at the end."""
        self._check_parameter_names()
        epochs = 1 if partial else self.epochs
        with self._fitted_copy(X, y, epochs) as (fit, bridge):
            resumes = "_deferred" in vars(fit) and (partial or fit.warm_start)
            rows = fit._check_training_rows(X, y, sample_weight, reset=not resumes)
            given = None if X_val is None else fit._check_validation_rows(X_val, y_val)
            if not (resumes and partial):
                fit._seed = int(check_random_state(fit.random_state).randint(2**31 - 1))
            rows, validation = fit._held_out(rows.with_weight(), given, partial=partial)
            fit._check_plan(rows, validation, partial=partial)
            fit._deferred = fit._resumed(rows) if resumes else fit._new_network(rows)
            fit._check_loss_and_error(rows)
            history = fit.history_ if partial and resumes else {}
            validation = None if validation is None else fit._as_validated(validation)
            fit.callbacks_ = fit._gather_callbacks(rows, validation, bridge)
            result = engine.train(
                fit._deferred,
                fit._batchable(rows),
                None if validation is None else fit._batchable(validation),
                fit._plan(epochs, len(history.get("loss", ()))),
                callbacks=fit.callbacks_,
                engine=fit.engine,
            )
            fit.history_, fit.engine_ = _appended(history, result.history), result.engine
            fit.n_iter_ = len(fit.history_["loss"])
            fit._finish_fit(rows, validation)
            fit._deferred.forget_model()

    @contextmanager
    def _fitted_copy(self, X: Any, y: Any, epochs: int) -> Iterator[tuple[Self, Any]]:
        """Yield a copy to fit, and what makes a bridge to scikit-learn's callbacks.

        What the copy has learned is put in place in one step: a thread that scores meanwhile finds
        the old state or the new one, and a fit that fails leaves no trace.
        """
        context = self._init_callback_context(max_subtasks=epochs)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        before, fit = dict(vars(self)), self._snapshot()

        def learned() -> dict[str, Any]:
            now = vars(fit).items()
            return {k: v for k, v in now if k not in before or before[k] is not v}

        def bridge(rows: Rows) -> EpochBridge:
            return EpochBridge(self, context, rows.inputs, rows.targets, learned)

        yield fit, bridge
        kept = {k: v for k, v in vars(self).items() if k in vars(fit) or k not in before}
        self.__dict__ = {**kept, **learned()}
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=dict)

    def _plan(self, epochs: int, initial_epoch: int) -> TrainingPlan:
        return TrainingPlan(
            epochs=epochs,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            initial_epoch=initial_epoch,
            seed=self._seed,
            verbose=int(self.verbose),
            jit_compile=self.jit_compile,
        )

    def _finish_fit(self, rows: Rows, validation: Rows | None) -> None:
        """Learn what an estimator learns beside the model."""

    def _held_out(
        self, rows: Rows, given: Rows | None, *, partial: bool
    ) -> tuple[Rows, Rows | None]:
        """Return the rows to train on and those to validate with."""
        if given is not None or partial:
            return rows, given
        share = self.validation_split
        if self.early_stopping and share == 0:
            share = _EARLY_STOPPING_SPLIT
        return rows.held_out(share, self._seed) if share > 0 else (rows, None)

    def _new_network(self, rows: Rows) -> engine.DeferredNetwork:
        """Return a network of the parameters as they are now, which is built when it has to be."""
        self._warn_of_latent_size()
        network = self._defer(
            self._make_recipe(self._training_noise(rows)), device=engine.chosen_device()
        )
        if callable(self.model):
            for view in self._required_views:
                if getattr(network.network, view) is None:
                    raise ValueError(
                        f"{type(self).__name__} needs the model's {view}, but the model that "
                        f"model={self.model!r} returned has no attribute and no sub-model named "
                        f"{view!r}; give it one, itself a Keras model or layer."
                    )
        return network

    def _resumed(self, rows: Rows) -> engine.DeferredNetwork:
        """Return a copy of the network to train on, with what it is compiled with now."""
        old = self._deferred
        now = self._make_recipe(self._training_noise(rows))
        check_same_network(old.recipe, now)
        (values, slots), device = old.state(), engine.chosen_device()
        if same(old.recipe.compiled, now.compiled):
            network = self._defer(old.recipe, values, slots, device=device)
            network.programs.inherit(old.programs)
        else:
            compiled = replace(old.recipe, compiled=now.compiled)
            network = self._defer(compiled, values, device=device)
        engine.freeze(network, engine.trainability(old))
        return network

    def _check_plan(self, rows: Rows, validation: Rows | None, *, partial: bool) -> None:
        """Refuse what an estimator could do only after training, before it starts."""

    def _check_loss_and_error(self, rows: Rows) -> None:
        loss = self._loss()
        self._error = resolve_error(getattr(self, "error", "auto"), loss)
        check_error(self._error, self._output_shape)
        targets, name = (rows.inputs, "X") if rows.targets is None else (rows.targets, "y")
        last = keras.activations.get(self.output_activation)
        is_linear = isinstance(self.model, str) and last is keras.activations.linear
        check_loss(loss, targets, name, is_linear=is_linear)

    def _training_noise(self, rows: Rows) -> Any:
        """Return the noise that the network is to add to its input while it trains."""
        return self.noise

    def _warn_of_latent_size(self) -> None:
        latent_dim = self.latent_dim
        if isinstance(self.model, str) and latent_dim and latent_dim >= self.n_features_in_:
            warnings.warn(
                f"latent_dim={latent_dim} is not below the number of features "
                f"({self.n_features_in_}), so the network can copy its input instead of learning "
                "its structure; choose a smaller latent_dim (the default is 8).",
                LatentSizeWarning,
                stacklevel=_STEPS_TO_THE_CALLER,
            )

    def _as_validated(self, rows: Rows) -> Rows:
        """Return rows to validate with as the network is to see them."""
        return rows

    def _gather_callbacks(
        self, rows: Rows, validation: Rows | None, bridge: Any
    ) -> list[keras.callbacks.Callback]:
        """Put together what the network, the user, early stopping and scikit-learn have run."""
        # A network of skae's own has callbacks where it is variational alone.
        has_own = callable(self.model) or self.model == "variational"
        own = list(self._deferred.network.callbacks) if has_own else []
        callbacks = [*own, *self._fit_callbacks_copied()]
        if self.early_stopping and validation is not None:
            # While beta rises, so does the loss, and epochs can't be compared.
            warm_ups = (getattr(each, "warmup_epochs", 0) for each in own)
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    "val_loss",
                    patience=self.patience,
                    restore_best_weights=True,
                    start_from_epoch=max(warm_ups, default=0),
                )
            )
        if getattr(self, "_skl_callbacks", None):
            callbacks.append(bridge(rows))
        return callbacks


def _appended(history: History, new: History) -> History:
    """Return the values of all epochs by name."""
    names = dict.fromkeys([*history, *new])
    return {name: [*history.get(name, ()), *new.get(name, ())] for name in names}
