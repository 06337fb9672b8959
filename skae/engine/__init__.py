"""Trains and runs networks.

An estimator passes a `DeferredNetwork` to `train`, `run` and `run_errors`; this package decides
what is compiled, cached and shared.
"""

from skae import _tensorflow  # noqa: F401  quiet import, before anything imports TensorFlow
from skae._store import cache_info, clear_cache
from skae.engine._compiled import train
from skae.engine._deferred import DeferredNetwork, chosen_device
from skae.engine._inference import inference
from skae.engine._scoring import run, run_errors
from skae.engine._selection import freeze, trainability
from skae.engine._streams import Stream, is_stream

__all__ = [
    "DeferredNetwork",
    "Stream",
    "cache_info",
    "chosen_device",
    "clear_cache",
    "freeze",
    "inference",
    "is_stream",
    "run",
    "run_errors",
    "train",
    "trainability",
]
