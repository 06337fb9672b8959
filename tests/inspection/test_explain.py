"""Explanations of pipelines name the columns of the pipeline's input."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from skae import ReconstructionOutlierDetector
from skae.inspection import explain

N_ROWS = 60
NUMBERS = ["amount", "weight", "age"]
WORDS = ["home_country", "home"]


@pytest.fixture(scope="module")
def table():
    """A table whose names are prefixes of one another, and whose labels repeat."""
    rng = np.random.default_rng(0)
    amount = np.exp(rng.normal(size=N_ROWS))
    frame = pd.DataFrame(
        {
            "home": rng.choice(["a", "b", "country"], N_ROWS),
            "amount": amount,
            "home_country": rng.choice(["x", "y"], N_ROWS),
            "weight": 5e4 + 1000 * np.log(amount),
            "age": rng.normal(40, 10, N_ROWS),
        },
        index=[f"r{number // 2}" for number in range(N_ROWS)],
    )
    frame.iloc[5, 1] = 500.0
    return frame


def detector():
    return ReconstructionOutlierDetector(
        latent_dim=1, hidden_layer_sizes=(4,), epochs=5, random_state=0
    )


def encoder(**options):
    return OneHotEncoder(sparse_output=False, **options)


@pytest.fixture(scope="module", params=["default", "pandas"])
def pipe(request, table):
    mixed = [(make_pipeline(SimpleImputer(strategy="most_frequent"), encoder()), WORDS)]
    columns = make_column_transformer(
        *mixed, (StandardScaler(), ["weight"]), remainder=MinMaxScaler()
    )
    return make_pipeline(columns, detector()).set_output(transform=request.param).fit(table)


def test_errors_of_encoded_columns_are_summed_by_original_column(pipe, table):
    lines = explain(pipe, table, n_features=5, rows="all")
    errors = pipe[-1].feature_errors(pipe[:-1].transform(table)).to_numpy()
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


def test_a_detector_alone_is_explained_as_by_itself(table):
    alone = detector().fit(table[NUMBERS])
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


@pytest.mark.parametrize("step", [PCA(2), PolynomialFeatures(include_bias=False)])
def test_columns_that_a_step_mixes_are_named_together(step, table):
    pipe = make_pipeline(StandardScaler(), step, detector()).fit(table[NUMBERS])
    lines = explain(pipe, table[NUMBERS], n_features=20, rows=[0])
    mixed = lines[[isinstance(feature, tuple) for feature in lines["feature"]]]
    assert all(set(feature) <= set(NUMBERS) for feature in mixed["feature"])
    assert mixed["value"].isna().all()
    assert mixed["reconstruction"].isna().all()
    assert_allclose(lines["share"].sum(), 1)


@pytest.mark.parametrize(
    ("step", "has_inverse"),
    [
        (FunctionTransformer(np.log1p, np.expm1, feature_names_out="one-to-one"), True),
        (FunctionTransformer(np.log1p, feature_names_out="one-to-one"), False),
        (FunctionTransformer(feature_names_out="one-to-one"), True),
        (SimpleImputer(), True),
        ("passthrough", True),
    ],
)
def test_no_reconstruction_where_a_step_has_no_way_back(step, has_inverse, table):
    pipe = make_pipeline(step, MinMaxScaler(), detector()).fit(table[NUMBERS])
    lines = explain(pipe, table[NUMBERS], rows="all")
    assert lines["reconstruction"].notna().to_numpy().all() == has_inverse
    assert lines["value"].notna().all()
    if has_inverse and not isinstance(step, str):
        rebuilt = pipe[1].inverse_transform(
            pipe[-1].reconstruct(pipe[:-1].transform(table[NUMBERS]))
        )
        expected = rebuilt if isinstance(step, SimpleImputer) else step.inverse_transform(rebuilt)
        wide = lines.pivot(index="position", columns="feature", values="reconstruction")
        assert_allclose(wide[NUMBERS].to_numpy(float), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "step", [encoder(drop="first"), encoder(handle_unknown="ignore"), OrdinalEncoder()]
)
def test_categories_are_found_again(step, table):
    words = table[["home", "home_country"]]
    pipe = make_pipeline(step, StandardScaler(), detector().set_params(epochs=1)).fit(words)
    lines = explain(pipe, words, n_features=2, rows="all").set_index(["position", "feature"])
    for name in words:
        found = lines.xs(name, level="feature")
        assert found["value"].tolist() == words[name].tolist()
        assert set(found["reconstruction"].dropna()) <= set(words[name])


@pytest.mark.parametrize("rows", [[60], [-1], [0.5], "some", [[1, 2]], [True]])
def test_rows_that_are_not_there_are_refused(rows, pipe, table):
    with pytest.raises(ValueError, match="rows must be positions from 0 to 59"):
        explain(pipe, table, rows=rows)


def test_steps_without_names_are_refused_by_name(table):
    pipe = make_pipeline(FunctionTransformer(np.log1p), detector()).fit(table[NUMBERS])
    with pytest.raises(TypeError, match="FunctionTransformer"):
        explain(pipe, table[NUMBERS])


def test_the_number_of_features_is_checked(pipe, table):
    with pytest.raises(ValueError, match="n_features must be a positive integer, got 0"):
        explain(pipe, table, n_features=0, rows=[0])


def test_codes_that_no_category_has_are_the_nearest_one(table):
    """A network reconstructs 0.9 or -3 where an encoder wrote 1 or 0."""
    words = table[["home", "home_country"]]
    pipe = make_pipeline(OrdinalEncoder(), detector()).fit(words)
    lines = explain(pipe, words, n_features=2, rows="all")
    wide = lines.pivot(index="position", columns="feature", values="reconstruction")
    rebuilt = pipe[-1].reconstruct(pipe[0].transform(words))
    for number, name in enumerate(words):
        categories = pipe[0].categories_[number]
        codes = np.clip(np.round(rebuilt[:, number]), 0, len(categories) - 1).astype(int)
        assert wide[name].tolist() == list(categories[codes])


def test_an_inverse_is_kept_where_another_step_has_none(table):
    columns = make_column_transformer(
        (StandardScaler(), NUMBERS),
        (FunctionTransformer(np.sign, feature_names_out="one-to-one"), NUMBERS),
    )
    pipe = make_pipeline(columns, detector()).fit(table[NUMBERS])
    assert explain(pipe, table[NUMBERS], rows="all")["reconstruction"].notna().all()


def test_indicators_of_missing_values_belong_to_their_columns(table):
    broken = table[NUMBERS].copy()
    broken.iloc[3, 2] = np.nan
    imputer = SimpleImputer(add_indicator=True)
    pipe = make_pipeline(imputer, StandardScaler(), detector()).fit(broken)
    lines = explain(pipe, broken, n_features=9, rows="all")
    assert set(lines["feature"]) == set(NUMBERS)
    assert lines["reconstruction"].notna().all()
    assert len(lines) == 3 * N_ROWS


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


def test_words_belong_to_their_column_of_text(table):
    frame = table.assign(text=["one two", "three four", "one four"] * (N_ROWS // 3))
    columns = ColumnTransformer(
        [("words", TfidfVectorizer(), "text"), ("scale", StandardScaler(), NUMBERS)],
        sparse_threshold=0,
    )
    lines = explain(make_pipeline(columns, detector()).fit(frame), frame, n_features=9, rows=[0])
    assert set(lines["feature"]) == {"text", *NUMBERS}
    found = lines.set_index("feature")
    assert found.loc["text", "value"] == "one two"
    assert pd.isna(found.loc["text", "reconstruction"])
