"""Corruptions of the input, drawn anew for every batch and only while a network trains."""

from __future__ import annotations

from skae import _tensorflow  # noqa: F401  quiet import, before anything imports TensorFlow
from skae._docs import hide_annotations_of
from skae.noise._layers import GaussianNoise, MaskingNoise, SaltAndPepperNoise, UniformNoise
from skae.noise._make import make_noise

__all__ = ["GaussianNoise", "MaskingNoise", "SaltAndPepperNoise", "UniformNoise", "make_noise"]

hide_annotations_of(*(globals()[name] for name in __all__))
