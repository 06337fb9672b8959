"""Errors of a reconstruction."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import mean_absolute_error, mean_squared_error

from skae.errors import AbsoluteError, CustomError, SquaredError, resolve_error

MAE = [
    "mae",
    "MAE",
    "mean_absolute_error",
    "MeanAbsoluteError",
    keras.losses.MeanAbsoluteError,
    keras.losses.MeanAbsoluteError(),
    keras.losses.MeanAbsoluteError(name="mine"),
    keras.losses.mean_absolute_error,
    keras.losses.get("mae"),
    type("Mine", (keras.losses.MeanAbsoluteError,), {}),
]
OTHER = ["mse", "huber", keras.losses.MeanSquaredError(), keras.losses.binary_crossentropy, None]


@pytest.fixture
def pair(rng):
    return rng.normal(size=(7, 3)), rng.normal(size=(7, 3))


def test_means_are_those_of_scikit_learn(pair):
    np.testing.assert_allclose(AbsoluteError()(*pair).mean(), mean_absolute_error(*pair))
    np.testing.assert_allclose(SquaredError()(*pair).mean(), mean_squared_error(*pair))


def _kind(loss):
    """Name a loss without its address, which differs between the workers of pytest-xdist."""
    return loss if isinstance(loss, str) else type(loss).__name__


@pytest.mark.parametrize("error", ["absolute", "squared", lambda x, r: (x - r) ** 4])
def test_arrays_and_tensors_agree(error, pair):
    error = resolve_error(error)
    tensors = [tf.constant(values) for values in pair]
    assert error(*pair).shape == pair[0].shape
    np.testing.assert_allclose(error(*tensors).numpy(), error(*pair))
    np.testing.assert_allclose(tf.function(error)(*tensors).numpy(), error(*pair))


@pytest.mark.parametrize("loss", MAE, ids=_kind)
def test_auto_is_absolute_for_mae(loss):
    assert resolve_error("auto", loss) == AbsoluteError()


@pytest.mark.parametrize("loss", OTHER, ids=_kind)
def test_auto_is_squared_otherwise(loss):
    assert resolve_error("auto", loss) == SquaredError()


@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_a_name_overrules_the_loss(loss):
    assert resolve_error("absolute", loss).name == "absolute"
    assert resolve_error("squared", loss).name == "squared"


def test_a_function(pair):
    error = resolve_error(np.hypot)
    assert error == CustomError(np.hypot)
    assert error.name == "hypot"
    np.testing.assert_array_equal(error(*pair), np.hypot(*pair))


def test_resolved_errors_stay_themselves():
    error = SquaredError()
    assert resolve_error(error) is error
    assert pickle.loads(pickle.dumps(error)) == error
    assert len({AbsoluteError(), AbsoluteError(), SquaredError()}) == 2


def test_unknown_names():
    with pytest.raises(ValueError, match=r"error='absolut' is not known\. Did you mean 'absolute'"):
        resolve_error("absolut")
    with pytest.raises(TypeError, match="error=3 is neither a name nor a callable; pass one of"):
        resolve_error(3)
