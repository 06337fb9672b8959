"""The base of all estimators, with the steps of a fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, is_outlier_detector
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skae import engine, networks
from skae._contracts import FloatArray, Shape, Shapes, TrainingPlan
from skae._hooks import AFTER_FIT
from skae._sklearn import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
)
from skae._validation import check_rows, check_weights, warn_of_labels
from skae.errors import SquaredError
from skae.estimators._callbacks import gather_callbacks
from skae.estimators._convergence import warn_of_failure, warn_of_scale
from skae.estimators._losses import check_loss_and_error
from skae.estimators._parameter_names import check_parameter_names, fit_method
from skae.estimators._pickling import pickled_state, unpickled_state
from skae.estimators._recipe import (
    FittedModel,
    make_recipe,
    new_network,
    resume,
    warn_of_latent_dim,
)
from skae.estimators._samples import (
    FitData,
    check_samples,
    check_validation,
    refuse_batches,
)
from skae.estimators._scaling import check_scaled_loss, learn_scalers, restored, standardized
from skae.estimators._scikeras import KerasWrapper
from skae.estimators._snapshots import fitting, of_one_fit
from skae.onnx import OnnxHooks

Mode = Literal["new", "warm", "partial"]

_EARLY_STOPPING_FRACTION = 0.1
# Of "auto".
_STEPS = 1000


class BaseAutoencoder(CallbackSupportMixin, KerasWrapper):
    """Base of all estimators: how they are trained, pickled and run."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": [StrOptions(set(networks.NAMES)), callable],
        "latent_dim": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, callable, None],
        "output_activation": [str, callable, None],
        "input_shape": [tuple, list, None],
        "scale": ["boolean", StrOptions({"auto"})],
        "noise": [str, HasMethods(["call", "get_config"]), None],
        "optimizer": [str, type, HasMethods(["apply_gradients", "get_config"])],
        "loss": [str, callable, None],
        "metrics": [list, dict, tuple, str, callable, None],
        "epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
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

    __metadata_request__fit: ClassVar = {"X_val": True}
    _network_parameters: ClassVar[tuple[str, ...]] = (
        "latent_dim",
        "hidden_layer_sizes",
        "activation",
        "output_activation",
        "scale",
    )
    _required_views: ClassVar[tuple[str, ...]] = ()

    model_ = FittedModel("model")
    encoder_ = FittedModel("encoder")
    decoder_ = FittedModel("decoder")
    onnx_parser = OnnxHooks.onnx_parser
    onnx_shape_calculator = OnnxHooks.onnx_shape_calculator
    onnx_converter = OnnxHooks.onnx_converter
    history_: dict[str, list[float]]

    # What a fit fixes; plain tuples, so that a pickle holds no type of skae's own.
    _sample_shape: Shape
    _input_shape: Shape
    _output_shape: Shape
    _deferred: engine.DeferredNetwork
    scaler_: StandardScaler | None
    _output_scaler: StandardScaler | None

    @fit_method
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, X_val: Any = None) -> Self:
        """Train the network; a detector learns its threshold from the errors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences; float32 or float64, integers are cast.
        y : Ignored
            Not used, present for API consistency by convention. A detector warns about labels 0
            and 1, which scorers would interpret the wrong way round.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of samples; scaled to mean 1, and samples of weight 0 are dropped. The
            threshold uses the same weights.
        X_val : array-like of the kind of `X`, default=None
            Samples to validate with.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        if is_outlier_detector(self) and y is not None:
            warn_of_labels(y)
        self._fit(X, sample_weight=sample_weight, X_val=X_val)
        return self

    @fit_method
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train for one more epoch; a detector's scores and threshold come from these samples.

        The first call learns the means and standard deviations of columns, see `scale`, and later
        ones keep them: let its samples be many and typical.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of samples.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        self._fit(X, sample_weight=sample_weight, mode="partial")
        return self

    @of_one_fit
    def reconstruct(self, X: Any) -> FloatArray:
        """Encode samples and decode them again.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        X_reconstructed : ndarray of the shape of `X`
            In the units of `X`, and its float type.
        """
        X, shape = self._check_inputs(X)
        reconstruction = restored(self._run("model", X), self._output_scaler)
        return reconstruction.astype(X.dtype, copy=False).reshape(-1, *shape)

    @of_one_fit
    def reconstruction_error(self, X: Any) -> FloatArray:
        """Compute the mean reconstruction error of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.

        Returns
        -------
        errors : ndarray of shape (n_samples,)
            float64; mean over the sample's values of the absolute error where the loss is a mean
            absolute error, of the squared error otherwise; of a detector, the error that its
            parameter `error` names. In the units of the network, see `scale`.
        """
        X, _ = self._check_inputs(X)
        return self._sample_errors(X)

    @of_one_fit
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Compute the R2 of the reconstruction over all values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Table, images or sequences.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of samples.

        Returns
        -------
        score : float
            1 - sum of squared errors / sum of squared differences from the mean of all values;
            1 is best. In the units of the network: standardized columns weigh equally.
        """
        X, _ = self._check_inputs(X)
        inputs = self._network_inputs(X)[:]
        outputs = engine.run(self._deferred, inputs, "model", jit_compile=self.jit_compile)
        truth, reconstruction = inputs.reshape(X.shape), outputs.reshape(X.shape)
        return r2_of_values(truth, reconstruction, sample_weight, observed_values(self, X))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters, arrays and the recipe."""
        return pickled_state(BaseEstimator.__getstate__(self), self.get_params(deep=False))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take parameters, arrays and the recipe."""
        BaseEstimator.__setstate__(self, unpickled_state(type(self), state))

    def _fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        mode: Mode | None = None,
    ) -> None:
        """Fit a copy, whose state this estimator takes at the end in one step."""
        check_parameter_names(self)
        if mode == "partial" and self.early_stopping:
            raise ValueError(
                "partial_fit trains for one epoch and does not support early_stopping=True; set "
                "early_stopping=False."
            )
        mode = mode or ("warm" if self.warm_start else "new")
        epochs = 1 if mode == "partial" else self.epochs
        with fitting(self, X, y, None if epochs == "auto" else epochs) as (fit, bridge):
            data = fit._check_data(
                X, y, mode, sample_weight=sample_weight, X_val=X_val, y_val=y_val
            )
            if data.network is None:
                warn_of_latent_dim(fit)
                warn_of_scale(fit, data.samples)
            fit._train(data, mode, bridge)
            if mode != "partial":
                warn_of_failure(fit, data.samples)
            fit._deferred.forget_model()
        for hook in tuple(AFTER_FIT):
            hook(self)

    def _check_data(
        self, X: Any, y: Any, mode: Mode, *, sample_weight: Any, X_val: Any, y_val: Any
    ) -> FitData:
        """Check the arguments of `fit`, and hold out validation samples."""
        network = None if mode == "new" else vars(self).get("_deferred")
        known = None if network is None else _shapes(self)
        samples, shapes = check_samples(self, X, y, sample_weight, known)
        self._sample_shape, self._input_shape, self._output_shape = shapes
        validation = None if X_val is None else check_validation(self, X_val, y_val, shapes)
        if network is None or mode == "warm":
            self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        samples = samples.with_weight()
        if validation is None:
            samples, validation = held_out(self, samples)
        if network is None:
            self.scaler_, self._output_scaler = learn_scalers(self, samples, shapes)
        elif self.scaler_ is not None:
            check_scaled_loss(self)
        return FitData(samples, validation, self.noise, network, X_val is not None)

    def _train(self, data: FitData, mode: Mode, bridge: Callable[[Any], Any]) -> None:
        """Train a new network, or the one that is there, and keep what is reported."""
        recipe = make_recipe(self, _shapes(self), data.noise, self._seed)
        if data.network is None:
            self._deferred = new_network(type(self), recipe, self._required_views)
        else:
            self._deferred = resume(type(self), data.network, recipe)
        self._error = check_loss_and_error(self, data.samples)
        history = {} if data.network is None else self.history_
        self.callbacks_ = gather_callbacks(self, data, bridge)
        validation, scalers = data.validation, (self.scaler_, self._output_scaler)
        result = engine.train(
            self._deferred,
            data.samples.batchable(_shapes(self), scalers),
            None if validation is None else validation.batchable(_shapes(self), scalers),
            _plan(self, _n_epochs(self, data.samples, mode), len(history.get("loss", ()))),
            callbacks=self.callbacks_,
            engine=self.engine,
        )
        names = dict.fromkeys([*history, *result.history])
        self.history_ = {n: [*history.get(n, ()), *result.history.get(n, ())] for n in names}
        self.n_iter_, self.engine_ = len(self.history_["loss"]), result.engine

    def _check_inputs(self, X: Any) -> tuple[FloatArray, Shape]:
        """Check samples to run the network on; return them flat, with the shape of one."""
        refuse_batches(X)
        # scikit-learn's check looks at all attributes, for a tenth of the time of one sample.
        if "_deferred" not in vars(self):
            check_is_fitted(self)
        return check_rows(self, X, reset=False, shape=self._sample_shape)

    def _network_inputs(self, X: FloatArray) -> Any:
        """Return flat samples in the shape and the units of the network."""
        return standardized(X, self.scaler_, self._input_shape)

    def _run(self, part: str, X: FloatArray) -> FloatArray:
        """Run a part of the network on flat samples; its output is in its units."""
        inputs = self._network_inputs(X)
        return engine.run(self._deferred, inputs, part, jit_compile=self.jit_compile)

    def _sample_errors(self, X: FloatArray) -> FloatArray:
        """Return the error of every flat sample."""
        return engine.run_errors(self._deferred, self._network_inputs(X), self._error)


