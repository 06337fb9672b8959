"""How explanations follow columns through the steps of a pipeline, and back."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from skae.inspection import explain
from tests.inspection._mixed import N_ROWS, NUMBERS, detector, encoder, make_table


@pytest.fixture(scope="module")
def table():
    return make_table()


class Unnamed(TransformerMixin, BaseEstimator):
    """A step that names nothing."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X.to_numpy()


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


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (FunctionTransformer(np.log1p), 'FunctionTransformer.*set its feature_names_out="one-to'),
        (Unnamed(), r"Unnamed\(\) makes of which: it needs a get_feature_names_out"),
    ],
)
def test_steps_without_names_are_refused_by_name(step, message, table):
    pipe = make_pipeline(step, detector()).fit(table[NUMBERS])
    with pytest.raises(TypeError, match=message):
        explain(pipe, table[NUMBERS])


def test_a_function_may_name_what_it_makes(table):
    step = FunctionTransformer(
        lambda X: np.column_stack([X["age"], X["age"] / X["weight"]]),
        feature_names_out=lambda step, names: [names[2], f"{names[2]}/{names[1]}"],
    )
    pipe = make_pipeline(step, detector()).fit(table[NUMBERS])
    lines = explain(pipe, table[NUMBERS], n_features=None, rows=[0])
    assert set(lines["feature"]) == {"age", ("weight", "age")}


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


@pytest.mark.parametrize("add_indicator", [True, False])
def test_a_column_without_values_leaves_the_others_their_reconstruction(add_indicator, table):
    frame = table[NUMBERS].assign(empty=np.nan)[["empty", *NUMBERS]]
    imputer = SimpleImputer(add_indicator=add_indicator)
    pipe = make_pipeline(imputer, StandardScaler(), detector())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of the column that it drops
        pipe.fit(frame)
        lines = explain(pipe, frame, n_features=None, rows="all").set_index("feature")
        rebuilt = pipe[1].inverse_transform(pipe[-1].reconstruct(pipe[:-1].transform(frame)))
    for number, name in enumerate(NUMBERS):
        assert_allclose(lines.loc[name, "reconstruction"].to_numpy(float), rebuilt[:, number])
    assert set(lines.index) - {"empty"} == set(NUMBERS)


def test_a_union_gives_what_each_of_its_steps_gives(table):
    frame = table[NUMBERS]
    union = make_union(StandardScaler(), PCA(1), "passthrough")
    pipe = make_pipeline(union, detector()).fit(frame)
    lines = explain(pipe, frame, n_features=None, rows="all")
    assert set(lines["feature"]) == {*NUMBERS, tuple(NUMBERS)}
    errors = pipe[-1].feature_scores(union.transform(frame)).to_numpy()
    wide, rebuilt = [
        lines.pivot(index="position", columns="feature", values=each)
        for each in ("error", "reconstruction")
    ]
    scaled = pipe[-1].reconstruct(union.transform(frame))[:, :3]
    expected = union.transformer_list[0][1].inverse_transform(scaled)
    for number, name in enumerate(NUMBERS):
        assert_allclose(wide[name], errors[:, number] + errors[:, number + 4])
        assert_allclose(rebuilt[name].to_numpy(float), expected[:, number], rtol=1e-6)


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
