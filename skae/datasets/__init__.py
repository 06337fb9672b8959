"""Real data sets, fetched once and kept, and a generator of heartbeats that needs no network."""

from ._cache import clear_data_home, get_data_home
from ._ecg import fetch_ecg5000
from ._generators import make_ecg_beats
from ._images import fetch_fashion_mnist, fetch_mnist

__all__ = [
    "clear_data_home",
    "fetch_ecg5000",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "get_data_home",
    "make_ecg_beats",
]
