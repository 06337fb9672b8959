"""Small detectors and the graphs of estimators, run by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from skae import ReconstructionOutlierDetector

# Tests that import this file are left out without these packages.
onnx, onnxruntime, skl2onnx, _ = map(
    pytest.importorskip, ("onnx", "onnxruntime", "skl2onnx", "tf2onnx")
)
to_onnx = skl2onnx.to_onnx

SMALL = {"latent_dim": 2, "hidden_layer_sizes": (4,), "epochs": 2, "random_state": 0}


def detector(**params):
    """Return an unfitted detector that fits only once unless told otherwise."""
    return ReconstructionOutlierDetector(**{**SMALL, "calibration": "training", **params})


def session_of(model):
    """Return a session that runs an ONNX model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def outputs(model, X, **feeds):
    """Return the outputs of a model of one input by name."""
    session = session_of(model)
    feeds = {session.get_inputs()[0].name: X, **feeds}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def types_of(X):
    """Return the input of a graph for samples of any shape."""
    kind = skl2onnx.common.data_types.DoubleTensorType
    return [("X", kind([None, *X.shape[1:]]))]


def assert_equal(estimator, X, **feeds):
    """Check that the graph of a detector, alone or in a pipeline, gives what Python gives."""
    got = outputs(to_onnx(estimator, initial_types=types_of(X)), X, **feeds)
    score = estimator.score_samples(X)
    decision = estimator.decision_function(X)
    np.testing.assert_allclose(got["score"], score, rtol=1e-6)
    np.testing.assert_allclose(got["decision"], decision, rtol=0, atol=1e-6 * abs(score).max())
    is_clear = abs(decision) > 1e-6 * abs(score)
    assert is_clear.mean() > 0.9
    np.testing.assert_array_equal(got["label"][is_clear], estimator.predict(X)[is_clear])
    assert len(set(got["label"])) == 2
    return got
