"""What reads windows of a PyTorch network's maps, written on an op graph: convolution, pooling, interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from picasso.core import graph as g
from picasso.core.graph import GraphError, Shape
from picasso.core.preprocessing import Array
from picasso.models.torch.op_numbers import Writer
from picasso.models.torch.op_sheet import Operand, Sheet, Value

Sides = int | Sequence[int]


def conv2d(
    sheet: Sheet,
    made: Shape,
    x: Operand,
    weight: Operand,
    bias: Operand = None,
    stride: Sides = 1,
    padding: Sides | str = 0,
    dilation: Sides = 1,
    groups: int = 1,
) -> str:
    """Write a convolution; "same" has the larger half of an odd padding at the end."""
    kernel, steps = sheet.weight(weight), _pair(dilation)
    around: tuple[int, ...]
    if isinstance(padding, str):
        ends = [(side - 1) * step for side, step in zip(kernel.shape[2:], steps, strict=True)]
        whole = ends if padding == "same" else [0, 0]
        around = (whole[0] // 2, whole[1] // 2, whole[0] - whole[0] // 2, whole[1] - whole[1] // 2)
    else:
        around = _pair(padding) * 2
    name = sheet.map(x)
    border = sheet.op(name)
    if isinstance(border, g.Pad) and border.mode == "constant" and border.value == 0 and min(border.padding) >= 0:
        name, around = border.inputs[0], tuple(map(sum, zip(around, border.padding, strict=True)))
    given = {"stride": _pair(stride), "padding": around, "dilation": steps, "groups": groups}
    return sheet.put(g.Conv, name, weight=kernel, bias=sheet.weight(bias), **given)


def conv1d(
    sheet: Sheet,
    made: Shape,
    x: Value,
    weight: Operand,
    bias: Operand = None,
    stride: Sides = 1,
    padding: Sides | str = 0,
    dilation: Sides = 1,
    groups: int = 1,
) -> str:
    """Write a convolution of rows as one of a map of one row."""
    flat = Value(sheet.reshape(x.name, (x.shape[-2], 1, x.shape[-1])), (1, x.shape[-2], 1, x.shape[-1]))
    kernel = weight if isinstance(weight, Value) else weight[:, :, None]
    sides = [_pair(side)[0] for side in (stride, dilation)]
    around = padding if isinstance(padding, str) else (0, _pair(padding)[0])
    name = conv2d(sheet, made, flat, kernel, bias, (1, sides[0]), around, (1, sides[1]), groups)
    return sheet.reshape(name, made[1:])


def conv_transpose2d(
    sheet: Sheet,
    made: Shape,
    x: Operand,
    weight: Operand,
    bias: Operand = None,
    stride: Sides = 1,
    padding: Sides = 0,
    output_padding: Sides = 0,
    groups: int = 1,
    dilation: Sides = 1,
) -> str:
    """Write a transposed convolution."""
    (top, left), (more_below, more_right) = _pair(padding), _pair(output_padding)
    around = (top, left, top - more_below, left - more_right)
    given = {"stride": _pair(stride), "padding": around, "dilation": _pair(dilation), "groups": groups}
    weights = {"weight": sheet.weight(weight), "bias": sheet.weight(bias)}
    return sheet.put(g.ConvTranspose, sheet.map(x), **weights, **given)


def convolution(
    sheet: Sheet,
    made: Shape,
    x: Value,
    weight: Operand,
    bias: Operand,
    stride: Sides,
    padding: Sides,
    dilation: Sides,
    transposed: bool,
    output_padding: Sides,
    groups: int,
    *_: Any,
) -> str:
    """Write any convolution, as a program says it that was taken apart."""
    if transposed:
        return conv_transpose2d(sheet, made, x, weight, bias, stride, padding, output_padding, groups, dilation)
    write = conv1d if len(x.shape) == 3 else conv2d
    return write(sheet, made, x, weight, bias, stride, padding, dilation, groups)


def max_pool2d(
    sheet: Sheet,
    made: Shape,
    x: Operand,
    kernel: Sides,
    stride: Sides = (),
    padding: Sides = 0,
    dilation: Sides = 1,
    ceil_mode: bool = False,
) -> list[str | None]:
    """Write the largest number of each window; which one that is has no form."""
    given = _windows(sheet, made, x, kernel, stride, padding, dilation)
    return [sheet.put(g.Pool, sheet.map(x), function="max", **given)]


def avg_pool2d(
    sheet: Sheet,
    made: Shape,
    x: Operand,
    kernel: Sides,
    stride: Sides = (),
    padding: Sides = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> str:
    """Write the mean of each window."""
    if divisor_override is not None:
        raise GraphError("{op} at {layer} divides by a number of its own.")
    given = _windows(sheet, made, x, kernel, stride, padding, 1)
    declared = _pair(padding) * 2
    counted = tuple(map(min, declared, given["padding"])) if count_include_pad else g.NO_PADDING
    return sheet.put(g.Pool, sheet.map(x), function="mean", counted=counted, **given)


def adaptive_avg_pool2d(sheet: Sheet, made: Shape, x: Operand, size: Sides) -> str:
    """Write means over a given number of windows, which overlap where they do not divide the map."""
    name, sides, out = sheet.map(x), x.shape[2:], made[2:]
    if sides == out:
        return name
    if out == (1, 1):
        return sheet.put(g.GlobalPool, name, function="mean", keep=True)
    if not any(side % places for side, places in zip(sides, out, strict=True)):
        step = sides[0] // out[0], sides[1] // out[1]
        return sheet.put(g.Pool, name, function="mean", kernel=step, stride=step)
    return sheet.put(g.Resize, name, rows=_means(out[0], sides[0]), columns=_means(out[1], sides[1]))


def adaptive_max_pool2d(sheet: Sheet, made: Shape, x: Operand, size: Sides) -> list[str | None]:
    """Write the largest numbers of a given number of windows that divide the map."""
    name, sides, out = sheet.map(x), x.shape[2:], made[2:]
    if out == (1, 1):
        return [sheet.put(g.GlobalPool, name, function="max", keep=True)]
    if any(side % places for side, places in zip(sides, out, strict=True)):
        raise GraphError("{op} at {layer} has windows that overlap.")
    step = sides[0] // out[0], sides[1] // out[1]
    return [sheet.put(g.Pool, name, function="max", kernel=step, stride=step)]


def resized(kind: str) -> Writer:
    """Return the writer of one way of interpolation; PyTorch itself says which mix of lines each line is."""

    def write(sheet: Sheet, made: Shape, x: Operand, size: Any, *rest: Any, **named: Any) -> str:
        import torch

        def mix(axis: int, corners: tuple[Any, ...], scale: float | None) -> Array:
            side = x.shape[axis]
            lines = torch.eye(side)[None, :, :, None]
            call = getattr(torch.ops.aten, kind).default
            return call(lines, [made[axis], 1], *corners, scale, None)[0, :, :, 0].T.numpy()  # type: ignore[no-any-return]

        corners = rest[:1] if kind in _WITH_CORNERS else ()
        scales = [*rest[len(corners) :], *named.values()]
        scales = list(scales[0] or (None, None)) if scales and not isinstance(scales[0], float) else scales
        pair = (*scales, None, None)[:2]
        name = sheet.map(x)
        return sheet.put(g.Resize, name, rows=mix(2, corners, pair[0]), columns=mix(3, corners, pair[1]))

    return write


def _pair(sides: Sides) -> g.Pair:
    if isinstance(sides, int):
        return sides, sides
    return (sides[0], sides[0]) if len(sides) == 1 else (sides[0], sides[1])


def _windows(
    sheet: Sheet, made: Shape, x: Operand, kernel: Sides, stride: Sides, padding: Sides, dilation: Sides
) -> dict[str, Any]:
    """Return the fields of a pool that has just the windows of the result: rounding up is padding at the end."""
    sheet.map(x)
    size, steps, before = _pair(kernel), _pair(dilation), _pair(padding)
    strides = size if stride == () or stride == [] else _pair(stride)
    after = (
        g.padded_to(made[2 + axis], x.shape[2 + axis], size[axis], strides[axis], steps[axis], before[axis])
        for axis in (0, 1)
    )
    return {"kernel": size, "stride": strides, "padding": (*before, *after), "dilation": steps}


def _means(out: int, side: int) -> Array:
    """Return the matrix (out, side) of means over windows that cover a side evenly."""
    matrix = np.zeros((out, side), np.float32)
    for row in range(out):
        start, stop = row * side // out, -(-(row + 1) * side // out)
        matrix[row, start:stop] = 1 / (stop - start)
    return matrix


_RESIZES = (
    "upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d", "upsample_bicubic2d",
    "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
)  # fmt: skip
_WITH_CORNERS = frozenset(_RESIZES[2:])
TABLE: dict[str, Writer] = {
    **{name: resized(name) for name in _RESIZES},
    "conv1d": conv1d,
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "convolution": convolution,
    "_convolution": convolution,
    "max_pool2d": max_pool2d,
    "max_pool2d_with_indices": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "_adaptive_avg_pool2d": adaptive_avg_pool2d,
    "adaptive_max_pool2d": adaptive_max_pool2d,
}
"""Writers by the names of PyTorch's operations."""
