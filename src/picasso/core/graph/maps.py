"""Operations on maps: what a convolutional network is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from picasso.core.graph.operation import NO_PADDING, Op, Padding, Pair, Shape
from picasso.core.preprocessing import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Op):
    """The network's input, (channels, height, width)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Constant(Op):
    """A value that does not depend on the picture: it has no batch axis and is broadcast."""

    value: Array

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return tuple(given["value"].shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Op):
    """Cross-correlation of a map with zero padding.

    Args:
        weight: (out channels, in channels / groups, height, width).
        bias: (out channels,) or None.
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        weight = given["weight"]
        return (len(weight), *_windows(shapes[0], weight.shape[2:], **given))

    @property
    def multiply_adds(self) -> int:
        return self.weight.size * self.shape[1] * self.shape[2]


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvTranspose(Op):
    """The adjoint of a convolution: each input pixel adds a kernel to the output.

    Args:
        weight: (in channels, out channels / groups, height, width).
        bias: (out channels,) or None.
        padding: What is cut off the output at top, left, bottom, right; negative at the ends where zeros are added.
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        weight, stride, dilation = given["weight"], given.get("stride", (1, 1)), given.get("dilation", (1, 1))
        padding = given.get("padding", NO_PADDING)
        sides = (
            (shapes[0][1 + axis] - 1) * stride[axis]
            + (weight.shape[2 + axis] - 1) * dilation[axis]
            + 1
            - padding[axis]
            - padding[2 + axis]
            for axis in (0, 1)
        )
        return (weight.shape[1] * given.get("groups", 1), *sides)

    @property
    def multiply_adds(self) -> int:
        rows, columns = self.shape[1] // self.stride[0], self.shape[2] // self.stride[1]
        return self.weight.size * rows * columns


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Op):
    """A matrix on the last axis.

    Args:
        weight: (out features, in features).
        bias: (out features,) or None.
    """

    weight: Array
    bias: Array | None = None

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (*shapes[0][:-1], len(given["weight"]))

    @property
    def multiply_adds(self) -> int:
        return self.weight.size * math.prod(self.shape[:-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(Op):
    """`scale * x + shift` for each channel, the first axis: batch normalization at rest, a scaled input.

    Args:
        scale, shift: (channels,).
    """

    scale: Array
    shift: Array


Function = Literal[
    "relu",
    "clip",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "celu",
    "sigmoid",
    "hard_sigmoid",
    "hard_swish",
    "tanh",
    "silu",
    "gelu",
    "gelu_tanh",
    "softplus",
    "softsign",
    "mish",
    "exp",
    "log",
    "sqrt",
    "abs",
    "negative",
    "square",
    "reciprocal",
    "rsqrt",
    "erf",
    "round",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Activation(Op):
    """A function of each number.

    Args:
        function: clip: between `low` and `high` (relu6: 0 and 6). leaky_relu: `slope` below zero. elu and celu: `slope`
            is alpha. hard_sigmoid: clip(`slope` * x + `offset`, 0, 1). hard_swish: x * clip(x / 6 + 1 / 2, 0, 1).
            gelu_tanh: gelu by its approximation.
        slopes: Of prelu: (channels,), those below zero.
    """

    function: Function
    low: float = -math.inf
    high: float = math.inf
    slope: float = 1.0
    offset: float = 0.5
    slopes: Array | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Op):
    """The largest or the mean number of each window of a map, for each channel.

    Args:
        padding: With minus infinity for the largest, zeros for the mean. What rounding the size up (ceil mode) reads
            beyond the end is part of it.
        counted: How much of the padding counts as numbers of the mean; the windows divide by what lies inside that.
    """

    function: Literal["max", "mean"]
    kernel: Pair
    stride: Pair
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    counted: Padding = NO_PADDING

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (shapes[0][0], *_windows(shapes[0], given["kernel"], **given))


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalPool(Op):
    """The mean or the largest number of each channel of a map: (channels,), or (channels, 1, 1)."""

    function: Literal["max", "mean"]
    keep: bool = False

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (shapes[0][0], 1, 1) if given.get("keep") else (shapes[0][0],)


@dataclass(frozen=True, eq=False, kw_only=True)
class Resize(Op):
    """Linear interpolation of a map, nearest neighbors and adaptive means too: `rows @ x @ columns.T`.

    Args:
        rows: (out height, in height).
        columns: (out width, in width).
    """

    rows: Array
    columns: Array

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (shapes[0][0], len(given["rows"]), len(given["columns"]))


@dataclass(frozen=True, eq=False, kw_only=True)
class Elementwise(Op):
    """Two values, number by number; shapes are broadcast from the right."""

    function: Literal["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"]

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return np.broadcast_shapes(*shapes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Op):
    """Values one behind the other along an axis (0: channels)."""

    axis: int = 0

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        axis = given.get("axis", 0)
        return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Op):
    """A map with a border; negative: cut off.

    Args:
        mode: constant: the border is `value`. edge: the last pixel repeated. reflect: mirrored without the last pixel.
    """

    padding: Padding
    value: float = 0.0
    mode: Literal["constant", "edge", "reflect"] = "constant"

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        top, left, bottom, right = given["padding"]
        channels, height, width = shapes[0]
        return (channels, height + top + bottom, width + left + right)


def _windows(shape: Shape, kernel: Sequence[int], /, **given: Any) -> Pair:
    stride, dilation = given.get("stride", (1, 1)), given.get("dilation", (1, 1))
    padding = given.get("padding", NO_PADDING)
    _, height, width = shape
    sides = [
        (side + padding[axis] + padding[2 + axis] - (kernel[axis] - 1) * dilation[axis] - 1) // stride[axis] + 1
        for axis, side in enumerate((height, width))
    ]
    if min(sides) < 1:
        raise ValueError(f"a window of {tuple(kernel)} is larger than a map of {height} x {width}")
    return sides[0], sides[1]
