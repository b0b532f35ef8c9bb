"""Which part of one side of the picture every unit of a value depends on: intervals, through each operation of a graph.

For a value of any shape two arrays are kept, where the intervals begin and where they end. Their axes are those of the
value, of length 1 wherever all units are alike: the rows that a convolution's units see need one number for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core import graph as g
from picasso.core.errors import NotSupportedError
from picasso.core.graph import Op, Shape

Ends = NDArray[np.int32]
NEVER = 2**30
"""Where an empty interval begins; it ends at minus that, so that the hull with it changes nothing."""


@dataclass(frozen=True, eq=False)
class Extent:
    """The intervals of all units: places `lo` up to, and without, `hi` of one side of the picture.

    Args:
        lo, hi: int32, of the axes of the value, each at full length or 1.
    """

    lo: Ends
    hi: Ends

    def hull(self, axes: tuple[int, ...], keep: bool = True) -> Extent:
        """Return the smallest intervals that hold those of all units along some axes."""
        return Extent(self.lo.min(axis=axes, keepdims=keep), self.hi.max(axis=axes, keepdims=keep))

    def joined(self, other: Extent) -> Extent:
        """Return the smallest intervals that hold both, broadcast to each other."""
        return Extent(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))

    def taken(self, places: Sequence[int] | NDArray[np.intp], axis: int) -> Extent:
        """Return those of some places along an axis, in this order."""
        return Extent(self.lo.take(places, axis), self.hi.take(places, axis))

    def whole(self, shape: Shape, *axes: int) -> Extent:
        """Return them with some axes at full length."""
        sides = [shape[axis] if axis in axes else side for axis, side in enumerate(self.lo.shape)]
        return Extent(np.broadcast_to(self.lo, sides), np.broadcast_to(self.hi, sides))

    def shrunk(self) -> Extent:
        """Return them with axes of length 1 where all units along an axis are alike."""
        found = self
        for axis in range(self.lo.ndim):
            first = found.taken([0], axis)
            if found.lo.shape[axis] > 1 and (found.lo == first.lo).all() and (found.hi == first.hi).all():
                found = first
        return found


def followed(op: Op, given: Sequence[Extent], shapes: Sequence[Shape], side: int) -> Extent:
    """Return the intervals of an operation's value.

    Args:
        op: The operation.
        given, shapes: The intervals and the shapes of its inputs.
        side: Along which side of the picture: 0 for rows, 1 for columns.

    Raises:
        NotSupportedError: It is not known what the operation reads.
    """
    match op:
        case g.Input():
            pixels = np.arange(op.shape[1 + side], dtype=np.int32).reshape((1, -1, 1) if side == 0 else (1, 1, -1))
            return Extent(pixels, pixels + 1)
        case g.Constant():
            return _nothing(len(op.shape))
        case g.Affine() | g.Activation():
            return given[0]
        case g.Conv():
            seen = _windows(given[0], shapes[0], op.weight.shape[2:], op.stride, op.padding, op.dilation)
            return _mixed(seen, op.groups, shapes[0][0], op.shape[0])
        case g.ConvTranspose():
            return _mixed(_spread(given[0], shapes[0], op), op.groups, shapes[0][0], op.shape[0])
        case g.Pool():
            return _windows(given[0], shapes[0], op.kernel, op.stride, op.padding, op.dilation)
        case g.Resize():
            return _interpolated(_interpolated(given[0], op.rows, 1), op.columns, 2).shrunk()
        case g.Pad():
            return _bordered(given[0].whole(shapes[0], 1, 2), op.padding, op.mode).shrunk()
        case g.GlobalPool():
            return given[0].hull((1, 2), op.keep)
        case g.Reduce():
            return given[0].hull(op.axes, op.keep)
        case g.Linear():
            return given[0].hull((-1,))
        case g.Softmax():
            return given[0].hull((op.axis,))
        case g.LayerNorm():
            return given[0].hull(op.axes)
        case g.GroupNorm():
            places = given[0].hull(tuple(range(1, len(op.shape))))
            return _mixed(places, op.groups, op.shape[0], op.shape[0])
        case g.LocalResponseNorm():
            return _among_channels(given[0], op)
        case g.Elementwise():
            return _joined(given, op)
        case g.Concat():
            return _concatenated(given, shapes, op.axis)
        case g.MatMul():
            return _joined([given[0].hull((-1,)), given[1].hull((-2,))], op)
        case g.Attention():
            query, key, value, *masks = given
            weights = [query.hull((-1,)), key.hull((-2, -1)), *(mask.hull((-1,)) for mask in masks)]
            return _joined([*weights, value.hull((-2,))], op)
        case g.Reshape() | g.Transpose() | g.Reorder() | g.Slice():
            return _moved(op, given[0], shapes[0])
    raise NotSupportedError(f"What {type(op).__name__} at '{op.layer}' reads of the picture is not known.")


def _nothing(axes: int) -> Extent:
    """Return empty intervals, for a value of so many axes."""
    lo = np.full((1,) * axes, NEVER, np.int32)
    return Extent(lo, -lo)


def _joined(given: Sequence[Extent], op: Op) -> Extent:
    """Return the hull of intervals that are broadcast to the operation's value."""
    found = _nothing(len(op.shape))
    for one in given:
        found = found.joined(one)
    return found.shrunk()


