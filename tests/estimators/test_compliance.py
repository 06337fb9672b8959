"""scikit-learn's own checks, those of `check_estimator` and those that it leaves out."""

from __future__ import annotations

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import skae
from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae.exceptions import LatentSizeWarning, OutlierLabelWarning
from skae.networks import NAMES

# Some checks fit two columns, or a single one.
# scikit-learn's checks label samples 0 and 1.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::skae.exceptions.{kind.__name__}")
    for kind in (LatentSizeWarning, OutlierLabelWarning)
]

SMALL = {"latent_dim": 2, "hidden_layer_sizes": (8,), "epochs": 3}
ESTIMATORS = [
    AutoencoderTransformer(**SMALL),
    AutoencoderTransformer("linear", latent_dim=2, epochs=3),
    # An R2 above 0.5 is asked of a regressor: it has to be trained.
    DenoisingRegressor(epochs=200),
    DenoisingRegressor("linear", latent_dim=4, epochs=200),
    ReconstructionOutlierDetector(**SMALL),
    ReconstructionOutlierDetector("linear", latent_dim=2, epochs=3, calibration="training"),
    VariationalAutoencoder(**SMALL),
    *(
        estimator(network, latent_dim=2, hidden_layer_sizes=(4,), epochs=2, **params)
        for estimator, network, params in (
            (AutoencoderTransformer, "recurrent", {}),
            # One detector above fits once for every fold, too.
            (ReconstructionOutlierDetector, "conv", {"calibration": "training"}),
            (ReconstructionOutlierDetector, "recurrent", {"calibration": "training"}),
            (ReconstructionOutlierDetector, "variational", {"calibration": "training"}),
        )
    ),
]
TRANSFORMERS = [e for e in ESTIMATORS if hasattr(e, "transform")]
LEFT_OUT = [
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_param_validation,
    estimator_checks.check_estimators_partial_fit_n_features,
]
LEFT_OUT_OF_TRANSFORMERS = [
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
]


EQUIVALENCE = "check_sample_weight_equivalence_on_dense_data"
ROUNDING = "float32 rounding may exceed the check's 1e-7; test_weights.py holds it to float32"
DRAWS = "a row and its repetition draw different codes"


def _expected_failures(estimator):
    return {EQUIVALENCE: DRAWS} if estimator.model == "variational" else {}


def _name(estimator):
    return f"{type(estimator).__name__}-{estimator.model}"


def test_every_public_estimator_and_network_is_checked():
    public = {name for name in skae.__all__ if name[0].isupper()}
    assert {type(estimator).__name__ for estimator in ESTIMATORS} == public
    assert {estimator.model for estimator in ESTIMATORS} == set(NAMES)


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=_expected_failures)
def test_check_estimator(estimator, check, request):
    if check.func.__name__ == EQUIVALENCE and estimator.model != "variational":
        # The check asks two fits for the same last bit of a float32, and whether they have it is
        # up to the order in which a processor adds: it may neither have to fail nor have to pass.
        # Where codes are drawn, it is off by far more than rounding, and has to fail.
        xfail = pytest.mark.xfail(reason=ROUNDING, raises=AssertionError, strict=False)
        request.applymarker(xfail)
    check(estimator)


@pytest.mark.parametrize("check", LEFT_OUT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=_name)
def test_checks_left_out(estimator, check):
    check(type(estimator).__name__, estimator)


# The checks fit on a frame and transform an array, and the other way round, on purpose.
@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("check", LEFT_OUT_OF_TRANSFORMERS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", TRANSFORMERS, ids=_name)
def test_checks_of_transformers_left_out(estimator, check):
    check(type(estimator).__name__, estimator)
