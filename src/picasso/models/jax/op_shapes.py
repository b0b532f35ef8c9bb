"""JAX's operations on shapes and places, written into an op graph; most of them only rename axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from picasso.core.graph import Concat, Conv, Linear, Pad, Reshape, Resize, Shape, Slice
from picasso.core.preprocessing import Array
from picasso.models.jax.op_numbers import single
from picasso.models.jax.op_values import Value, Writer
from picasso.models.jax.program import Step


def same(write: Writer, step: Step) -> list[Value]:
    """Write an operation that keeps the numbers: nothing."""
    return [write.values[place] for place in step.inputs]


def convert(write: Writer, step: Step) -> list[Value]:
    """Write a cast from floats to floats: nothing."""
    if "float" not in str(step.params["new_dtype"]):
        raise write.refuse(f"to {step.params['new_dtype']} has no form in the op graph")
    return same(write, step)


def transpose(write: Writer, step: Step) -> list[Value]:
    """Write another order of axes: new names for them."""
    value = write.values[step.inputs[0]]
    order = step.params["permutation"]
    to = {old: new for new, old in enumerate(order)}
    shape, full = ([sides[old] for old in order] for sides in (value.shape, value.full))
    return [value.renamed(to, shape, to[value.batch], full)]


def squeeze(write: Writer, step: Step) -> list[Value]:
    """Write the loss of axes of side 1: new names for the others."""
    value = write.values[step.inputs[0]]
    gone = {axis % len(value.shape) for axis in step.params["dimensions"]}
    if value.batch in gone:
        raise write.refuse("drops the batch")
    kept = [axis for axis in range(len(value.shape)) if axis not in gone]
    to = {old: new for new, old in enumerate(kept)}
    shape, full = ([sides[old] for old in kept] for sides in (value.shape, value.full))
    return [value.renamed(to, shape, to[value.batch], full)]


def expand_dims(write: Writer, step: Step) -> list[Value]:
    """Write new axes of side 1: new names for the others."""
    value = write.values[step.inputs[0]]
    rank = len(value.shape) + len(step.params["dimensions"])
    new = {axis % rank for axis in step.params["dimensions"]}
    return [_placed(value, [axis for axis in range(rank) if axis not in new], rank)]


def broadcast(write: Writer, step: Step) -> list[Value]:
    """Write a broadcast: new names for the axes; those who read it broadcast it themselves."""
    value = write.values[step.inputs[0]]
    places = list(step.params["broadcast_dimensions"])
    if not value.shape:
        raise write.refuse()
    placed = _placed(value, places, len(step.params["shape"]))
    full = write.picture_shape(step.params["shape"], placed.batch)
    if full[placed.batch] != value.full[value.batch]:
        raise write.refuse("repeats the pictures of a batch")
    return [placed.renamed({axis: axis for axis in range(len(full))}, placed.shape, placed.batch, full)]


def _placed(value: Value, places: Sequence[int], rank: int) -> Value:
    shape, full = [1] * rank, [1] * rank
    for axis, place in enumerate(places):
        shape[place], full[place] = value.shape[axis], value.full[axis]
    return value.renamed(dict(enumerate(places)), shape, places[value.batch], full)


def reshape(write: Writer, step: Step) -> list[Value]:
    """Write another shape: new names where only sides of 1 change, else a `Reshape`."""
    value = write.value(step.inputs[0])
    if step.params.get("dimensions") is not None:
        raise write.refuse("with an order of axes has no form in the op graph")
    new = tuple(int(side) for side in step.params["new_sizes"])
    old = tuple(side * write.pictures if axis == value.batch else side for axis, side in enumerate(value.shape))
    groups = _groups(old, new)
    if 0 in old or not new:
        raise write.refuse()
    olds, news = next((group for group in groups if value.batch in group[0]), ([], []))
    if not news:  # a batch of one picture: its axis, or where it was dropped the first of the picture's own
        news = [0] if new[0] == 1 else next(after for _, after in groups)
    if math.prod(old[axis] for axis in olds if axis < value.batch) != 1:
        raise write.refuse("mixes the pictures of a batch")
    batch = news[0]
    shape = write.picture_shape(new, batch)
    if all(len(before) == len(after) == 1 for before, after in groups):
        to = {before[0]: after[0] for before, after in groups}
        return [value.renamed(to | {value.batch: batch}, shape, batch)]
    # Where what is joined lies together in the graph, no axis has to move.
    sided, order = value.sided, list[int]()
    for before, after in sorted(groups, key=lambda group: _first(sided, group[0], value)):
        inner = [axis for axis in before if axis in sided]
        start = sided.index(inner[0]) if inner else 0
        if sided[start : start + len(inner)] != inner:
            break
        order += [axis for axis in after if axis != batch or shape[axis] > 1]
    else:
        name = write.arranged(value, sided)
        return [_made(write, name, order, shape, batch)]
    name = write.arranged(value, value.own())
    return [_made(write, name, [a for a in range(len(new)) if a != batch or shape[a] > 1], shape, batch)]


def _made(write: Writer, name: str, axes: Sequence[int], shape: Shape, batch: int) -> Value:
    target = tuple(shape[axis] for axis in axes)
    if write.build.shape(name) != target:
        name = write.add(Reshape, [name], target=target)
    return Value(name, tuple(axes), shape, batch, shape)


def _first(sided: Sequence[int], before: Sequence[int], value: Value) -> int:
    return min((sided.index(axis) for axis in before if axis in sided), default=-1)


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """Return which axes become which: the smallest groups of equal products, without sides of 1."""
    olds = [axis for axis, side in enumerate(old) if side != 1]
    news = [axis for axis, side in enumerate(new) if side != 1]
    groups = []
    while olds or news:
        before, after = [olds.pop(0)], [news.pop(0)]
        while (a := math.prod(old[i] for i in before)) != (b := math.prod(new[i] for i in after)):
            if a < b:
                before.append(olds.pop(0))
            else:
                after.append(news.pop(0))
        groups.append((before, after))
    return groups


def _cut(write: Writer, value: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """Write a part of a value along one axis."""
    side = len(range(start, stop, step))
    if side == value.shape[axis] and step > 0:
        return value
    if axis == value.batch:
        raise write.refuse("takes apart the pictures of a batch")
    place = value.axes.index(axis)
    name = write.add(Slice, [value.name], axis=place, start=start, stop=stop, step=step)
    shape = tuple(side if a == axis else s for a, s in enumerate(value.shape))
    return Value(name, value.axes, shape, value.batch, shape)


def cut(write: Writer, step: Step) -> list[Value]:
    """Write a slice."""
    value = write.value(step.inputs[0])
    strides = step.params["strides"] or (1,) * len(value.shape)
    for axis, (start, stop, stride) in enumerate(
        zip(step.params["start_indices"], step.params["limit_indices"], strides, strict=True)
    ):
        if axis != value.batch:
            value = _cut(write, value, axis, start, stop, stride)
        elif (start, stop, stride) != (0, value.shape[axis] * write.pictures, 1):
            raise write.refuse("takes apart the pictures of a batch")
    return [value]


def cut_at(write: Writer, step: Step) -> list[Value]:
    """Write a slice that begins at places which are values; they must be known."""
    value = write.value(step.inputs[0])
    for axis, (place, side) in enumerate(zip(step.inputs[1:], step.params["slice_sizes"], strict=True)):
        if place not in write.known:
            raise write.refuse("at a place that depends on the picture has no form in the op graph")
        if axis == value.batch:
            if side != value.shape[axis] * write.pictures:
                raise write.refuse("takes apart the pictures of a batch")
            continue
        start = min(max(int(write.known[place]), 0), value.shape[axis] - side)
        value = _cut(write, value, axis, start, start + side)
    return [value]


def split(write: Writer, step: Step) -> list[Value]:
    """Write the parts of a value along an axis."""
    value, axis, parts, start = write.value(step.inputs[0]), step.params["axis"], list[Value](), 0
    for side in step.params["sizes"]:
        parts.append(_cut(write, value, axis, start, start + side))
        start += side
    return parts


def flip(write: Writer, step: Step) -> list[Value]:
    """Write a mirrored value."""
    value = write.value(step.inputs[0])
    for axis in step.params["dimensions"]:
        side = value.shape[axis]
        if side > 1 or axis == value.batch:
            value = _cut(write, value, axis, side - 1, -1, -1)
    return [value]


def concatenate(write: Writer, step: Step) -> list[Value]:
    """Write values one behind the other; some may be known."""
    parts = [write.value(place) if place in write.values else write.known[place] for place in step.inputs]
    return [_joined(write, parts, step.params["dimension"])]


def stack(write: Writer, step: Step) -> list[Value]:
    """Write values one behind the other along a new axis; some may be known."""
    axis, parts = step.params["axis"], list[Value | Array]()
    for place in step.inputs:
        if place in write.values:
            value = write.value(place)
            rank = len(value.shape) + 1
            parts.append(_placed(value, [a for a in range(rank) if a != axis % rank], rank))
        else:
            parts.append(np.expand_dims(write.known[place], axis))
    rank = next(len(part.shape) for part in parts)
    return [_joined(write, parts, axis % rank)]


def _joined(write: Writer, parts: Sequence[Value | Array], axis: int) -> Value:
    data = [part for part in parts if isinstance(part, Value)]
    main = max(data, key=lambda value: math.prod(value.shape))
    if axis == main.batch or any(value.batch != main.batch for value in data):
        raise write.refuse("joins the pictures of a batch")
    sided = [a if a is None or main.shape[a] > 1 or a == axis else None for a in main.axes]
    axes = sided if axis in sided else [*sided, axis]
    names, count = [], 0
    for part in parts:
        if isinstance(part, Value):
            if part.shape[axis]:
                names.append(write.arranged(part, axes))
                count += part.shape[axis]
        else:
            known = write.for_one(part, main.batch, len(main.shape))
            order = [a for a in axes if a is not None]
            turned = known.transpose(*order, *(a for a in range(known.ndim) if a not in order))
            sides = [1 if a is None else known.shape[a] for a in axes]
            names.append(write.build.constant(turned.reshape(sides), write.layer))
            count += known.shape[axis]
    shape = tuple(count if a == axis else side for a, side in enumerate(main.shape))
    name = names[0] if len(names) == 1 else write.add(Concat, names, axis=axes.index(axis))
    return Value(name, tuple(axes), shape, main.batch, shape)


def select(write: Writer, step: Step) -> list[Value]:
    """Write a choice between values that is known: the value that it falls on."""
    which = write.known.get(step.inputs[0])
    number = single(which) if which is not None else None
    chosen = None if number is None else step.inputs[1 + int(number)]
    if chosen not in write.values:
        raise write.refuse()
    return [write.values[chosen]]


def pad(write: Writer, step: Step) -> list[Value]:
    """Write a border: of a map's last axes as a `Pad`, of others as known numbers before and behind."""
    value, filled = write.value(step.inputs[0]), write.known.get(step.inputs[1])
    number = single(filled) if filled is not None else None
    config = step.params["padding_config"]
    if number is None or any(between for _, _, between in config) or config[value.batch][:2] != (0, 0):
        raise write.refuse()
    axes = list(value.axes)
    last = [axis for axis in axes[1:] if axis is not None] if len(axes) == 3 else []
    ends = {axis: (before, behind) for axis, (before, behind, _) in enumerate(config) if before or behind}
    within = {axis: ends.pop(axis) for axis in last if axis in ends}
    shape = list(value.shape)
    name = value.name
    if within:
        (top, bottom), (left, right) = (within.get(axis, (0, 0)) if axis is not None else (0, 0) for axis in axes[1:])
        name = write.add(Pad, [name], padding=(top, left, bottom, right), value=number)
        for axis, (before, behind) in within.items():
            shape[axis] += before + behind
    value = Value(name, value.axes, tuple(shape), value.batch, tuple(shape))
    for axis, (before, behind) in ends.items():
        value = _lengthened(write, value, axis, before, behind, number)
    return [value]


