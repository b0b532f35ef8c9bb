"""The layers of a TensorFlow graph: which of its operations are worth looking at, under which names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from picasso.core.facts import Layer
from picasso.models.tensorflow.engine import ENTRANCE, Engine
from picasso.models.tensorflow.nodes import descendants, in_order, sources, split
from picasso.models.tensorflow.preparing import Prepared
from picasso.models.tensorflow.quiet import silent

KINDS = frozenset(
    {
        "Conv2D",
        "DepthwiseConv2dNative",
        "Conv2DBackpropInput",
        "Conv3D",
        "BiasAdd",
        "FusedBatchNorm",
        "FusedBatchNormV2",
        "FusedBatchNormV3",
        "Relu",
        "Relu6",
        "LeakyRelu",
        "Elu",
        "Selu",
        "Sigmoid",
        "Tanh",
        "Softplus",
        "Softsign",
        "Erf",
        "MaxPool",
        "MaxPoolV2",
        "AvgPool",
        "Mean",
        "Max",
        "Concat",
        "ConcatV2",
        "MatMul",
        "BatchMatMul",
        "BatchMatMulV2",
        "BatchMatMulV3",
        "Einsum",
        "LRN",
        "ResizeBilinear",
        "ResizeNearestNeighbor",
        "Softmax",
        "LogSoftmax",
        "DepthToSpace",
        "SpaceToDepth",
        "_FusedConv2D",
        "FusedConv2DBiasActivation",
        "QuantizeAndDequantizeV2",
    }
)
JOINING = frozenset({"Add", "AddV2", "AddN", "Sub", "Mul", "Maximum"})
"""Layers where at least two of their inputs come from the picture, or where they add a bias."""
_FIRST, _LAST = b"NCHW", b"NHWC"
_INLINED = "PartitionedCall/"


@dataclass(frozen=True)
class Listed:
    """A layer, and where it is in the graph.

    Args:
        layer: What is shown.
        tensor: Name of its output.
        channels_first: Whether that has its channels before the sides.
    """

    layer: Layer
    tensor: str
    channels_first: bool


def list_layers(
    engine: Engine, prepared: Prepared, shape: tuple[int, int, int], batch: int | None
) -> dict[str, Listed]:
    """Return the layers in the order of execution, by name.

    Args:
        engine: Runs the graph.
        prepared: The graph.
        shape: (height, width, channels) of the picture.
        batch: The number of pictures that it insists on, or None.
    """
    import tensorflow as tf

    order = in_order(prepared.graph)
    live = descendants(order, ENTRANCE) - _in_loops(order)
    chosen = [node for node in order if node.name in live and _matters(node, live)]
    tensors = {node.name: engine.tensor(node.name) for node in chosen}
    tensors = {name: t for name, t in tensors.items() if t.dtype.is_floating and t.shape.rank in (None, 2, 3, 4)}
    count = batch or 2
    with engine.graph.as_default(), silent():
        sides = {name: tf.shape(tensor) for name, tensor in tensors.items()}
    sizes = engine.run(sides, np.zeros((count, *shape), np.float32))
    first = _channels_first(order, prepared.entrance.layout == "first")
    names = _shown([node.name for node in chosen])
    found = {}
    for node in chosen:
        size = [int(side) for side in sizes.get(node.name, ())]
        # What has another number of entries than pictures were given mixes them.
        if 2 <= len(size) <= 4 and size[0] == count and min(size) > 0:
            turned = len(size) == 4 and first.get(node.name, False)
            inner = (size[2], size[3], size[1]) if turned else tuple(size[1:])
            found[names[node.name]] = Listed(Layer(names[node.name], node.op, inner), node.name, turned)
    return found


def _matters(node: Any, live: set[str]) -> bool:
    if node.op in KINDS:
        return True
    if node.op not in JOINING:
        return False
    joined = sum(split(tensor)[0] in live for tensor in sources(node))
    return joined > 1 or node.op in ("Add", "AddV2", "Maximum")


def _in_loops(order: list[Any]) -> set[str]:
    """Return the names of what runs inside loops of TensorFlow 1, where there is more than one value."""
    inside: set[str] = set()
    for node in order:
        within = any(split(tensor)[0] in inside for tensor in sources(node))
        if node.op == "Enter" or (within and node.op != "Exit"):
            inside.add(node.name)
    return inside


def _channels_first(order: list[Any], start: bool) -> dict[str, bool]:
    """Return of each node whether its output has its channels first, as its convolutions and poolings say."""
    import tensorflow as tf

    nodes = {node.name: node for node in order}
    found = {ENTRANCE: start}
    for node in order:
        inputs = [split(tensor)[0] for tensor in sources(node)]
        said = node.attr["data_format"].s if "data_format" in node.attr else b""
        if node.op == "Transpose" and len(inputs) == 2 and nodes[inputs[1]].op == "Const":
            axes = [int(axis) for axis in tf.make_ndarray(nodes[inputs[1]].attr["value"].tensor).ravel()]
            if axes in ([0, 3, 1, 2], [0, 2, 3, 1]):
                found[node.name] = axes == [0, 3, 1, 2]
                continue
        known = [found[name] for name in inputs if name in found]
        if said in (_FIRST, _LAST) and node.op != "BiasAdd":
            found[node.name] = said == _FIRST
        elif said == _FIRST or known:
            found[node.name] = said == _FIRST or known[0]
    return found


def _shown(names: list[str]) -> dict[str, str]:
    """Return the names under which nodes are shown: without the calls that freezing put before them."""
    short = {name: name.rsplit(_INLINED, 1)[-1] for name in names}
    counts = Counter(short.values())
    return {name: one if counts[one] == 1 else name for name, one in short.items()}
