"""Several operations of a graph that are one: what a library spells out is written with the graph's own word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from picasso.core import graph as g
from picasso.models.jax.op_norms import layer_norm, scaled_norm, softmax

Found = g.Op | str | list[g.Op] | None
"""What takes the place of an operation: another one of its name, an earlier value, several operations, or nothing."""


@dataclass
class Seen:
    """The operations before the one that is looked at.

    Args:
        ops: By name.
        readers: How many operations and outputs read each value.
    """

    ops: dict[str, g.Op] = field(default_factory=dict)
    readers: dict[str, int] = field(default_factory=dict)

    def before(self, op: g.Op, kind: type[g.AnyOp], index: int = 0) -> g.AnyOp | None:
        """Return an operation's operand where it is of a kind."""
        found = self.ops[op.inputs[index]]
        return found if isinstance(found, kind) else None

    def only_before(self, op: g.Op, kind: type[g.AnyOp], index: int = 0) -> g.AnyOp | None:
        """Return an operation's operand where it is of a kind, of the same layer, and read by nothing else."""
        found = self.before(op, kind, index)
        alone = found is not None and self.readers[found.name] == 1 and found.layer == op.layer
        return found if alone else None


def simplified(graph: g.Graph) -> g.Graph:
    """Return a graph that computes the same with fewer operations, its numbers in single precision."""
    changed = True
    while changed:
        graph, changed = _once(graph)
    return replace(graph, ops=tuple(_single(op) for op in graph.ops))


def _once(graph: g.Graph) -> tuple[g.Graph, bool]:
    seen, same, changed = Seen(), dict[str, str](), False
    for op in graph.ops:
        for name in op.inputs:
            seen.readers[name] = seen.readers.get(name, 0) + 1
    for name in graph.outputs.values():
        seen.readers[name] = seen.readers.get(name, 0) + 1
    for op in graph.ops:
        op = replace(op, inputs=tuple(same.get(name, name) for name in op.inputs))
        found = next((made for rule in _RULES.get(type(op), ()) if (made := rule(op, seen)) is not None), None)
        changed |= found is not None
        if isinstance(found, str):
            same[op.name] = found
            continue
        for made in found if isinstance(found, list) else [found or op]:
            seen.ops[made.name] = made
    outputs = {name: same.get(value, value) for name, value in graph.outputs.items()}
    return g.Builder(list(seen.ops.values())).graph(outputs), changed


def _single(op: g.Op) -> g.Op:
    wide = {
        entry.name: getattr(op, entry.name).astype(np.float32)
        for entry in fields(op)
        if isinstance(getattr(op, entry.name), np.ndarray) and getattr(op, entry.name).dtype != np.float32
    }
    return replace(op, **wide) if wide else op


def _as(kind: type[g.Op], op: g.Op, inputs: tuple[str, ...], **given: Any) -> g.Op:
    """Return an operation of another kind in the place of one."""
    return kind(name=op.name, inputs=inputs, shape=op.shape, layer=op.layer, **given)


# --- scales and shifts ---------------------------------------------------------------------------------------


def _two_affines(op: g.Affine, seen: Seen) -> Found:
    first = seen.only_before(op, g.Affine)
    if first is None:
        return None
    shift = op.scale * first.shift + op.shift
    return replace(op, inputs=first.inputs, scale=op.scale * first.scale, shift=shift)


def _nothing(op: g.Affine, seen: Seen) -> Found:
    is_same = np.allclose(op.scale, 1, rtol=1e-7, atol=0) and not op.shift.any()
    return op.inputs[0] if is_same else None


def _bias(op: g.Affine, seen: Seen) -> Found:
    """A shift behind a convolution, or a matrix on a vector, is its bias."""
    if (op.scale != 1).any():
        return None
    layer = seen.only_before(op, g.Conv) or seen.only_before(op, g.ConvTranspose)
    vector = seen.only_before(op, g.Linear) if len(op.shape) == 1 else None
    found = layer or vector
    return None if found is None else replace(found, name=op.name, bias=_sum(found.bias, op.shift))


