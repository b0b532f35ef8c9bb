"""Makes of a graph as it was read one that takes a picture and nothing else, and holds no more than it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from picasso.core.errors import ConfigurationError, ModelFileError
from picasso.core.opening import Options
from picasso.models.tensorflow import finding, reading, safety
from picasso.models.tensorflow.checkpoints import restore
from picasso.models.tensorflow.engine import ENTRANCE, prepare_gradients
from picasso.models.tensorflow.finding import Entrance
from picasso.models.tensorflow.nodes import ancestors, by_name, full, in_order, keep, settle, sources, split
from picasso.models.tensorflow.quiet import reason, silent

WHOLE_NUMBERS = ("uint8", "int8", "uint16", "int16", "int32", "int64")
_FLOAT = 1


@dataclass
class Prepared:
    """A graph that is ready to be run.

    Args:
        graph: The GraphDef.
        entrance: Where the picture goes in.
        outputs: Full names of the outputs by their own names.
        pixels: Whether it reads whole numbers, 0..255.
        notes: What was assumed, one sentence each.
        size: Number of parameters.
        weights: The large constants, which are not in the graph any more, by the names of their nodes.
    """

    graph: Any
    entrance: Entrance
    outputs: dict[str, str]
    pixels: bool
    notes: list[str]
    size: int
    weights: dict[str, Any]


def prepare(read: reading.Read, path: Path, options: Options) -> Prepared:
    """Make a graph ready to be run.

    Args:
        read: The graph as it was read.
        path: The file or folder that it came from.
        options: The input and output that the user asked for, and what other inputs are held at.

    Raises:
        ConfigurationError: There is no such input or output; or there are several, and one must be chosen.
        ModelFileError: There is no network from a picture to anything.
        UnsafeModelError: The network reaches outside itself.
    """
    notes = list(read.notes)
    try:
        with silent():
            shapes = finding.Shapes(read.graph)
    except Exception as error:
        raise ModelFileError(f"{path.name} is damaged: {reason(error)}.", "Save or copy it again.") from error
    outputs = _asked_outputs(read, options)
    asked = reading.find_tensor(read.graph, options.input, read.inputs, "input") if options.input else ""
    entrance = finding.find_entrance(read.graph, shapes, read.inputs, list(outputs.values()), asked)
    if not outputs and read.outputs:
        kinds = ("float32", "float64", "float16", "bfloat16")
        outputs = {name: tensor for name, tensor in read.outputs.items() if shapes.kind(tensor) in kinds}
    if not outputs:
        ends = finding.find_ends(read.graph, shapes, entrance.tensor)
        ends = ends or finding.find_ends(read.graph, shapes, entrance.tensor, alone=False)
        outputs = {split(end)[0]: end for end in ends}
    if not read.inputs and not options.input:
        notes.append(f"The picture goes into '{split(entrance.tensor)[0]}'.")
    if not read.outputs and not options.output and outputs:
        notes.append(f"The answer is read from {' and '.join(outputs)}.")
    nodes = by_name(read.graph)
    leading = ancestors(nodes, outputs.values(), waiting=False)
    if not outputs or split(entrance.tensor)[0] not in leading:
        raise ModelFileError(
            f"No output of {path.name} depends on the input '{entrance.tensor}'.",
            "Say what goes in and what comes out, with --input NAME --output NAME (in Python input=..., output=...).",
        )
    graph = read.graph
    reading.keep_only(graph, ancestors(nodes, outputs.values(), {entrance.tensor}))
    _refuse_feeds(graph)
    safety.check_ops(graph, path, options.trust)
    shape_of = {node.name: shapes.shape(node.name) for node in graph.node if node.op.startswith("Placeholder")}
    notes += _hold(graph, outputs, entrance, shape_of, options.hold)
    pixels = _enter(graph, entrance, shapes.kind(entrance.tensor))
    outputs = {name: f"{ENTRANCE}:0" if tensor == entrance.tensor else tensor for name, tensor in outputs.items()}
    settle(graph)
    keep(graph, ancestors(by_name(graph), outputs.values()))
    restore(graph, read.checkpoint, read.saved)
    keep(graph, ancestors(by_name(graph), outputs.values()))
    prepare_gradients(graph)
    for node in (*graph.node, *(node for function in graph.library.function for node in function.node_def)):
        node.device = ""
        node.attr.pop("_class", None)
    return Prepared(graph, entrance, outputs, pixels, notes, _size(graph), _take_weights(graph))


def _size(graph: Any) -> int:
    """Return the number of parameters: of all numbers in constants with at least one axis."""
    total = 0
    for node in graph.node:
        if node.op == "Const" and node.attr["dtype"].type in finding.FLOATS:
            sides = [side.size for side in node.attr["value"].tensor.tensor_shape.dim]
            total += int(np.prod(sides)) if sides else 0
    return total


def _take_weights(graph: Any) -> dict[str, Any]:
    """Take large constants out of a GraphDef, which TensorFlow copies several times for each thing that is run."""
    import tensorflow as tf

    found = {}
    for place in reversed(range(len(graph.node))):
        node = graph.node[place]
        if node.op != "Const" or node.attr["dtype"].type not in finding.FLOATS:
            continue
        if len(node.attr["value"].tensor.tensor_content) > finding.LARGE:
            found[node.name] = tf.make_ndarray(node.attr["value"].tensor)
            del graph.node[place]
    return found


def _asked_outputs(read: reading.Read, options: Options) -> dict[str, str]:
    asked = options.output
    if not asked:
        return {}
    if asked.isdigit() and int(asked) < len(read.outputs):
        asked = list(read.outputs)[int(asked)]
    return {asked: reading.find_tensor(read.graph, asked, read.outputs, "output")}


def _refuse_feeds(graph: Any) -> None:
    """Refuse a network that is fed by a pipeline of its own, which is not here."""
    for node in graph.node:
        if "Dequeue" in node.op or "Iterator" in node.op:
            raise ConfigurationError(
                f"The network reads its pictures from '{node.name}', a pipeline that belongs to its training.",
                f"Say which tensor the picture goes into, with --input {node.name}:0 (in Python input=...).",
            )


def _hold(
    graph: Any, outputs: Mapping[str, str], entrance: Entrance, shapes: Mapping[str, Any], hold: Mapping[str, Any]
) -> list[str]:
    """Make constants of the inputs besides the picture, and say so."""
    import tensorflow as tf

    others = finding.other_inputs(graph, list(outputs.values()), entrance)
    names = {finding.held(hold, node.name): node for node in others}
    order = in_order(graph)
    for name in hold:
        if name not in names:
            listed = ", ".join(node.name for node in others) or "no other input"
            raise ConfigurationError(f"There is no input '{name}' to hold.", f"The network has {listed}.")
    notes = []
    rest = {node.name: finding.rest_value(node, order) for node in others}
    for node in others:
        kind = tf.DType(node.attr["dtype"].type)
        asked = finding.held(hold, node.name)
        sides = [side or 1 for side in shapes.get(node.name) or ()]
        given = hold[asked] if asked is not None else rest[node.name] if kind.is_floating and not sides else 0
        if kind == tf.string:
            given = "" if asked is None else given
            value = np.full(sides, given, dtype=object)
        else:
            value = np.asarray(given, dtype=kind.as_numpy_dtype)
            value = np.broadcast_to(value, sides) if not value.ndim else value
        said = value.item() if not value.ndim else "zeros" if not value.any() else "what was given"
        notes.append(f"The input '{node.name}' is held at {said}.")
        node.op = "Const"
        node.attr.clear()
        del node.input[:]
        tensor = tf.make_tensor_proto(value, dtype=kind)
        node.attr["dtype"].type = tensor.dtype
        node.attr["value"].tensor.CopyFrom(tensor)
    return notes


def _enter(graph: Any, entrance: Entrance, kind: str) -> bool:
    """Put the node through which the picture comes in the place of the input; say whether it reads whole numbers.

    Where whole numbers are made floating-point numbers at once, the picture comes in behind that, so that it has
    gradients.
    """
    import tensorflow as tf

    pixels = kind in WHOLE_NUMBERS
    dtype = tf.as_dtype(kind).as_datatype_enum
    own = {entrance.tensor}
    for node in in_order(graph):
        if node.op == "Identity" and full(node.input[0]) in own:
            own.add(f"{node.name}:0")
    readers = [node for node in graph.node if any(full(tensor) in own for tensor in sources(node))]
    passing = [node for node in readers if node.op in ("Shape", "Identity")]
    casts = [node for node in readers if node.op == "Cast" and node.attr["DstT"].type == _FLOAT]
    if pixels and casts and len(casts) + len(passing) == len(readers):
        own |= {f"{node.name}:0" for node in casts}
        dtype = _FLOAT
        for node in passing:
            node.attr["T"].type = dtype
    for node in graph.node:
        inputs = [
            f"{ENTRANCE}:0" if not tensor.startswith("^") and full(tensor) in own else tensor for tensor in node.input
        ]
        if inputs != list(node.input):
            del node.input[:]
            node.input.extend(inputs)
    start = graph.node.add(name=ENTRANCE, op="Placeholder")
    start.attr["dtype"].type = dtype
    start.attr["shape"].shape.unknown_rank = True
    return pixels
