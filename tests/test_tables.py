"""Errors, before training, for tables that are not numeric."""

import datetime

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skae import DenoisingRegressor, ReconstructionOutlierDetector
from skae._tables import check_numbers

N = 12
STAMP = pd.date_range("2026-01-01", periods=N, freq="h")
FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 3)), columns=["a", "b", "c"])
TIMES = {
    "datetime": STAMP,
    "with zone": STAMP.tz_localize("UTC"),
    "duration": STAMP - STAMP[0],
    "period": STAMP.to_period("D"),
    "interval": pd.IntervalIndex.from_breaks(range(N + 1)),
}
TEXTS = {
    "text": ["x", "y"] * 6,
    "string": pd.array(["x", "y"] * 6, dtype="string"),
    "category": pd.Categorical(["x", "y"] * 6),
    "one bad number": ["1.5"] * 11 + ["1,234.5"],
    "missing": pd.array([1, pd.NA] * 6, dtype=object),
    "dates": [datetime.date(2026, 1, 1)] * N,
    "dicts": [{"x": 1}] * N,
    "arrays": [np.zeros(2)] * N,
}
NUMBERS = {
    "integers": range(N),
    "booleans": [True, False] * 6,
    "nullable": pd.array([1, 2] * 6, dtype="Int64"),
    "numbers as text": ["1.5"] * N,
    "categories of numbers": pd.Categorical([1, 2] * 6),
    "objects": np.arange(N).astype(object),
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_named(kind):
    frame = FRAME.assign(when=TIMES[kind])
    with pytest.raises(TypeError, match="Columns of X with dates or times: 'when'. .*hour of the"):
        check_numbers(frame, "X")
    if kind in ("datetime", "duration"):
        with pytest.raises(TypeError, match=r"X has values of type (datetime|timedelta)64"):
            check_numbers(np.column_stack([TIMES[kind].to_numpy()] * 2), "X")


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_are_named(kind):
    frame = FRAME.assign(city=TEXTS[kind], town=TEXTS[kind])
    with pytest.raises(
        ValueError, match="Columns of X that are not numbers: 'city', 'town'. .*One"
    ):
        check_numbers(frame, "X")


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_taken(kind):
    frame = FRAME.assign(number=NUMBERS[kind])
    check_numbers(frame, "X")
    check_numbers(pd.concat([frame, frame], axis=1), "X")  # names that stand twice


class _Lazy:
    columns = ("a",)

    def collect(self):
        raise AssertionError

    collect_schema = collect


class _Schema:
    types = ("double", "date32[day]")


class _Arrow:
    """Has what a table of pyarrow has."""

    schema, column_names, columns = _Schema(), ["a", "day"], [None, None]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (None, "X is None"),
        (_Lazy(), r"_Lazy, which has no rows yet; pass X.collect\(\)"),
        (_Arrow(), "dates or times: 'day'"),
        (np.ma.masked_equal([[1.0, -9.0]], -9.0), "masked array with masked values"),
        ({"a": [1.0]}, r"X is a dict; pass a table, such as pandas.DataFrame\(X\)"),
        ([{"a": 1.0}], r"list of dicts; pass pandas.DataFrame\(X\)"),
        (pd.Series([np.zeros(2)] * 3), r"Series of arrays; pass numpy.stack\(X\)"),
    ],
)
def test_containers_are_told_what_to_do(X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_numbers(X, "X")


def test_a_masked_array_without_masked_values_is_an_array():
    check_numbers(np.ma.array(np.ones((3, 2))), "X")


def test_every_method_looks():
    detector = ReconstructionOutlierDetector(latent_dim=1, epochs=1).fit(FRAME)
    dated = FRAME.assign(a=STAMP)
    for call in (detector.fit, detector.predict, detector.explain, detector.recalibrate):
        with pytest.raises(TypeError, match="Columns of X with dates or times: 'a'"):
            call(dated)
    with pytest.raises(TypeError, match="Columns of y with dates or times: 'a'"):
        DenoisingRegressor(latent_dim=1, epochs=1).fit(FRAME, dated)


@pytest.mark.parametrize(
    "labels",
    [
        [2021, 2022, 2023],
        [1, 2, 3],
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
    ],
    ids=["years", "small", "pairs"],
)
def test_explanations_have_the_labels_of_columns(labels):
    frame = pd.DataFrame(FRAME.to_numpy(), columns=labels)
    detector = ReconstructionOutlierDetector(latent_dim=1, epochs=1, threshold=0.0).fit(frame)
    labels = list(frame.columns)
    errors = detector.feature_errors(frame)
    assert list(errors.columns) == labels
    assert set(detector.explain(frame, 3)["feature"]) == set(labels)
    grouped = detector.feature_errors(frame, groups={"g": labels[:2], "one": labels[2]})
    assert list(grouped.columns) == ["g", "one"]
    assert_array_equal(grouped["g"], errors.iloc[:, 0] + errors.iloc[:, 1])
    with pytest.raises(ValueError, match="names the column 99"):
        detector.feature_errors(frame, groups={"g": [99]})


def test_explanations_of_windows_name_step_and_channel():
    X = np.zeros((N, 4, 2), np.float32)
    X[3, 2, 1] = 9.0
    detector = ReconstructionOutlierDetector(latent_dim=1, epochs=1).fit(X)
    assert list(detector.feature_errors(X).columns) == list(np.ndindex(4, 2))
    assert detector.explain(X, 1).loc[0, ["row", "feature"]].tolist() == [3, (2, 1)]


def test_an_empty_explanation_has_the_types_of_any():
    detector = ReconstructionOutlierDetector(latent_dim=1, epochs=1, threshold=0.0).fit(FRAME)
    some = detector.explain(FRAME)
    detector.threshold_ = 1e9
    none = detector.explain(FRAME)
    assert len(none) == 0 < len(some)
    assert none.dtypes.to_dict() == some.dtypes.to_dict()
