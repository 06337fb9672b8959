"""Built-in and user-defined networks, as a `Network`.

A builder decides on layers and sizes. It does not know data, optimizer or loss.
"""

from __future__ import annotations

from skae import _tensorflow  # noqa: F401  quiet import, before anything imports TensorFlow
from skae._docs import hide_annotations_of
from skae.networks._build import NAMES, accepted_options, build
from skae.networks._contractive import ContractiveEncoder
from skae.networks._variational import posterior

__all__ = ["NAMES", "ContractiveEncoder", "accepted_options", "build", "posterior"]

hide_annotations_of(*(globals()[name] for name in __all__ if name != "NAMES"))
