"""Normalizations taken apart, so that rules can treat what they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from picasso.core import graph as ops
from picasso.engine.kernels import tensor

Call = Callable[[Any], Any]


@dataclass(frozen=True)
class Normalization:
    """`finished(centered(x) * (mean of its squares + epsilon) ** -1/2)`.

    Args:
        centered: Takes the mean off, or nothing; linear.
        mean: The mean over what is normalized together, broadcast; linear.
        finished: Scales and shifts.
        epsilon: As in the formula.
    """

    centered: Call
    mean: Call
    finished: Call
    epsilon: float


def normalization(op: ops.LayerNorm | ops.GroupNorm, dtype: Any) -> Normalization:
    """Take a layer or group normalization apart."""
    axes = [1] if isinstance(op, ops.GroupNorm) else [axis + 1 for axis in op.axes]
    shape = [1, *(side if axis in axes else 1 for axis, side in enumerate(op.shape, 1))]
    scale, shift = (None if one is None else tensor(one, dtype).reshape(shape) for one in (op.scale, op.shift))

    def finished(x: Any) -> Any:
        x = x if scale is None else x * scale
        return x if shift is None else x + shift

    if isinstance(op, ops.LayerNorm):

        def mean(x: Any) -> Any:
            return x.mean(axes, keepdim=True)

        plain = op.root_mean_square
    else:

        def mean(x: Any) -> Any:
            apart = x.reshape(len(x), op.groups, -1)
            return apart.mean(-1, keepdim=True).expand_as(apart).reshape(x.shape)

        plain = False
    return Normalization((lambda x: x) if plain else (lambda x: x - mean(x)), mean, finished, op.epsilon)


def around(op: ops.LocalResponseNorm, x: Any) -> Any:
    """Return the mean over the channels around each, where those beyond the ends are zero."""
    wide = functional.pad(x.unsqueeze(1), (0, 0, 0, 0, op.size // 2, (op.size - 1) // 2))
    return functional.avg_pool3d(wide, (op.size, 1, 1), 1).squeeze(1)


def largest(x: Any, axes: list[int]) -> tuple[Any, Any]:
    """Return x with some axes put last as one, and where along it the largest number is, (..., 1)."""
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    flat = x.permute(*rest, *axes).flatten(len(rest))
    return flat, flat.argmax(-1, keepdim=True)


def windows_of(op: ops.Pool, x: Any) -> tuple[Any, Any]:
    """Return a map with the padding of a pool of the largest, (n, channels, pixels), and where each window has it."""
    top, left, bottom, right = op.padding
    padded = functional.pad(x, (left, right, top, bottom), value=-torch.inf)
    _, places = functional.max_pool2d(padded, op.kernel, op.stride, 0, op.dilation, return_indices=True)
    return padded.flatten(2), places[:, :, : op.shape[1], : op.shape[2]].flatten(2)
