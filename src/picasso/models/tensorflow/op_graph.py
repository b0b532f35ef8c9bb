"""Reads a TensorFlow graph into an op graph: walks from its outputs back to the picture.

What does not depend on the picture, weights and sizes, is computed by TensorFlow itself, for two numbers of pictures,
so that what depends on their number is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from picasso.core.graph import Graph, GraphError
from picasso.models.tensorflow import op_axes, op_numbers, op_products, op_sizes, op_windows
from picasso.models.tensorflow.engine import Engine
from picasso.models.tensorflow.op_reader import Handler, Numbers, Reader, Value
from picasso.models.tensorflow.quiet import silent

_SIZES = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"})
"""What depends on the sizes of its input alone."""
_KEPT = frozenset({"VarHandleOp", "ReadVariableOp", "Placeholder"})
"""What has a state that does not change."""
_HIGHEST = float(np.nextafter(np.float32(1), np.float32(0)))


def _same(reader: Reader, op: Any) -> Sequence[Value | None]:
    """Pass values on; a function with a gradient of its own passes constants along with them, which nothing reads."""
    return [
        reader.value(op, place, merged=True, blocks=True, border=True) if reader.varies(op, place) else None
        for place in range(len(op.outputs))
    ]


def _cast(reader: Reader, op: Any) -> Value:
    if not (op.inputs[0].dtype.is_floating and op.outputs[0].dtype.is_floating):
        kinds = f"{op.inputs[0].dtype.name} to {op.outputs[0].dtype.name}"
        raise reader.refuse(op, f"from {kinds} has no form in the op graph")
    return reader.value(op, merged=True, blocks=True, border=True)


_PASSING = (
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "EnsureShape", "Snapshot", "CheckNumerics",
    "PlaceholderWithDefault",
)  # fmt: skip
_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_PASSING, _same),
    "Cast": _cast,
    **op_axes.HANDLERS,
    **op_numbers.HANDLERS,
    **op_products.HANDLERS,
    **op_sizes.HANDLERS,
    **op_windows.HANDLERS,
}


def read_graph(engine: Engine, ends: Mapping[str, Any], layers: Mapping[str, str], batch: int | None) -> Graph:
    """Write what an engine runs as an op graph.

    Args:
        engine: The engine; nothing is added to its graph.
        ends: The tensors that are the network's outputs, by name.
        layers: Names of the layers, by the name of the operation whose output they are.
        batch: The number of pictures that the graph insists on, or None.

    Raises:
        GraphError: There is an operation for which the op graph has no word.
    """
    varying = _varying(engine, list(ends.values()))
    needed = _needed(list(ends.values()), varying)
    batches = (batch,) if batch else (2, 3)
    readers = Counter(tensor.name for tensor in (*ends.values(), *(tensor for op in needed for tensor in op.inputs)))
    reader = Reader(layers, readers, batches, _settled(engine, needed, varying, batches))
    for op in varying:
        if op != engine.x.op and op.type not in _HANDLERS:
            raise reader.refuse(op)
    height, width, channels = engine.x.shape.as_list()[1:]
    reader.values[engine.x.name] = reader.input((channels, height, width))
    for op in needed:
        if op != engine.x.op:
            made = _HANDLERS[op.type](reader, op)
            values = [made] if isinstance(made, Value) else made
            named = zip((tensor.name for tensor in op.outputs), values, strict=False)
            reader.values.update({name: value for name, value in named if value is not None})
    outputs = {}
    for name, end in ends.items():
        value = reader.values.get(end.name)
        if value is None or value.merged or value.blocks is not None:
            raise GraphError(f"The output '{name}' is not one answer for each picture.")
        outputs[name] = reader.plain(value)
    return reader.build.graph(outputs)


def _varying(engine: Engine, ends: Sequence[Any]) -> dict[Any, None]:
    """Return the operations before the ends whose numbers depend on the picture, each after what it reads.

    Raises:
        GraphError: The picture does not reach an end, or the rest of the network is not always the same.
    """
    behind = _behind(ends)
    found: dict[Any, None] = {}
    for op in engine.graph.get_operations():
        if op not in behind:
            continue
        if op == engine.x.op or (op.type not in _SIZES and any(tensor.op in found for tensor in op.inputs)):
            found[op] = None
        elif op.op_def.is_stateful and op.type not in _KEPT and op.type != "RandomUniform":
            raise GraphError(f"{op.type} at '{op.name}' is not the same each time.")
    return found


def _needed(ends: Sequence[Any], varying: Mapping[Any, None]) -> list[Any]:
    """Return of the operations that depend on the picture those whose numbers the ends need, in order."""
    found: set[Any] = set()
    stack = [end.op for end in ends]
    while stack:
        op = stack.pop()
        if op in varying and op not in found:
            found.add(op)
            stack += [tensor.op for tensor in op.inputs]
    return [op for op in varying if op in found]


def _settled(
    engine: Engine, needed: Sequence[Any], varying: Mapping[Any, None], batches: Sequence[int]
) -> dict[str, list[Numbers]]:
    """Compute what the operations read besides the picture, for several numbers of pictures, by tensor.

    Random numbers, as of dropout that is switched off, are once all the lowest and once all the highest; what is the
    same both times does not depend on them.
    """
    tensors = {tensor.name: tensor for op in needed for tensor in op.inputs if tensor.op not in varying}
    kinds = [tensor for tensor in tensors.values() if tensor.dtype.name != "resource"]
    dice = [tensor for op in _random(kinds) for tensor in op.outputs]
    found: dict[str, list[Numbers]] = {tensor.name: [] for tensor in kinds}
    for batch in batches:
        x = np.zeros((batch, *engine.x.shape.as_list()[1:]), np.float32)
        with silent():
            rolled = engine.run(dice, x) if dice else []
            made = [
                engine.run(
                    kinds, x, {tensor: np.full_like(one, number) for tensor, one in zip(dice, rolled, strict=True)}
                )
                for number in ((0.0, _HIGHEST) if dice else (0.0,))
            ]
        for tensor, values in zip(kinds, zip(*made, strict=True), strict=True):
            if not all(np.array_equal(values[0], value, equal_nan=values[0].dtype.kind == "f") for value in values):
                raise GraphError(f"{tensor.op.type} at '{tensor.op.name}' is not the same each time.")
            found[tensor.name].append(np.asarray(values[0]))
    return found


def _random(tensors: Sequence[Any]) -> set[Any]:
    """Return the random operations that tensors depend on."""
    return {op for op in _behind(tensors) if op.type == "RandomUniform"}


def _behind(tensors: Sequence[Any]) -> set[Any]:
    """Return the operations that tensors depend on, their own among them."""
    seen: set[Any] = set()
    stack = [tensor.op for tensor in tensors]
    while stack:
        op = stack.pop()
        if op not in seen:
            seen.add(op)
            stack += [tensor.op for tensor in op.inputs]
    return seen
