"""Operations on values of any shape: what transformers and heads are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from picasso.core.graph.operation import Op, Shape
from picasso.core.preprocessing import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Op):
    """The same numbers in the same order, in another shape; one axis may be -1."""

    target: Shape

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        target, count = given["target"], math.prod(shapes[0])
        known = -math.prod(target) if -1 in target else math.prod(target)
        return tuple(count // known if side == -1 else side for side in target)


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Op):
    """Axes in another order, numbered without the batch."""

    axes: tuple[int, ...]

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return tuple(shapes[0][axis] for axis in given["axes"])


@dataclass(frozen=True, eq=False, kw_only=True)
class Reorder(Op):
    """The channels of a map in another order: channel i is channel `order[i]` of the input."""

    order: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(Op):
    """Part of a value along one axis, `start:stop:step`, both in 0..side; down to the first with step -1, stop -1."""

    axis: int
    start: int
    stop: int
    step: int = 1

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        axis, places = given["axis"], range(given["start"], given["stop"], given.get("step", 1))
        return (*shapes[0][:axis], len(places), *shapes[0][axis + 1 :])


@dataclass(frozen=True, eq=False, kw_only=True)
class MatMul(Op):
    """The product of two values over their last two axes; the axes before are broadcast."""

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        a, b = shapes
        return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Attention(Op):
    """`softmax(scale * q @ k.T + mask) @ v` over the last two axes; inputs are q, k, v, and perhaps a mask."""

    scale: float

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (*shapes[0][:-1], shapes[2][-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(Op):
    """Exponentials that sum to 1 along an axis, numbered without the batch; or their logarithms."""

    axis: int = -1
    log: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerNorm(Op):
    """Mean 0 and deviation 1 over some axes, then a scale and a shift.

    Args:
        axes: Numbered without the batch; (0,) are the channels of a map.
        scale, shift: Of the shape of those axes, or None.
        root_mean_square: Whether the mean is left in.
    """

    axes: tuple[int, ...]
    epsilon: float
    scale: Array | None = None
    shift: Array | None = None
    root_mean_square: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupNorm(Op):
    """Mean 0 and deviation 1 over the channels of each group and all places, then a scale and a shift (channels,)."""

    groups: int
    epsilon: float
    scale: Array | None = None
    shift: Array | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class LocalResponseNorm(Op):
    """`x / (bias + alpha / size * sum of squares of `size` channels around) ** beta`."""

    size: int
    alpha: float
    beta: float
    bias: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduce(Op):
    """The sum, mean or largest number over some axes, numbered without the batch."""

    function: Literal["sum", "mean", "max", "min"]
    axes: tuple[int, ...]
    keep: bool = False

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        axes, keep = given["axes"], given.get("keep", False)
        return tuple(1 if axis in axes else side for axis, side in enumerate(shapes[0]) if keep or axis not in axes)
