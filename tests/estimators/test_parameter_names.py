"""Errors, before training, for misspelt names of parameters and Keras objects."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae._sklearn import InvalidParameterError
from tests.estimators._cases import ESTIMATORS, small


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 3}, "no parameter 'n_components'. Did you mean 'latent_dim'"),
        ({"max_iter": 9}, "Did you mean 'epochs'"),
        ({"lr": 0.1}, "Did you mean 'optimizer__learning_rate'"),
        ({"hidden_neurons": [3]}, "Did you mean 'hidden_layer_sizes'"),
        ({"epoch": 9}, "Did you mean 'epochs'"),
        ({"epochs_": 9}, "no parameter 'epochs_'. Did you mean 'epochs'"),
        ({"optimizer__lr": 0.1}, "Adam has no argument 'lr'. Did you mean 'learning_rate'"),
        ({"optimizer__learning_rat": 0.1}, "Did you mean 'learning_rate'"),
        ({"optimizer__nesterov": True}, "Adam has no argument 'nesterov'."),
        ({"loss": "huber", "loss__detla": 2.0}, "Huber has no argument 'detla'. Did you .*'delta'"),
        ({"loss": "mse", "loss__delta": 2.0}, "MeanSquaredError has no argument 'delta'"),
        ({"optimizer": "adm"}, "optimizer='adm' is not in keras.optimizers. Did you mean 'Adam'"),
        ({"loss": "msee"}, "loss='msee' is not in keras.losses. Did you mean 'mse'"),
        ({"loss": "hubr"}, "loss='hubr' is not in keras.losses. Did you mean 'huber'"),
        (
            {"optimizer": keras.optimizers.Adam(), "optimizer__learning_rate": 0.1},
            "an object: Adam. ",
        ),
        (
            {"loss": keras.losses.Huber(), "loss__delta": 0.1},
            "Give delta to it where you make it",
        ),
        ({"loss": keras.losses.huber, "loss__delta": 0.1}, "loss__delta=0.1 can't be passed on"),
        ({"metrics": [keras.metrics.MeanSquaredError()], "metrics__name": "m"}, "metrics__name="),
        ({"callbacks": keras.callbacks.History(), "callbacks__x": 1}, "callbacks__x=1 can't be"),
        ({"callbacks": [print]}, "callbacks has <built-in .*LambdaCallback"),
        ({"callbacks": {"a": lambda epoch: None}}, "callbacks has <function .*LambdaCallback"),
        ({"callbacks": [int]}, "neither a keras.callbacks.Callback nor a class"),
        ({"callbacks": ["EarlyStopping"]}, "callbacks has 'EarlyStopping', which is neither"),
        ({"metrics": ["mae", "cosine_similarty"]}, "metrics='cosine_similarty' is .*Did you mean"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(params, message, table):
    for kind in ESTIMATORS:
        with pytest.raises(InvalidParameterError, match=message):
            kind(**params).fit(table)


@pytest.mark.parametrize("name", ["contamination", "nstd"])
def test_a_wrong_parameter_of_a_rule_is_told(name, table):
    detector = small(ReconstructionOutlierDetector, **{f"threshold__{name}": 0.1})
    with pytest.raises(InvalidParameterError, match=f"StdThreshold has no parameter '{name}'"):
        detector.fit(table)


@pytest.mark.parametrize("loss", ["huber", "Huber", keras.losses.Huber])
def test_arguments_are_routed_to_a_loss(loss, table):
    """The oracle is the loss as an object."""
    routed = small(AutoencoderTransformer, loss=loss, loss__delta=0.1)
    whole = small(AutoencoderTransformer, loss=keras.losses.Huber(0.1))
    assert_allclose(
        clone(routed).fit(table).history_["loss"], whole.fit(table).history_["loss"], rtol=1e-6
    )
    other = clone(routed).set_params(loss__delta=0.5).fit(table).history_["loss"]
    assert not np.allclose(other, whole.history_["loss"])


def test_every_loss_optimizer_and_metric_of_keras_has_its_arguments():
    from skae.estimators._parameter_names import _arguments_of, _class_of

    for name in ("adam", "SGD", "rmsprop", "lion", "adafactor"):
        assert "learning_rate" in _arguments_of(_class_of("optimizer", name))
    for name in ("mse", "mean_squared_error", "huber", "log_cosh", "binary_crossentropy"):
        assert "reduction" in _arguments_of(_class_of("loss", name))


def test_partial_fit_refuses_early_stopping_as_in_scikit_learn(table):
    for kind in ESTIMATORS:
        estimator = small(kind, early_stopping=True)
        with pytest.raises(ValueError, match="partial_fit .* does not support early_stopping=True"):
            estimator.partial_fit(table)


def test_partial_fit_holds_validation_samples_out(table):
    detector = small(ReconstructionOutlierDetector, validation_split=0.25)
    for epoch in (1, 2):
        detector.partial_fit(table)
        assert len(detector.history_["val_loss"]) == epoch
        assert len(detector.training_errors_) == 45


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_history_is_that_of_the_network(kind, table):
    """As `loss_curve_` of MLPRegressor: from its initialization on."""
    estimator = small(kind, epochs=3).fit(table)
    estimator.partial_fit(table)
    assert estimator.n_iter_ == len(estimator.history_["loss"]) == 4
    estimator.set_params(warm_start=True).fit(table)
    assert estimator.n_iter_ == len(estimator.history_["loss"]) == 7
    estimator.set_params(warm_start=False).fit(table)
    assert estimator.n_iter_ == len(estimator.history_["loss"]) == 3


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(
    ("method", "name", "message"),
    [
        ("fit", "validation_data", "Pass the samples to validate with as X_val"),
        ("fit", "epochs", r"It is a parameter of the estimator: set_params\(epochs=\.\.\.\)"),
        ("fit", "lr", r"estimator: set_params\(optimizer__learning_rate="),
        ("fit", "sample_weights", "Did you mean 'sample_weight'"),
        ("fit", "x_val", "Did you mean 'X_val'"),
        ("fit", "zebra", "has no argument 'zebra'.$"),
        ("partial_fit", "validation_data", "hold samples out with validation_split"),
        ("partial_fit", "X_val", "fit with warm_start=True, which takes X_val"),
        ("partial_fit", "epochs", "trains for one epoch; call it once for each epoch"),
    ],
)
def test_unknown_arguments_of_fits_are_told_what_to_do(kind, method, name, message, table):
    with pytest.raises(TypeError, match=message) as refusal:
        getattr(small(kind), method)(table, **{name: 1})
    assert str(refusal.value).startswith(f"{kind.__name__}.{method} has no argument '{name}'.")
