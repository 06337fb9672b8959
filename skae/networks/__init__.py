"""What is trained: built-in networks and the user's own, as one `Network`.

A builder decides on layers and sizes. It sees no data, no optimiser and no loss.
"""

from __future__ import annotations

from skae import _tensorflow  # noqa: F401  quiet import, before anything imports TensorFlow
from skae._docs import hide_annotations_of
from skae.networks._build import NAMES, accepted_options, build
from skae.networks._contractive import ContractiveEncoder
from skae.networks._variational import posterior

__all__ = ["NAMES", "ContractiveEncoder", "accepted_options", "build", "posterior"]

hide_annotations_of(*(globals()[name] for name in __all__ if name != "NAMES"))
