"""Errors about missing or infinite values name their columns."""

from __future__ import annotations

import numpy as np
import pytest

from skae import DenoisingRegressor
from tests.estimators._cases import ESTIMATORS, output, small


def spoiled(frame, value):
    """Return a copy with the value twice in one column and once in another."""
    frame = frame.astype("float64")
    frame.iloc[[3, 8], 1] = value
    frame.iloc[5, 4] = value
    return frame


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e39])
def test_columns_of_a_frame_are_named(kind, value, frame):
    message = (
        r"(?s)X contains .*\nColumns of X with such values .*: 'sensor_1' \(2\), 'sensor_4' \(1"
    )
    with pytest.raises(ValueError, match=message):
        small(kind).fit(spoiled(frame, value))
    estimator = small(kind).fit(frame)
    with pytest.raises(ValueError, match=message):
        output(estimator, spoiled(frame, value))


def test_columns_of_a_polars_frame_are_named(frame):
    pl = pytest.importorskip("polars")
    table = pl.DataFrame(spoiled(frame, np.nan).to_dict("list"))
    with pytest.raises(ValueError, match=r"such values .*: 'sensor_1' \(2\), 'sensor_4' \(1\)\.$"):
        small(DenoisingRegressor).fit(table)


def test_columns_of_an_array_are_numbered(frame):
    with pytest.raises(ValueError, match=r"Columns of X with such values .*: 1 \(2\), 4 \(1\)\.$"):
        small(DenoisingRegressor).fit(spoiled(frame, np.nan).to_numpy())


def test_of_many_columns_five_are_named(frame):
    everywhere = frame.copy()
    everywhere.iloc[0] = np.nan
    with pytest.raises(ValueError, match=r"'sensor_4' \(1\) and 1 more\.$"):
        small(DenoisingRegressor).fit(everywhere)


def test_columns_of_clean_rows_are_named(frame):
    with pytest.raises(ValueError, match=r"(?s)y contains NaN.*Columns of y .*: 'sensor_1' \(2\)"):
        small(DenoisingRegressor).fit(frame, spoiled(frame, np.nan))


def test_images_have_no_columns():
    images = np.full((4, 3, 2), np.nan)
    with pytest.raises(ValueError, match="contains NaN") as caught:
        small(DenoisingRegressor).fit(images)
    assert "Columns of" not in str(caught.value)
