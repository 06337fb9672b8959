"""The graph that is being made: nodes, constants, and networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, TensorProto, helper, numpy_helper
from onnx.compose import add_prefix_graph

DOUBLE, FLOAT, INT64 = TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT64


class Graph:
    """A graph of skl2onnx, to which nodes are added by name.

    Parameters
    ----------
    scope : skl2onnx.common._topology.Scope
        Gives names.
    container : skl2onnx.common._container.ModelComponentContainer
        Holds nodes and constants.
    """

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container
        self.opset = container.target_opset

    def _name(self, seed: str) -> str:
        return str(self._scope.get_unique_variable_name(seed))

    def constant(self, value: Any, seed: str = "constant") -> str:
        """Return the name of a new constant."""
        name = self._name(seed)
        self._container.add_initializer(name, None, None, numpy_helper.from_array(value))
        return name

    def optional_input(self, seed: str, value: float) -> str:
        """Return the name of a new input of the graph, a number, that has a default."""
        name = self.constant(np.asarray(value, np.float64), seed)
        self._container.inputs.append(helper.make_tensor_value_info(name, DOUBLE, []))
        return name

    def add(self, op: str, *inputs: Any, n_outputs: int = 1, **attributes: Any) -> Any:
        """Add a node to the graph.

        Parameters
        ----------
        op : str
            Name of the operator.
        *inputs : str, array or number
            Names, or constants; numbers are float64.
        n_outputs : int, default=1
        **attributes : object

        Returns
        -------
        outputs : str or list of str
            A name, or several.
        """
        names = [i if isinstance(i, str) else self.constant(np.asarray(i)) for i in inputs]
        outputs = [self._name(op.lower()) for _ in range(n_outputs)]
        self._container.add_node(op, names, outputs, name=self._name(op), **attributes)
        return outputs[0] if n_outputs == 1 else outputs

    def cast(self, value: str, kind: int) -> str:
        """Return a value as another type."""
        return str(self.add("Cast", value, to=kind))

    def rows(self, value: str, shape: Sequence[int]) -> str:
        """Return samples of another shape."""
        return str(self.add("Reshape", value, np.array([-1, *shape], np.int64)))

    def row_sums(self, value: str) -> str:
        """Return the sum of every row."""
        return str(self.add("ReduceSum", value, np.array([1], np.int64), keepdims=0))

    def give(self, value: str, output: Any) -> None:
        """Make a value an output of the operator that is converted."""
        self._container.add_node("Identity", [value], [output.onnx_name], name=self._name("give"))

    def embed(self, graph: GraphProto, value: str) -> list[str]:
        """Return the outputs of another graph, of one input, that becomes a part of this one."""
        inner = add_prefix_graph(graph, self._name("network") + "_")
        self._container.nodes.append(helper.make_node("Identity", [value], [inner.input[0].name]))
        self._container.nodes.extend(inner.node)
        self._container.initializers.extend(inner.initializer)
        self._container.node_domain_version_pair_sets.add(("", self.opset))
        return [output.name for output in inner.output]
