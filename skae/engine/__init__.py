"""How a Keras model is trained and run.

An estimator asks for a trainer (`select_trainer`) and for results (`run`, `run_errors`); what is
compiled, kept and shared behind them is this package's own affair.
"""

from skae import _tensorflow  # noqa: F401  quiet import, before anything imports TensorFlow
from skae.engine._cache import cache_info, clear_cache
from skae.engine._keras_loop import KerasTrainer
from skae.engine._rows import is_stream
from skae.engine._scoring import run, run_errors
from skae.engine._selection import select_trainer

__all__ = [
    "KerasTrainer",
    "cache_info",
    "clear_cache",
    "is_stream",
    "run",
    "run_errors",
    "select_trainer",
]
