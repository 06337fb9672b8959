"""Real data sets, downloaded once and cached, and generated heartbeats."""

from skae._docs import hide_annotations_of

from ._cache import clear_data_home, get_data_home
from ._fetchers import fetch_ecg5000, fetch_fashion_mnist, fetch_mnist
from ._generators import make_ecg_beats

__all__ = [
    "clear_data_home",
    "fetch_ecg5000",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "get_data_home",
    "make_ecg_beats",
]

hide_annotations_of(*(globals()[name] for name in __all__))
