"""The order in which an epoch visits the rows, shared by every trainer.

It is a pure function of the plan's seed and the epoch, so that the compiled trainer and Keras's
loop see the same batches, and a fit is repeatable without any global random state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def epoch_order(
    n_samples: int, *, seed: int, epoch: int, shuffle: bool = True, chunk: int | None = None
) -> Indices:
    """Return the rows of one epoch in the order in which they are trained on.

    Parameters
    ----------
    n_samples : int
    seed, epoch : int
        The order depends on these two and on nothing else.
    shuffle : bool, default=True
    chunk : int or None, default=None
        Rows in a chunk of data that does not fit into memory: the chunks are shuffled, then the
        rows within each, so that a pass reads every chunk once. None shuffles all rows alike.

    Returns
    -------
    order : ndarray of shape (n_samples,)
    """
    if not shuffle:
        return np.arange(n_samples)
    rng = np.random.default_rng([abs(seed), epoch])
    if chunk is None or chunk >= n_samples:
        return rng.permutation(n_samples)
    starts = rng.permutation(np.arange(0, n_samples, chunk))
    order = np.empty(n_samples, np.int64)
    filled = 0
    for start in starts:
        size = min(chunk, n_samples - start)
        order[filled : filled + size] = start + rng.permutation(size)
        filled += size
    return order