def _bias_of_last(op: g.Elementwise, seen: Seen) -> Found:
    """A shift behind a matrix, whose result may be split into heads."""
    known = seen.before(op, g.Constant, 1)
    if op.function != "add" or known is None:
        return None
    linear, split = seen.only_before(op, g.Linear), seen.only_before(op, g.Reshape)
    if linear is not None and known.value.shape == op.shape[-1:] and linear.shape == op.shape:
        return replace(linear, name=op.name, bias=_sum(linear.bias, known.value))
    if split is None or split.shape != op.shape or known.value.shape != op.shape[-known.value.ndim :]:
        return None
    linear = seen.only_before(split, g.Linear)
    if linear is None or linear.shape != (*op.shape[: -known.value.ndim], known.value.size):
        return None
    summed = replace(linear, name=f"{op.name}:sum", bias=_sum(linear.bias, known.value.reshape(-1)))
    return [summed, replace(split, name=op.name, inputs=(summed.name,))]


def _sum(bias: Any, shift: Any) -> Any:
    return shift if bias is None else bias + shift


def _mean(op: g.Affine, seen: Seen) -> Found:
    """A sum divided by the number of entries."""
    total = seen.only_before(op, g.Reduce)
    if total is None or total.function != "sum" or op.shift.any():
        return None
    count = np.prod([seen.ops[total.inputs[0]].shape[axis] for axis in total.axes])
    if not np.allclose(op.scale * count, 1, rtol=1e-6, atol=0):
        return None
    return replace(total, name=op.name, function="mean")


def _no_shift(op: g.Elementwise, seen: Seen) -> Found:
    """Adding zeros that make nothing larger."""
    known = seen.before(op, g.Constant, 1)
    if known is None or op.function not in ("add", "subtract") or known.value.any():
        return None
    return op.inputs[0] if seen.ops[op.inputs[0]].shape == op.shape else None


def _counted_mean(op: g.Elementwise, seen: Seen) -> Found:
    """A mean of windows times their size, divided by how many of their entries lie in the map."""
    known, scaled = seen.before(op, g.Constant, 1), seen.before(op, g.Affine)
    pool = seen.before(scaled, g.Pool) if scaled is not None else None
    if op.function != "divide" or known is None or scaled is None or pool is None or pool.function != "mean":
        return None
    size = pool.kernel[0] * pool.kernel[1]
    if scaled.shift.any() or (scaled.scale != size).any() or pool.counted != pool.padding:
        return None
    inside = replace(pool, name=op.name, layer=op.layer, counted=g.NO_PADDING)
    _, height, width = seen.ops[pool.inputs[0]].shape
    rows, columns = g.average_counts(inside, (height, width))
    expected = np.broadcast_to(rows[:, None] * columns, op.shape)
    is_same = np.array_equal(np.broadcast_to(known.value, op.shape), expected)
    return inside if is_same else None


# --- shapes --------------------------------------------------------------------------------------------------


def _global(op: g.Reduce, seen: Seen) -> Found:
    if op.function not in ("mean", "max") or len(seen.ops[op.inputs[0]].shape) != 3 or op.axes != (1, 2):
        return None
    return _as(g.GlobalPool, op, op.inputs, function=op.function, keep=op.keep)


def _without_sides(op: g.Reshape, seen: Seen) -> Found:
    pool, first = seen.before(op, g.GlobalPool), seen.before(op, g.Reshape)
    if op.shape == seen.ops[op.inputs[0]].shape:
        return op.inputs[0]
    if pool is not None and len(op.shape) == 1:
        return replace(pool, name=op.name, shape=op.shape, keep=False)
    return None if first is None else replace(op, inputs=first.inputs)


def _two_transposes(op: g.Transpose, seen: Seen) -> Found:
    if op.axes == tuple(range(len(op.axes))):
        return op.inputs[0]
    first = seen.before(op, g.Transpose)
    return None if first is None else replace(op, inputs=first.inputs, axes=tuple(first.axes[a] for a in op.axes))


def _two_resizes(op: g.Resize, seen: Seen) -> Found:
    first = seen.only_before(op, g.Resize)
    if first is None:
        return None
    return replace(op, inputs=first.inputs, rows=op.rows @ first.rows, columns=op.columns @ first.columns)


_RULES: Mapping[type[g.Op], tuple[Callable[[Any, Seen], Found], ...]] = {
    g.Affine: (_two_affines, _nothing, _bias, _mean, scaled_norm),
    g.Reduce: (_global,),
    g.Reshape: (_without_sides,),
    g.Transpose: (_two_transposes,),
    g.Resize: (_two_resizes,),
    g.Elementwise: (_no_shift, _bias_of_last, _counted_mean, softmax, layer_norm, scaled_norm),
}
