"""What runs after every successful fit of an estimator, such as logging that a user has enabled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

AFTER_FIT: set[Callable[[Any], None]] = set()
