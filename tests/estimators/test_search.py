"""Inside scikit-learn's searches, ensembles and pipelines, in processes and threads."""

import numpy as np
import pytest
from joblib import parallel_backend
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_outlier_detector, is_regressor
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import IsolationForest, StackingRegressor, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder
from sklearn.utils import get_tags

from skae import (
    AutoencoderTransformer,
    DenoisingRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae.thresholds import QuantileThreshold, StdThreshold
from tests.estimators import tutorial_models
from tests.estimators._cases import ESTIMATORS, output, small

TYPES = {
    AutoencoderTransformer: "transformer",
    DenoisingRegressor: "regressor",
    ReconstructionOutlierDetector: "outlier_detector",
    VariationalAutoencoder: "transformer",
}
# A value that is not the default, for every parameter that all estimators have.
ALL_SET = {
    "model": tutorial_models.functional,
    "latent_dim": 3,
    "hidden_layer_sizes": (5, 4),
    "activation": "tanh",
    "output_activation": "sigmoid",
    "input_shape": (3, 2),
    "scale": True,
    "noise": "masking",
    "optimizer": "sgd",
    "loss": "mae",
    "metrics": ["mse"],
    "epochs": 7,
    "batch_size": 9,
    "shuffle": False,
    "validation_split": 0.3,
    "early_stopping": True,
    "patience": 2,
    "warm_start": True,
    "verbose": 2,
    "random_state": 11,
    "engine": "keras",
    "jit_compile": False,
    "model__width": 3,
    "optimizer__momentum": 0.5,
    "noise__rate": 0.2,
}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_clone_keeps_every_parameter(kind):
    estimator = kind(**ALL_SET)
    params = clone(estimator).get_params()
    for name, value in ALL_SET.items():
        assert params[name] == value, name
    assert kind().set_params(**ALL_SET).get_params() == estimator.get_params()
    assert estimator.get_params().keys() >= kind().get_params().keys()


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_clone_of_a_fitted_estimator_is_unfitted_and_fits_the_same(kind, fitted, table):
    copied = clone(fitted[kind])
    assert not [name for name in vars(copied) if name.endswith("_") and name[0] != "_"]
    assert_array_equal(output(copied.fit(table), table), output(fitted[kind], table))


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_tags_tell_the_type(kind):
    tags = get_tags(kind())
    assert tags.estimator_type == (None if TYPES[kind] == "transformer" else TYPES[kind])
    assert (tags.transformer_tags is not None) == (TYPES[kind] == "transformer")
    assert is_outlier_detector(kind()) == (TYPES[kind] == "outlier_detector")
    assert is_regressor(kind()) == (TYPES[kind] == "regressor")
    assert not tags.target_tags.required
    assert tags.no_validation is False


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_what_does_not_belong_is_not_there(kind):
    leaked = {"initialize", "scorer", "feature_encoder", "target_encoder", "current_epoch"}
    if TYPES[kind] == "transformer":
        leaked.add("predict")
    if TYPES[kind] != "transformer":
        leaked |= {"transform", "inverse_transform"}
    for name in leaked:
        assert not hasattr(kind(), name), name
    if TYPES[kind] == "outlier_detector":
        assert hasattr(kind(), "fit_predict")


def test_repr_shows_what_was_set():
    assert repr(AutoencoderTransformer(latent_dim=3)) == "AutoencoderTransformer(latent_dim=3)"


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_default_score_needs_no_target(kind, table):
    scores = cross_val_score(small(kind), table, cv=3)
    assert np.isfinite(scores).all()
    assert (scores <= 1).all()


@pytest.mark.parametrize("kind", [AutoencoderTransformer, ReconstructionOutlierDetector])
def test_score_is_the_r2_of_all_values(kind, table):
    estimator = small(kind, scale=False).fit(table)
    rest = ((estimator.reconstruct(table) - table) ** 2).sum()
    expected = 1 - rest / ((table - table.mean()) ** 2).sum()
    assert_allclose(estimator.score(table), expected, rtol=1e-5)
    weight = np.arange(60) % 3
    repeated = np.repeat(table, weight, axis=0)
    assert_allclose(
        estimator.score(table, sample_weight=weight), estimator.score(repeated), rtol=1e-5
    )


SEARCHES = [
    (
        AutoencoderTransformer(epochs=1, random_state=0),
        {
            "latent_dim": [1, 2],
            "hidden_layer_sizes": [(), (4,)],
            "optimizer__learning_rate": [0.01],
        },
    ),
    (
        small(ReconstructionOutlierDetector),
        [
            {"threshold": ["mad", StdThreshold(2.0)], "epochs": [1]},
            {"threshold": ["std"], "n_std": [0.5, 2.0], "epochs": [1]},
            {"threshold": ["quantile"], "threshold__contamination": [0.1], "epochs": [1]},
            {"threshold": [QuantileThreshold()], "threshold__contamination": [0.2], "epochs": [1]},
        ],
    ),
    (
        AutoencoderTransformer(tutorial_models.Bottleneck, epochs=1, random_state=0),
        {"model__width": [1, 3], "optimizer__learning_rate": [0.001, 0.01]},
    ),
]


@pytest.mark.parametrize(("estimator", "grid"), SEARCHES, ids=["flat", "thresholds", "custom"])
def test_grid_search_in_processes_and_threads(estimator, grid, table):
    alone = GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(table)
    scores = alone.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    for backend in ("loky", "threading"):
        search = GridSearchCV(estimator, grid, cv=2, n_jobs=2, error_score="raise")
        with parallel_backend(backend):
            search.fit(table)
        assert_allclose(search.cv_results_["mean_test_score"], scores, rtol=1e-6)
        assert search.best_params_.keys() == alone.best_params_.keys()
        assert_allclose(
            output(search.best_estimator_, table), output(alone.best_estimator_, table), rtol=1e-6
        )


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_halving_search(backend, table):
    search = HalvingGridSearchCV(
        small(AutoencoderTransformer, epochs=1),
        {"latent_dim": [1, 2], "optimizer__learning_rate": [0.001, 0.1]},
        resource="epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
        n_jobs=2,
        random_state=0,
        error_score="raise",
    )
    with parallel_backend(backend):
        search.fit(table)
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_params_["epochs"] == 4
    assert search.best_estimator_.transform(table).shape[0] == 60


def test_search_by_labels_cuts_where_the_labels_are(table):
    """`n_std` is searched by a scorer that sees +1 and -1."""
    X = np.concatenate([table, table + 3])
    y = np.repeat([1, -1], 60)
    detector = small(ReconstructionOutlierDetector, epochs=3, scale=False)
    search = GridSearchCV(
        detector,
        {"n_std": [0.0, 0.5, 50.0]},
        cv=StratifiedKFold(2),
        scoring="balanced_accuracy",
    ).fit(X, y)
    scores = dict(
        zip(search.cv_results_["param_n_std"], search.cv_results_["mean_test_score"], strict=True)
    )
    assert scores[50.0] == 0.5
    assert search.best_params_["n_std"] < 50


def test_nested_rule_takes_its_parameters(table):
    rule = StdThreshold(1.0)
    detector = small(ReconstructionOutlierDetector, threshold=rule)
    assert detector.get_params()["threshold__n_std"] == 1.0
    other = clone(detector).set_params(threshold__n_std=3.0)
    assert rule.n_std == 1.0
    errors = detector.fit(table).training_errors_
    assert_allclose(detector.threshold_, errors.mean() + errors.std())
    assert_allclose(other.fit(table).threshold_, errors.mean() + 3 * errors.std())


@pytest.fixture(scope="module")
def target(table):
    return table @ np.arange(6.0) + 1


def test_voting_and_stacking(table, target):
    members = [
        ("denoiser", small(DenoisingRegressor, optimizer__learning_rate=0.01)),
        ("ridge", Ridge()),
    ]
    voting = VotingRegressor(members, n_jobs=2).fit(table, target)
    assert voting.predict(table).shape == (60,)
    assert_allclose(voting.predict(table), voting.transform(table).mean(axis=1))
    stacking = StackingRegressor(members, cv=2).fit(table, target)
    assert stacking.score(table, target) > 0.9


def test_denoiser_in_meta_regressors(table, target):
    both = np.column_stack([target, -target])
    multi = MultiOutputRegressor(small(DenoisingRegressor)).fit(table, both)
    assert multi.predict(table).shape == (60, 2)
    scaled = TransformedTargetRegressor(small(DenoisingRegressor), transformer=MinMaxScaler())
    assert scaled.fit(table, target).predict(table).shape == (60,)
    predicted = cross_val_predict(small(DenoisingRegressor), table, target, cv=2)
    assert predicted.shape == (60,)
    assert predicted.dtype == np.float64


def test_pipeline_searches_through_its_steps(table):
    labels = (table[:, 0] > np.median(table[:, 0])).astype(int)
    pipeline = make_pipeline(
        MinMaxScaler(),
        small(AutoencoderTransformer, optimizer__learning_rate=0.01),
        LogisticRegression(),
    )
    search = GridSearchCV(
        pipeline, {"autoencodertransformer__latent_dim": [1, 2]}, cv=2, error_score="raise"
    ).fit(table, labels)
    assert search.predict(table).shape == (60,)


def test_pipeline_ends_in_a_detector(table):
    pipeline = make_pipeline(MinMaxScaler(), small(ReconstructionOutlierDetector)).fit(table)
    assert_array_equal(pipeline.predict(table) == 1, pipeline.decision_function(table) >= 0)
    assert_array_equal(
        pipeline.score_samples(table), pipeline[-1].score_samples(pipeline[0].transform(table))
    )


def test_columns_and_unions(frame):
    frame = frame.assign(kind=np.where(np.arange(60) % 2, "a", "b"))
    numbers = list(frame.columns[:6])
    columns = ColumnTransformer(
        [
            ("codes", small(AutoencoderTransformer), numbers),
            ("kind", OneHotEncoder(sparse_output=False), ["kind"]),
        ],
        n_jobs=2,
    ).set_output(transform="pandas")
    out = columns.fit_transform(frame)
    assert list(out.columns) == [
        "codes__autoencodertransformer0",
        "codes__autoencodertransformer1",
        "kind__kind_a",
        "kind__kind_b",
    ]
    assert list(out.index) == list(frame.index)
    union = FeatureUnion(
        [
            ("dense", small(AutoencoderTransformer)),
            ("variational", small(VariationalAutoencoder, latent_dim=3)),
        ],
        n_jobs=2,
    )
    assert union.fit_transform(frame[numbers]).shape == (60, 5)
    assert len(union.get_feature_names_out()) == 5


def test_detector_goes_where_isolation_forest_went(table):
    """Swapping the class name is all that a user has to do."""
    for contamination in ("auto", 0.1, 0.5):
        for detector in (
            IsolationForest(contamination=contamination, random_state=0),
            ReconstructionOutlierDetector(contamination=contamination, epochs=1, latent_dim=2),
        ):
            pipeline = Pipeline([("scale", MinMaxScaler()), ("detect", detector)])
            labels = pipeline.fit_predict(table)
            assert set(labels) <= {-1, 1}
            assert labels.dtype == np.int64
            assert pipeline.decision_function(table).dtype == np.float64
            assert_allclose(
                pipeline.decision_function(table),
                pipeline.score_samples(table) - detector.offset_,
            )
            if contamination != "auto":
                assert abs((labels == -1).mean() - contamination) <= 1 / 60
