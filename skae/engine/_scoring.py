"""Runs models on many rows: reconstruct, encode, decode, errors."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np

from skae._contracts import ErrorFunction, FloatArray
from skae.engine._rows import Source

SLICE_ROWS = 8192


def run(model: keras.Model, X: Any, *, jit_compile: bool | str = "auto") -> FloatArray:  # noqa: ARG001
    """Return the output of `model` for the rows of `X`, in inference mode.

    Parameters
    ----------
    model : keras.Model
        A whole network, an encoder or a decoder.
    X : array-like of shape (n_samples, ...)
    jit_compile : bool or "auto", default="auto"
        Whether XLA compiles the program.

    Returns
    -------
    outputs : ndarray of shape (n_samples, ...)
    """
    source = Source(X)
    parts = [
        np.asarray(model(source.slice(start, start + SLICE_ROWS), training=False))
        for start in range(0, len(source), SLICE_ROWS)
    ]
    return np.concatenate(parts).astype(source.dtype, copy=False)


def run_errors(
    model: keras.Model,
    X: Any,
    error: ErrorFunction,
    *,
    targets: Any = None,
    per: Literal["row", "value"] = "row",
) -> FloatArray:
    """Return the error of the reconstruction of `X`, by row or by value.

    Parameters
    ----------
    model : keras.Model
    X : array-like of shape (n_samples, ...)
    error : ErrorFunction
        Computed inside the compiled program.
    targets : array-like or None, default=None
        What the output is compared with; None: `X`.
    per : {"row", "value"}, default="row"

    Returns
    -------
    errors : ndarray of shape (n_samples,), float64, or of the shape of `X`
        "row": the mean over all axes but that of samples.
    """
    wanted = Source(X if targets is None else targets)
    errors = error(wanted.slice(0, len(wanted)), run(model, X))
    if per == "value":
        return np.asarray(errors)
    return np.asarray(errors, np.float64).reshape(len(errors), -1).mean(axis=1)
