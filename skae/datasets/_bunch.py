"""What every data set is handed out as."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from numpy.typing import NDArray
from sklearn.utils import Bunch


def check_subset(subset: Any) -> str:
    """Return `subset` if it names a part of a data set."""
    if subset not in ("all", "train", "test"):
        raise ValueError(f"subset must be 'all', 'train' or 'test'; got {subset!r}.")
    return str(subset)


def pack(
    data: NDArray,
    target: NDArray,
    *,
    description: str,
    feature_names: Sequence[str],
    target_names: Sequence[str],
    as_frame: bool,
    return_X_y: bool,
    **others: NDArray,
) -> Any:
    """Return a Bunch or a pair, of arrays or of pandas objects.

    Parameters
    ----------
    data : ndarray of shape (n_samples, n_features)
    target : ndarray of shape (n_samples,)
    description : str
        Stem of the text in ``descr/``.
    feature_names, target_names : sequence of str
    as_frame, return_X_y : bool
        As in scikit-learn's loaders.
    **others : ndarray
        Further attributes of the Bunch.
    """
    X: Any = data
    y: Any = target
    frame = None
    if as_frame:
        import pandas as pd

        X = pd.DataFrame(data, columns=list(feature_names), copy=False)
        y = pd.Series(target, name="target")
        frame = pd.concat([X, y], axis=1)
    if return_X_y:
        return X, y
    text = resources.files(__package__).joinpath("descr", f"{description}.rst")
    return Bunch(
        data=X,
        target=y,
        frame=frame,
        feature_names=list(feature_names),
        target_names=list(target_names),
        DESCR=text.read_text(encoding="utf-8"),
        **others,
    )
