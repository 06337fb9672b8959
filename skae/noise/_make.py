"""Makes a layer of the `noise` parameter of an estimator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from skae._forks import check_not_forked
from skae._messages import did_you_mean
from skae._seeds import Seeds
from skae.noise._layers import GaussianNoise, MaskingNoise, SaltAndPepperNoise, UniformNoise

_NAMED: dict[str, Callable[..., keras.layers.Layer]] = {
    "gaussian": GaussianNoise,
    "uniform": UniformNoise,
    "masking": MaskingNoise,
    "dropout": MaskingNoise,
    "salt_and_pepper": SaltAndPepperNoise,
}


def make_noise(
    noise: str | keras.layers.Layer | None,
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> keras.layers.Layer | None:
    """Return a new layer that corrupts its inputs while a network trains.

    Parameters
    ----------
    noise : {"gaussian", "uniform", "masking", "salt_and_pepper"}, keras.layers.Layer or None
        "dropout" is another name for "masking". A layer is copied by its configuration, so that
        no two networks share one, and seeds derived from `seed` replace all seeds in it.
    seed : int
        All random numbers of the layer derive from it.
    options : mapping of str to object, default=None
        Arguments of a named noise, such as ``{"stddev": 0.2, "clip": (0, 1)}``.

    Returns
    -------
    keras.layers.Layer or None
        None for `noise` None.

    Raises
    ------
    ValueError
        If the name or an option is unknown, or an option out of its range.
    TypeError
        If `noise` is neither a name, a layer nor None.

    Examples
    --------
    >>> from skae.noise import make_noise
    >>> make_noise("gaussian", seed=0, options={"stddev": 0.2}).stddev
    0.2
    """
    check_not_forked()
    # Another stream than that of the network's layers, Seeds(seed).
    seeds = Seeds(seed, 1)
    options = dict(options or {})
    if isinstance(noise, str):
        return _make_named(noise, seeds, options)
    if options:
        raise ValueError(
            f"noise={noise!r} takes no options, but {sorted(options)} are set as noise__*; they "
            f"are for the named noises {list(_NAMED)}."
        )
    if noise is None:
        return None
    if not isinstance(noise, keras.layers.Layer):
        raise TypeError(
            f"noise={noise!r} is neither a name nor a Keras layer; pass None, one of "
            f"{list(_NAMED)}, or an instance of a keras.layers.Layer."
        )
    return _copy_layer(noise, seeds)


def _make_named(noise: str, seeds: Seeds, options: dict[str, Any]) -> keras.layers.Layer:
    if noise not in _NAMED:
        raise ValueError(
            f"noise={noise!r} is not known.{did_you_mean(noise, _NAMED)} Pass one of "
            f"{list(_NAMED)}, a Keras layer, or None."
        )
    kind = _NAMED[noise]
    accepted = sorted({*inspect.signature(kind).parameters} - {"seed", "kwargs"})
    for option in options:
        if option not in accepted:
            raise ValueError(
                f"noise={noise!r} has no option {option!r}.{did_you_mean(option, accepted)} It "
                f"accepts {accepted}."
            )
    return kind(seed=seeds.draw(), **options)


def _copy_layer(noise: keras.layers.Layer, seeds: Seeds) -> keras.layers.Layer:
    try:
        config = noise.get_config()
    except NotImplementedError as error:
        raise TypeError(
            f"noise={noise!r} can't be copied, because {type(noise).__name__} has no get_config; "
            "add one that returns the arguments of its constructor."
        ) from error
    return type(noise).from_config(_reseed(config, seeds))


def _reseed(config: Any, seeds: Seeds) -> Any:
    """Return a configuration with every ``"seed"`` in it replaced, in layers inside it too."""
    if isinstance(config, dict):
        return {
            key: seeds.draw() if key == "seed" else _reseed(value, seeds)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_reseed(value, seeds) for value in config)
    return config
