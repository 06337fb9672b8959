"""Streams of independent seeds, each derived from one integer."""

from __future__ import annotations

import numpy as np


class Seeds:
    """A stream of independent seeds.

    Parameters
    ----------
    *entropy : int
        Where the stream starts; streams of different numbers are independent.

    Examples
    --------
    >>> from skae._seeds import Seeds
    >>> Seeds(0).draw() == Seeds(0).draw() == Seeds(0).at(0)
    True
    """

    def __init__(self, *entropy: int) -> None:
        self._entropy = list(entropy)
        self.n_drawn = 0

    def draw(self) -> int:
        """Return the next seed, in [0, 2**31)."""
        self.n_drawn += 1
        return self.at(self.n_drawn - 1)

    def at(self, position: int) -> int:
        """Return the seed at a position of the stream."""
        sequence = np.random.SeedSequence(self._entropy, spawn_key=(position,))
        # 31 bits, because Keras's stateless draws hold a seed in an int32.
        return int(sequence.generate_state(1)[0]) >> 1
