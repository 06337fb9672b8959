"""The return values of the data sets."""

from __future__ import annotations

from importlib import resources
from typing import Any

from numpy.typing import NDArray
from sklearn.utils import Bunch


def pack(
    data: NDArray, target: NDArray, name: str, *, as_frame: bool, return_X_y: bool, **others: Any
) -> Any:
    """Return a Bunch with `others` and the text ``descr/<name>.rst``, or a pair of arrays.

    `others` has at least ``feature_names``; with `as_frame`, arrays are pandas objects.
    """
    X: Any = data
    y: Any = target
    frame = None
    if as_frame:
        import pandas as pd

        X = pd.DataFrame(data, columns=others["feature_names"], copy=False)
        y = pd.Series(target, name="target")
        frame = pd.concat([X, y], axis=1)
    if return_X_y:
        return X, y
    text = resources.files(__package__).joinpath("descr", f"{name}.rst").read_text("utf-8")
    return Bunch(data=X, target=y, frame=frame, DESCR=text, **others)
