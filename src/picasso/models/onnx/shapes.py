"""ONNX's operators that move numbers about: shapes, slices, gathering, padding.

Imports PyTorch, so it is imported itself only where a graph is opened.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from picasso.models.onnx.operators import Call, Operator, make_room, reading


def _constant(call: Call) -> Any:
    for name, value in call.attributes.items():
        if name == "value":
            return value
        if name in ("value_int", "value_ints"):
            return torch.tensor(value, dtype=torch.int64)
        if name in ("value_float", "value_floats"):
            return torch.tensor(value, dtype=torch.float32)
    raise NotImplementedError("Constant of text")


def _shape(call: Call, x: Any) -> Any:
    return torch.tensor(x.shape[call.get("start", 0) : call.get("end")], dtype=torch.int64)


@reading(1)
def _reshape(call: Call, x: Any, shape: list[int] | None = None) -> Any:
    wanted = call.get("shape") if shape is None else shape
    if not call.get("allowzero", 0):
        wanted = [x.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    return x.reshape(tuple(wanted))


def _flatten(call: Call, x: Any) -> Any:
    axis = call.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(x.shape[:axis].numel(), x.shape[axis:].numel())


@reading(1)
def _squeeze(call: Call, x: Any, axes: list[int] | None = None) -> Any:
    axes = call.get("axes") if axes is None else axes
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@reading(1)
def _unsqueeze(call: Call, x: Any, axes: list[int] | None = None) -> Any:
    axes = call.get("axes") if axes is None else axes
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _transpose(call: Call, x: Any) -> Any:
    return x.permute(call.get("perm") or list(range(x.ndim))[::-1])


@reading(1)
def _split(call: Call, x: Any, sizes: list[int] | None = None) -> Any:
    axis = call.get("axis", 0)
    sizes = sizes or call.get("split")
    if not sizes:
        parts, length = call.get("num_outputs") or call.outputs, x.shape[axis]
        each = -(-length // parts)
        sizes = [max(0, min(each, length - each * part)) for part in range(parts)]
    return torch.split(x, sizes, axis)


@reading(1, 2, 3, 4)
def _slice(call: Call, x: Any, *limits: Any) -> Any:
    named = [call.get("starts"), call.get("ends"), call.get("axes"), None]
    starts, ends, axes, steps = [*limits, *[None] * (4 - len(limits))] if limits else named
    axes = range(len(starts)) if axes is None else axes
    for start, end, axis, step in zip(starts, ends, axes, steps or [1] * len(starts), strict=True):
        places = range(*slice(start, end, step).indices(x.shape[axis]))
        if step > 0:
            index = [slice(None)] * (axis % x.ndim) + [slice(places.start, max(places.stop, places.start), step)]
            x = x[tuple(index)]
        else:
            x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64, device=x.device))
    return x


def _wrapped(index: Any, length: int) -> Any:
    return torch.where(index < 0, index + length, index).long()


def _gather(call: Call, x: Any, index: Any) -> Any:
    axis = call.get("axis", 0) % x.ndim
    taken = x.index_select(axis, _wrapped(index, x.shape[axis]).reshape(-1))
    return taken.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _gather_elements(call: Call, x: Any, index: Any) -> Any:
    axis = call.get("axis", 0)
    return x.gather(axis, _wrapped(index, x.shape[axis]))


def _gather_nd(call: Call, x: Any, index: Any) -> Any:
    batch = call.get("batch_dims", 0)
    if not batch:
        return x[tuple(index.unbind(-1))]
    front = x.shape[:batch]
    flat, places = x.reshape(-1, *x.shape[batch:]), index.reshape(front.numel(), -1, index.shape[-1])
    rows = torch.arange(len(flat), device=x.device)[:, None].expand(places.shape[:2])
    return flat[(rows, *places.unbind(-1))].reshape((*index.shape[:-1], *x.shape[batch + index.shape[-1] :]))


_MIXED = {"mul": "prod", "max": "amax", "min": "amin"}


def _scatter_elements(call: Call, x: Any, index: Any, updates: Any) -> Any:
    axis, reduction = call.get("axis", 0), call.get("reduction", "none")
    index = _wrapped(index, x.shape[axis])
    if reduction == "none":
        return x.scatter(axis, index, updates)
    if reduction == "add":
        return x.scatter_add(axis, index, updates)
    return x.scatter_reduce(axis, index, updates, _MIXED[reduction])


def _scatter_nd(call: Call, x: Any, index: Any, updates: Any) -> Any:
    reduction = call.get("reduction", "none")
    if reduction not in ("none", "add"):
        raise NotImplementedError(f"ScatterND with {reduction}")
    return x.index_put(tuple(index.unbind(-1)), updates, accumulate=reduction == "add")


@reading(1)
def _expand(call: Call, x: Any, shape: list[int]) -> Any:
    wanted = torch.broadcast_shapes(x.shape, tuple(shape))
    make_room(wanted)
    return x.expand(wanted)


@reading(1)
def _tile(call: Call, x: Any, repeats: list[int]) -> Any:
    make_room([side * count for side, count in zip(x.shape, repeats, strict=True)])
    return x.repeat(repeats)


@reading(0)
def _constant_of_shape(call: Call, shape: list[int]) -> Any:
    make_room(shape)
    value = call.get("value", torch.zeros(1))
    device = call.device if value.is_floating_point() else None
    return torch.full(shape, value.item(), dtype=value.dtype, device=device)


def _range(call: Call, start: Any, limit: Any, step: Any) -> Any:
    first, last, by = start.item(), limit.item(), step.item()
    make_room([max(0, int((last - first) / by) + 1)])
    empty = (last - first) / by <= 0
    return torch.arange(first, first if empty else last, by, dtype=start.dtype, device=start.device)


@reading(1)
def _one_hot(call: Call, index: Any, depth: list[int], values: Any) -> Any:
    count, axis = int(depth[0]), call.get("axis", -1)
    make_room([*index.shape, count])
    places = torch.arange(count, device=index.device)
    hot = _wrapped(index, count)[..., None] == places
    return torch.where(hot, values[1], values[0]).movedim(-1, axis)


def _eye_like(call: Call, x: Any) -> Any:
    from picasso.models.onnx.operators import TYPES

    rows, columns = x.shape
    kind = TYPES[call.get("dtype")] if call.get("dtype") else x.dtype
    ones = torch.ones(rows, columns, device=x.device)
    return (torch.tril(torch.triu(ones, call.get("k", 0)), call.get("k", 0))).to(kind)


@reading(1, 2, 3)
def _pad(call: Call, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    pads = call.get("pads") if pads is None else pads
    fill = value[0] if value else call.get("value", 0.0)
    axes = [axis % x.ndim for axis in (range(x.ndim) if axes is None else axes)]
    both = {axis: (pads[place], pads[place + len(axes)]) for place, axis in enumerate(axes)}
    make_room([side + sum(both.get(axis, (0, 0))) for axis, side in enumerate(x.shape)])
    mode = call.get("mode", "constant")
    if mode == "constant":
        flat = [amount for axis in reversed(range(x.ndim)) for amount in both.get(axis, (0, 0))]
        return F.pad(x, flat, value=fill)
    for axis, (before, after) in both.items():
        if before or after:
            length = x.shape[axis]
            places = torch.arange(-before, length + after, device=x.device)
            if mode == "edge":
                places = places.clamp(0, length - 1)
            elif mode == "wrap":
                places = places % length
            else:
                places = places % max(2 * (length - 1), 1)
                places = torch.where(places < length, places, 2 * (length - 1) - places)
            x = x.index_select(axis, places)
    return x


def _depth_to_space(call: Call, x: Any) -> Any:
    n, channels, height, width = x.shape
    block = call.get("blocksize")
    inner = channels // block**2
    if call.get("mode", "DCR") == "DCR":
        x = x.reshape(n, block, block, inner, height, width).permute(0, 3, 4, 1, 5, 2)
    else:
        x = x.reshape(n, inner, block, block, height, width).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(n, inner, height * block, width * block)


def _space_to_depth(call: Call, x: Any) -> Any:
    n, channels, height, width = x.shape
    block = call.get("blocksize")
    x = x.reshape(n, channels, height // block, block, width // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, channels * block**2, height // block, width // block)


OPERATORS: dict[str, Operator] = {
    "Constant": Operator(_constant),
    "Shape": Operator(_shape),
    "Size": Operator(lambda call, x: torch.tensor(x.numel(), dtype=torch.int64)),
    "Reshape": _reshape,
    "Flatten": Operator(_flatten),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": Operator(_transpose),
    "Concat": Operator(lambda call, *inputs: torch.cat(inputs, call.get("axis"))),
    "Split": _split,
    "Slice": _slice,
    "Gather": Operator(_gather),
    "GatherElements": Operator(_gather_elements),
    "GatherND": Operator(_gather_nd),
    "Scatter": Operator(_scatter_elements),
    "ScatterElements": Operator(_scatter_elements),
    "ScatterND": Operator(_scatter_nd),
    "Expand": _expand,
    "Tile": _tile,
    "Where": Operator(lambda call, condition, x, y: torch.where(condition, x, y)),
    "ConstantOfShape": _constant_of_shape,
    "Range": Operator(_range),
    "OneHot": _one_hot,
    "EyeLike": Operator(_eye_like),
    "NonZero": Operator(lambda call, x: torch.nonzero(x).T),
    "Pad": _pad,
    "DepthToSpace": Operator(_depth_to_space),
    "SpaceToDepth": Operator(_space_to_depth),
}
"""Every operator of this file by its name in the format."""
