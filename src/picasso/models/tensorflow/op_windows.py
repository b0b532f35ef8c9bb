"""Convolutions, poolings and what else reads windows of a map, from TensorFlow into the op graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from picasso.core.graph import (
    NO_PADDING,
    Conv,
    ConvTranspose,
    GlobalPool,
    LocalResponseNorm,
    Pad,
    Padding,
    Pair,
    Pool,
)
from picasso.models.tensorflow.op_numbers import activated, shifted
from picasso.models.tensorflow.op_reader import LAST, Blocks, Handler, Numbers, Reader, Value

_FIRST = (0, 1, 2)


def _layout(reader: Reader, op: Any) -> tuple[int, ...]:
    """Return where the axes of an operation's maps lie in the op graph."""
    name = op.get_attr("data_format").decode() if "data_format" in op.node_def.attr else "NHWC"
    if name not in ("NHWC", "NCHW"):
        raise reader.refuse(op, f"in the layout {name} has no form in the op graph")
    return LAST if name == "NHWC" else _FIRST


def _sides(reader: Reader, op: Any, numbers: Sequence[int], layout: tuple[int, ...]) -> Pair:
    """Return the numbers for height and width of four that are listed for all axes."""
    rows, columns = 1 + layout.index(1), 1 + layout.index(2)
    if any(number != 1 for axis, number in enumerate(numbers) if axis not in (rows, columns)):
        raise reader.refuse(op, "steps over pictures or channels, for which the op graph has no form")
    return int(numbers[rows]), int(numbers[columns])


