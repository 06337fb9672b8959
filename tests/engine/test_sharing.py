"""No fit depends on an earlier fit of another model: what a function holds and reads.

Every test fits two models in one process that differ in one thing; see `check_pair`.
"""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import enum
import functools
import itertools
import math
import types
import weakref

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from keras import layers
from sklearn.preprocessing import StandardScaler

from tests.engine import _holders
from tests.engine._pairs import D, X, applying, check_pair

KEPT = []


def _nested(k):
    def outer():
        return k

    return lambda x: x * outer()


def _attribute_of_a_function(k):
    def scaled(x):
        return x * scaled.k

    scaled.k = k
    return scaled


def _keyword(k):
    def scaled(x, *, k=k):
        return x * k

    return scaled


def _enum(k):
    kinds = enum.Enum("Kind", {"ONE": 1.0, "THREE": 3.0})
    return _read(kinds(k), lambda kind: kind.value)


def _dataclass(k):
    @dataclasses.dataclass(frozen=True)
    class Settings:
        k: float

    return _read(Settings(k), lambda settings: settings.k)


def _property(k):
    table = {"k": k}

    class Settings:
        @property
        def k(self):
            return table["k"]

    return _read(Settings(), lambda settings: settings.k)


def _weak(k):
    KEPT.append(_holders.Scale(k))
    reference = weakref.ref(KEPT[-1])
    return lambda x: x * reference().k


def _dispatched(k):
    @functools.singledispatch
    def factor(kind):
        return 0.0

    factor.register(int)(lambda kind: k)
    return lambda x: x * factor(1)


def _custom_gradient(k):
    return tf.custom_gradient(lambda x: (x, lambda upstream: upstream * k))


def _foreign_layer(k):
    layer = layers.Dense(D, kernel_initializer=keras.initializers.Constant(k / 6))
    layer.build((None, D))
    return lambda x: layer(x) + x


def _module(k):
    module = types.ModuleType("settings")
    module.k = k
    return lambda x: x * module.k


def _float_with_an_attribute(k):
    class Number(float):
        pass

    number = Number(1.0)
    number.k = k
    return lambda x: x * number.k


def _read(held, read):
    return lambda x: x * read(held)


FUNCTIONS = {
    "closure": lambda k: lambda x: x * k,
    "nested closure": _nested,
    "default": lambda k: lambda x, k=k: x * k,
    "keyword default": _keyword,
    "mutable default": lambda k: lambda x, held={"k": [k]}: x * held["k"][0],
    "attribute of a function": _attribute_of_a_function,
    "partial": lambda k: functools.partial(lambda k, x: x * k, k),
    "partial of a stock function": lambda k: functools.partial(
        keras.activations.leaky_relu, negative_slope=k / 4
    ),
    "bound method": lambda k: _holders.Scale(k).apply,
    "callable object": _holders.Scale,
    "slots": _holders.Slotted,
    "equal to everything": _holders.Alike,
    "pickled without its number": _holders.Hiding,
    "pickled as another": _holders.Reduced,
    "enum": _enum,
    "dataclass": _dataclass,
    "property": _property,
    "named tuple": lambda k: _read(collections.namedtuple("Held", "k")(k), lambda h: h.k),
    "namespace": lambda k: _read(types.SimpleNamespace(k=k), lambda h: h.k),
    "mapping proxy": lambda k: _read(types.MappingProxyType({"k": k}), lambda h: h["k"]),
    "default factory": lambda k: _read(collections.defaultdict(lambda: k), lambda h: h["k"]),
    "module object": _module,
    "float with an attribute": _float_with_an_attribute,
    "weak reference": _weak,
    "cached function": lambda k: _read(functools.lru_cache(lambda: k), lambda h: h()),
    "single dispatch": _dispatched,
    "generator": lambda k: _read((k for _ in itertools.count()), next),
    "iterator": lambda k: _read(itertools.repeat(k), next),
    "array": lambda k: _read(np.full(D, k, "float32"), lambda h: h),
    "object array": lambda k: _read(np.array([{"k": k}], object), lambda h: h[0]["k"]),
    "array.array": lambda k: _read(array.array("d", [k]), lambda h: h[0]),
    "memory view": lambda k: _read(memoryview(array.array("d", [k])), lambda h: h[0]),
    "pandas": lambda k: _read(pd.Series(np.full(D, k, "float32")), lambda h: h.to_numpy()),
    "scipy": lambda k: _read(scipy.sparse.csr_array([[k]]), lambda h: float(h.sum())),
    "scikit-learn": lambda k: _read(StandardScaler().fit(X * k), lambda h: np.float32(h.scale_)),
    "tensor": lambda k: _read(tf.constant(k), lambda h: h),
    "variable": lambda k: _read(tf.Variable(k, trainable=False), lambda h: h),
    "tf.function": lambda k: tf.function(lambda x: x * k),
    "custom gradient": _custom_gradient,
    "layer that the model does not list": _foreign_layer,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_what_a_function_holds(function):
    check_pair(applying(function(1.0)), applying(function(3.0)))


@pytest.mark.parametrize(
    ("first", "second"),
    [(1, True), (1, 1.0), (1.0, np.float32(1)), ((1,), [1]), ({1}, frozenset({1})), ("1", b"1")],
    ids=["bool", "float", "float32", "list", "frozenset", "bytes"],
)
def test_what_equals_or_looks_alike_is_not_the_same(first, second):
    kind = type(second)
    check_pair(
        *(applying(lambda x, k=k: x * (3.0 if type(k) is kind else 1.0)) for k in (first, second))
    )


def test_minus_zero():
    check_pair(*(applying(lambda x, k=k: x * math.copysign(2.0, k)) for k in (0.0, -0.0)))


SCALE = 1.0


@pytest.mark.parametrize(
    "function",
    [lambda x: x * SCALE, lambda x: x * globals()["SCALE"], lambda x: sum(SCALE * x for _ in "a")],
    ids=["by name", "by globals()", "in a function inside"],
)
def test_globals(function, monkeypatch):
    change = functools.partial(monkeypatch.setitem, globals(), "SCALE", 3.0)
    check_pair(applying(function), applying(function), change)


CHANGED_IN_PLACE = {
    "list": ([1.0], lambda h: h[0], lambda h: h.__setitem__(0, 3.0)),
    "nested": ({"a": [[1.0]]}, lambda h: h["a"][0][0], lambda h: h["a"][0].__setitem__(0, 3.0)),
    "array": (np.ones(D, "float32"), lambda h: h, lambda h: h.fill(3)),
    "object": (_holders.Scale(1.0), lambda h: h.k, lambda h: setattr(h, "k", 3.0)),
    "deque": (collections.deque([1.0]), lambda h: h[-1], lambda h: h.append(3.0)),
}


@pytest.mark.parametrize("held", CHANGED_IN_PLACE)
def test_what_is_changed_in_place(held):
    holder, read, change = CHANGED_IN_PLACE[held]
    holder = copy.deepcopy(holder)
    make = applying(_read(holder, read))
    check_pair(make, make, lambda: change(holder))
