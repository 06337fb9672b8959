"""The detector: scores, thresholds, calibration and explanations."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import IsolationForest
from sklearn.metrics import fbeta_score

from skae import ReconstructionOutlierDetector
from skae.estimators._calibration import threshold_rule
from skae.thresholds import IQRThreshold, POTThreshold
from tests.estimators import tutorial_models
from tests.estimators._cases import small

# The score is the error, in the units of the table.
PLAIN = {"scale": False, "anomaly_score": "error", "calibration": "training", "batch_size": 32}


def plain(**params):
    return small(ReconstructionOutlierDetector, **{**PLAIN, **params})


@pytest.fixture(scope="module")
def detector(table):
    return plain(epochs=20).fit(table)


@pytest.fixture(scope="module")
def mixed(table):
    """Return rows near the plane and rows off it, and which is which."""
    rng = np.random.default_rng(1)
    return np.concatenate([table[:30], table[:20] + rng.uniform(0.3, 1.5, (20, 6))]), np.repeat(
        [1, -1], [30, 20]
    )


def _detector(X, **params):
    return plain(**params).fit(X)


def test_scores_decisions_and_labels_agree(detector, mixed):
    X, _ = mixed
    scores = detector.score_samples(X)
    assert scores.dtype == np.float64
    assert_array_equal(scores, -detector.reconstruction_error(X))
    assert_array_equal(detector.decision_function(X), scores - detector.offset_)
    assert_array_equal(detector.predict(X), np.where(detector.decision_function(X) >= 0, 1, -1))
    assert detector.offset_ == -detector.threshold_
    assert {-1, 1} == set(detector.predict(X))


def test_row_on_the_cut_is_normal(detector, table):
    detector = _detector(table, threshold=float(detector.reconstruction_error(table)[5]), epochs=20)
    assert detector.decision_function(table)[5] == 0
    assert detector.predict(table)[5] == 1


@pytest.mark.parametrize(
    ("loss", "error", "oracle"),
    [
        ("mse", "auto", np.square),
        ("mae", "auto", np.abs),
        ("binary_crossentropy", "auto", np.square),
        ("mse", "absolute", np.abs),
        ("mae", "squared", np.square),
        ("mse", lambda x, r: abs(x - r) ** 3, lambda d: np.abs(d) ** 3),
    ],
)
def test_error_is_the_mean_over_a_row(loss, error, oracle, table):
    detector = _detector(table, loss=loss, error=error, output_activation="sigmoid")
    difference = detector.model_(table).numpy().astype(float) - table
    expected = oracle(difference)
    assert_allclose(detector.reconstruction_error(table), expected.mean(axis=1), rtol=1e-4)
    frame = detector.feature_errors(table)
    # A reconstruction near 1 is itself rounded by 6e-8, so a small difference has no more digits.
    assert_allclose(frame.to_numpy(), expected, rtol=1e-3, atol=1e-6)
    assert_allclose(frame.mean(axis=1), detector.reconstruction_error(table), rtol=1e-6)


def test_default_cut_is_mean_plus_a_standard_deviation(table):
    for n_std in (1.0, 0.0, 2.5):
        detector = _detector(table, n_std=n_std)
        errors = detector.training_errors_
        assert_allclose(errors, detector.reconstruction_error(table), rtol=1e-6)
        assert_allclose(detector.threshold_, errors.mean() + n_std * errors.std(), rtol=1e-12)


def test_named_rules_and_objects(table):
    errors = _detector(table).training_errors_
    middle = np.median(errors)
    quartiles = np.percentile(errors, [25, 75])
    mad = 1.482602218505602 * np.median(np.abs(errors - middle))
    for threshold, expected in [
        ("mad", middle + 3 * mad),
        ("iqr", quartiles[1] + 1.5 * (quartiles[1] - quartiles[0])),
        (IQRThreshold(), quartiles[1] + 1.5 * (quartiles[1] - quartiles[0])),
        ("quantile", -np.percentile(-errors, 10)),
        ("pot", POTThreshold().threshold(errors)),
        (0.25, 0.25),
        (0, 0.0),
    ]:
        assert_allclose(_detector(table, threshold=threshold).threshold_, expected, rtol=1e-9)


@pytest.mark.parametrize("contamination", [0.01, 0.05, 0.1, 1 / 3, 0.5])
def test_flagged_fraction_is_the_contamination(contamination, table):
    detector = _detector(table, contamination=contamination, threshold="mad")
    flagged = (detector.predict(table) == -1).mean()
    assert abs(flagged - contamination) <= 1 / len(table)
    assert_array_equal(
        _detector(table, contamination=contamination).fit_predict(table), detector.predict(table)
    )


def test_contamination_cuts_as_isolation_forest_does(table):
    """On the same scores, both place the same offset."""
    forest = IsolationForest(contamination=0.15, random_state=0).fit(table)
    detector = _detector(table, contamination=0.15)
    scores = detector.score_samples(table)
    assert_allclose(detector.offset_, np.percentile(scores, 15), rtol=1e-6)
    assert_allclose(forest.offset_, np.percentile(forest.score_samples(table), 15), rtol=1e-6)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"contamination": 0.0}, "'contamination' parameter"),
        ({"contamination": 0.6}, "'contamination' parameter"),
        ({"contamination": "some"}, "'contamination' parameter"),
        ({"n_std": "two"}, "'n_std' parameter"),
        ({"n_std": -1.0}, "'n_std' parameter .*Got -1.0"),
        ({"threshold": -0.5}, "threshold must be .*got -0.5"),
        ({"threshold": "stdd"}, "got 'stdd'. Did you mean 'std'"),
        ({"error": "absolut"}, "'error' parameter"),
        ({"calibration": 1}, "'calibration' parameter"),
        ({"calibration": "held_out"}, "held_out.*set validation_split, or pass X_val"),
        ({"calibration": 61}, "calibration=61 needs at least as many samples as folds, got n_sam"),
    ],
)
def test_detector_parameters_that_can_not_work(params, message, table):
    detector = plain(**params)
    before = dict(vars(detector))
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        detector.fit(table)
    assert vars(detector) == before


def test_feature_errors_carry_names_and_index(frame):
    detector = _detector(frame)
    errors = detector.feature_errors(frame.iloc[5:9])
    assert list(errors.columns) == list(frame.columns)
    assert list(errors.index) == [105, 106, 107, 108]
    plain = detector.fit(frame.to_numpy()).feature_errors(frame.to_numpy()[5:9])
    assert list(plain.columns) == [f"x{i}" for i in range(6)]
    assert_array_equal(plain.to_numpy(), errors.to_numpy())


def test_groups_sum_the_errors_of_their_columns(frame):
    detector = _detector(frame)
    single = detector.feature_errors(frame)
    groups = {"ends": ["sensor_0", "sensor_5"], "middle": [2, 3], "one": "sensor_4"}
    grouped = detector.feature_errors(frame, groups=groups)
    assert set(grouped.columns) == {"ends", "middle", "one", "sensor_1"}
    assert_allclose(grouped["ends"], single["sensor_0"] + single["sensor_5"])
    assert_allclose(grouped["middle"], single["sensor_2"] + single["sensor_3"])
    assert_array_equal(grouped["one"], single["sensor_4"])
    assert_array_equal(grouped["sensor_1"], single["sensor_1"])
    assert_allclose(grouped.sum(axis=1) / 6, detector.reconstruction_error(frame), rtol=1e-6)
    assert list(grouped.index) == list(frame.index)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": ["sensor_9"]}, r"groups\['a'\] names the column 'sensor_9', which"),
        ({"a": ["sensor_1"], "b": ["sensor_1"]}, "'sensor_1' is in more than one of the groups"),
    ],
)
def test_groups_that_can_not_work(groups, message, frame):
    detector = _detector(frame)
    with pytest.raises(ValueError, match=message):
        detector.feature_errors(frame, groups=groups)


def test_explain_names_the_features_that_did_it(frame):
    detector = plain(epochs=60, n_std=3.0).fit(frame)
    spoiled = frame.iloc[10:16].copy()
    spoiled.iloc[1, 4] += 9
    spoiled.iloc[4, 0] -= 9
    explained = detector.explain(spoiled, n_features=2)
    flagged = spoiled.index[detector.predict(spoiled) == -1]
    assert list(flagged) == [111, 114]
    assert list(explained["row"]) == [111, 111, 114, 114]
    first = explained.groupby("row").first()
    assert list(first["feature"]) == ["sensor_4", "sensor_0"]
    assert_allclose(first["value"], [spoiled.iloc[1, 4], spoiled.iloc[4, 0]])
    errors = detector.feature_errors(spoiled)
    reconstruction = pd.DataFrame(
        detector.reconstruct(spoiled), index=spoiled.index, columns=spoiled.columns
    )
    for line in explained.itertuples():
        assert_allclose(line.value, spoiled.loc[line.row, line.feature], rtol=1e-6)
        assert_allclose(line.reconstruction, reconstruction.loc[line.row, line.feature], rtol=1e-5)
        assert_allclose(line.error, errors.loc[line.row, line.feature], rtol=1e-5)
        assert_allclose(line.share, line.error / errors.loc[line.row].sum(), rtol=1e-5)


def test_explain_orders_all_features_and_shares_sum_to_one(detector, mixed):
    X, _ = mixed
    explained = detector.explain(X, n_features=99)
    rows = explained.groupby("row", sort=False)
    assert list(rows.groups) == list(np.flatnonzero(detector.predict(X) == -1))
    assert (rows.size() == 6).all()
    assert_allclose(rows["share"].sum(), 1)
    assert rows["error"].apply(lambda errors: errors.is_monotonic_decreasing).all()
    top = detector.explain(X)
    assert_array_equal(top["feature"], rows.head(3)["feature"], err_msg="three features by default")


def test_explain_by_group(frame):
    detector = _detector(frame, threshold=0.0)
    groups = {"ends": ["sensor_0", "sensor_5"]}
    explained = detector.explain(frame, n_features=5, groups=groups)
    ends = explained[explained["feature"] == "ends"]
    assert len(ends) == 60
    assert ends["value"].isna().all()
    assert ends["reconstruction"].isna().all()
    assert_allclose(explained.groupby("row")["share"].sum(), 1)


def test_explain_without_outliers_is_an_empty_table(table):
    explained = _detector(table, threshold=1e9).explain(table)
    assert list(explained.columns) == [
        "row",
        "position",
        "feature",
        "value",
        "reconstruction",
        "error",
        "share",
    ]
    assert len(explained) == 0


@pytest.mark.parametrize("n_features", [0, -1, 1.5, "all"])
def test_explain_refuses_a_number_of_features(n_features, detector, table):
    with pytest.raises(ValueError, match="n_features must be a positive integer, got"):
        detector.explain(table, n_features)


def test_recalibrate_without_labels_applies_the_rule_again(table, mixed):
    X, _ = mixed
    for params in ({"n_std": 2.0}, {"contamination": 0.1}, {"threshold": "mad"}):
        detector = _detector(table, **params)
        weights = [w.numpy() for w in detector.model_.weights]
        assert detector.recalibrate(X) is detector
        errors = detector.reconstruction_error(X)
        expected = threshold_rule(detector).threshold(errors)
        assert_allclose(detector.threshold_, expected)
        assert detector.offset_ == -detector.threshold_
        for now, then in zip(detector.model_.weights, weights, strict=True):
            assert_array_equal(now.numpy(), then)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_recalibrate_with_labels_finds_the_best_score(beta, table, mixed):
    X, y = mixed
    detector = _detector(table).recalibrate(X, y, beta=beta)

    def merit(threshold):
        flagged = np.where(detector.reconstruction_error(X) > threshold, -1, 1)
        return fbeta_score(y, flagged, beta=beta, pos_label=-1, zero_division=0)

    best = max(merit(threshold) for threshold in detector.reconstruction_error(X))
    assert merit(detector.threshold_) >= best
    assert fbeta_score(y, detector.predict(X), beta=beta, pos_label=-1) >= best


@pytest.mark.parametrize("max_fpr", [0.0, 0.1, 0.5])
def test_recalibrate_keeps_the_false_positive_rate(max_fpr, table, mixed):
    X, y = mixed
    detector = _detector(table).recalibrate(X, y, max_fpr=max_fpr)
    flagged = detector.predict(X) == -1
    assert flagged[y == 1].mean() <= max_fpr
    assert flagged[y == -1].any()


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        (np.repeat([0, 1], [30, 20]), {}, "labels 0 and 1 mean opposite things"),
        (np.repeat([True, False], [30, 20]), {}, "labels 0 and 1 mean opposite things"),
        (np.ones(50), {}, "0 and 1|only normal samples"),
        (np.repeat([1, 2], 25), {}, r"y must hold \+1 \(normal\) and -1"),
        (np.ones(49), {}, r"one label for each of the 50 errors"),
        (np.repeat([1, -1], 25), {"max_fpr": 1.5}, "max_fpr"),
        (np.repeat([1, -1], 25), {"beta": -1.0}, "beta"),
    ],
)
def test_recalibrate_refuses(y, params, message, table, mixed):
    detector = _detector(table)
    threshold = detector.threshold_
    with pytest.raises(ValueError, match=message):
        detector.recalibrate(mixed[0], y, **params)
    assert detector.threshold_ == threshold


def test_calibration_from_held_out_rows(table):
    detector = _detector(table, calibration="held_out", validation_split=0.25)
    assert detector.training_errors_.shape == (45,)
    held = detector.calibration_errors_
    assert held.shape == (15,)
    assert_allclose(detector.threshold_, held.mean() + 2 * held.std())
    every = np.sort(np.concatenate([held, detector.training_errors_]))
    assert_allclose(every, np.sort(detector.reconstruction_error(table)), rtol=1e-5)
    given = plain(calibration="held_out").fit(table[:40], X_val=table[40:])
    assert_allclose(given.calibration_errors_, given.reconstruction_error(table[40:]), rtol=1e-5)


def test_calibration_across_folds_scores_rows_by_networks_that_have_not_seen_them():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 12)).astype(np.float32)
    detector = ReconstructionOutlierDetector(
        latent_dim=11,
        calibration=3,
        epochs=60,
        batch_size=8,
        optimizer__learning_rate=0.01,
        random_state=0,
    ).fit(X)
    assert detector.calibration_errors_.shape == (24,)
    assert detector.calibration_errors_.mean() > 1.5 * detector.training_errors_.mean()
    errors = detector.calibration_errors_
    assert_allclose(detector.threshold_, errors.mean() + 2 * errors.std())


def test_cross_fitting_keeps_callbacks_and_images(table):
    images = table.reshape(60, 3, 2)
    detector = _detector(images, calibration=2, input_shape=(2, 3), model="dense")
    assert detector.calibration_errors_.shape == (60,)
    assert detector.predict(images).shape == (60,)


def test_partial_fit_moves_the_cut_to_its_rows(table):
    detector = plain().partial_fit(table)
    for part in (table[:20], table[20:] * 0.5):
        detector.partial_fit(part)
        errors = detector.reconstruction_error(part)
        assert_allclose(detector.training_errors_, errors, rtol=1e-5)
        assert_allclose(detector.threshold_, errors.mean() + 2 * errors.std(), rtol=1e-5)
    assert detector.n_iter_ == 3
    assert len(detector.history_["loss"]) == 3


def test_weights_are_used_by_the_threshold(table):
    weight = np.arange(60) % 4
    detector = plain().fit(table, sample_weight=weight)
    is_positive = weight > 0
    errors = detector.reconstruction_error(table[is_positive])
    assert_allclose(detector.training_errors_, errors, rtol=1e-5)
    repeated = np.repeat(errors, weight[is_positive])
    assert_allclose(detector.threshold_, repeated.mean() + 2 * repeated.std(), rtol=1e-5)
    quantile = plain(contamination=0.2)
    quantile.fit(table, sample_weight=weight)
    assert_allclose(quantile.threshold_, -np.percentile(-repeated, 20), rtol=1e-5)


def test_weights_set_by_hand_are_scored(table):
    detector = _detector(table)
    before = detector.reconstruction_error(table)
    detector.model_.set_weights([np.zeros_like(w) for w in detector.model_.get_weights()])
    assert not np.allclose(detector.reconstruction_error(table), before)
    assert_allclose(detector.reconstruction_error(table), (table**2).mean(axis=1), rtol=1e-5)


def test_tutorial_threshold(table):
    """What the tutorial computes by hand: mean + std of the training losses, and its losses."""
    X = np.tile(table, (1, 24))[:, :140]
    detector = ReconstructionOutlierDetector(
        tutorial_models.AnomalyDetector,
        n_std=1.0,
        loss="mae",
        epochs=1,
        batch_size=512,
        random_state=0,
    ).fit(X)
    losses = np.abs(detector.model_(X).numpy() - X).mean(axis=1)
    assert_allclose(detector.threshold_, losses.mean() + losses.std(), rtol=1e-5)
    assert_array_equal(
        detector.predict(X) == 1, detector.reconstruction_error(X) <= detector.threshold_
    )
