"""Explanations of pipelines name the columns of the pipeline's input."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    StandardScaler,
)

from skae.inspection import explain
from tests.inspection._mixed import N_ROWS, NUMBERS, WORDS, detector, encoder, make_table


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def alone(table):
    return detector().fit(table[NUMBERS])


@pytest.fixture(scope="module", params=["default", "pandas"])
def pipe(request, table):
    mixed = [(make_pipeline(SimpleImputer(strategy="most_frequent"), encoder()), WORDS)]
    columns = make_column_transformer(
        *mixed, (StandardScaler(), ["weight"]), remainder=MinMaxScaler()
    )
    return make_pipeline(columns, detector()).set_output(transform=request.param).fit(table)


def test_errors_of_encoded_columns_are_summed_by_original_column(pipe, table):
    lines = explain(pipe, table, n_features=5, rows="all")
    errors = pipe[-1].feature_scores(pipe[:-1].transform(table)).to_numpy()
    assert len(lines) == N_ROWS * 5
    wide = lines.pivot(index="position", columns="feature", values="error")
    sizes = {"home_country": 2, "home": 3, "weight": 1, "amount": 1, "age": 1}
    ends = np.cumsum([0, *sizes.values()])
    for number, name in enumerate(sizes):
        expected = errors[:, ends[number] : ends[number + 1]].sum(axis=1)
        assert_allclose(wide[name], expected, rtol=1e-6)
    assert_allclose(lines.groupby("position")["share"].sum(), 1, rtol=1e-6)


def test_values_and_reconstructions_are_in_the_units_of_the_table(pipe, table):
    lines = explain(pipe, table, n_features=5, rows="all").set_index(["position", "feature"])
    encoded = pipe[:-1].transform(table)
    rebuilt = pipe[-1].reconstruct(encoded)
    scaler = pipe[0].named_transformers_["standardscaler"]
    weights = lines.xs("weight", level="feature")
    assert_allclose(weights["value"].astype(float), table["weight"])
    assert_allclose(
        weights["reconstruction"].astype(float),
        scaler.inverse_transform(rebuilt[:, 5:6])[:, 0],
        rtol=1e-6,
    )
    countries = lines.xs("home_country", level="feature")
    assert countries["value"].tolist() == table["home_country"].tolist()
    assert countries["reconstruction"].tolist() == [
        "xy"[place] for place in rebuilt[:, :2].argmax(axis=1)
    ]
    assert set(lines.xs("home", level="feature")["reconstruction"]) <= {"a", "b", "country"}


def test_flagged_rows_are_explained_unless_others_are_asked_for(pipe, table):
    flagged = np.flatnonzero(pipe.predict(table) == -1)
    lines = explain(pipe, table, n_features=1)
    assert lines["position"].tolist() == flagged.tolist()
    assert lines["row"].tolist() == table.index[flagged].tolist()
    asked = explain(pipe, table, n_features=2, rows=[7, 3, 7])
    assert asked["position"].tolist() == [7, 7, 3, 3, 7, 7]
    assert asked["row"].tolist() == ["r3", "r3", "r1", "r1", "r3", "r3"]
    nothing = explain(pipe, table, rows=[])
    assert len(nothing) == 0
    assert nothing["error"].dtype == float


@pytest.mark.parametrize(
    "chosen",
    [
        NUMBERS,
        [1, 3, 4],
        slice("amount", "age"),
        slice(-3, None),
        [False, True, False, True, True],
        np.array([False, True, False, True, True]),
        make_column_selector(dtype_include=np.number),
        lambda X: [X.columns.get_loc(name) for name in NUMBERS],
    ],
)
def test_columns_are_chosen_as_a_column_transformer_chooses_them(chosen, table):
    frame = table[["home", "amount", "home_country", "weight", "age"]]
    if isinstance(chosen, slice) and chosen.start != -3:
        frame = table[["home", "home_country", *NUMBERS]]
    columns = ColumnTransformer([("scale", StandardScaler(), chosen)], remainder="drop")
    if isinstance(chosen, slice) and chosen.start == -3:
        frame = table[["home", "home_country", *NUMBERS]]
    pipe = make_pipeline(columns, detector()).fit(frame)
    lines = explain(pipe, frame, n_features=9, rows="all").set_index(["position", "feature"])
    assert set(lines.index.get_level_values("feature")) == set(NUMBERS)
    assert_allclose(lines.xs("age", level="feature")["value"].astype(float), frame["age"])
    expected = (
        StandardScaler()
        .fit(frame[NUMBERS])
        .inverse_transform(pipe[-1].reconstruct(pipe[:-1].transform(frame)))
    )
    for number, name in enumerate(NUMBERS):
        assert_allclose(lines.xs(name, level="feature")["reconstruction"], expected[:, number])


def test_a_detector_alone_is_explained_as_by_itself(alone, table):
    pd.testing.assert_frame_equal(
        explain(alone, table[NUMBERS]), alone.explain(table[NUMBERS]), check_dtype=False
    )
    array = table[NUMBERS].to_numpy()
    of_array = explain(detector().fit(array), array, rows=[5])
    assert set(of_array["feature"]) == {"x0", "x1", "x2"}
    assert of_array["row"].tolist() == [5, 5, 5]


def test_a_search_stands_for_its_best_estimator(table):
    pipe = make_pipeline(StandardScaler(), detector())
    search = GridSearchCV(pipe, {"reconstructionoutlierdetector__epochs": [1, 2]}, cv=2)
    search.fit(table[NUMBERS])
    pd.testing.assert_frame_equal(
        explain(search, table[NUMBERS]), explain(search.best_estimator_, table[NUMBERS])
    )


@pytest.mark.parametrize("rows", [[60], [-1], [0.5], "some", [[1, 2]], [True], [True] * 61])
def test_rows_that_are_not_there_are_refused(rows, pipe, table):
    with pytest.raises(ValueError, match="rows must be positions from 0 to 59, a mask") as refusal:
        explain(pipe, table, rows=rows)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("as_mask", [list, np.array, pd.Series])
def test_a_mask_chooses_rows(as_mask, pipe, alone, table):
    mask = np.isin(np.arange(N_ROWS), [3, 7])
    chosen = as_mask(mask)
    pd.testing.assert_frame_equal(
        explain(pipe, table, rows=chosen), explain(pipe, table, rows=[3, 7])
    )
    assert alone.explain(table[NUMBERS], rows=chosen)["position"].tolist() == [3, 3, 3, 7, 7, 7]
    assert len(explain(pipe, table, rows=as_mask([False] * N_ROWS))) == 0


def test_rows_and_features_of_a_detector_are_those_of_the_function(alone, table):
    frame = table[NUMBERS]
    for options in (
        {"rows": [7, 3, 7], "n_features": None},
        {"rows": "all", "groups": {"heavy": ["weight", "age"]}},
    ):
        lines = alone.explain(frame, **options)
        pd.testing.assert_frame_equal(explain(alone, frame, **options), lines, check_dtype=False)
    assert len(alone.explain(frame, None, rows="all")) == 3 * N_ROWS


def test_groups_are_columns_of_the_input(pipe, table):
    groups = {"homes": WORDS, "first": 1}
    lines = explain(pipe, table, n_features=None, rows="all", groups=groups)
    single = explain(pipe, table, n_features=None, rows="all")
    wide, columns = [
        found.pivot(index="position", columns="feature", values="error")
        for found in (lines, single)
    ]
    assert_allclose(wide["homes"], columns[WORDS].sum(axis=1))
    assert_allclose(wide["first"], columns["amount"])
    in_group = lines["feature"].isin(groups)
    assert lines.loc[in_group, ["value", "reconstruction"]].isna().to_numpy().all()
    assert lines.loc[~in_group, ["value", "reconstruction"]].notna().to_numpy().all()
    with pytest.raises(ValueError, match="names the column 'hom', which .*Did you mean 'home'"):
        explain(pipe, table, groups={"homes": ["hom"]})


def test_rows_of_several_levels_are_labelled_by_tuples(pipe, alone, table):
    pairs = [("line", number) for number in range(N_ROWS)]
    frame = table.set_axis(pd.MultiIndex.from_tuples(pairs))
    for lines in (explain(pipe, frame, rows=[0, 3]), alone.explain(frame[NUMBERS], rows=[0, 3])):
        assert lines["row"].tolist() == [pairs[place] for place in lines["position"]]
    assert alone.feature_errors(frame[NUMBERS]).index.nlevels == 2


def test_a_sample_without_errors_has_shares_of_zero(alone, table):
    exact = lambda inputs, reconstruction: 0 * (inputs - reconstruction)  # noqa: E731
    without = clone(alone).set_params(error=exact, epochs=1).fit(table[NUMBERS])
    for lines in (
        without.explain(table[NUMBERS], rows=[0]),
        explain(without, table[NUMBERS], rows=[0]),
    ):
        assert lines["share"].tolist() == [0.0] * 3


def test_the_number_of_features_is_checked(pipe, table):
    with pytest.raises(ValueError, match="n_features must be a positive integer, got 0"):
        explain(pipe, table, n_features=0, rows=[0])


def test_sequences_are_explained_by_step_and_channel():
    X = np.random.default_rng(0).uniform(size=(30, 4, 2))
    alone = detector().fit(X)
    pd.testing.assert_frame_equal(explain(alone, X), alone.explain(X), check_dtype=False)


def test_polars_tables_are_explained(table):
    frame = pl.DataFrame({name: table[name].to_numpy() for name in NUMBERS})
    pipe = make_pipeline(StandardScaler(), detector()).set_output(transform="polars").fit(frame)
    lines = explain(pipe, frame, n_features=3, rows=[4, 2])
    assert lines["row"].tolist() == [4] * 3 + [2] * 3
    assert set(lines["feature"]) == set(NUMBERS)
    found = lines.set_index(["position", "feature"])["value"]
    assert found[2, "age"] == frame["age"][2]
