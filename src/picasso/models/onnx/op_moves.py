"""ONNX's operators that move numbers about as operations of the op graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from picasso.core.graph import Conv, ConvTranspose, Elementwise, Slice
from picasso.models.onnx.op_views import Numbers, Value, View, Views
from picasso.models.onnx.op_windows import Reader, fixed, numbers, seen

_MOST_PARTS = 64


def _reshape(on: Views, x: Value, shape: Value | None = None) -> View:
    view = seen(on, x)
    wanted = list(on.call.get("shape") or ()) if shape is None else numbers(fixed(on, shape)) or []
    sides = on.sides(view)
    if not on.call.get("allowzero", 0):
        wanted = [sides[axis] if side == 0 else side for axis, side in enumerate(wanted)]
    if -1 in wanted:
        wanted[wanted.index(-1)] = math.prod(sides) // -math.prod(wanted)
    return on.reshaped(view, wanted)


def _flatten(on: Views, x: Value) -> View:
    view = seen(on, x)
    sides, axis = on.sides(view), on.call.get("axis", 1)
    axis = axis + len(sides) if axis < 0 else axis
    return on.reshaped(view, (math.prod(sides[:axis]), math.prod(sides[axis:])))


def _squeeze(on: Views, x: Value, axes: Value | None = None) -> View:
    view = seen(on, x)
    sides, given = on.sides(view), numbers(fixed(on, axes)) or on.call.get("axes")
    every = [axis for axis, side in enumerate(sides) if side == 1]
    return on.without(view, every if given is None else {axis % len(sides) for axis in given})


def _unsqueeze(on: Views, x: Value, axes: Value | None = None) -> View:
    view = seen(on, x)
    given = numbers(fixed(on, axes)) or on.call.get("axes")
    target = list(on.sides(view))
    rank = len(target) + len(given)
    for axis in sorted(axis % rank for axis in given):
        target.insert(axis, 1)
    return on.reshaped(view, target)


def _transpose(on: Views, x: Value) -> View:
    view = seen(on, x)
    turns = list(on.call.get("perm") or range(len(view.order))[::-1])
    made = replace(view, order=tuple(view.order[axis] for axis in turns), batch=turns.index(view.batch))
    # Maps stay as they are, however they are looked at; of anything else, as of tokens, the order is what it says.
    return made if len(view.axes) == 3 else on.plain(made)


# --- parts --------------------------------------------------------------------------------------------------------


def _part(on: Views, view: View, axis: int, places: range) -> View:
    """Return some places along one of ONNX's axes."""
    if places == range(on.sides(view)[axis]):
        return view
    if not len(places):
        raise on.refused("it takes an empty part")
    stop = places.stop if places.step < 0 else min(places.stop, places[-1] + 1)
    own = on.axis(view, axis)
    return replace(view, name=on.add(Slice, [view.name], axis=own, start=places.start, stop=stop, step=places.step))


