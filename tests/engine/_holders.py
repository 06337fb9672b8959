"""Layers and objects that hold a number: importable, so that pickle knows them by their names."""

from __future__ import annotations

import copy

import keras
from keras import layers

from tests.engine._pairs import NAME, D


class Scale:
    """Multiplies by a number."""

    def __init__(self, k):
        self.k = k

    def __call__(self, x):
        return x * self.k

    def apply(self, x):
        return x * self.k


class Slotted:
    """Keeps its number in a slot."""

    __slots__ = ("k",)

    def __init__(self, k):
        self.k = k

    def __call__(self, x):
        return x * self.k


class Alike(Scale):
    """Says that it equals everything."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


class Hiding(Scale):
    """Leaves its number out of its pickle."""

    def __getstate__(self):
        return {}


class Reduced(Scale):
    """Is pickled as another object, alike for all numbers."""

    def __reduce__(self):
        return Scale, (1.0,)


class Holding(layers.Layer):
    """Multiplies by what it holds."""

    def __init__(self, held, **options):
        super().__init__(**options)
        self.held = held

    def call(self, x):
        return x * self.value()

    def value(self):
        return self.held

    def compute_output_shape(self, shape):
        return shape


class HoldingDeep(Holding):
    def value(self):
        return self.held["a"]["b"][0]


class HoldingObject(Holding):
    def value(self):
        return self.held.k


class Drawing(Holding):
    """Draws a number from a generator, which stays as it was."""

    def value(self):
        return 5 * float(copy.deepcopy(self.held).random())


class Under(layers.Layer):
    """Holds a number as the attribute of a name."""

    def __init__(self, attribute, k):
        super().__init__()
        self.attribute = attribute
        setattr(self, attribute, k)

    def call(self, x):
        return x * (2.0 if getattr(self, self.attribute) else 1.0)


class ByName(layers.Layer):
    """Multiplies by what its name says."""

    def call(self, x):
        return x * (3.0 if self.name.startswith("big") else 1.0)


class ByTrainable(layers.Layer):
    """Multiplies by whether it is trained, though there is nothing to train."""

    def call(self, x):
        return x * (3.0 if self.trainable else 1.0)


class Penalized(layers.Layer):
    """Adds a loss by a function that happens to be called like Keras's own attribute."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def call(self, x):
        self.add_loss(self.loss(x))
        return x


class Weighted(layers.Layer):
    """Has one weight, added with options that it does not keep."""

    def __init__(self, **options):
        super().__init__()
        self.w = self.add_weight(shape=(D,), initializer="ones", name="w", **options)

    def call(self, x):
        return x * self.w


@keras.saving.register_keras_serializable("skae-tests")
class Cell(layers.Layer):
    """The cell of a recurrent layer."""

    def __init__(self, k, **options):
        super().__init__(**options)
        self.k, self.state_size, self.output_size = k, 3, 3

    def build(self, shape):
        self.w = self.add_weight(shape=(3, 3), name="w")

    def call(self, x, states):
        state = keras.ops.tanh(x @ self.w + states[0]) * self.k
        return state, [state]

    def get_config(self):
        return {**super().get_config(), "k": self.k}


class Subclassed(keras.Model):
    """A subclassed model that multiplies its output."""

    def __init__(self, k, **options):
        super().__init__(name=NAME, **options)
        self.dense, self.k = layers.Dense(D), k

    def call(self, x):
        return self.dense(x) * self.k