def _lengthened(write: Writer, value: Value, axis: int, before: int, behind: int, number: float) -> Value:
    value = _cut(write, value, axis, max(-before, 0), value.shape[axis] - max(-behind, 0))
    axes = value.axes if axis in value.axes else (*value.axes, axis)
    names = [write.arranged(value, axes)]
    for count, at in ((before, 0), (behind, len(names))):
        if count > 0:
            sides = [count if a == axis else 1 if a is None else value.shape[a] for a in axes]
            names.insert(at if at == 0 else len(names), write.build.constant(np.full(sides, number), write.layer))
    shape = list(value.shape)
    shape[axis] += max(before, 0) + max(behind, 0)
    name = write.add(Concat, names, axis=axes.index(axis)) if len(names) > 1 else names[0]
    return Value(name, axes, tuple(shape), value.batch, tuple(shape))


def gather(write: Writer, step: Step) -> list[Value]:
    """Write what is taken at known places along one axis."""
    value, indices = write.value(step.inputs[0]), write.known.get(step.inputs[1])
    numbers = step.params["dimension_numbers"]
    axis = numbers.start_index_map[0] if len(numbers.start_index_map) == 1 else -1
    sides = [side * (write.pictures if a == value.batch else 1) for a, side in enumerate(value.shape)]
    expected = tuple(1 if a == axis else side for a, side in enumerate(sides))
    usual = tuple(numbers.collapsed_slice_dims) == (axis,) and tuple(step.params["slice_sizes"]) == expected
    if (
        indices is None
        or not usual
        or indices.ndim > 2
        or axis == value.batch
        or getattr(numbers, "operand_batching_dims", ())
    ):
        raise write.refuse()
    places = [int(place) for place in indices.reshape(-1)]
    if any(not 0 <= place < value.shape[axis] for place in places):
        raise write.refuse("reads beyond the end")
    taken = _taken(write, value, axis, places)
    kept = [a for a in range(len(sides)) if a != axis]
    to = dict(zip(kept, numbers.offset_dims, strict=True))
    if indices.ndim == 2:
        to[axis] = next(a for a in range(len(sides)) if a not in numbers.offset_dims)
    shape = [0] * len(to)
    for old, new in to.items():
        shape[new] = taken.shape[old]
    return [taken.renamed(to, shape, to[value.batch])]


