"""The same network in operations that cost less: joined once, clipped instead of scaled, means of fewer numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from picasso.core import graph as ops
from picasso.core.graph import NO_PADDING, Activation, Affine, Concat, Conv, Graph, Op, Pool
from picasso.core.preprocessing import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelClip(Op):
    """Each number between two limits of its channel.

    Args:
        low, high: (channels,).
    """

    low: Array
    high: Array


def rewritten(graph: Graph) -> Graph:
    """Return the same network, cheaper."""
    return _swapped(_clipped(_flattened(graph)))


def _flattened(graph: Graph) -> Graph:
    """Join all maps at once where what was joined is joined again, as dense blocks do at each layer."""
    parts: dict[str, tuple[str, ...]] = {}
    found = list[Op]()
    for op in graph.ops:
        if isinstance(op, Concat) and op.axis == 0:
            op = replace(op, inputs=tuple(part for name in op.inputs for part in parts.get(name, (name,))))
            parts[op.name] = op.inputs
        found.append(op)
    read = {name for op in found for name in op.inputs} | set(graph.outputs.values())
    return replace(graph, ops=tuple(op for op in found if op.name in read or op.name not in parts))


def _swapped(graph: Graph) -> Graph:
    """Let a mean over places and a convolution of 1 x 1 change places where that leaves less to the second of them.

    Both are linear, and one mixes places only, the other channels only.
    """
    by_name, readers, kept = graph.by_name, graph.readers(), set(graph.outputs.values())
    found: dict[str, Op] = {}
    for second in graph.ops:
        first = by_name[second.inputs[0]] if second.inputs else second
        if len(readers[first.name]) > 1 or first.name in kept or first.name in found:
            continue
        match first, second:
            # A bias would not reach into the padding.
            case Conv(), Pool(function="mean", padding=ops.NO_PADDING) if (
                _is_plain(first) and first.stride == (1, 1) and second.stride != (1, 1)
            ):
                shape = (first.weight.shape[1], *second.shape[1:])
            case Pool(function="mean"), Conv(bias=None) if (
                _is_plain(second)
                and second.shape[1:] == first.shape[1:] == by_name[first.inputs[0]].shape[1:]
                and second.shape[0] < first.shape[0]
            ):
                shape = (second.shape[0], *first.shape[1:])
            case _:
                continue
        found[first.name] = replace(second, name=first.name, inputs=first.inputs, shape=shape)
        found[second.name] = replace(first, name=second.name, inputs=second.inputs, shape=second.shape)
    return replace(graph, ops=tuple(found.get(op.name, op) for op in graph.ops))


def _clipped(graph: Graph) -> Graph:
    """Leave scales and shifts before a ReLU to the convolutions of 1 x 1 that read it.

    relu(s x + t) is s clip(x) + t: for a positive s x is clipped below at -t / s, for a negative one above.
    """
    by_name, readers, kept = graph.by_name, graph.readers(), set(graph.outputs.values())
    found: dict[str, Op] = {}
    dropped: set[str] = set()
    for op in graph.ops:
        if not isinstance(op, Activation) or op.function != "relu" or op.name in kept:
            continue
        before = by_name[op.inputs[0]]
        if not isinstance(before, Affine) or len(readers[before.name]) > 1 or before.name in kept:
            continue
        after = [reader for reader in readers[op.name] if isinstance(reader, Conv) and _is_plain(reader)]
        if len(after) < len(readers[op.name]) or not (before.scale != 0).all():
            continue
        edge = (-before.shift / before.scale).astype(np.float32)
        up = before.scale > 0
        found[op.name] = ChannelClip(
            name=op.name,
            inputs=before.inputs,
            shape=op.shape,
            layer=op.layer,
            low=np.where(up, edge, -np.inf).astype(np.float32),
            high=np.where(up, np.inf, edge).astype(np.float32),
        )
        dropped.add(before.name)
        found.update((reader.name, _scaled(reader, before)) for reader in after)
    return replace(graph, ops=tuple(found.get(op.name, op) for op in graph.ops if op.name not in dropped))


def _is_plain(op: Conv) -> bool:
    return op.weight.shape[2:] == (1, 1) and op.groups == 1 and op.padding == NO_PADDING


def _scaled(op: Conv, affine: Affine) -> Conv:
    """Return a convolution that scales and shifts what it reads."""
    scale, shift = affine.scale.astype(np.float64), affine.shift.astype(np.float64)
    bias = op.weight[:, :, 0, 0].astype(np.float64) @ shift + (0 if op.bias is None else op.bias)
    return replace(op, weight=times(op.weight, scale[None, :, None, None]), bias=bias.astype(np.float32))


def times(weight: Array, scale: NDArray[np.float64]) -> Array:
    """Return a weight times a scale, rounded once, without a copy of it in double precision."""
    made = np.empty(weight.shape, np.float32)
    return np.multiply(weight, scale, out=made, dtype=np.float64, casting="same_kind")
