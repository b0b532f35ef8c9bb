"""JAX's convolutions and pools, written into an op graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from picasso.core.graph import Affine, Conv, ConvTranspose, Pad, Pool
from picasso.core.preprocessing import Array
from picasso.models.jax.op_values import Axes, Value, Writer
from picasso.models.jax.program import Step


def convolution(write: Writer, step: Step) -> list[Value]:
    """Write a convolution of a map with known weights, or where it spreads the map, its transpose."""
    x, params = write.value(step.inputs[0]), step.params
    weight = write.known.get(step.inputs[1])
    numbers = params["dimension_numbers"]
    batch, *feature = numbers.lhs_spec
    if weight is None or len(x.shape) != 4 or params["batch_group_count"] != 1:
        raise write.refuse()
    if x.batch != batch or x.shape[batch] != 1:
        raise write.refuse("mixes the pictures of a batch")
    weight = weight.transpose(numbers.rhs_spec)
    name = write.arranged(x, feature)
    groups, stride = params["feature_group_count"], tuple(params["window_strides"])
    spread, dilation = tuple(params["lhs_dilation"]), tuple(params["rhs_dilation"])
    (top, bottom), (left, right) = params["padding"]
    if spread == (1, 1):
        cropped = tuple(min(side, 0) for side in (top, left, bottom, right))
        if any(cropped):
            name = write.add(Pad, [name], padding=cropped)
        padding = tuple(max(side, 0) for side in (top, left, bottom, right))
        name = write.add(Conv, [name], weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    elif stride == (1, 1):
        reach = [(side - 1) * rate for side, rate in zip(weight.shape[2:], dilation, strict=True)]
        padding = (reach[0] - top, reach[1] - left, reach[0] - bottom, reach[1] - right)
        name = write.add(
            ConvTranspose,
            [name],
            weight=_adjoint(weight, groups),
            stride=spread,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
    else:
        raise write.refuse("both spreads its input and strides; that has no form in the op graph")
    out_batch, *out = numbers.out_spec
    shape = [1] * 4
    for axis, side in zip(out, write.build.shape(name), strict=True):
        shape[axis] = side
    return [Value(name, tuple(out), tuple(shape), out_batch, tuple(shape))]


def _adjoint(weight: Array, groups: int) -> Array:
    """Return the weights of the transposed convolution that a convolution of a spread map is."""
    out, inside, height, width = weight.shape
    apart = weight[:, :, ::-1, ::-1].reshape(groups, out // groups, inside, height, width)
    return apart.transpose(0, 2, 1, 3, 4).reshape(groups * inside, out // groups, height, width)


def _pool(write: Writer, step: Step, function: str) -> list[Value]:
    x, params = write.value(step.inputs[0]), step.params
    sides, strides, padding = params["window_dimensions"], params["window_strides"], params["padding"]
    rates = params["window_dilation"]
    moving = [
        axis for axis in range(len(x.shape)) if sides[axis] > 1 or strides[axis] > 1 or tuple(padding[axis]) != (0, 0)
    ]
    if any(rate != 1 for rate in params["base_dilation"]) or any(min(ends) < 0 for ends in padding):
        raise write.refuse()
    if x.batch in moving:
        raise write.refuse("mixes the pictures of a batch")
    if not moving:
        return [x]
    axes = _with_last(write, x, moving)
    name = write.arranged(x, axes)
    ends: list[tuple[int, int, int, int, int]] = []
    for axis in axes[1:]:
        if axis is None:
            ends.append((1, 1, 0, 0, 1))
        else:
            ends.append((sides[axis], strides[axis], *padding[axis], rates[axis]))
    (kernel, stride, before, behind, rate) = zip(*ends, strict=True)
    border = (*before, *behind)
    name = write.add(
        Pool,
        [name],
        function=function,
        kernel=kernel,
        stride=stride,
        padding=border,
        dilation=rate,
        counted=border if function == "mean" else (0, 0, 0, 0),
    )
    made = write.build.shape(name)
    shape = list(x.shape)
    for axis, side in zip(axes, made, strict=True):
        if axis is not None:
            shape[axis] = side
    if function == "mean":
        scale = np.full(made[0], float(math.prod(kernel)))
        name = write.add(Affine, [name], scale=scale, shift=np.zeros(made[0]))
    return [Value(name, axes, tuple(shape), x.batch, tuple(shape))]


def _with_last(write: Writer, x: Value, moving: Sequence[int]) -> Axes:
    """Return three axes the last two of which hold those along which windows move."""
    if len(x.axes) == 3 and all(axis in x.axes[1:] for axis in moving):
        return x.axes
    rest = [axis for axis in x.axes if axis not in moving and axis is not None and x.shape[axis] > 1]
    if len(rest) + len(moving) > 3 or len(moving) > 2:
        raise write.refuse()
    none: list[int | None] = [None] * (3 - len(rest) - len(moving))
    return (*none, *rest, *moving)


def maximum(write: Writer, step: Step) -> list[Value]:
    """Write the largest number of each window."""
    return _pool(write, step, "max")


def total(write: Writer, step: Step) -> list[Value]:
    """Write the sum of each window, as a mean times the number of entries."""
    return _pool(write, step, "mean")


WINDOWS: Mapping[str, Callable[[Writer, Step], list[Value]]] = {
    "conv_general_dilated": convolution,
    "reduce_window_max": maximum,
    "reduce_window_sum": total,
}
"""What writes an operation, by the name of JAX's primitive."""
