"""The order of a fit: check, build, train, store.

`BaseAutoencoder` owns that order, the tags and the state for pickling. It holds no layers, no
losses and no epochs: networks are built by `skae.networks` and trained and run by `skae.engine`.
"""

from __future__ import annotations

import inspect
import warnings
from abc import ABC
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
from sklearn.utils import Tags, check_random_state

from skae import engine, networks
from skae._contracts import Batchable, FloatArray, TrainingPlan
from skae._sklearn import CallbackSupportMixin, HasMethods, Interval, StrOptions
from skae.errors import resolve_error
from skae.estimators._callbacks import EpochBridge
from skae.estimators._checks import RowChecks
from skae.estimators._losses import check_error, check_loss
from skae.estimators._rows import Rows
from skae.estimators._scikeras import KerasWrapper, same
from skae.estimators._state import RebuildableModel, unchanged_on_failure
from skae.exceptions import LatentSizeWarning

_EARLY_STOPPING_SPLIT = 0.1
# _warn_of_latent_size, _build, _fit, fit and the two wrappers that scikit-learn puts around it.
_STEPS_TO_THE_CALLER = 7


class BaseAutoencoder(CallbackSupportMixin, RowChecks, RebuildableModel, KerasWrapper, ABC):
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
    ) -> Rows:
        """Check, build, train, store; return the rows trained on and leave no trace of failure."""
        self._check_parameter_names()
        resumes = hasattr(self, "model_") and (partial or self.warm_start)
        epochs = 1 if partial else self.epochs
        context = self._init_callback_context(max_subtasks=epochs)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        with unchanged_on_failure(self, resumes=resumes):
            rows = self._check_training_rows(X, y, sample_weight, reset=not resumes)
            given = None if X_val is None else self._check_validation_rows(X_val, y_val)
            if not (resumes and partial):
                self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            rows, validation = self._held_out(rows.with_weight(), given, partial=partial)
            self._check_plan(rows, validation, partial=partial)
            if resumes:
                self._check_same_network()
                self._resume_optimizer()
                self._recompile_where_changed()
            else:
                self._build(rows)
            self._error = resolve_error(getattr(self, "error", "auto"), self.model_.loss)
            check_error(self._error, self._output_shape)
            self._check_loss(rows)
            self._train(rows, validation, epochs, context, append=partial and resumes)
            self._finish_fit(rows, validation)
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=dict)
        return rows

    def _finish_fit(self, rows: Rows, validation: Rows | None) -> None:
        """Learn what an estimator learns beside the model; a failure here undoes the fit too."""

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

    def _build(self, rows: Rows) -> None:
        """Build and compile a new model from the parameters as they are now."""
        self._recipe = {
            **self._network_choice(),
            "scikeras": self._scikeras_arguments(),
            "noise": self._training_noise(rows),
            "input_shape": self._input_shape,
            "output_shape": self._output_shape,
            "seed": self._seed,
        }
        self.__dict__.pop("_optimizer_state", None)
        self._warn_of_latent_size()
        self._set_network(self._network())
        for view in self._required_views:
            if getattr(self, view) is None:
                raise ValueError(
                    f"{type(self).__name__} needs the model's {view[:-1]}, but the model that "
                    f"model={self.model!r} returned has no attribute and no sub-model named "
                    f"{view[:-1]!r}; give it one, itself a Keras model or layer."
                )
        self._compile()

    def _network_choice(self) -> dict[str, Any]:
        """Return the parameters that describe a network, as they are now."""
        params = self.get_params(deep=False)
        names = set(self._network_parameters)
        if callable(self.model):
            names |= set(inspect.signature(self.model).parameters) & params.keys()
        return {
            "model": self.model,
            "parameters": {name: params[name] for name in sorted(names)},
            "inputs": {"input_shape": self.input_shape, "noise": self.noise},
            "options": self._routed("model"),
            "noise_options": self._routed("noise"),
        }

    def _check_same_network(self) -> None:
        """Refuse to train on under parameters that describe another network."""
        now = self._network_choice()
        for kind, prefix in (
            ("parameters", ""),
            ("inputs", ""),
            ("options", "model__"),
            ("noise_options", "noise__"),
        ):
            before = self._recipe[kind]
            for name in sorted({*before, *now[kind]}):
                if not same(before.get(name), now[kind].get(name)):
                    raise ValueError(
                        f"{prefix}{name} was {before.get(name)!r} when the network was built and "
                        f"is {now[kind].get(name)!r} now, and a network that is trained on keeps "
                        "its layers; set it back, or fit anew with warm_start=False."
                    )
        if self._recipe["model"] != now["model"]:
            raise ValueError(
                "model was changed after the network was built, and training goes on with that "
                "network; set it back, or fit anew with warm_start=False."
            )

    def _check_plan(self, rows: Rows, validation: Rows | None, *, partial: bool) -> None:
        """Refuse what an estimator could do only after training, before it starts."""

    def _check_loss(self, rows: Rows) -> None:
        targets, name = (rows.inputs, "X") if rows.targets is None else (rows.targets, "y")
        last = keras.activations.get(self.output_activation)
        is_linear = isinstance(self.model, str) and last is keras.activations.linear
        check_loss(self.model_.loss, targets, name, is_linear=is_linear)

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

    def _train(
        self, rows: Rows, validation: Rows | None, epochs: int, context: Any, *, append: bool
    ) -> None:
        """Have the engine train the model, and keep what it reports."""
        history = self.history_ if append else {}
        plan = TrainingPlan(
            epochs=epochs,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            initial_epoch=len(history.get("loss", ())),
            seed=self._seed,
            verbose=int(self.verbose),
            jit_compile=self.jit_compile,
        )
        self._gather_callbacks(rows, validation, context)
        trainer = engine.select_trainer(self.engine, self.model_, self.callbacks_)
        new = trainer.train(
            self.model_,
            self._batchable(rows),
            None if validation is None else self._batchable(validation),
            plan,
            self.callbacks_,
        )
        self.history_ = {
            name: [*history.get(name, ()), *new.get(name, ())] for name in {**history, **new}
        }
        self.n_iter_ = len(self.history_["loss"])
        self.engine_ = trainer.name

    def _gather_callbacks(self, rows: Rows, validation: Rows | None, context: Any) -> None:
        """Put together what the network, the user, early stopping and scikit-learn have run."""
        self.callbacks_ = [*self._network_callbacks, *self._fit_callbacks_copied()]
        if self.early_stopping and validation is not None:
            # While beta rises, so does the loss, and epochs can't be compared.
            warm_ups = (getattr(each, "warmup_epochs", 0) for each in self._network_callbacks)
            self.callbacks_.append(
                keras.callbacks.EarlyStopping(
                    "val_loss",
                    patience=self.patience,
                    restore_best_weights=True,
                    start_from_epoch=max(warm_ups, default=0),
                )
            )
        if getattr(self, "_skl_callbacks", None):
            self.callbacks_.append(EpochBridge(self, context, rows.inputs, rows.targets, dict))

    def _batchable(self, rows: Rows) -> Batchable:
        return rows.batchable(self._input_shape, self._output_shape)

    def _run(self, model: keras.Model, X: FloatArray) -> FloatArray:
        """Run a view of the model on flat rows."""
        return engine.run(model, X.reshape(-1, *self._input_shape), jit_compile=self.jit_compile)
