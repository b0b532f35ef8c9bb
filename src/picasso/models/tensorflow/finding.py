"""Where a TensorFlow graph takes the picture in, what else it wants to be fed, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from picasso.core.errors import ConfigurationError, ModelFileError
from picasso.models.tensorflow import safety
from picasso.models.tensorflow.nodes import ancestors, by_name, full, in_order, sources, split

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
FED = (*PLACEHOLDERS, "IteratorGetNext", "OneShotIterator", "QueueDequeueV2", "QueueDequeueManyV2")
"""Operations whose output comes from outside the graph."""
HEAVY = frozenset({"MatMul", "Conv2D", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Softmax"}) | {
    "DepthwiseConv2dNative",
    "Conv2DBackpropInput",
}
"""Operations with weights: what leads to one is not the end of the network."""
SOFTMAXES = ("Softmax", "LogSoftmax")
FLOATS = (1, 2, 14, 19)
"""How a GraphDef writes float32, float64, bfloat16 and float16."""
SHAPING = ("Identity", "Cast", "Pad", "PadV2", "StridedSlice", "ReverseV2", "Transpose", "Reshape", "ResizeBilinear")
"""Operations that leave the range of pixels as it is."""
LARGE_PIXEL = 25
"""Pixels of 0..255 that a graph has scaled are smaller than this; pixels of 0..1 that it has scaled up may be, too."""
SMALLEST_SIDE = 8
LARGE = 2**14
"""Bytes of a constant that is kept outside the graph, of which there may be several copies."""
Layout = Literal["last", "first", "flat", "grey"]
Sides = tuple[int | None, ...]


@dataclass(frozen=True)
class Entrance:
    """Where the picture goes in.

    Args:
        tensor: Full name of the tensor that is fed.
        layout: last: (n, h, w, c). first: (n, c, h, w). flat: (n, h * w * c). grey: (n, h, w).
        size: (height, width, channels), None where free.
        batch: The number of pictures that it is declared for, or None.
    """

    tensor: str
    layout: Layout
    size: tuple[int | None, int | None, int | None]
    batch: int | None


class Shapes:
    """The shapes and types of a graph's tensors, as TensorFlow infers them.

    Nothing is run but what has no state, since shapes may depend on it; what TensorFlow does not know, or what would
    read a file even so, is left out with all that depends on it.
    """

    def __init__(self, graph: Any) -> None:
        import tensorflow as tf

        own = {function.signature.name for function in graph.library.function}
        ops = {node.op for node in graph.node}
        bad = {*safety.unknown(ops, own), *(op for op in ops if safety.STATELESS.fullmatch(op))}
        dropped = {node.name for node in graph.node if node.op in bad}
        self.order = in_order(graph)
        for node in self.order:
            if any(split(tensor)[0] in dropped for tensor in node.input):
                dropped.add(node.name)
        copy = type(graph)(versions=graph.versions, library=graph.library)
        for node in graph.node:
            if node.name not in dropped:
                _add_light(copy, node)
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf.compat.v1.import_graph_def(copy, name="")

    def shape(self, tensor: str) -> Sides | None:
        """Return a tensor's sides, None where they are free; None where not even their number is known."""
        found = self._tensor(tensor)
        return None if found is None or found.shape.rank is None else tuple(found.shape.as_list())

    def kind(self, tensor: str) -> str:
        """Return the name of a tensor's type, "float32"; "" where it is not known."""
        found = self._tensor(tensor)
        return found.dtype.base_dtype.name if found is not None else ""

    def _tensor(self, tensor: str) -> Any:
        try:
            return self._graph.get_tensor_by_name(full(tensor))
        except (KeyError, ValueError):
            return None