def _split(on: Views, x: Value, sizes: Value | None = None) -> tuple[View, ...]:
    view, call = seen(on, x), on.call
    axis = call.get("axis", 0) % len(view.order)
    length, given = on.sides(view)[axis], numbers(fixed(on, sizes)) or call.get("split")
    if not given:
        parts = call.get("num_outputs") or call.outputs
        each = -(-length // parts)
        given = [max(0, min(each, length - each * part)) for part in range(parts)]
    starts = np.cumsum([0, *given]).tolist()
    return tuple(_part(on, view, axis, range(start, start + size)) for start, size in zip(starts, given, strict=False))


def _slice(on: Views, x: Value, *limits: Value | None) -> View:
    view, call = seen(on, x), on.call
    given = [numbers(fixed(on, limit)) for limit in limits] or [call.get(name) for name in ("starts", "ends", "axes")]
    starts, ends, axes, steps = (*given, None, None)[:4]
    if starts is None or ends is None:
        raise on.refused("it does not say where it begins and ends")
    sides = on.sides(view)
    places = [axis % len(sides) for axis in (range(len(starts)) if axes is None else axes)]
    for start, end, axis, step in zip(starts, ends, places, steps or [1] * len(starts), strict=True):
        view = _part(on, view, axis, range(*slice(start, end, step).indices(sides[axis])))
    return view


def _gather(on: Views, x: Value, index: Value) -> View:
    view, places = seen(on, x), fixed(on, index)
    axis = on.call.get("axis", 0) % len(view.order)
    length = on.sides(view)[axis]
    assert places is not None
    if places.ndim > 1 and len(view.order) == 1 and np.array_equal(places.reshape(-1), np.arange(length)):
        return on.reshaped(view, places.shape)  # as_strided of what lies one behind the other
    if places.ndim > 1:
        raise on.refused("it gathers along two axes")
    found = [place % length for place in places.reshape(-1).tolist()]
    made = _taken(on, view, axis, found)
    return made if places.ndim else on.without(made, {axis})


def _taken(on: Views, view: View, axis: int, places: Sequence[int]) -> View:
    """Return places along an axis in any order: a slice where they are evenly apart."""
    steps = set(np.diff(places).tolist())
    if len(steps) <= 1 and 0 not in steps:
        step = next(iter(steps), 1)
        return _part(on, view, axis, range(places[0], places[-1] + (1 if step > 0 else -1), step))
    if len(places) > _MOST_PARTS:
        raise on.refused("it gathers many places in no order")
    return on.joined([_part(on, view, axis, range(place, place + 1)) for place in places], axis)


def _concat(on: Views, *values: Value) -> View:
    return on.joined(values, on.call.get("axis"))


def _expand(on: Views, x: Value, shape: Value) -> View:
    view = seen(on, x)
    wanted, sides = numbers(fixed(on, shape)) or [], on.sides(view)
    missing = len(wanted) - len(sides)
    if missing > 0:
        view = on.reshaped(view, (*[1] * missing, *sides))
        sides = on.sides(view)
    ones = np.ones(np.broadcast_shapes(sides, tuple(wanted)), np.float32)
    if ones.shape == sides:
        return view
    other = on.constant(on.constant_for(ones, view))
    return replace(view, name=on.add(Elementwise, [view.name, other], function="multiply"))


def _tile(on: Views, x: Value, repeats: Value) -> View:
    view = seen(on, x)
    for axis, count in enumerate(numbers(fixed(on, repeats)) or ()):
        if count > 1:
            view = on.joined([view] * count, axis)
    return view


# --- blocks of pixels and channels ----------------------------------------------------------------------------------


def _block(inner: int, size: int, pixels_first: bool) -> Numbers:
    """Return the kernel (blocked channels, inner channels, size, size) that takes the pixels of a block apart."""
    kernel = np.zeros((inner * size**2, inner, size, size), np.float32)
    for channel, row, column in np.ndindex(inner, size, size):
        pixel = row * size + column
        kernel[pixel * inner + channel if pixels_first else channel * size**2 + pixel, channel, row, column] = 1
    return kernel


def _depth_to_space(on: Views, x: Value) -> View:
    view, size = on.map(seen(on, x)), on.call.get("blocksize")
    kernel = _block(on.build.shape(view.name)[0] // size**2, size, on.call.get("mode", "DCR") == "DCR")
    return replace(view, name=on.add(ConvTranspose, [view.name], weight=kernel, stride=(size, size)))


def _space_to_depth(on: Views, x: Value) -> View:
    view, size = on.map(seen(on, x)), on.call.get("blocksize")
    kernel = _block(on.build.shape(view.name)[0], size, True)
    return replace(view, name=on.add(Conv, [view.name], weight=kernel, stride=(size, size)))


READERS: dict[str, Reader] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Concat": _concat,
    "Expand": _expand,
    "Tile": _tile,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
"""Every operator of this file by its name in the format."""