def _moved(op: Op, given: Extent, shape: Shape) -> Extent:
    """Return the intervals of units that change their places only."""
    match op:
        case g.Reshape():
            lo, hi = (np.broadcast_to(ends, shape).reshape(op.shape) for ends in (given.lo, given.hi))
            return Extent(lo, hi).shrunk()
        case g.Transpose():
            return Extent(given.lo.transpose(op.axes), given.hi.transpose(op.axes))
        case g.Reorder():
            return given if len(given.lo) == 1 else given.taken(op.order, 0)
        case g.Slice():
            places = range(op.start, op.stop, op.step)
            return given if given.lo.shape[op.axis] == 1 else given.taken(places, op.axis).shrunk()
    raise TypeError(op)


def _slid(given: Extent, axis: int, kernel: int, stride: int = 1, dilation: int = 1) -> Extent:
    """Return the hull of each window along an axis."""
    count = (given.lo.shape[axis] - (kernel - 1) * dilation - 1) // stride + 1
    first = np.arange(count) * stride
    found = given.taken(first, axis)
    for tap in range(1, kernel):
        found = found.joined(given.taken(first + tap * dilation, axis))
    return found


def _windows(
    given: Extent, shape: Shape, kernel: Sequence[int], stride: g.Pair, padding: g.Padding, dilation: g.Pair
) -> Extent:
    """Return the hull of each window of a map: convolution and pooling, with padding in which nothing is seen."""
    found = _bordered(given.whole(shape, 1, 2), padding, "constant")
    for axis in (0, 1):
        found = _slid(found, 1 + axis, kernel[axis], stride[axis], dilation[axis])
    return found.shrunk()


def _spread(given: Extent, shape: Shape, op: g.ConvTranspose) -> Extent:
    """Return the intervals of a map to which each place of the input adds a kernel: nothing lies between the places."""
    kernel = op.weight.shape[2:]
    found = given.whole(shape, 1, 2)
    for axis in (0, 1):
        sides = list(found.lo.shape)
        sides[1 + axis] = (sides[1 + axis] - 1) * op.stride[axis] + 1
        lo, hi = np.full(sides, NEVER, np.int32), np.full(sides, -NEVER, np.int32)
        at = (slice(None),) * (1 + axis) + (slice(None, None, op.stride[axis]),)
        lo[at], hi[at] = found.lo, found.hi
        found = Extent(lo, hi)
    reach = [(kernel[axis] - 1) * op.dilation[axis] for axis in (0, 1)]
    top, left, bottom, right = (side - cut for side, cut in zip((*reach, *reach), op.padding, strict=True))
    return _windows(found, (1, *found.lo.shape[1:]), kernel, (1, 1), (top, left, bottom, right), op.dilation)


def _bordered(given: Extent, padding: g.Padding, mode: Literal["constant", "edge", "reflect"]) -> Extent:
    """Return the intervals of a map at full length with a border, or with less of it where that is negative."""
    top, left, bottom, right = padding
    wide = ((0, 0), (max(0, top), max(0, bottom)), (max(0, left), max(0, right)))
    kept = tuple(
        slice(max(0, -before), side + max(0, before) + after)
        for side, before, after in zip(given.lo.shape[1:], (top, left), (bottom, right), strict=True)
    )

    def bordered(ends: Ends, nothing: int) -> Ends:
        more: dict[str, Any] = {"constant_values": nothing} if mode == "constant" else {}
        return np.pad(ends, wide, mode, **more)[:, kept[0], kept[1]]

    return Extent(bordered(given.lo, NEVER), bordered(given.hi, -NEVER))


def _interpolated(given: Extent, matrix: NDArray[np.float32], axis: int) -> Extent:
    """Return the hull of what each row of a matrix (places, places of the input) takes along an axis."""
    used, sides = matrix != 0, [0, 0, 0]
    sides[axis] = matrix.shape[1]
    found = given.whole(tuple(sides), axis)
    lo = np.where(used, np.moveaxis(found.lo, axis, -1)[..., None, :], NEVER).min(axis=-1)
    hi = np.where(used, np.moveaxis(found.hi, axis, -1)[..., None, :], -NEVER).max(axis=-1)
    return Extent(np.moveaxis(lo, -1, axis), np.moveaxis(hi, -1, axis))


def _mixed(given: Extent, groups: int, channels: int, made: int) -> Extent:
    """Return intervals (made, ...) where all channels of a group, of `channels` in all, are mixed."""
    if len(given.lo) == 1:
        return given
    if groups == 1:
        return given.hull((0,))
    full = given.whole((channels,), 0)
    apart = (groups, channels // groups, *full.lo.shape[1:])
    found = Extent(full.lo.reshape(apart), full.hi.reshape(apart)).hull((1,), keep=False)
    return found.taken(np.arange(groups).repeat(made // groups), 0).shrunk()


def _among_channels(given: Extent, op: g.LocalResponseNorm) -> Extent:
    """Return the hull of each channel with those around it."""
    if len(given.lo) == 1:
        return given
    wide = ((op.size // 2, (op.size - 1) // 2), *((0, 0) for _ in op.shape[1:]))
    lo = np.pad(given.lo, wide, constant_values=NEVER)
    hi = np.pad(given.hi, wide, constant_values=-NEVER)
    return _slid(Extent(lo, hi), 0, op.size).shrunk()


def _concatenated(given: Sequence[Extent], shapes: Sequence[Shape], axis: int) -> Extent:
    """Return the intervals of values one behind the other along an axis."""
    axis %= len(shapes[0])
    full = [one.whole(shape, axis) for one, shape in zip(given, shapes, strict=True)]
    common = [max(one.lo.shape[other] for one in full) for other in range(len(shapes[0]))]
    others = [other for other in range(len(common)) if other != axis]
    full = [one.whole(tuple(common), *others) for one in full]
    return Extent(
        np.concatenate([one.lo for one in full], axis), np.concatenate([one.hi for one in full], axis)
    ).shrunk()
