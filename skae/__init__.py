"""Autoencoders for scikit-learn: Keras networks as transformers, denoisers and outlier detectors.

The public names are loaded on first use, because TensorFlow takes seconds to import:
``import skae`` alone loads neither TensorFlow nor scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from skae import _forks  # noqa: F401  before TensorFlow is used, and forks
from skae._trusted import trusted_types
from skae._version import __version__

if TYPE_CHECKING:
    from skae.estimators import (
        AutoencoderTransformer,
        DenoisingRegressor,
        ReconstructionOutlierDetector,
        VariationalAutoencoder,
    )

__all__ = [
    "AutoencoderTransformer",
    "DenoisingRegressor",
    "ReconstructionOutlierDetector",
    "VariationalAutoencoder",
    "__version__",
    "trusted_types",
]
_SUBPACKAGES = [
    "datasets",
    "engine",
    "errors",
    "exceptions",
    "inspection",
    "interop",
    "metrics",
    "monitoring",
    "networks",
    "noise",
    "onnx",
    "scores",
    "thresholds",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(importlib.import_module("skae.estimators"), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"skae.{name}")
    raise AttributeError(f"module 'skae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
