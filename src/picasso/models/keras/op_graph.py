"""The op graph of a Keras model, from the graph that functional and sequential models keep of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from picasso.core.graph import Graph, GraphError
from picasso.models.keras.facts import Entrance
from picasso.models.keras.network import Network, call_name
from picasso.models.keras.op_functions import OPERATIONS, Reading
from picasso.models.keras.op_layers import LAYERS
from picasso.models.keras.op_values import Value, map_order, numbers

MODELS = frozenset({"Functional", "Sequential"})
MISFITS = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What a layer of another version of Keras, or one that is called in an unusual way, may raise while it is read."""


def read_graph(network: Network, entrance: Entrance) -> Graph:
    """Return a model as an op graph, as it is run: without its head where that is taken out, its other inputs held.

    Args:
        network: The model.
        entrance: How pictures enter it.

    Raises:
        GraphError: It holds something that the graph has no word for, or does not say how it is built.
    """
    if entrance.frames is not None:
        raise GraphError("A network of clips has no form in the op graph.")
    if not entrance.floating:
        raise GraphError("A network that reads whole numbers has no form in the op graph.")
    if network.low_precision:
        raise GraphError("A network that calculates with 16 bits has no form in the op graph.")
    return _Walk(network).graph(entrance)


class _Walk:
    """Reads one model."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.keras = network.keras
        self.read = Reading(network.keras, network.head, self.call)
        self.names = {id(part.operation): part.name for part in network.parts if part.listed}
        self.calls: Counter[str] = Counter()

    def graph(self, entrance: Entrance) -> Graph:
        network, model = self.network, self.network.model
        function = self._function(model)
        if function is None:
            raise GraphError(f"The model is a {type(model).__name__}, whose own code says how its layers are joined.")
        height, width, channels = entrance.shape
        name = self.read.build.input((channels, height, width))
        x = Value(name, map_order("channels_first" if entrance.channels_first else "channels_last"))
        inputs = [x if i == network.place else np.asarray(network.held[i])[None] for i in range(len(function.inputs))]
        found = self._named(function, self._run(function, inputs))
        wanted = {}
        for output in network.reads or tuple(found):
            value = found[output]
            if not isinstance(value, Value):
                raise GraphError(f"The output '{output}' does not depend on the picture.")
            wanted[output] = self.read.plain(value).name
        return self.read.build.graph(wanted)

    def call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Read a call of a layer, a model or an operation; return values and constants as it returns tensors."""
        outside, known = self.read.layer, self.names.get(id(operation))
        if known is not None:
            self.read.layer = call_name(known, self.calls[known] + 1)
        try:
            made = self._read(operation, args, kwargs)
        except MISFITS as error:
            raise GraphError(f"{self._said(operation)} has no form in the op graph: {error}.") from error
        finally:
            self.read.layer = outside
        if known is not None:
            self.calls[known] += 1
        return made

    def _read(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        read, given = self.read, self.keras.tree.flatten((args, kwargs))
        if getattr(operation, "quantization_mode", None) is not None:
            raise read.refused(f"a quantized {type(operation).__name__}")
        if not any(isinstance(part, Value) for part in given):
            return self.keras.tree.map_structure(numbers, operation(*args, **kwargs))
        head = read.head
        if head is not None and head.operation is operation and head.attribute == "call":
            return args[0]
        function = self._function(operation)
        if function is not None:
            return self._inside(function, args)
        if type(operation).__module__ == "picasso.models.keras.operations":
            return self._traced(operation, *args)
        layer = isinstance(operation, self.keras.Layer)
        rule = (LAYERS if layer else OPERATIONS).get(type(operation).__name__)
        own = type(operation).__module__.split(".")[0] == "keras"
        if rule is None or not own:
            raise GraphError(f"{self._said(operation)} has no form in the op graph.")
        # The model runs at rest whatever a call inside it was made with.
        said = {name: value for name, value in kwargs.items() if name != "training" and value is not None}
        return rule(read, operation, *args, **said)

    def _said(self, operation: Any) -> str:
        return f"{type(operation).__name__} at '{self.names.get(id(operation), operation.name)}'"

    @staticmethod
    def _function(operation: Any) -> Any:
        """Return the graph that a model keeps of itself, or None where there is none or its own code runs it."""
        kind: Any = type(operation)
        base = next(
            (base for base in kind.__mro__ if base.__name__ in MODELS and base.__module__[:6] == "keras."),
            None,
        )
        if base is None or kind.call is not base.call or kind.__call__ is not base.__call__:
            return None
        return operation._functional if base.__name__ == "Sequential" else operation

    def _inside(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Read a model inside the model."""
        given = self.keras.tree.flatten(args)
        if len(function.inputs) != len(given) or (len(given) > 1 and isinstance(args[0], dict)):
            raise self.read.refused("a call of a model with inputs in another order")
        return self.keras.tree.pack_sequence_as(function._outputs_struct, self._run(function, given))

    def _traced(self, operation: Any, tensors: Any) -> Any:
        """Read a function of TensorFlow from the operations of Keras that it is written in."""
        flat = self.keras.tree.flatten(tensors)
        shapes = [self.read.shape(one) if isinstance(one, Value) else one.shape[1:] for one in flat]
        inputs = [self.keras.Input(shape) for shape in shapes]
        answer = operation.call(self.keras.tree.pack_sequence_as(tensors, inputs))
        (made,) = self._run(self.keras.Function(inputs, answer), flat)
        return made

    def _run(self, function: Any, given: list[Any]) -> list[Any]:
        """Read a graph of Keras node by node, in the order in which it runs; return its outputs, counted flat."""
        values: dict[int, Any] = {}
        for tensor, value in zip(function.inputs, given, strict=True):
            real = "float" in self.keras.backend.standardize_dtype(tensor.dtype)
            if isinstance(value, Value) and not (real and len(value.order) + 1 == len(tensor.shape)):
                raise self.read.refused("an input that is turned into another kind")
            values[id(tensor)] = value
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if not node.is_input and all(id(tensor) in values for tensor in node.input_tensors):
                    self._node(node, values)
        return [values[id(tensor)] for tensor in function.outputs]

    def _node(self, node: Any, values: dict[int, Any]) -> None:
        def filled(value: Any) -> Any:
            if isinstance(value, self.keras.KerasTensor):
                return values[id(value)]
            is_number = isinstance(value, self.keras.Variable) or self.keras.ops.is_tensor(value)
            return numbers(value) if is_number else value

        args, kwargs = node.arguments.convert(filled)
        made = self.call(node.operation, *args, **kwargs)
        for tensor, value in zip(node.outputs, self.keras.tree.flatten(made), strict=True):
            values[id(tensor)] = value

    def _named(self, function: Any, values: list[Any]) -> Mapping[str, Any]:
        """Return the outputs by the names that they have where the model runs."""
        marks = [self.keras.ops.zeros((1,)) for _ in values]
        answer = self.network.named(self.keras.tree.pack_sequence_as(function._outputs_struct, marks))
        return {
            name: next(value for mark, value in zip(marks, values, strict=True) if mark is found)
            for name, found in answer.items()
        }