def _add_light(graph: Any, node: Any) -> None:
    """Add a node to a GraphDef; of large constants the shape alone."""
    heavy = node.op == "Const" and len(node.attr["value"].tensor.tensor_content) > LARGE
    added = graph.node.add(name=node.name, op="Placeholder" if heavy else node.op)
    if heavy:
        added.attr["dtype"].type = node.attr["dtype"].type
        added.attr["shape"].shape.CopyFrom(node.attr["value"].tensor.tensor_shape)
        return
    added.CopyFrom(node)
    added.device = ""
    added.attr.pop("_class", None)


def find_entrance(graph: Any, shapes: Shapes, named: Mapping[str, str], ends: Sequence[str], asked: str) -> Entrance:
    """Find where the picture goes in.

    Args:
        graph: The GraphDef.
        shapes: Of its tensors.
        named: The inputs that the file itself names, by its own names.
        ends: The outputs, where they are known already.
        asked: Full name of the tensor that the user asked for, or "".

    Raises:
        ConfigurationError: Several inputs could be the picture.
        ModelFileError: None could.
    """
    if asked:
        return _entrance(asked, graph, shapes, sure=True)
    if named:
        places = list(named.values())
    else:
        used = ancestors(by_name(graph), ends) if ends else {node.name for node in graph.node}
        places = [f"{node.name}:0" for node in graph.node if node.op in PLACEHOLDERS and node.name in used]
    found: list[Entrance] = []
    for tensor in places:
        try:
            found.append(_entrance(tensor, graph, shapes, sure=len(named) == 1))
        except ModelFileError:
            if len(named) == 1:
                raise
    if not ends and len(found) > 1:
        # Where each leads to an end only together with the others, any could be the picture.
        found = [one for one in found if find_ends(graph, shapes, one.tensor)] or found
    # A shape that says more of a picture counts more.
    best = [one for one in found if one.layout in ("last", "first") and one.size[2] is not None]
    best = best or [one for one in found if any(one.size)] or found
    if len(best) == 1:
        return best[0]
    listed = ", ".join(f"{tensor} {_written(shapes.shape(tensor))}" for tensor in places[:6]) or "no placeholder"
    if best:
        raise ConfigurationError(
            f"Several inputs of the graph could be the picture: {', '.join(one.tensor for one in best)}.",
            f"Say which, with --input {best[0].tensor} (in Python input=...).",
        )
    raise ModelFileError(
        f"The graph has no input that takes a picture; it has {listed}.",
        "Say which tensor the picture goes into, with --input NAME (in Python input=...).",
    )


def _entrance(tensor: str, graph: Any, shapes: Shapes, sure: bool) -> Entrance:
    """Return how a tensor takes a picture; unless `sure`, only where its shape says that it does."""
    sides, kind = shapes.shape(tensor), shapes.kind(tensor)
    said = f"The input '{tensor}' {_written(sides)} of {kind or 'unknown type'} takes no picture"
    hint = "Say which tensor the picture goes into, with --input NAME (in Python input=...)."
    if kind in ("string", "bool", "resource", "variant"):
        raise ModelFileError(f"{said}: it takes {'encoded files' if kind == 'string' else kind}.", hint)
    if sides is None:
        return Entrance(tensor, "last", (None, None, None), None)
    batch, inner = sides[0] if sides else None, sides[1:]
    if len(sides) == 4:
        if inner[2] in (1, 3) or (inner[0] not in (1, 3) and (sure or inner[2] is None)):
            return Entrance(tensor, "last", (inner[0], inner[1], inner[2]), batch)
        if inner[0] in (1, 3):
            return Entrance(tensor, "first", (inner[1], inner[2], inner[0]), batch)
    if len(sides) == 3 and all(side is None or side >= SMALLEST_SIDE for side in inner):
        return Entrance(tensor, "grey", (inner[0], inner[1], 1), batch)
    if len(sides) == 2 and inner[0] is not None:
        size = _unfolded(tensor, graph, inner[0])
        if size is not None:
            return Entrance(tensor, "flat", size, batch)
    raise ModelFileError(f"{said}.", hint)


