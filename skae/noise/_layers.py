"""The noise layers.

skae has its own layers although Keras has similar ones, for four measured reasons: Keras rejects a
standard deviation above 1, its dropout rescales what it keeps (the classic masking noise does
not), it draws other numbers under XLA than without, and slowly (`skae/_random.py`), and it numbers
the variables of its random layers through a process, which costs TensorFlow about 35 kB for each
layer made.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import keras

from skae._random import normal, uniform


class _Corruption(keras.layers.Layer):
    """A layer that corrupts its inputs in training and passes them on otherwise."""

    _name_by_default: str

    def __init__(self, *, seed: int, **kwargs: Any) -> None:
        super().__init__(**{"name": self._name_by_default, **kwargs})
        self.seed = seed
        self.supports_masking = True
        self.seed_generator = keras.random.SeedGenerator(seed, name="noise_seed")

    def corrupt(self, inputs: Any) -> Any:
        """Return corrupted `inputs`."""
        raise NotImplementedError

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the inputs, corrupted while training."""
        return self.corrupt(inputs) if training else inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "seed": self.seed}


class _AddedNoise(_Corruption):
    """Adds noise, and clips the sum to a range if there is one."""

    def __init__(self, *, clip: tuple[float, float] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clip = _check_clip(clip)

    def draw(self, shape: Any) -> Any:
        """Return noise of that shape."""
        raise NotImplementedError

    def corrupt(self, inputs: Any) -> Any:
        """Return inputs plus noise."""
        noise = keras.ops.cast(self.draw(keras.ops.shape(inputs)), inputs.dtype)
        corrupted = inputs + noise
        return corrupted if self.clip is None else keras.ops.clip(corrupted, *self.clip)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "clip": self.clip}


class _ReplacingNoise(_Corruption):
    """Replaces a fraction of the values."""

    def __init__(self, *, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate: float = _check_number(rate, "rate", 1.0)

    def uniform(self, inputs: Any) -> Any:
        """Return a number in [0, 1) for every input, always in float32."""
        return uniform(keras.ops.shape(inputs), self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable(package="skae")
class GaussianNoise(_AddedNoise):
    """Adds normal noise of mean 0 to every value.

    Parameters
    ----------
    stddev : float, default=0.1
        Standard deviation of the noise, in units of the features.
    seed : int, default=0
        Seed of the stream that batches draw from.
    clip : tuple of (float, float) or None, default=None
        Range into which corrupted values are clipped.
    **kwargs
        As in every Keras layer.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.noise import GaussianNoise
    >>> layer = GaussianNoise(stddev=0.2, clip=(0, 1))
    >>> layer(np.full((1, 2), 0.5, "float32")).numpy()  # unchanged outside training
    array([[0.5, 0.5]], dtype=float32)
    """

    _name_by_default = "gaussian_noise"

    def __init__(
        self,
        stddev: float = 0.1,
        *,
        seed: int = 0,
        clip: tuple[float, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, clip=clip, **kwargs)
        self.stddev = _check_number(stddev, "stddev")

    def draw(self, shape: Any) -> Any:
        """Return normal noise of that shape."""
        return self.stddev * normal(shape, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "stddev": self.stddev}


@keras.saving.register_keras_serializable(package="skae")
class UniformNoise(_AddedNoise):
    """Adds noise that is uniform in [-amplitude, amplitude] to every value.

    Parameters
    ----------
    amplitude : float, default=0.1
        Largest change, in units of the features; the standard deviation is amplitude / sqrt(3).
    seed : int, default=0
        Seed of the stream that batches draw from.
    clip : tuple of (float, float) or None, default=None
        Range into which corrupted values are clipped.
    **kwargs
        As in every Keras layer.

    Examples
    --------
    >>> from skae.noise import UniformNoise
    >>> UniformNoise(amplitude=0.5).amplitude
    0.5
    """

    _name_by_default = "uniform_noise"

    def __init__(
        self,
        amplitude: float = 0.1,
        *,
        seed: int = 0,
        clip: tuple[float, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, clip=clip, **kwargs)
        self.amplitude = _check_number(amplitude, "amplitude")

    def draw(self, shape: Any) -> Any:
        """Return uniform noise of that shape."""
        return self.amplitude * (2.0 * uniform(shape, self.seed_generator) - 1.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "amplitude": self.amplitude}


@keras.saving.register_keras_serializable(package="skae")
class MaskingNoise(_ReplacingNoise):
    """Sets a fraction of the values, chosen at random, to 0 and leaves the others as they are.

    Parameters
    ----------
    rate : float, default=0.2
        Probability in [0, 1] with which a value is masked.
    seed : int, default=0
        Seed of the stream that batches draw from.
    **kwargs
        As in every Keras layer.

    References
    ----------
    Vincent, Larochelle, Bengio, Manzagol (2008). Extracting and composing robust features with
    denoising autoencoders. ICML. https://doi.org/10.1145/1390156.1390294

    Examples
    --------
    >>> import numpy as np
    >>> from skae.noise import MaskingNoise
    >>> MaskingNoise(rate=1.0)(np.ones((1, 3), "float32"), training=True).numpy()
    array([[0., 0., 0.]], dtype=float32)
    """

    _name_by_default = "masking_noise"

    def __init__(self, rate: float = 0.2, *, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(rate=rate, seed=seed, **kwargs)

    def corrupt(self, inputs: Any) -> Any:
        """Return `inputs` with a fraction of them set to 0."""
        return keras.ops.where(self.uniform(inputs) < self.rate, 0.0, inputs)


@keras.saving.register_keras_serializable(package="skae")
class SaltAndPepperNoise(_ReplacingNoise):
    """Sets a fraction of the values to `low` or `high`, each half of them.

    Parameters
    ----------
    rate : float, default=0.1
        Probability in [0, 1] with which a value is replaced.
    low, high : float, default=0.0 and 1.0
        What it is replaced by.
    seed : int, default=0
        Seed of the stream that batches draw from.
    **kwargs
        As in every Keras layer.

    Examples
    --------
    >>> from skae.noise import SaltAndPepperNoise
    >>> SaltAndPepperNoise(rate=0.3, low=-1.0).rate
    0.3
    """

    _name_by_default = "salt_and_pepper_noise"

    def __init__(
        self,
        rate: float = 0.1,
        *,
        low: float = 0.0,
        high: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate=rate, seed=seed, **kwargs)
        self.low = float(low)
        self.high = float(high)

    def corrupt(self, inputs: Any) -> Any:
        """Return `inputs` with a fraction of them at the two extremes."""
        drawn = self.uniform(inputs)
        replaced = keras.ops.where(drawn < self.rate, self.high, inputs)
        return keras.ops.where(drawn < self.rate / 2, self.low, replaced)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "low": self.low, "high": self.high}


def _check_number(value: Any, name: str, largest: float = math.inf) -> float:
    number = float(value) if isinstance(value, Real) else math.nan
    if not 0 <= number <= largest or math.isinf(number):
        accepted = f"in [0, {largest:g}]" if largest < math.inf else "of at least 0"
        raise ValueError(f"{name} must be a finite number {accepted}; got {value!r}.")
    return number


def _check_clip(clip: Any) -> tuple[float, float] | None:
    if clip is None:
        return None
    bounds = tuple(clip) if isinstance(clip, tuple | list) else ()
    ordered = len(bounds) == 2 and all(isinstance(b, Real) for b in bounds)
    if not ordered or not bounds[0] < bounds[1]:
        raise ValueError(f"clip must be None or a pair (low, high) with low < high; got {clip!r}.")
    return float(bounds[0]), float(bounds[1])