def _padding(op: Any, layout: tuple[int, ...], sides: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """Return the padding of windows over a map of some sides."""
    kind = op.get_attr("padding").decode()
    if kind == "EXPLICIT":
        given = op.get_attr("explicit_paddings")
        rows, columns = 2 + 2 * layout.index(1), 2 + 2 * layout.index(2)
        return given[rows], given[columns], given[rows + 1], given[columns + 1]
    if kind == "VALID":
        return NO_PADDING
    wanted = [
        max(0, (-(-side // stride[axis]) - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - side)
        for axis, side in enumerate(sides)
    ]
    return wanted[0] // 2, wanted[1] // 2, wanted[0] - wanted[0] // 2, wanted[1] - wanted[1] // 2


def _sum(a: Padding, b: Padding) -> Padding:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def _conv(reader: Reader, op: Any) -> Value:
    weight = np.transpose(reader.fixed(op, 1), (3, 2, 0, 1))
    return _convolved(reader, op, weight, depthwise=False)


def _depthwise(reader: Reader, op: Any) -> Value:
    kernel = np.transpose(reader.fixed(op, 1), (2, 3, 0, 1))
    return _convolved(reader, op, kernel.reshape(-1, 1, *kernel.shape[2:]), depthwise=True)


def _convolved(reader: Reader, op: Any, weight: Numbers, depthwise: bool) -> Value:
    value, layout = reader.value(op, blocks=True, border=True), _layout(reader, op)
    name = reader.map(op, value, layout)
    channels, *sides = reader.build.shape(name)
    stride = _sides(reader, op, op.get_attr("strides"), layout)
    dilation = _sides(reader, op, op.get_attr("dilations"), layout)
    kernel = (weight.shape[2], weight.shape[3])
    if value.blocks is not None:
        return _in_blocks(reader, op, replace(value, name=name, axes=layout), weight, channels // weight.shape[1])
    padding = _padding(op, layout, (sides[0], sides[1]), kernel, stride, dilation)
    before = reader.made[name]
    if isinstance(before, Pad) and before.mode == "constant" and not before.value and min(before.padding) >= 0:
        name, padding = before.inputs[0], _sum(before.padding, padding)
    made = reader.add(
        op, Conv, [name], weight=weight, stride=stride, padding=padding, dilation=dilation,
        groups=channels if depthwise else channels // weight.shape[1],
    )  # fmt: skip
    return Value(made, layout)


def _in_blocks(reader: Reader, op: Any, value: Value, weight: Numbers, groups: int) -> Value:
    """Write the convolution of a map that was dealt out to the batch as a dilated one of the whole map."""
    blocks, layout, kernel = value.blocks, value.axes, (weight.shape[2], weight.shape[3])
    assert blocks is not None
    steps = (*op.get_attr("strides"), *op.get_attr("dilations"))
    if any(number != 1 for number in steps) or layout != LAST:
        raise reader.refuse(op, "has steps between SpaceToBatchND and BatchToSpaceND")
    inner = _padding(op, layout, (1 << 30, 1 << 30), kernel, (1, 1), (1, 1))
    rows, columns = blocks.sides
    padding = _sum(blocks.padding, (inner[0] * rows, inner[1] * columns, inner[2] * rows, inner[3] * columns))
    made = reader.add(
        op, Conv, [value.name], weight=weight, padding=padding, dilation=blocks.sides, groups=groups
    )  # fmt: skip
    return Value(made, layout, blocks=Blocks(blocks.sides, NO_PADDING))


def _deal(reader: Reader, op: Any) -> Value:
    value = reader.value(op)
    name, sides, padding = reader.map(op, value, LAST), reader.integers(op, 1), reader.integers(op, 2)
    if len(sides) != 2:
        raise reader.refuse(op)
    top, bottom, left, right = padding
    return Value(name, LAST, blocks=Blocks((sides[0], sides[1]), (top, left, bottom, right)))


def _gather(reader: Reader, op: Any) -> Value:
    value = reader.value(op, blocks=True, border=True)
    blocks, sides, crops = value.blocks, reader.integers(op, 1), reader.integers(op, 2)
    if blocks is None or list(blocks.sides) != sides or value.axes != LAST:
        raise reader.refuse(op)
    top, bottom, left, right = crops
    padding = _sum(blocks.padding, (-top, -left, -bottom, -right))
    last = reader.made[value.name]
    if isinstance(last, Conv) and last.stride == (1, 1) and min(_sum(last.padding, padding)) >= 0:
        made = reader.add(
            op, Conv, last.inputs, weight=last.weight, bias=last.bias, padding=_sum(last.padding, padding),
            dilation=last.dilation, groups=last.groups,
        )  # fmt: skip
        return Value(made, LAST)
    return Value(reader.add(op, Pad, [value.name], padding=padding) if any(padding) else value.name, LAST)


def _conv_transpose(reader: Reader, op: Any) -> Value:
    value, layout = reader.value(op, 2), _layout(reader, op)
    name = reader.map(op, value, layout)
    channels, *sides = reader.build.shape(name)
    weight = np.transpose(reader.fixed(op, 1), (3, 2, 0, 1))
    stride = _sides(reader, op, op.get_attr("strides"), layout)
    dilation = _sides(reader, op, op.get_attr("dilations"), layout)
    asked = {tuple(int(number) for number in one[-3:]) for one in reader.numbers(op, 0)}
    if len(asked) != 1 or len(weight) != channels:
        raise reader.refuse(op)
    (shape,) = asked
    if len(reader.numbers(op, 0)[0]) == 2:  # height and width alone
        raise reader.refuse(op)
    out = (shape[layout.index(1)], shape[layout.index(2)])
    kernel = (weight.shape[2], weight.shape[3])
    top, left, _, _ = _padding(op, layout, out, kernel, stride, dilation)
    whole = [(sides[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
    padding = (top, left, whole[0] - top - out[0], whole[1] - left - out[1])
    made = reader.add(
        op, ConvTranspose, [name], weight=weight, stride=stride, padding=padding, dilation=dilation
    )  # fmt: skip
    return Value(made, layout)


def _pool(function: Literal["max", "mean"]) -> Handler:
    def read(reader: Reader, op: Any) -> Value:
        layout = _layout(reader, op)
        name = reader.map(op, reader.value(op), layout)
        _, *sides = reader.build.shape(name)
        given = len(op.inputs) == 3
        kernel = _sides(reader, op, reader.integers(op, 1) if given else op.get_attr("ksize"), layout)
        stride = _sides(reader, op, reader.integers(op, 2) if given else op.get_attr("strides"), layout)
        padding = _padding(op, layout, (sides[0], sides[1]), kernel, stride, (1, 1))
        if list(kernel) == sides and padding == NO_PADDING:
            return Value(reader.add(op, GlobalPool, [name], function=function, keep=True), layout)
        return Value(
            reader.add(op, Pool, [name], function=function, kernel=kernel, stride=stride, padding=padding), layout
        )

    return read


def _batch_norm(reader: Reader, op: Any) -> Value:
    if op.get_attr("is_training"):
        raise reader.refuse(op, "normalizes by the pictures themselves")
    value, layout = reader.value(op, blocks=True), _layout(reader, op)
    scale, shift, mean, variance = (reader.fixed(op, place).astype(np.float64) for place in range(1, 5))
    scale = scale / np.sqrt(variance + op.get_attr("epsilon"))
    value = replace(value, name=reader.map(op, value, layout), axes=layout)
    return shifted(reader, op, value, scale[:, None, None], (shift - mean * scale)[:, None, None])


def _local_response(reader: Reader, op: Any) -> Value:
    name, size = reader.map(op, reader.value(op), LAST), 2 * op.get_attr("depth_radius") + 1
    alpha, beta, bias = (float(op.get_attr(key)) for key in ("alpha", "beta", "bias"))
    made = reader.add(op, LocalResponseNorm, [name], size=size, alpha=alpha * size, beta=beta, bias=bias)
    return Value(made, LAST)


_FUSED = ("Relu", "Relu6", "Elu")


def _fused_conv(reader: Reader, op: Any) -> Value:
    """Read a convolution with bias and activation, as graphs hold it that were optimized for one machine."""
    steps = [step.decode() for step in op.get_attr("fused_ops")]
    if steps[:1] != ["BiasAdd"] or any(step not in _FUSED for step in steps[1:]) or op.get_attr("num_args") != 1:
        raise reader.refuse(op)
    bias = reader.fixed(op, 2).astype(np.float64)[:, None, None]
    made = shifted(reader, op, _conv(reader, op), np.ones((1, 1, 1)), bias)
    for step in steps[1:]:
        made = activated(reader, op, step, made)
    return made


HANDLERS: dict[str, Handler] = {
    "Conv2D": _conv,
    "_FusedConv2D": _fused_conv,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _conv_transpose,
    "SpaceToBatchND": _deal,
    "BatchToSpaceND": _gather,
    "MaxPool": _pool("max"),
    "MaxPoolV2": _pool("max"),
    "AvgPool": _pool("mean"),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _batch_norm),
    "LRN": _local_response,
}
