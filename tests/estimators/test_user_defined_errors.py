"""User-defined error functions, which run inside compiled programs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from skae import ReconstructionOutlierDetector
from tests.estimators._cases import Exploding, small


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (lambda x, r: np.abs(np.asarray(x) - r), r"lambda> fails on tensors .* keras.ops.abs"),
        (lambda x, r: keras.ops.mean(abs(x - r), axis=-1), r"it returned \(None,\)"),
        (lambda x, r: 1.0, r"\(None, 6\); it returned \(\)"),
    ],
    ids=["numpy", "by row", "number"],
)
def test_an_unusable_error_is_refused_before_training(error, message, table):
    detector = small(ReconstructionOutlierDetector, error=error, callbacks=[Exploding()])
    with pytest.raises(TypeError, match=message):
        detector.fit(table)


@pytest.mark.parametrize("n", [5, 300])
def test_an_error_of_operations_serves_any_number_of_rows(n, table):
    cubes = {"error": lambda x, r: keras.ops.abs(x - r) ** 3, "scale": False}
    detector = small(ReconstructionOutlierDetector, **cubes)
    rows = np.resize(detector.fit(table).reconstruct(table) + 0.1, (n, 6)).astype(np.float32)
    expected = (np.abs(rows - detector.reconstruct(rows)) ** 3).mean(axis=1)
    np.testing.assert_allclose(detector.reconstruction_error(rows), expected, rtol=1e-4)
