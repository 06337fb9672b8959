"""Pickles of a version without scaling and anomaly scores load, and give what they gave."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skae import AutoencoderTransformer, ReconstructionOutlierDetector
from skae._contracts import Recipe
from skae.errors import resolve_error
from tests.estimators._cases import small

ADDED = {"scale", "anomaly_score", "scaler_", "_output_scaler", "score_", "_reference"}


def of_before(estimator):
    """Return an estimator from the state that an earlier version would have written."""
    state = {name: value for name, value in estimator.__getstate__().items() if name not in ADDED}
    state = pickle.loads(pickle.dumps(state))
    recipe = state["_recipe"]
    parameters = {k: v for k, v in recipe["parameters"].items() if k != "scale"}
    state["_recipe"] = Recipe(**{**recipe, "parameters": parameters})
    state["_error"] = resolve_error(state["_error"])
    loaded = object.__new__(type(estimator))
    loaded.__setstate__(state)
    return loaded


@pytest.mark.parametrize(
    "estimator",
    [
        small(AutoencoderTransformer, scale=False),
        small(ReconstructionOutlierDetector, scale=False, calibration="training"),
    ],
    ids=["transformer", "detector"],
)
def test_a_pickle_of_before_gives_what_it_gave_and_trains_on(estimator, table):
    fitted = estimator.fit(table)
    loaded = of_before(fitted)
    np.testing.assert_array_equal(
        loaded.reconstruction_error(table), fitted.reconstruction_error(table)
    )
    if hasattr(fitted, "predict"):
        np.testing.assert_array_equal(loaded.predict(table), fitted.predict(table))
        assert len(loaded.explain(table, rows=[0])) == 3
    loaded.set_params(warm_start=True).fit(table)
    assert loaded.n_iter_ == 2 * fitted.n_iter_
    assert loaded.get_params()["scale"] is False


def test_a_rule_of_before_can_be_used_beside_the_earlier_default_of_n_std(table):
    fitted = small(ReconstructionOutlierDetector, scale=False, threshold="quantile").fit(table)
    fitted.n_std = 1.0  # the default of before
    loaded = of_before(fitted)
    loaded.recalibrate(table).partial_fit(table)
    clone(loaded).fit(table)