def held_out(fit: BaseAutoencoder, samples: Any) -> tuple[Any, Any]:
    """Hold out validation samples as the parameters say; None for no such samples."""
    fraction = fit.validation_split
    if fit.early_stopping and fraction == 0:
        fraction = _EARLY_STOPPING_FRACTION
    return samples.held_out(fraction, fit._seed) if fraction > 0 else (samples, None)


def _shapes(fit: BaseAutoencoder) -> Shapes:
    return Shapes(fit._sample_shape, fit._input_shape, fit._output_shape)


def _n_epochs(fit: BaseAutoencoder, samples: Any, mode: Mode) -> int:
    """Return how many epochs to train for: "auto" makes at least `_STEPS` steps."""
    if mode == "partial":
        return 1
    if fit.epochs != "auto":
        return fit.epochs
    return math.ceil(_STEPS / samples.n_steps(fit.batch_size))


def _plan(fit: BaseAutoencoder, epochs: int, initial_epoch: int) -> TrainingPlan:
    return TrainingPlan(
        epochs=epochs,
        batch_size=int(fit.batch_size),
        shuffle=fit.shuffle,
        initial_epoch=initial_epoch,
        seed=fit._seed,
        verbose=int(fit.verbose),
        jit_compile=fit.jit_compile,
    )


def observed_values(fit: BaseAutoencoder, X: FloatArray) -> Any:
    """Return which values a user-defined network does not mask; None for all."""
    if not callable(fit._deferred.recipe.builder):
        return None
    inputs = fit._network_inputs(X)
    errors = engine.run_errors(fit._deferred, inputs, SquaredError(), per="value")
    return ~np.isnan(errors).reshape(X.shape) if np.isnan(errors).any() else None


def r2_of_values(
    truth: FloatArray, prediction: FloatArray, sample_weight: Any = None, observed: Any = None
) -> float:
    """Compute the R2 over all values of all samples, or those observed, each sample weighted."""
    if sample_weight is not None:
        weights = check_weights(sample_weight, truth)
        sample_weight = np.repeat(weights, truth[0].size)
    if observed is not None:
        sample_weight = observed.ravel() * (1.0 if sample_weight is None else sample_weight)
    return float(r2_score(truth.ravel(), prediction.ravel(), sample_weight=sample_weight))
