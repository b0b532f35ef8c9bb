"""Operations without a kernel of their own: one call of PyTorch each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from picasso.core import graph as ops
from picasso.core.graph import Activation, Op
from picasso.engine.kernels import activate, tensor
from picasso.engine.rewriting import ChannelClip

Run = Callable[[list[Any]], Any]
_TWO: dict[str, Callable[..., Any]] = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "power": torch.pow,
}
_OVER: dict[str, Callable[..., Any]] = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin}
_BORDERS = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}


def pointwise(op: Op, activation: Activation | None, dtype: Any) -> Run:
    """Return what runs an operation on each place of maps (n, channels, ...) for itself.

    Args:
        op: The operation.
        activation: What follows an `Affine`, or None.
        dtype: In which it computes.
    """
    match op:
        case ops.Affine():
            shape = (-1, *(1 for _ in op.shape[1:]))
            scale, shift = tensor(op.scale, dtype).view(shape), tensor(op.shift, dtype).view(shape)
            return lambda values: activate(activation, torch.addcmul(shift, values[0], scale))
        case ops.LayerNorm():
            scale = None if op.scale is None else tensor(op.scale, dtype).flatten()
            shift = None if op.shift is None else tensor(op.shift, dtype).flatten()
            norm = _norm(op, scale, shift)
            return lambda values: norm(values[0].movedim(1, -1)).movedim(-1, 1)
    return whole(op, dtype)


def whole(op: Op, dtype: Any) -> Run:
    """Return what runs an operation on whole values (n, ...).

    Raises:
        GraphError: There is none.
    """
    match op:
        case ops.Affine() | ops.LayerNorm() if isinstance(op, ops.Affine) or op.axes == (0,):
            return pointwise(op, None, dtype)
        case ChannelClip():
            low, high = (tensor(limit, dtype).view(-1, 1, 1) for limit in (op.low, op.high))
            if (op.high == np.inf).all():
                return lambda values: torch.maximum(values[0], low)
            return lambda values: torch.clamp(values[0], low, high)
        case Activation():
            return lambda values: activate(op, values[0].clone())
        case ops.Elementwise():
            return lambda values: _TWO[op.function](*values)
        case ops.Concat():
            return lambda values: _joined(values, op.axis + 1)
        case ops.GlobalPool():
            return lambda values: _over(values[0], op.function, (2, 3), op.keep)
        case ops.Reduce():
            return lambda values: _over(values[0], op.function, [axis + 1 for axis in op.axes], op.keep)
        case ops.Pad():
            top, left, bottom, right = op.padding
            value = {"value": op.value} if op.mode == "constant" else {}
            mode = _BORDERS[op.mode]
            return lambda values: functional.pad(values[0], (left, right, top, bottom), mode, **value)
        case ops.Reshape():
            return lambda values: values[0].reshape(len(values[0]), *op.shape)
        case ops.Transpose():
            return lambda values: values[0].permute(0, *(axis + 1 for axis in op.axes))
        case ops.Reorder():
            order = torch.tensor(op.order)
            return lambda values: values[0].index_select(1, order)
        case ops.Slice():
            return _slice(op)
        case ops.MatMul():
            return lambda values: values[0] @ values[1]
        case ops.Attention():
            return lambda values: functional.scaled_dot_product_attention(
                values[0], values[1], values[2], values[3] if len(values) > 3 else None, scale=op.scale
            )
        case ops.Softmax():
            axis = op.axis + 1 if op.axis >= 0 else op.axis
            return lambda values: values[0].log_softmax(axis) if op.log else values[0].softmax(axis)
        case ops.LayerNorm():
            return _layer_norm(op, dtype)
        case ops.GroupNorm():
            scale = None if op.scale is None else tensor(op.scale, dtype)
            shift = None if op.shift is None else tensor(op.shift, dtype)
            return lambda values: functional.group_norm(values[0], op.groups, scale, shift, op.epsilon)
        case ops.LocalResponseNorm():
            given = op.size, op.alpha, op.beta, op.bias
            # There is none in half precision.
            return lambda values: functional.local_response_norm(values[0].float(), *given).to(dtype)
    raise ops.GraphError(f"{type(op).__name__} at '{op.layer}' has no kernel.")


def _joined(values: list[Any], axis: int) -> Any:
    most = max(len(value) for value in values)
    return torch.cat([value.expand(most, *value.shape[1:]) for value in values], axis)


def _over(x: Any, function: str, axes: Any, keep: bool) -> Any:
    return _OVER[function](x, axes, keepdim=keep)


def _slice(op: ops.Slice) -> Run:
    axis = op.axis + 1
    if op.step > 0:
        place = (*(slice(None) for _ in range(axis)), slice(op.start, op.stop, op.step))
        return lambda values: values[0][place]
    places = torch.tensor(list(range(op.start, op.stop, op.step)))
    return lambda values: values[0].index_select(axis, places)


def _layer_norm(op: ops.LayerNorm, dtype: Any) -> Run:
    """Normalize the last axes as they are; others are moved there and back."""
    count = len(op.axes)
    last = tuple(range(len(op.shape) - count, len(op.shape)))
    scale = None if op.scale is None else tensor(op.scale, dtype)
    shift = None if op.shift is None else tensor(op.shift, dtype)
    norm = _norm(op, scale, shift)
    if tuple(sorted(op.axes)) == last:
        return lambda values: norm(values[0])
    here, there = [axis + 1 for axis in op.axes], [axis + 1 for axis in last]
    return lambda values: norm(values[0].movedim(here, there)).movedim(there, here)


def _norm(op: ops.LayerNorm, scale: Any, shift: Any) -> Callable[[Any], Any]:
    sides = [op.shape[axis] for axis in op.axes]
    if op.root_mean_square:
        return lambda x: _shifted(functional.rms_norm(x, sides, scale, op.epsilon), shift)
    return lambda x: functional.layer_norm(x, sides, scale, shift, op.epsilon)


def _shifted(x: Any, shift: Any) -> Any:
    return x if shift is None else x + shift
