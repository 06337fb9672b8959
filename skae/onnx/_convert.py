"""Fitted estimators as nodes: around the network, everything is computed in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import skl2onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType
from sklearn.base import is_outlier_detector, is_regressor
from sklearn.utils.validation import check_is_fitted

from skae._contracts import Shape
from skae.onnx._graph import DOUBLE, FLOAT, Graph
from skae.onnx._hooks import Inverse
from skae.onnx._network import input_type, network_function
from skae.onnx._scores import Evidence, p_value_nodes, score_nodes

# The first in which sums take their axes as an input.
_FIRST_OPSET = 13
# As `skae.estimators._scaling` clips.
_LARGEST = 1e9


def declare_outputs(estimator: Any, scope: Any = None, inputs: Any = None) -> list[Any]:
    """Return the outputs of an estimator's graph, as variables of skl2onnx."""
    if not isinstance(estimator, Inverse):
        check_is_fitted(estimator)
    types = _output_types(estimator, inputs)
    return [scope.declare_local_variable(name, kind) for name, kind in types.items()]


def set_types(estimator: Any, operator: Any) -> None:
    """Set the types of the outputs again, once those of the inputs are known."""
    types = _output_types(estimator, operator.inputs)
    for output, kind in zip(operator.outputs, types.values(), strict=True):
        output.type = kind


def convert(estimator: Any, scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of an estimator to a graph of skl2onnx."""
    if container.target_opset < _FIRST_OPSET:
        raise NotImplementedError(
            f"Converting {type(estimator).__name__} needs opset {_FIRST_OPSET} or a later one, got "
            f"target_opset={container.target_opset}."
        )
    graph = Graph(scope, container)
    X = _joined(graph, operator.inputs)
    is_detector = is_outlier_detector(estimator)
    values = _detected(graph, estimator, X) if is_detector else [_mapped(graph, estimator, X)]
    for output, value in zip(operator.outputs, values, strict=True):
        is_single = isinstance(output.type, FloatTensorType)
        graph.give(graph.cast(value, FLOAT) if is_single else value, output)


def convert_inverse(inverse: Inverse, target_opset: int | None) -> Any:
    """Return the ONNX model of a way back."""
    codes = DoubleTensorType([None, inverse.transformer._n_features_out])
    return skl2onnx.to_onnx(inverse, initial_types=[("codes", codes)], target_opset=target_opset)


def _output_types(estimator: Any, inputs: Any) -> dict[str, Any]:
    """Return names and types of the outputs, in their order."""
    if is_outlier_detector(estimator):
        types = {"label": Int64TensorType([None]), "score": DoubleTensorType([None])}
        types["decision"] = DoubleTensorType([None])
        types["errors"] = DoubleTensorType([None, math.prod(estimator._input_shape)])
        has_p_values = estimator._reference is not None
        return {**types, "p_value": DoubleTensorType([None])} if has_p_values else types
    name, shape = _target(estimator)
    # As in Python, one number for each sample is a float64.
    is_single = shape and all(isinstance(each.type, FloatTensorType) for each in inputs)
    return {name: (FloatTensorType if is_single else DoubleTensorType)([None, *shape])}


def _target(estimator: Any) -> tuple[str, Shape]:
    """Return the name of what an estimator gives, and its shape for one sample."""
    if isinstance(estimator, Inverse):
        return "samples", tuple(estimator.transformer._sample_shape)
    if not is_regressor(estimator):
        return "codes", (estimator._n_features_out,)
    shape = estimator._target_shape
    return "prediction", tuple(estimator._sample_shape if shape is None else shape)


def _joined(graph: Graph, inputs: Any) -> str:
    """Return the inputs of an operator, columns of a frame for example, as one of float64."""
    values = [graph.cast(each.onnx_name, DOUBLE) for each in inputs]
    return values[0] if len(values) == 1 else str(graph.add("Concat", *values, axis=1))


def _standardized(graph: Graph, estimator: Any, X: str) -> tuple[str, str]:
    """Return samples in the units of the network: flat ones of float64, and its inputs."""
    flat = graph.rows(X, [math.prod(estimator._input_shape)])
    scaler = estimator.scaler_
    if scaler is not None:
        centred = graph.add("Sub", flat, scaler.mean_)
        scaled = graph.add("Div", centred, scaler.scale_)
        flat = graph.add("Clip", scaled, -_LARGEST, _LARGEST)
    inputs = graph.cast(flat, input_type())
    if scaler is not None:
        flat = graph.cast(inputs, DOUBLE)
    return flat, graph.rows(inputs, estimator._input_shape)


def _mapped(graph: Graph, estimator: Any, X: str) -> str:
    """Return codes, predictions, or decoded samples in float64."""
    scaler = None
    if isinstance(estimator, Inverse):
        fitted, part = estimator.transformer, "decoder"
        inputs = graph.rows(graph.cast(X, input_type()), fitted._code_shape)
        scaler = fitted._output_scaler
    else:
        fitted, part = estimator, "encoder"
        inputs = _standardized(graph, fitted, X)[1]
        if is_regressor(estimator):
            part, scaler = "model", fitted._output_scaler
    (values,) = _run(graph, fitted, part, inputs)
    if scaler is not None:
        flat = graph.rows(values, scaler.mean_.shape)
        values = graph.add("Add", graph.add("Mul", flat, scaler.scale_), scaler.mean_)
    return graph.rows(values, _target(estimator)[1])


def _run(graph: Graph, fitted: Any, part: str, inputs: str, error: Any = None) -> list[str]:
    """Return the output of a network in float64, and its errors by value and by row."""
    network = network_function(fitted._deferred, part, error, graph.opset)
    return [graph.cast(value, DOUBLE) for value in graph.call(network, inputs)]


def _detected(graph: Graph, detector: Any, X: str) -> list[str]:
    """Return what a detector gives, in the order of its outputs."""
    flat, inputs = _standardized(graph, detector, X)
    outputs, errors, score = _run(graph, detector, "model", inputs, detector._error)
    n_values = math.prod(detector._input_shape)
    if detector.score_ is not None:
        residuals = graph.add("Sub", flat, graph.rows(outputs, [n_values]))
        exact = score_nodes(graph, detector.score_, Evidence(flat, residuals))
        score = graph.cast(graph.cast(exact, FLOAT), DOUBLE)
    normality = graph.add("Neg", score)
    threshold = graph.optional_input("threshold", detector.threshold_)
    decision = graph.add("Add", normality, threshold)
    is_normal = graph.add("GreaterOrEqual", decision, 0.0)
    label = graph.add("Where", is_normal, np.int64(1), np.int64(-1))
    values = [label, normality, decision, graph.rows(errors, [n_values])]
    if detector._reference is None:
        return values
    return [*values, p_value_nodes(graph, score, *detector._reference)]
