"""Maps of another size, and what is taken over a whole one: resizing, borders, means and largest numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from picasso.core.graph import Concat, GlobalPool, Pad, Reduce, Resize, Softmax, interpolation
from picasso.models.tensorflow import op_norms
from picasso.models.tensorflow.op_reader import LAST, Handler, Numbers, Reader, Value


def _scale(op: Any, out: int, side: int) -> np.float32:
    """Return how far apart two neighbors are read, in single precision as TensorFlow has it."""
    if op.get_attr("align_corners") and out > 1:
        return np.float32(np.float32(side - 1) / np.float32(out - 1))
    return np.float32(np.float32(side) / np.float32(out))


def _bilinear(op: Any, out: int, side: int) -> Numbers:
    scale = _scale(op, out, side)
    half = np.float32(0.5 if op.get_attr("half_pixel_centers") else 0)
    return interpolation(out, side, lambda row: float((np.float32(row) + half) * scale - half))


def _nearest(op: Any, out: int, side: int) -> Numbers:
    scale = _scale(op, out, side)
    half = np.float32(0.5 if op.get_attr("half_pixel_centers") else 0)
    rounding = np.float32(0.5 if op.get_attr("align_corners") else 0)
    return interpolation(out, side, lambda row: float(np.floor((np.float32(row) + half) * scale + rounding)))


def _resize(matrix: Callable[[Any, int, int], Numbers]) -> Handler:
    def read(reader: Reader, op: Any) -> Value:
        name = reader.map(op, reader.value(op), LAST)
        _, height, width = reader.build.shape(name)
        rows, columns = reader.integers(op, 1)
        if (rows, columns) == (height, width):
            return Value(name, LAST)
        matrices = {"rows": matrix(op, rows, height), "columns": matrix(op, columns, width)}
        return Value(reader.add(op, Resize, [name], **matrices), LAST)

    return read


def _pad(reader: Reader, op: Any) -> Value:
    """Write a border: of a map by `Pad`, along other axes by constants on both sides."""
    value = reader.value(op)
    pairs = reader.fixed(op, 1).astype(int).tolist()
    mode: Literal["constant", "reflect"] = "reflect" if op.type == "MirrorPad" else "constant"
    if any(pairs[0]) or (mode == "reflect" and op.get_attr("mode") != b"REFLECT"):
        raise reader.refuse(op)
    filling = float(reader.fixed(op, 2).item()) if op.type == "PadV2" else 0.0
    borders = {axis: pair for axis, pair in zip(value.axes, pairs[1:], strict=True) if any(pair)}
    name = value.name
    if len(value.axes) == 3 and borders.keys() & {1, 2}:
        (top, bottom), (left, right) = (borders.pop(axis, (0, 0)) for axis in (1, 2))
        name = reader.add(op, Pad, [name], padding=(top, left, bottom, right), value=filling, mode=mode)
    for axis, pair in borders.items():
        if mode == "reflect":
            raise reader.refuse(op)
        sides = reader.build.shape(name)
        ends = [
            [reader.constant(op, np.full((*sides[:axis], count, *sides[axis + 1 :]), filling, np.float32))]
            * (count > 0)
            for count in pair
        ]
        name = reader.add(op, Concat, [*ends[0], name, *ends[1]], axis=axis)
    return Value(name, value.axes)


def _reduce(function: Literal["sum", "mean", "max", "min"]) -> Handler:
    def read(reader: Reader, op: Any) -> Value:
        value = reader.value(op)
        axes = tuple(sorted({reader.axis(op, value, axis) for axis in reader.integers(op, 1)}))
        keep = bool(op.get_attr("keep_dims"))
        if not axes:
            return value
        if len(value.axes) == 3 and axes == (1, 2) and function in ("mean", "max"):
            name = reader.add(op, GlobalPool, [value.name], function=function, keep=keep)
        else:
            name = reader.add(op, Reduce, [value.name], function=function, axes=axes, keep=keep)
        if keep:
            if function == "mean":
                op_norms.note_mean(reader, value.name, name, axes)
            return Value(name, value.axes)
        left = [axis for axis in range(len(value.axes)) if axis not in axes]
        return Value(name, tuple(left.index(axis) for axis in value.axes if axis not in axes))

    return read


def _softmax(log: bool) -> Handler:
    def read(reader: Reader, op: Any) -> Value:
        value = reader.value(op, merged=True)
        if not value.axes or value.merged == len(value.axes):
            raise reader.refuse(op, "works across pictures")
        name = reader.add(op, Softmax, [value.name], axis=value.axes[-1], log=log)
        return Value(name, value.axes, value.merged)

    return read


HANDLERS: dict[str, Handler] = {
    "ResizeBilinear": _resize(_bilinear),
    "ResizeNearestNeighbor": _resize(_nearest),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), _pad),
    "Mean": _reduce("mean"),
    "Sum": _reduce("sum"),
    "Max": _reduce("max"),
    "Min": _reduce("min"),
    "Softmax": _softmax(log=False),
    "LogSoftmax": _softmax(log=True),
}
