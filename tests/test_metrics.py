"""Scorers of outliers, against scikit-learn's functions on inverted labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import metrics as oracle
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import ReconstructionOutlierDetector, metrics

RNG = np.random.default_rng(0)
Y = RNG.permutation(np.repeat([1, -1], [90, 10]))
X = np.where(Y[:, None] == 1, RNG.normal(size=(100, 4)), RNG.normal(0.0, 1.7, size=(100, 4)))
BY_SCORE = {"average_precision": oracle.average_precision_score, "roc_auc": oracle.roc_auc_score}
BY_LABEL = {
    "precision": oracle.precision_score,
    "recall": oracle.recall_score,
    "f1": oracle.f1_score,
}
DETECTORS = {
    "skae": ReconstructionOutlierDetector(latent_dim=1, epochs=2, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), IsolationForest(random_state=0)),
}


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request):
    return DETECTORS[request.param].fit(X)


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 101.0)])
@pytest.mark.parametrize("name", [*BY_SCORE, *BY_LABEL])
def test_scorers_score_the_outliers(name, weight, detector):
    scorer = getattr(metrics, f"outlier_{name}")
    given = {} if weight is None else {"sample_weight": weight}
    if name in BY_SCORE:
        wanted = BY_SCORE[name](Y == -1, -detector.decision_function(X), **given)
    else:
        wanted = BY_LABEL[name](Y == -1, detector.predict(X) == -1, **given)
    assert_allclose(scorer(detector, X, Y, **given), wanted)


@pytest.mark.parametrize("name", metrics.__all__)
def test_labels_0_and_1_are_refused(name, detector):
    with pytest.raises(ValueError, match="labels 0 and 1 mean opposite things"):
        getattr(metrics, name)(detector, X, (Y == -1).astype(int))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_searches_take_them(n_jobs):
    scoring = {name: getattr(metrics, name) for name in metrics.__all__}
    scores = cross_validate(DETECTORS["pipeline"], X, Y, scoring=scoring, cv=2, n_jobs=n_jobs)
    assert all(np.isfinite(scores[f"test_{name}"]).all() for name in metrics.__all__)
    search = GridSearchCV(
        DETECTORS["pipeline"],
        {"isolationforest__max_samples": [2, 50]},
        scoring=metrics.outlier_average_precision,
        cv=2,
        n_jobs=n_jobs,
    ).fit(X, Y)
    assert search.best_params_ == {"isolationforest__max_samples": 50}


def test_the_normal_class_is_easier():
    """What makes scikit-learn's own scorer the wrong one: it scores the class of +1."""
    detector = DETECTORS["skae"].fit(X)
    normal = oracle.get_scorer("average_precision")(detector, X, Y)
    assert normal > 0.9 > metrics.outlier_average_precision(detector, X, Y)
