"""The graphs of transformers and of the denoiser, of pipelines, and what converting costs."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from skae import AutoencoderTransformer, DenoisingRegressor, VariationalAutoencoder
from skae.onnx import inverse_to_onnx
from tests._scripts import run
from tests.onnx._sessions import (
    SMALL,
    assert_equal,
    detector,
    onnx,
    outputs,
    session_of,
    to_onnx,
    types_of,
)


@pytest.fixture(scope="module")
def table():
    return np.random.default_rng(0).normal(size=(60, 6))


TRANSFORMERS = [
    AutoencoderTransformer(**SMALL),
    AutoencoderTransformer(**{**SMALL, "model": "conv", "latent_dim": None}),
    VariationalAutoencoder(**SMALL),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_codes_and_the_way_back(transformer, dtype, table):
    X = table.astype(dtype)
    transformer.fit(X)
    codes = outputs(to_onnx(transformer, X[:1]), X)["codes"]
    np.testing.assert_allclose(codes, transformer.transform(X), rtol=1e-6, atol=1e-6)
    assert codes.dtype == dtype
    codes = codes.astype(np.float64)
    samples = outputs(inverse_to_onnx(transformer), codes)["samples"]
    np.testing.assert_allclose(samples, transformer.inverse_transform(codes), rtol=1e-6, atol=1e-6)


def test_the_way_back_to_images(rng):
    X = rng.normal(size=(20, 4, 3))
    coder = AutoencoderTransformer(**{**SMALL, "model": "conv"}).fit(X)
    Z = coder.transform(X)
    samples = outputs(inverse_to_onnx(coder, target_opset=18), Z)["samples"]
    np.testing.assert_allclose(samples, coder.inverse_transform(Z), rtol=1e-6, atol=1e-6)
    codes = outputs(to_onnx(coder, initial_types=types_of(X)), X)["codes"]
    np.testing.assert_allclose(codes, Z, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_targets", [None, 1, 3])
def test_a_denoiser(n_targets, table):
    y = {None: None, 1: table[:, 0], 3: table[:, :3]}[n_targets]
    denoiser = DenoisingRegressor(**SMALL).fit(table, y)
    got = outputs(to_onnx(denoiser, table[:1]), table)["prediction"]
    expected = denoiser.predict(table)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)


def test_pipelines(table, rng):
    pipeline = make_pipeline(StandardScaler(), detector()).fit(table)
    assert_equal(pipeline, rng.normal(size=(200, 6)) * [1, 1, 1, 2, 2, 9])
    pipeline = make_pipeline(
        MinMaxScaler(), AutoencoderTransformer(**SMALL), StandardScaler(), detector(latent_dim=1)
    ).fit(table)
    assert_equal(pipeline, rng.normal(size=(200, 6)) * [1, 1, 1, 2, 2, 9])


def test_columns_of_a_frame(table, rng):
    frame = pd.DataFrame(table[:, :3], columns=list("abc")).assign(kind=rng.choice(list("xy"), 60))
    columns = make_column_transformer(
        (StandardScaler(), list("abc")), (OneHotEncoder(sparse_output=False), ["kind"])
    )
    pipeline = make_pipeline(columns, detector()).fit(frame)
    session = session_of(to_onnx(pipeline, frame[:1]))
    feed = {name: frame[[name]].to_numpy() for name in frame}
    label, score = session.run(["label", "score"], feed)
    np.testing.assert_allclose(score, pipeline.score_samples(frame), rtol=1e-6)
    np.testing.assert_array_equal(label, pipeline.predict(frame))


def test_columns_without_a_transformer(table):
    frame = pd.DataFrame(table, columns=list("abcdef"))
    fitted = detector().fit(frame)
    session = session_of(to_onnx(fitted, frame[:1]))
    (score,) = session.run(["score"], {name: frame[[name]].to_numpy() for name in frame})
    np.testing.assert_allclose(score, fitted.score_samples(frame), rtol=1e-6)


def test_a_model_is_valid_and_leaves_the_estimator_and_logging_alone(table):
    fitted = detector().fit(table)
    before, level = dict(vars(fitted)), logging.getLogger("tf2onnx").level
    handlers = logging.getLogger().handlers[:]
    onnx.checker.check_model(to_onnx(fitted, table[:1]))
    assert vars(fitted).keys() == before.keys()
    assert not fitted._deferred.is_built
    assert logging.getLogger().handlers == handlers
    assert (logging.root.manager.disable, logging.getLogger("tf2onnx").level) == (0, level)


def test_an_estimator_has_to_be_fitted(table):
    with pytest.raises(NotFittedError):
        to_onnx(detector(), table[:1])
    with pytest.raises(NotFittedError):
        inverse_to_onnx(AutoencoderTransformer())


@pytest.mark.parametrize("other", [StandardScaler(), detector()], ids=["scaler", "detector"])
def test_only_transformers_have_a_way_back(other):
    with pytest.raises(TypeError, match="is no transformer of skae; pass an AutoencoderTransf"):
        inverse_to_onnx(other)


@pytest.mark.parametrize("package", ["onnx", "skl2onnx", "tf2onnx"])
def test_a_missing_package_is_named(package, table, monkeypatch):
    for module in [name for name in sys.modules if name.startswith("skae.onnx._")]:
        if module != "skae.onnx._hooks":
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ImportError, match=f"needs the package {package}.*skae\\[onnx\\]"):
        detector().onnx_converter()


def test_fitting_imports_none_of_it():
    code = """
import sys
import numpy as np
from skae import ReconstructionOutlierDetector
X = np.random.default_rng(0).normal(size=(40, 3))
detector = ReconstructionOutlierDetector(latent_dim=1, epochs=1, calibration="training").fit(X)
detector.predict(X)
print({"onnx", "skl2onnx", "tf2onnx", "onnxruntime"} & set(sys.modules))
"""
    assert run(code).stdout.strip() == "set()"
