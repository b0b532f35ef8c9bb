"""Layers of a PyTorch network, written on an op graph: normalization, matrices, attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from picasso.core import graph as g
from picasso.core.graph import GraphError, Shape
from picasso.core.preprocessing import Array
from picasso.models.torch.op_numbers import Writer, add
from picasso.models.torch.op_sheet import Operand, Sheet, Value


def batch_norm(
    sheet: Sheet,
    made: Shape,
    x: Value,
    weight: Operand,
    bias: Operand,
    mean: Operand,
    variance: Operand,
    training: bool,
    momentum: float,
    epsilon: float,
    *_: Any,
) -> list[str | None]:
    """Write a batch normalization at rest."""
    if training or mean is None:
        raise GraphError("{op} at {layer} normalizes by the pictures themselves.")
    shape = (1, -1, *(1 for _ in x.shape[2:]))
    wide = [None if one is None else sheet.weight(one).astype(np.float64).reshape(shape) for one in (weight, bias)]
    center, spread = (sheet.weight(one).astype(np.float64).reshape(shape) for one in (mean, variance))
    scale = (1.0 if wide[0] is None else wide[0]) / np.sqrt(spread + epsilon)
    shift = (0.0 if wide[1] is None else wide[1]) - center * scale
    return [sheet.scaled(x, scale, shift)]


def at_rest(
    sheet: Sheet,
    made: Shape,
    x: Value,
    weight: Operand,
    bias: Operand,
    mean: Operand,
    variance: Operand,
    momentum: float,
    epsilon: float,
) -> list[str | None]:
    """Write a batch normalization that is said to be at rest."""
    return batch_norm(sheet, made, x, weight, bias, mean, variance, False, momentum, epsilon)


def instance_norm(
    sheet: Sheet,
    made: Shape,
    x: Operand,
    weight: Operand,
    bias: Operand,
    mean: Operand,
    variance: Operand,
    by_itself: bool,
    momentum: float,
    epsilon: float,
    *_: Any,
) -> list[str | None]:
    """Write a normalization of each channel by itself, or by what was seen in training."""
    if by_itself:
        return [group_norm(sheet, made, x, x.shape[1], weight, bias, epsilon)]
    return batch_norm(sheet, made, x, weight, bias, mean, variance, False, momentum, epsilon)


def group_norm(
    sheet: Sheet,
    made: Shape,
    x: Operand,
    groups: int,
    weight: Operand = None,
    bias: Operand = None,
    epsilon: float = 1e-5,
    *_: Any,
) -> str:
    """Write a normalization of groups of channels."""
    given = {"groups": groups, "scale": sheet.weight(weight), "shift": sheet.weight(bias)}
    return sheet.put(g.GroupNorm, sheet.map(x), epsilon=epsilon, **given)


def native_group_norm(
    sheet: Sheet, made: Shape, x: Operand, weight: Operand, bias: Operand, *rest: Any
) -> list[str | None]:
    """Write the same from a program that was taken apart: n, channels, places, groups, epsilon come last."""
    return [group_norm(sheet, made, x, rest[3], weight, bias, rest[4])]


def layer_norm(
    sheet: Sheet,
    made: Shape,
    x: Value,
    shape: Sequence[int],
    weight: Operand = None,
    bias: Operand = None,
    epsilon: float = 1e-5,
    *_: Any,
) -> list[str | None]:
    """Write a normalization over the last axes; over the channels of a map where these lie last."""
    return [_normalized(sheet, x, shape, {"scale": sheet.weight(weight), "shift": sheet.weight(bias)}, epsilon)]


def rms_norm(
    sheet: Sheet, made: Shape, x: Value, shape: Sequence[int], weight: Operand = None, epsilon: float | None = None
) -> str:
    """Write a normalization that leaves the mean in."""
    least = float(np.finfo(np.float32).eps) if epsilon is None else epsilon
    return _normalized(sheet, x, shape, {"scale": sheet.weight(weight), "root_mean_square": True}, least)


def linear(sheet: Sheet, made: Shape, x: Operand, weight: Operand, bias: Operand = None) -> str:
    """Write a linear layer; on the channels of a map where these lie last, it is a convolution."""
    if not isinstance(x, Value) or isinstance(weight, Value):
        sheet.weight(weight if isinstance(weight, Value) else bias)
        raise GraphError("{op} at {layer} multiplies constants by one another.")
    return _product(sheet, x, sheet.weight(weight), sheet.weight(bias))


def addmm(
    sheet: Sheet, made: Shape, bias: Operand, x: Operand, weight: Operand, beta: float = 1, alpha: float = 1
) -> str:
    """Write a linear layer as a program says it that was taken apart."""
    row = isinstance(bias, Value) or bias.ndim == 1
    if beta != 1 or alpha != 1 or not row or not isinstance(x, Value):
        raise GraphError("{op} at {layer} is no linear layer.")
    return linear(sheet, made, x, weight if isinstance(weight, Value) else weight.T, bias)


def matmul(sheet: Sheet, made: Shape, a: Operand, b: Operand) -> str:
    """Write a product of matrices."""
    if isinstance(a, Value) and not isinstance(b, Value) and b.ndim == 2:
        return _product(sheet, a, sheet.weight(b).T, None)
    if min(len(a.shape), len(b.shape)) < 2:
        raise GraphError("{op} at {layer} multiplies by a vector.")
    rank = max(len(a.shape), len(b.shape))
    dropped = int(rank > 2 and made[0] == 1)
    name = sheet.put(g.MatMul, *(sheet.full(one, rank, dropped) for one in (a, b)))
    return sheet.reshape(name, made[1:] if made[0] == 1 else made)


def baddbmm(
    sheet: Sheet, made: Shape, added: Operand, a: Operand, b: Operand, beta: float = 1, alpha: float = 1
) -> str:
    """Write a sum with a product of matrices."""
    if beta != 1 or alpha != 1:
        raise GraphError("{op} at {layer} is scaled.")
    return add(sheet, made, Value(matmul(sheet, made, a, b), made), added)


def attention(
    sheet: Sheet,
    made: Shape,
    q: Operand,
    k: Operand,
    v: Operand,
    attn_mask: Operand = None,
    dropout_p: float = 0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> list[str | None]:
    """Write attention; a mask of yes and no is one of zeros and minus infinity."""
    if dropout_p or enable_gqa:
        raise GraphError("{op} at {layer} drops numbers at random, or shares heads.")
    rank, dropped = len(made), int(made[0] == 1)
    names = [sheet.full(one, rank, dropped) for one in (q, k, v)]
    if is_causal:
        side = (q.shape[-2], k.shape[-2])
        names.append(sheet.constant(np.where(np.tri(*side), 0, -np.inf).reshape((1,) * (rank - dropped - 2) + side)))
    elif isinstance(attn_mask, Value):
        names.append(sheet.full(attn_mask, rank, dropped))
    elif attn_mask is not None:
        mask = sheet.weight(attn_mask)
        mask = mask if attn_mask.is_floating_point() else np.where(mask, 0, -np.inf)
        mask = mask.reshape((1,) * (rank - mask.ndim) + mask.shape)
        names.append(sheet.constant(mask.reshape(mask.shape[dropped:])))
    return [sheet.put(g.Attention, *names, scale=scale or 1 / math.sqrt(q.shape[-1]))]


def softmax(log: bool) -> Writer:
    """Return the writer of a softmax, or of its logarithm."""

    def write(sheet: Sheet, made: Shape, x: Value, axis: int, *_: Any) -> str:
        place, source = sheet.axis(x, axis), sheet.turned(x.name)
        if source is not None:
            return sheet.last(sheet.put(g.Softmax, source, axis=(1, 2, 0)[place], log=log))
        return sheet.put(g.Softmax, x.name, axis=place, log=log)

    return write


def _normalized(sheet: Sheet, x: Value, shape: Sequence[int], given: dict[str, Any], epsilon: float) -> str:
    source, rank = sheet.turned(x.name), len(x.shape) - x.dropped
    if len(shape) > rank:
        raise GraphError("{op} at {layer} normalizes over the pictures.")
    if source is not None and len(shape) == 1:
        return sheet.last(sheet.put(g.LayerNorm, source, axes=(0,), epsilon=epsilon, **given))
    axes = tuple(range(rank - len(shape), rank))
    return sheet.put(g.LayerNorm, x.name, axes=axes, epsilon=epsilon, **given)


def _product(sheet: Sheet, x: Value, weight: Array, bias: Array | None) -> str:
    source = sheet.turned(x.name)
    if source is not None:
        return sheet.last(sheet.put(g.Conv, source, weight=weight[:, :, None, None], bias=bias))
    return sheet.put(g.Linear, x.name, weight=weight, bias=bias)


TABLE: dict[str, Writer] = {
    "batch_norm": batch_norm,
    "native_batch_norm": batch_norm,
    "_native_batch_norm_legit": batch_norm,
    "_native_batch_norm_legit_no_training": at_rest,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
    "native_group_norm": native_group_norm,
    "layer_norm": layer_norm,
    "native_layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "linear": linear,
    "addmm": addmm,
    "matmul": matmul,
    "mm": matmul,
    "bmm": matmul,
    "baddbmm": baddbmm,
    "scaled_dot_product_attention": attention,
    "softmax": softmax(log=False),
    "_softmax": softmax(log=False),
    "log_softmax": softmax(log=True),
    "_log_softmax": softmax(log=True),
}
"""Writers by the names of PyTorch's operations."""
