"""No fit depends on an earlier fit of another model: what a model reads, and patches of Keras."""

from __future__ import annotations

import builtins
import contextvars
import importlib
import os
import random
import sys
import threading
import time
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.engine._pairs import NAME, D, applying, check_pair, stack, step

CONTEXT = contextvars.ContextVar("factor", default=1.0)
LOCAL = threading.local()
SETTINGS = types.ModuleType("settings_of_the_pair")


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Return a function that sets the number that the readers below read, wherever that is."""
    monkeypatch.setitem(sys.modules, SETTINGS.__name__, SETTINGS)
    folders = {1.0: tmp_path / "one", 3.0: tmp_path / "other"}
    file = tmp_path / "factor.txt"
    monkeypatch.setitem(globals(), "FILE", str(file))
    numpy_state = np.random.get_state()  # noqa: NPY002
    python_state = random.getstate()

    def change(k):
        file.write_text(str(k))
        folders[k].mkdir(exist_ok=True)
        (folders[k] / "relative.txt").write_text(str(k))
        monkeypatch.chdir(folders[k])
        monkeypatch.setenv("FACTOR_OF_THE_PAIR", str(k))
        monkeypatch.setattr(builtins, "factor_of_the_pair", k, raising=False)
        monkeypatch.setattr(SETTINGS, "k", k, raising=False)
        monkeypatch.setattr(time, "timezone", k)
        monkeypatch.setattr(sys, "argv", ["program", str(k)])
        CONTEXT.set(k)
        LOCAL.k = k

    change(1.0)
    yield change
    CONTEXT.set(1.0)
    np.random.set_state(numpy_state)  # noqa: NPY002
    random.setstate(python_state)


FILE = None


def _imported():
    import settings_of_the_pair

    return settings_of_the_pair.k


def _opened():
    with open(FILE) as file:  # noqa: PTH123 - a builtin, which code calls by no module's name
        return float(file.read())


READERS = {
    "file": _opened,
    "relative path": lambda: float(Path("relative.txt").read_text()),
    "environment": lambda: float(os.environ["FACTOR_OF_THE_PAIR"]),
    "builtins": lambda: factor_of_the_pair,  # noqa: F821
    "module": lambda: SETTINGS.k,
    "import when called": _imported,
    "import by name": lambda: importlib.import_module("settings_of_the_pair").k,
    "standard library": lambda: time.timezone,
    "arguments of the program": lambda: float(sys.argv[1]),
    "context variable": CONTEXT.get,
    "thread's own": lambda: getattr(LOCAL, "k", 1.0),
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_read_while_a_model_is_traced(reader, world):
    read = READERS[reader]
    make = applying(lambda x: x * read())
    check_pair(make, make, lambda: world(3.0))


@pytest.mark.parametrize("reader", ["file", "environment"])
def test_a_program_that_does_not_do_what_the_model_does_is_told(reader, world):
    """Equal by their code, unlike by what they read: a warning names the model."""
    read = READERS[reader]
    make = applying(lambda x: x * read())
    assert any(NAME in message for message in check_pair(make, make, lambda: world(3.0)))


@pytest.mark.parametrize("module", [np.random, random], ids=["NumPy", "Python"])
def test_numbers_drawn_while_a_model_is_traced(module):
    """They are unknown; the second fit must not use those of the first."""

    def losses(seed):
        def make():
            np.random.seed(seed)  # noqa: NPY002 - what is tested
            return stack(layers.Activation(lambda x: x * module.uniform(1.0, 9.0)))

        return step(make).fit("auto").history_["loss"]

    assert losses(0) != losses(1)


PATCHES = {
    "operation": (ops, "softsign", lambda x: 3 * x, applying(lambda x: keras.ops.softsign(2 * x))),
    "operation of NumPy": (
        np,
        "sqrt",
        lambda x: 1.0,
        applying(lambda x: x * np.float32(np.sqrt(9))),
    ),
    "layer": (layers.ReLU, "call", lambda self, x: -x, lambda: stack(layers.ReLU())),
    "base of layers": (layers.Layer, "scaled", lambda self, x: 3 * x, lambda: stack(_Scaled())),
    "loss": (
        keras.losses.MeanSquaredError,
        "call",
        lambda self, y, p: 3 * ops.mean((y - p) ** 2, axis=-1),
        step(stack, loss=keras.losses.MeanSquaredError()),
    ),
    "regularizer": (
        keras.regularizers.L2,
        "__call__",
        lambda self, w: 3 * ops.sum(w**2),
        lambda: stack(layers.Dense(D, kernel_regularizer="l2")),
    ),
}


class _Scaled(layers.Layer):
    def call(self, x):
        return self.scaled(x) if hasattr(self, "scaled") else x


@pytest.mark.parametrize("patch", PATCHES)
def test_patched_functions_of_keras(patch, monkeypatch):
    owner, name, value, both = PATCHES[patch]
    check_pair(both, both, lambda: monkeypatch.setattr(owner, name, value, raising=False))


@pytest.fixture
def _configuration():
    """Put Keras's configuration back."""
    config = keras.config
    previous = config.image_data_format(), config.epsilon(), config.floatx(), config.dtype_policy()
    yield
    config.set_image_data_format(previous[0])
    config.set_epsilon(previous[1])
    config.set_floatx(previous[2])
    config.set_dtype_policy(previous[3])


def _by_data_format(x):
    return x * (3.0 if keras.config.image_data_format() == "channels_first" else 1.0)


CONFIGURATION = {
    "image data format": (
        lambda: keras.config.set_image_data_format("channels_first"),
        applying(_by_data_format),
    ),
    "image data format of a layer": (
        lambda: keras.config.set_image_data_format("channels_first"),
        lambda: stack(layers.Reshape((2, 3, 1)), layers.Flatten()),
    ),
    "epsilon": (
        lambda: keras.config.set_epsilon(0.5),
        applying(lambda x: x / (keras.config.epsilon() + 0.5)),
    ),
    "epsilon of a stock layer": (
        lambda: keras.config.set_epsilon(0.5),
        step(stack, loss="mean_squared_logarithmic_error"),
    ),
    "float type": (
        lambda: keras.config.set_floatx("float64"),
        applying(lambda x: x * (3.0 if keras.config.floatx() == "float64" else 1.0)),
    ),
    "dtype policy": (
        lambda: keras.config.set_dtype_policy("float64"),
        lambda: stack(layers.Activation("tanh")),
    ),
}


@pytest.mark.usefixtures("_configuration")
@pytest.mark.parametrize("change", CONFIGURATION)
def test_configuration_of_keras(change):
    between, both = CONFIGURATION[change]
    check_pair(both, both, between)
