"""A Keras network as an ONNX graph, by tf2onnx."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import skae._tensorflow  # noqa: F401  isort: skip
import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from onnx import GraphProto, defs, helper

from skae import engine
from skae._contracts import ErrorFunction
from skae.onnx._graph import Function

# The latest that tf2onnx writes; its operators mean the same in those that skl2onnx writes.
_LATEST = 18
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def network_function(
    network: engine.DeferredNetwork, part: str, error: ErrorFunction | None, opset: int
) -> Function:
    """Return a network as a function of one input, the rows.

    Parameters
    ----------
    network : DeferredNetwork
    part : {"model", "encoder", "decoder"}
    error : ErrorFunction or None
        With one, the errors by value and by row are outputs, too.
    opset : int

    Raises
    ------
    NotImplementedError
        If ONNX has no operator for what a layer computes; it names the layer.
    """
    function, spec, layers = engine.inference(network, part, error)
    with _logged() as errors:
        model, _ = tf2onnx.convert.from_function(
            tf.function(function, input_signature=[spec]),
            input_signature=[spec],
            opset=min(opset, _LATEST),
            custom_op_handlers={name: (handle, []) for name, handle in _HANDLERS.items()},
        )
    _check(model.graph, layers, opset)
    if errors:
        raise NotImplementedError(f"tf2onnx can't convert the network to ONNX: {errors[0]}")
    return Function(model.graph, opset)


def input_type() -> int:
    """Return the type of a network's inputs, as ONNX numbers it."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(keras.config.floatx())))


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Yield what tf2onnx logs as errors instead of raising them, and keep it from warning."""
    root, logger, errors = logging.getLogger(), logging.getLogger("tf2onnx"), list[str]()
    before, handlers, propagates = root.manager.disable, root.handlers[:], logger.propagate
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: errors.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.propagate = False
    logging.disable(logging.WARNING)
    try:
        yield errors
    finally:
        logging.disable(before)
        logger.propagate = propagates
        logger.removeHandler(handler)
        root.handlers[:] = handlers  # it configures logging


def _check(graph: GraphProto, layers: list[str], opset: int) -> None:
    """Raise an error for a node that tf2onnx has left as it was."""
    for node in _nodes(graph):
        if node.domain in ("", "ai.onnx") and defs.has(node.op_type, opset, ""):
            continue
        # The name is the path of layers, and Keras numbers their calls.
        path = [name for part in node.name.split("/") for name in (part.rpartition("_")[0], part)]
        layer = next((name for name in reversed(path) if name in layers), None)
        place = "The error function" if layer is None else f"The layer {layer!r}"
        raise NotImplementedError(
            f"{place} can't be converted to ONNX, which has nothing like TensorFlow's operation "
            f"{node.op_type!r} ({node.name}); write it with other operations."
        )


def _nodes(graph: GraphProto) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


class _Formula:
    """Replaces a node of tf2onnx's graph by others, in the type of its input."""

    def __init__(self, context: Any, node: Any) -> None:
        self.context, self.node, self.x = context, node, node.input[0]
        kind = context.get_dtype(self.x)
        self.dtype = tf2onnx.utils.map_onnx_to_numpy_type(kind)
        self.options = {"dtypes": [kind], "shapes": [context.get_shape(self.x)]}
        context.remove_node(node.name)

    def add(self, op: str, *inputs: Any, **options: Any) -> str:
        names = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        return str(self.context.make_node(op, names, **{**self.options, **options}).output[0])

    def _constant(self, value: float) -> str:
        name = tf2onnx.utils.make_name("formula")
        return str(self.context.make_const(name, np.array(value, self.dtype)).output[0])

    def finish(self, op: str, *inputs: Any) -> None:
        self.add(op, *inputs, name=self.node.name, outputs=self.node.output)


def _erfc(context: Any, node: Any, *_: Any) -> None:
    formula = _Formula(context, node)
    formula.finish("Sub", 1.0, formula.add("Erf", formula.x))


def _elu(context: Any, node: Any, *_: Any) -> None:
    """Write an exponential linear unit, which ONNX Runtime computes in float32 only."""
    alpha, scale = (_SELU_ALPHA, _SELU_SCALE) if node.type == "Selu" else (1.0, 1.0)
    formula = _Formula(context, node)
    below = formula.add("Sub", formula.add("Exp", formula.add("Min", formula.x, 0.0)), 1.0)
    bent = formula.add("Add", formula.add("Relu", formula.x), formula.add("Mul", below, alpha))
    formula.finish("Mul", bent, scale)


_HANDLERS = {"Erfc": _erfc, "Elu": _elu, "Selu": _elu}
