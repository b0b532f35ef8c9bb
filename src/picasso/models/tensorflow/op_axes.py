"""The order and the number of axes: shapes, transposing, parts and joins, from TensorFlow into the op graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from picasso.core.graph import Concat, Elementwise, Reshape, Resize, Shape, Slice, Transpose
from picasso.models.tensorflow.op_reader import LAST, Handler, Numbers, Reader, Value, ordered


def _reshape(reader: Reader, op: Any) -> Value:
    value = reader.value(op, merged=True)
    shape = reader.shape(value)
    found = set()
    for batch, wanted in zip(reader.batches, reader.numbers(op, 1), strict=True):
        sides = [int(side) for side in wanted]
        if -1 in sides:
            sides[sides.index(-1)] = batch * math.prod(shape) // max(1, -math.prod(sides))
        if not sides or sides[0] % batch:
            raise reader.refuse(op, "mixes pictures")
        found.add((sides[0] // batch, *sides[1:]))
    if len(found) != 1:
        raise reader.refuse(op, "mixes pictures")
    ((first, *others),) = found
    rest = tuple(others)
    if first == 1:
        return _repeated(reader, op, value, rest) or reader.reshaped(op, value, rest)
    for count in range(1, len(shape) + 1):
        if math.prod(shape[:count]) == first and shape[count:] == rest:
            return replace(value, merged=count)
    return replace(reader.reshaped(op, value, (first, *rest)), merged=1)


def _squeeze(reader: Reader, op: Any) -> Value:
    value = reader.value(op)
    shape = reader.shape(value)
    asked = [axis + (axis < 0) * (1 + len(shape)) for axis in op.get_attr("squeeze_dims")]
    if 0 in asked or (not asked and 1 in reader.batches):
        raise reader.refuse(op, "drops the pictures' axis")
    gone = {axis - 1 for axis in asked} or {axis for axis, side in enumerate(shape) if side == 1}
    return reader.reshaped(op, value, tuple(side for axis, side in enumerate(shape) if axis not in gone))


def _expand(reader: Reader, op: Any) -> Value:
    value = reader.value(op)
    shape = reader.shape(value)
    (axis,) = reader.integers(op, 1)
    axis += (axis < 0) * (2 + len(shape))
    if axis == 0:
        raise reader.refuse(op, "gives the pictures another axis")
    return reader.reshaped(op, value, (*shape[: axis - 1], 1, *shape[axis - 1 :]))


def _transpose(reader: Reader, op: Any) -> Value:
    value, order = reader.value(op, merged=True), reader.integers(op, 1)
    if order[0] != 0:
        raise reader.refuse(op, "moves the pictures' axis")
    kept = value.axes[: value.merged]
    return replace(value, axes=(*kept, *(value.axes[value.merged + axis - 1] for axis in order[1:])))


def _concat(reader: Reader, op: Any) -> Value:
    first = op.type == "Concat"
    count = len(op.inputs) - 1
    places = range(1, count + 1) if first else range(count)
    (axis,) = reader.integers(op, 0 if first else count)
    return _joined(reader, op, places, axis)


def _joined(reader: Reader, op: Any, places: Sequence[int], axis: int) -> Value:
    lead = reader.value(op, next(place for place in places if reader.varies(op, place)))
    names = []
    for place in places:
        if reader.varies(op, place):
            names.append(reader.laid(reader.value(op, place), lead.axes))
        else:
            names.append(reader.constant(op, ordered(_one_row(reader, op, reader.fixed(op, place)), lead.axes)))
    return Value(reader.add(op, Concat, names, axis=reader.axis(op, lead, axis)), lead.axes)


def _one_row(reader: Reader, op: Any, constant: Numbers) -> Any:
    if not (constant == constant[:1]).all():
        raise reader.refuse(op, "has another constant for each picture")
    return constant[0]


def _pack(reader: Reader, op: Any) -> Value:
    """Put values behind each other along a new axis."""
    lead = reader.value(op, next(place for place in range(len(op.inputs)) if reader.varies(op, place)))
    axis = op.get_attr("axis")
    axis += (axis < 0) * (2 + len(lead.axes))
    if axis == 0:
        raise reader.refuse(op, "gives the pictures another axis")
    names = []
    for place in range(len(op.inputs)):
        if reader.varies(op, place):
            value = reader.value(op, place)
            shape = reader.shape(value)
            names.append(
                reader.add(op, Reshape, [reader.plain(value)], target=(*shape[: axis - 1], 1, *shape[axis - 1 :]))
            )
        else:
            names.append(reader.constant(op, np.expand_dims(_one_row(reader, op, reader.fixed(op, place)), axis - 1)))
    return Value(reader.add(op, Concat, names, axis=axis - 1), tuple(range(len(lead.axes) + 1)))


def _cut(reader: Reader, op: Any, value: Value, axis: int, places: range) -> Value:
    """Keep a part along an axis of the op graph's value."""
    if places == range(reader.build.shape(value.name)[axis]):
        return value
    if not places:
        raise reader.refuse(op, "keeps nothing")
    name = reader.add(op, Slice, [value.name], axis=axis, start=places.start, stop=places.stop, step=places.step)
    return replace(value, name=name)


