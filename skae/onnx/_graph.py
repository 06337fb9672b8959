"""The graph that is being made: nodes, constants, and networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, TensorProto, helper, numpy_helper

DOUBLE, FLOAT = TensorProto.DOUBLE, TensorProto.FLOAT

# Of functions of a model.
_DOMAIN = "skae"


class Function:
    """A graph as a function of the model, as skl2onnx reads it.

    skl2onnx can't sort nodes that leave out an optional input or have a body, as those of
    recurrent layers; the body of a function is in order and stays as it is.

    Parameters
    ----------
    graph : onnx.GraphProto
    opset : int
        That of the model.
    """

    def __init__(self, graph: GraphProto, opset: int) -> None:
        self.inputs, self.outputs = graph.input, graph.output
        self.nodes, self.initializers = graph.node, graph.initializer
        self.target_opset_onnx, self.target_opset_all = opset, {"": opset}
        self.node_domain_version_pair_sets = {("", opset)}
        self.local_functions: dict[Any, Any] = {}

    def ensure_topological_order(self) -> None:
        """Leave the order, which is that of tf2onnx."""

    def target_opset_any_domain(self, domain: str) -> int:
        """Return the opset."""
        return self.target_opset_onnx


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
        container.node_domain_version_pair_sets.add(("", self.opset))

    def _name(self, seed: str) -> str:
        return str(self._scope.get_unique_variable_name(seed))

    def constant(self, value: Any, seed: str = "constant") -> str:
        """Return the name of a new constant."""
        name = self._name(seed)
        # Not by `add_initializer`: equal values would be one, the default of an input among them.
        self._container.initializers.append(numpy_helper.from_array(value, name))
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

    def call(self, function: Function, value: str) -> list[str]:
        """Return the outputs of a function, which the model will contain."""
        name = self._name("Network")
        self._container.local_functions[_DOMAIN, name] = function
        outputs = [self._name("network") for _ in function.outputs]
        options = {"op_domain": _DOMAIN, "op_version": 1, "name": self._name("network")}
        self._container.add_node(name, [value], outputs, **options)
        return outputs
