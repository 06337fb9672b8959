"""How a network is trained and run.

An estimator hands over a `DeferredNetwork`, and asks for training (`train`) and for results (`run`,
`run_errors`); what is compiled, kept and shared behind them is this package's own affair.
"""

from skae import _tensorflow  # noqa: F401  quiet import, before anything imports TensorFlow
from skae._store import cache_info, clear_cache
from skae.engine._compiled import train
from skae.engine._deferred import DeferredNetwork, chosen_device
from skae.engine._rows import Stream, is_stream
from skae.engine._scoring import run, run_errors
from skae.engine._selection import freeze, trainability

__all__ = [
    "DeferredNetwork",
    "Stream",
    "cache_info",
    "chosen_device",
    "clear_cache",
    "freeze",
    "is_stream",
    "run",
    "run_errors",
    "train",
    "trainability",
]