def _split(reader: Reader, op: Any) -> list[Value]:
    by_size = op.type == "SplitV"
    value = reader.value(op, 0 if by_size else 1)
    (axis,) = reader.integers(op, 2 if by_size else 0)
    inner = reader.axis(op, value, axis)
    side, count = reader.build.shape(value.name)[inner], len(op.outputs)
    sizes = reader.integers(op, 1) if by_size else [side // count] * count
    sizes = [size if size >= 0 else side - sum(other for other in sizes if other >= 0) for size in sizes]
    starts = np.cumsum([0, *sizes]).tolist()
    return [_cut(reader, op, value, inner, range(start, stop)) for start, stop in pairwise(starts)]


def _without(reader: Reader, op: Any, value: Value, axes: Sequence[int]) -> Value:
    """Drop axes of one entry, numbered as the tensor has them behind the batch."""
    shape = reader.shape(value)
    return reader.reshaped(op, value, tuple(side for axis, side in enumerate(shape) if axis not in axes))


def _unpack(reader: Reader, op: Any) -> list[Value]:
    value = reader.value(op)
    inner = reader.axis(op, value, op.get_attr("axis"))
    parts = (_cut(reader, op, value, inner, range(place, place + 1)) for place in range(len(op.outputs)))
    return [_without(reader, op, part, [value.axes.index(inner)]) for part in parts]


def _strided(reader: Reader, op: Any) -> Value:
    value = reader.value(op)
    begins, ends, steps = (reader.numbers(op, place) for place in (1, 2, 3))
    masks = {name: op.get_attr(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    shape = reader.shape(value)
    found = set()
    for batch, begin, end, step in zip(reader.batches, begins, ends, steps, strict=True):
        wanted = _places((batch, *shape), begin, end, step, masks)
        if wanted[0] != range(batch):
            raise reader.refuse(op, "chooses among pictures")
        found.add(tuple(wanted[1:]))
    if len(found) != 1:
        raise reader.refuse(op, "depends on the number of pictures")
    (parts,) = found
    target: list[int] = []
    axis = 0
    for part in parts:
        if part is None:
            target.append(1)
            continue
        if isinstance(part, int):
            value = _cut(reader, op, value, value.axes[axis], range(part, part + 1))
        else:
            value = _cut(reader, op, value, value.axes[axis], part)
            target.append(len(part))
        axis += 1
    return reader.reshaped(op, value, tuple(target)) if len(target) != axis or None in parts else value


def _places(
    shape: Shape, begin: Numbers, end: Numbers, step: Numbers, masks: dict[str, int]
) -> list[range | int | None]:
    """Return what a strided slice keeps of each axis: a range, one place without its axis, or None for a new axis."""
    given = len(begin)
    found: list[range | int | None] = []
    axis = 0
    for place in range(given):
        has = {name: bool(mask >> place & 1) for name, mask in masks.items()}
        if has["ellipsis"]:
            later_new = sum(bool(masks["new_axis"] >> later & 1) for later in range(place + 1, given))
            left = len(shape) - axis - (given - place - 1 - later_new)
            found += [range(side) for side in shape[axis : axis + left]]
            axis += left
        elif has["new_axis"]:
            found.append(None)
        elif has["shrink_axis"]:
            found.append(int(begin[place]) % shape[axis])
            axis += 1
        else:
            bounds = [None if has[name] else int(one[place]) for name, one in (("begin", begin), ("end", end))]
            found.append(range(*slice(bounds[0], bounds[1], int(step[place])).indices(shape[axis])))
            axis += 1
    return found + [range(side) for side in shape[axis:]]


def _slice(reader: Reader, op: Any) -> Value:
    value = reader.value(op)
    shape = reader.shape(value)
    found = set()
    for batch, begin, size in zip(reader.batches, reader.numbers(op, 1), reader.numbers(op, 2), strict=True):
        if int(begin[0]) or int(size[0]) not in (-1, batch):
            raise reader.refuse(op, "chooses among pictures")
        found.add(
            tuple(
                range(int(start), side if count < 0 else int(start + count))
                for start, count, side in zip(begin[1:], size[1:], shape, strict=True)
            )
        )
    if len(found) != 1:
        raise reader.refuse(op, "depends on the number of pictures")
    (parts,) = found
    for axis, part in zip(value.axes, parts, strict=True):
        value = _cut(reader, op, value, axis, part)
    return value


def _gather(reader: Reader, op: Any) -> Value:
    """Take entries at even distances along an axis."""
    value, indices = reader.value(op), reader.fixed(op, 1)
    (axis,) = reader.integers(op, 2)
    if op.get_attr("batch_dims") or indices.ndim > 1 or not indices.size:
        raise reader.refuse(op)
    inner = reader.axis(op, value, axis)
    places = [int(place) for place in indices.ravel()]
    step = places[1] - places[0] if len(places) > 1 else 1
    even = range(places[0], places[-1] + (1 if step > 0 else -1), step) if step else range(0)
    if list(even) != places:
        raise reader.refuse(op, "takes entries in no even order, for which the op graph has no form")
    made = _cut(reader, op, value, inner, even)
    return made if indices.ndim else _without(reader, op, made, [value.axes.index(inner)])


def _reverse(reader: Reader, op: Any) -> Value:
    value = reader.value(op)
    for axis in reader.integers(op, 1):
        inner = reader.axis(op, value, axis)
        value = _cut(reader, op, value, inner, range(reader.build.shape(value.name)[inner] - 1, -1, -1))
    return value


def _tile(reader: Reader, op: Any) -> Value:
    value = reader.value(op)
    first, *counts = reader.integers(op, 1)
    if first != 1:
        raise reader.refuse(op, "repeats pictures")
    made = value
    for axis, count in zip(value.axes, counts, strict=True):
        if count != 1:
            made = replace(made, name=reader.add(op, Concat, [made.name] * count, axis=axis))
    if len(repeated := [axis for axis, count in enumerate(counts) if count != 1]) == 1:
        reader.repeats[made.name] = value, repeated[0], counts[repeated[0]]
    return made


def _repeated(reader: Reader, op: Any, value: Value, target: Shape) -> Value | None:
    """Return a map whose every row or column is repeated, which comes as a new axis, repeated and merged; or None."""
    single, axis, count = reader.repeats.get(value.name, (value, 0, 1))
    shape = reader.shape(single)
    if not axis or shape[axis] != 1 or single.axes != value.axes or len(shape) != 4:
        return None
    before = shape[:axis] + shape[axis + 1 :]
    whole = reader.reshaped(op, single, before)
    inner = whole.axes[axis - 1]
    if target != (*before[: axis - 1], before[axis - 1] * count, *before[axis:]) or not inner:
        return None
    sides = reader.build.shape(whole.name)[1:]
    matrices = [np.eye(side, dtype=np.float32) for side in sides]
    matrices[inner - 1] = np.repeat(matrices[inner - 1], count, axis=0)
    return replace(whole, name=reader.add(op, Resize, [whole.name], rows=matrices[0], columns=matrices[1]))


def _broadcast(reader: Reader, op: Any) -> Value:
    value = reader.value(op)
    shapes = {
        tuple(int(side) for side in wanted[1:])
        for batch, wanted in zip(reader.batches, reader.numbers(op, 1), strict=True)
        if int(wanted[0]) == batch
    }
    if len(shapes) != 1 or len(next(iter(shapes))) != len(value.axes):
        raise reader.refuse(op)
    ones = reader.constant(op, ordered(np.ones(shapes.pop(), np.float32), value.axes))
    return replace(value, name=reader.add(op, Elementwise, [value.name, ones], function="multiply"))


def _depth_to_space(reader: Reader, op: Any) -> Value:
    axes, side = _blocked(reader, op)
    name = reader.map(op, reader.value(op), axes)
    channels, height, width = reader.build.shape(name)
    parts = reader.add(op, Reshape, [name], target=(side, side, channels // side**2, height, width))
    dealt = reader.add(op, Transpose, [parts], axes=(2, 3, 0, 4, 1))
    return Value(reader.add(op, Reshape, [dealt], target=(-1, height * side, width * side)), axes)


def _space_to_depth(reader: Reader, op: Any) -> Value:
    axes, side = _blocked(reader, op)
    name = reader.map(op, reader.value(op), axes)
    channels, height, width = reader.build.shape(name)
    parts = reader.add(op, Reshape, [name], target=(channels, height // side, side, width // side, side))
    dealt = reader.add(op, Transpose, [parts], axes=(2, 4, 0, 1, 3))
    return Value(reader.add(op, Reshape, [dealt], target=(-1, height // side, width // side)), axes)


def _blocked(reader: Reader, op: Any) -> tuple[tuple[int, ...], int]:
    layouts = {b"NHWC": LAST, b"NCHW": (0, 1, 2)}
    if op.get_attr("data_format") not in layouts:
        raise reader.refuse(op)
    return layouts[op.get_attr("data_format")], op.get_attr("block_size")


HANDLERS: dict[str, Handler] = {
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "ExpandDims": _expand,
    "Transpose": _transpose,
    **dict.fromkeys(("Concat", "ConcatV2"), _concat),
    "Pack": _pack,
    **dict.fromkeys(("Split", "SplitV"), _split),
    "Unpack": _unpack,
    "StridedSlice": _strided,
    "Slice": _slice,
    "GatherV2": _gather,
    "ReverseV2": _reverse,
    "Tile": _tile,
    "BroadcastTo": _broadcast,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
