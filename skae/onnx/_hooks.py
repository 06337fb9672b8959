"""What skl2onnx calls on an estimator."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

_NEEDED = ("onnx", "skl2onnx", "tf2onnx")


def _part(name: str) -> Any:
    """Return a function of the modules that need the packages of the extra."""
    try:
        return getattr(importlib.import_module("skae.onnx._convert"), name)
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in _NEEDED:
            raise
        raise ImportError(
            f"Converting to ONNX needs the package {error.name}, which is not installed; run "
            'pip install "skae[onnx]".'
        ) from error


class OnnxHooks:
    """Methods that skl2onnx looks for, so that its ``to_onnx`` converts an estimator."""

    def onnx_parser(self) -> Callable[..., Any]:
        """Return the function with which skl2onnx declares the outputs of the graph.

        Returns
        -------
        parser : callable
            Called with a scope and the inputs.
        """
        return partial(_part("declare_outputs"), self)

    def onnx_shape_calculator(self) -> Callable[..., Any]:
        """Return the function with which skl2onnx infers the types of the outputs.

        Returns
        -------
        shape_calculator : callable
            Called with an operator.
        """
        return partial(_part("set_types"), self)

    def onnx_converter(self) -> Callable[..., Any]:
        """Return the function with which skl2onnx converts the estimator.

        Returns
        -------
        converter : callable
            Called with a scope, an operator and a container.
        """
        return partial(_part("convert"), self)


class Inverse(OnnxHooks, BaseEstimator):
    """The way back of a transformer, as an estimator that skl2onnx converts."""

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer


def inverse_to_onnx(transformer: Any, target_opset: int | None = None) -> Any:
    """Convert the way back, from codes to samples, to an ONNX model.

    Parameters
    ----------
    transformer : AutoencoderTransformer or VariationalAutoencoder
        Fitted.
    target_opset : int or None, default=None
        As in ``skl2onnx.to_onnx``; None is the latest that it supports.

    Returns
    -------
    model : onnx.ModelProto
        Maps ``"codes"``, float64 of shape (n_samples, n_codes), to ``"samples"`` as
        ``inverse_transform`` does.

    Raises
    ------
    TypeError
        If `transformer` is none of skae.
    ImportError
        If the packages of the extra ``skae[onnx]`` are not installed.
    NotImplementedError
        If a layer of the network can't be written in ONNX.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> from skae.onnx import inverse_to_onnx
    >>> X = load_digits().data
    >>> autoencoder = AutoencoderTransformer(epochs=1, random_state=0).fit(X)
    >>> model = inverse_to_onnx(autoencoder)
    >>> [output.name for output in model.graph.output]
    ['samples']
    """
    if not (hasattr(transformer, "onnx_converter") and hasattr(transformer, "inverse_transform")):
        raise TypeError(
            f"transformer={transformer!r} is no transformer of skae; pass an "
            "AutoencoderTransformer or VariationalAutoencoder, of a pipeline its step."
        )
    check_is_fitted(transformer)
    return _part("convert_inverse")(Inverse(transformer), target_opset)
