"""No fit depends on an earlier fit of another model: what is set on classes and instances."""

from __future__ import annotations

import functools
import importlib
import sys

import keras
import pytest
from keras import layers

from tests.engine import _holders
from tests.engine._pairs import applying, check_pair, of, stack


class _Mixin:
    def factor(self):
        return 1.0


class _Base(layers.Layer):
    k = 1.0
    _k = 1.0
    __k__ = 1.0
    table = {"k": 1.0}  # noqa: RUF012 - mutable on purpose

    @staticmethod
    def of_the_class():
        return 1.0

    @property
    def shown(self):
        return 1.0

    def call(self, x):
        own = self.k * self._k * self.__k__ * self.table["k"] * self.factor()
        return x * own * self.of_the_class() * self.shown


class Importable(_Base, _Mixin):
    """A layer that pickle knows by its name."""


def _local():
    class Mixin(_Mixin):
        pass

    class Base(_Base):
        table = {"k": 1.0}  # noqa: RUF012

    class Local(Base, Mixin):
        pass

    return Local


CLASS_CHANGES = {
    "attribute": (0, "k", 3.0),
    "private attribute": (0, "_k", 3.0),
    "dunder": (0, "__k__", 3.0),
    "attribute of a base": (1, "k", 3.0),
    "method": (0, "call", lambda self, x: x * 3),
    "method of a base": (1, "call", lambda self, x: x * 3),
    "method of a mixin": (2, "factor", lambda self: 3.0),
    "static method": (1, "of_the_class", staticmethod(lambda: 3.0)),
    "property": (1, "shown", property(lambda self: 3.0)),
    "table": (1, "table", {"k": 3.0}),
}


@pytest.mark.parametrize("importable", [True, False], ids=["importable", "local"])
@pytest.mark.parametrize("change", CLASS_CHANGES)
def test_what_is_changed_on_a_class(change, importable, monkeypatch):
    depth, name, value = CLASS_CHANGES[change]
    kind = Importable if importable else _local()
    owner = (kind, *kind.__bases__)[depth]
    make = of(kind)
    check_pair(make, make, functools.partial(monkeypatch.setattr, owner, name, value))


def test_what_is_changed_in_place_on_a_class(monkeypatch):
    make = of(Importable)
    check_pair(make, make, lambda: monkeypatch.setitem(_Base.table, "k", 3.0))


class _Meta(type(layers.Layer)):
    factor = 1.0


class _OfAMetaclass(layers.Layer, metaclass=_Meta):
    def call(self, x):
        return x * type(self).factor


def test_what_is_changed_on_a_metaclass(monkeypatch):
    make = of(_OfAMetaclass)
    check_pair(make, make, lambda: monkeypatch.setattr(_Meta, "factor", 3.0))


class _Descriptor:
    value = 1.0

    def __get__(self, instance, owner=None):
        return self.value


class _Described(layers.Layer):
    k = _Descriptor()

    def call(self, x):
        return x * self.k


def test_what_is_changed_on_a_descriptor(monkeypatch):
    make = of(_Described)
    check_pair(make, make, lambda: monkeypatch.setattr(_Descriptor, "value", 3.0))


def test_what_is_changed_on_a_callable_object_of_a_function(monkeypatch):
    make = applying(_holders.Scale(2.0))
    change = functools.partial(monkeypatch.setattr, _holders.Scale, "__call__", lambda self, x: -x)
    check_pair(make, make, change)


FIRST = """
import keras
from keras import layers

FACTOR = 1.0

def scaled(x):
    return x * FACTOR

class Base(layers.Layer):
    own = 1.0

    def call(self, x):
        return scaled(x) * self.own * self.extra()
"""
SECOND = """
import first_of_the_pair
from first_of_the_pair import Base, scaled

class Child(Base):
    def extra(self):
        return 1.0

def apply(x):
    return first_of_the_pair.scaled(x)
"""
MODULE_CHANGES = {
    "number": ("first_of_the_pair", "FACTOR", 3.0),
    "function": ("first_of_the_pair", "scaled", lambda x: x * 3),
    "attribute of a base": ("first_of_the_pair.Base", "own", 3.0),
    "method of a base": ("first_of_the_pair.Base", "call", lambda self, x: x * 3),
    "method": ("second_of_the_pair.Child", "extra", lambda self: 3.0),
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write two modules of which one imports the other, and import them."""
    monkeypatch.syspath_prepend(tmp_path)
    names = ("first_of_the_pair", "second_of_the_pair")
    for name, text in zip(names, (FIRST, SECOND), strict=True):
        (tmp_path / f"{name}.py").write_text(text)
    yield [importlib.import_module(name) for name in names]
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("change", MODULE_CHANGES)
def test_what_is_changed_in_a_module(change, modules, monkeypatch):
    owner, name, value = MODULE_CHANGES[change]
    _, second = modules
    make = of(second.Child)
    check_pair(make, make, lambda: monkeypatch.setattr(f"{owner}.{name}", value))


@pytest.mark.parametrize("change", ["FACTOR", "scaled"])
def test_what_a_function_of_a_module_reads_in_another(change, modules, monkeypatch):
    first, second = modules
    value = {"FACTOR": 3.0, "scaled": lambda x: x * 3}[change]
    make = applying(second.apply)
    check_pair(make, make, lambda: monkeypatch.setattr(first, change, value))


def test_a_module_that_is_loaded_anew(modules, tmp_path):
    first, _ = modules

    def make():
        return stack(layers.Activation(sys.modules["first_of_the_pair"].scaled))

    def change():
        # Of another length, or the import system may take its compiled file for up to date.
        (tmp_path / "first_of_the_pair.py").write_text(FIRST.replace("1.0", "3.00"))
        importlib.invalidate_caches()
        importlib.reload(first)

    check_pair(make, make, change)


@keras.saving.register_keras_serializable("skae-tests", "Scaled")
class _Once(layers.Layer):
    def call(self, x):
        return x * 1.0


class _Thrice(layers.Layer):
    def call(self, x):
        return x * 3.0


def test_two_classes_registered_by_one_name():
    config = stack(_Once()).get_config()

    def make():
        return keras.Sequential.from_config(config)

    try:
        change = keras.saving.register_keras_serializable("skae-tests", "Scaled")
        check_pair(make, make, lambda: change(_Thrice))
    finally:
        keras.saving.register_keras_serializable("skae-tests", "Scaled")(_Once)


@pytest.mark.parametrize("kind", [_Once, _Thrice])
def test_custom_object_scopes(kind):
    config = stack(_Once()).get_config()

    def make(kind):
        with keras.saving.custom_object_scope({"skae-tests>Scaled": kind}):
            return keras.Sequential.from_config(config)

    other = _Thrice if kind is _Once else _Once
    check_pair(lambda: make(kind), lambda: make(other))