def _taken(write: Writer, value: Value, axis: int, places: list[int]) -> Value:
    stride = places[1] - places[0] if len(places) > 1 else 1
    if stride and places == list(range(places[0], places[0] + stride * len(places), stride)):
        return _cut(write, value, axis, places[0], max(places[-1] + (1 if stride > 0 else -1), -1), stride)
    shape = tuple(len(places) if a == axis else side for a, side in enumerate(value.shape))
    picked = np.eye(value.shape[axis], dtype=np.float32)[places]
    place = value.axes.index(axis) if axis in value.axes else -1
    axes = value.axes
    if len(axes) == 3 and place > 0:
        others = np.eye(write.build.shape(value.name)[3 - place], dtype=np.float32)
        rows, columns = (picked, others) if place == 1 else (others, picked)
        name = write.add(Resize, [value.name], rows=rows, columns=columns)
    elif len(axes) == 3 and place == 0:
        name = write.add(Conv, [value.name], weight=picked[:, :, None, None])
    else:
        axes = (*(a for a in axes if a != axis), axis)
        name = write.add(Linear, [write.arranged(value, axes)], weight=picked)
    return Value(name, axes, shape, value.batch, shape)


SHAPES: Mapping[str, Callable[[Writer, Step], list[Value]]] = {
    "copy": same,
    "copy_p": same,
    "stop_gradient": same,
    "optimization_barrier": same,
    "name": same,
    "sharding_constraint": same,
    "convert_element_type": convert,
    "transpose": transpose,
    "squeeze": squeeze,
    "expand_dims": expand_dims,
    "broadcast_in_dim": broadcast,
    "reshape": reshape,
    "slice": cut,
    "dynamic_slice": cut_at,
    "split": split,
    "rev": flip,
    "concatenate": concatenate,
    "stack": stack,
    "select_n": select,
    "pad": pad,
    "gather": gather,
}
"""What writes an operation, by the name of JAX's primitive."""