def unfold(length: int) -> tuple[int, int, int] | None:
    """Return (h, w, c) of a square picture of so many numbers, grey or of three colors, or None."""
    for channels in (1, 3):
        side = math.isqrt(length // channels)
        if side >= SMALLEST_SIDE and side * side * channels == length:
            return side, side, channels
    return None


def _unfolded(tensor: str, graph: Any, length: int) -> tuple[int, int, int] | None:
    """Return the size of the picture in a row of numbers: what the graph unfolds it to, else a square."""
    import tensorflow as tf

    nodes = by_name(graph)
    for node in graph.node:
        if node.op == "Reshape" and full(node.input[0]) == full(tensor):
            target = nodes.get(split(node.input[1])[0])
            if target is not None and target.op == "Const":
                sides = [int(side) for side in tf.make_ndarray(target.attr["value"].tensor).ravel()]
                if len(sides) == 4 and sides[3] in (1, 3) and sides[1] * sides[2] * sides[3] == length:
                    return sides[1], sides[2], sides[3]
    return unfold(length)


def find_ends(graph: Any, shapes: Shapes, start: str, alone: bool = True) -> list[str]:
    """Return the tensors that the network answers with, where the file does not name them.

    What depends on the picture and on nothing else that is fed is the network; labels lead to losses, and those to
    gradients and training. Its end is the softmax that leads to no more weights; where there is none, the sigmoid;
    else what nothing else is made of.

    Args:
        graph: The GraphDef.
        shapes: Of its tensors.
        start: Full name of the tensor that takes the picture.
        alone: Whether what also depends on another picture is left out.
    """
    reached: set[str] = {split(start)[0]}
    weighed: set[str] = set()
    spoiled: set[str] = set()
    for node in shapes.order:
        name, inputs = node.name, [split(tensor)[0] for tensor in sources(node)]
        rank = len(shapes.shape(name) or ())
        fed = node.op in FED and name != split(start)[0] and (0 < rank < 3 or (alone and rank > 0))
        if name.startswith("gradients") or "/gradients/" in name or any(i in spoiled for i in inputs) or fed:
            spoiled.add(name)
        if any(one in reached for one in inputs):
            reached.add(name)
            if node.op in HEAVY or any(one in weighed for one in inputs):
                weighed.add(name)
    network = [node for node in shapes.order if node.name in reached - spoiled and node.name != split(start)[0]]
    readers: dict[str, list[Any]] = {}
    for node in network:
        for tensor in sources(node):
            readers.setdefault(split(tensor)[0], []).append(node)
    ends = [node for node in network if node.name in weighed and not _leads_on(node, readers)]
    softmaxes = {
        sources(node)[0]: node for node in ends if node.op in SOFTMAXES and len(shapes.shape(node.name) or ()) > 1
    }
    if softmaxes:
        return [f"{_laid_out(node, readers).name}:0" for node in softmaxes.values()]
    floats = [
        node
        for node in ends
        if shapes.kind(node.name) in ("float32", "float64", "float16", "bfloat16")
        and len(shapes.shape(node.name) or (0, 0)) > 1
    ]
    sigmoids = [node for node in floats if node.op == "Sigmoid"]
    kept = {node.name for node in floats}
    last = [node for node in floats if not any(reader.name in kept for reader in readers.get(node.name, ()))]
    # A loss puts its logits in shape first: they themselves have the better name.
    return [_shaped(node, shapes) for node in (sigmoids or last)]


def _shaped(node: Any, shapes: Shapes) -> str:
    """Return the tensor that a node only puts in a shape that it has already, else the node's own."""
    if node.op in ("Reshape", "Identity"):
        source = full(sources(node)[0])
        if len(shapes.shape(source) or ()) == len(shapes.shape(node.name) or (0,)):
            return source
    return f"{node.name}:0"


def _laid_out(node: Any, readers: Mapping[str, Sequence[Any]]) -> Any:
    """Return what a node's output is at last where it only changes its shape."""
    while True:
        further = [one for one in readers.get(node.name, ()) if one.op in ("Identity", "Reshape", "Squeeze")]
        further = [one for one in further if split(sources(one)[0])[0] == node.name]
        if len(further) != 1:
            return node
        node = further[0]


def _leads_on(node: Any, readers: Mapping[str, Sequence[Any]]) -> bool:
    """Say whether weights come after a node."""
    seen, stack = {node.name}, list(readers.get(node.name, ()))
    while stack:
        one = stack.pop()
        if one.op in HEAVY:
            return True
        if one.name not in seen:
            seen.add(one.name)
            stack += readers.get(one.name, ())
    return False


def rest_value(node: Any, order: Sequence[Any]) -> float:
    """Return what an input that is not the picture is held at: switches off, and nothing dropped out.

    Whether a number is what is kept or what is dropped shows in what is divided by: that must be 1.

    Args:
        node: The placeholder.
        order: The nodes, each after what it reads.
    """
    nodes = {one.name: one for one in order}
    flips = {node.name: 0}
    for one in order:
        inputs = [split(tensor)[0] for tensor in sources(one)]
        known = [name for name in inputs if name in flips]
        if not known:
            continue
        if one.op in ("RealDiv", "Div") and inputs[-1] in flips:
            return float(flips[inputs[-1]] % 2 == 0)
        if one.op in ("Identity", "Cast"):
            flips[one.name] = flips[known[0]]
        elif one.op == "Sub" and inputs[1] in flips and nodes[inputs[0]].op == "Const":
            flips[one.name] = flips[inputs[1]] + 1
    return float("keep" in node.name.lower())


def scales_itself(graph: Any, start: str) -> bool:
    """Say whether a graph begins by scaling pixels of 0..255 itself.

    Args:
        graph: The GraphDef, its variables constants.
        start: The node through which the picture comes in.
    """
    nodes = by_name(graph)
    while True:
        readers = [one for one in graph.node if one.op != "Shape" and any(split(t)[0] == start for t in sources(one))]
        if len(readers) != 1:
            return False
        node = readers[0]
        if node.op not in SHAPING:
            break
        if split(sources(node)[0])[0] != start:
            return False
        start = node.name
    constants = [_constant(nodes, tensor) for tensor in sources(node) if split(tensor)[0] != start]
    if len(constants) != 1 or constants[0] is None:
        return False
    size = constants[0]
    if node.op in ("Add", "AddV2", "Sub", "BiasAdd"):
        return size > 2
    if node.op == "Mul":
        return 0 < size * 255 < LARGE_PIXEL
    return node.op in ("RealDiv", "Div") and size * LARGE_PIXEL > 255


def _constant(nodes: Mapping[str, Any], tensor: str) -> float | None:
    """Return the largest size in a constant, None for anything else."""
    import tensorflow as tf

    node = nodes.get(split(tensor)[0])
    while node is not None and node.op in ("Identity", "Cast"):
        node = nodes.get(split(node.input[0])[0])
    if node is None or node.op != "Const" or node.attr["dtype"].type == tf.string.as_datatype_enum:
        return None
    return max((abs(float(one)) for one in tf.make_ndarray(node.attr["value"].tensor).ravel()), default=0.0)


def other_inputs(graph: Any, ends: Sequence[str], entrance: Entrance) -> list[Any]:
    """Return the nodes besides the picture that a graph wants to be fed."""
    used = ancestors(by_name(graph), ends, {entrance.tensor}, waiting=False)
    return [node for node in graph.node if node.name in used and node.op in ("Placeholder", "PlaceholderV2")]


def _written(sides: Sides | None) -> str:
    return "of unknown shape" if sides is None else f"({', '.join('any' if s is None else str(s) for s in sides)})"


def held(names: Collection[str], name: str) -> str | None:
    """Return under which of the names that a user gave an input is held, or None."""
    return next((one for one in names if split(one)[0] in (name, name.rsplit("/", 1)[-1])), None)
