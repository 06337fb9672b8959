"""Fitted estimators as ONNX graphs, which run without Python's scientific stack.

``skl2onnx.to_onnx`` converts an estimator or a pipeline that has one; the way back from codes to
samples is a graph of its own. The packages come with ``pip install "skae[onnx]"``, and are loaded
when something is converted.
"""

from __future__ import annotations

from skae._docs import hide_annotations_of
from skae.onnx._hooks import OnnxHooks, inverse_to_onnx

__all__ = ["OnnxHooks", "inverse_to_onnx"]

hide_annotations_of(inverse_to_onnx)
