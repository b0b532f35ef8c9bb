"""The op graph once more, slowly and plainly: one PyTorch call for each operation, in double precision.

It shares nothing with the engine but the graph's words, so that what both agree on is not one mistake made once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from picasso.core import graph as g


def run(graph: g.Graph, x: np.ndarray, dtype: torch.dtype = torch.float64) -> dict[str, np.ndarray]:
    """Return every value of the graph by name, from x (n, channels, height, width)."""
    values: dict[str, Any] = {}
    with torch.no_grad():
        for op in graph.ops:
            if isinstance(op, g.Input):
                values[op.name] = torch.as_tensor(x).to(dtype)
            elif isinstance(op, g.Constant):
                values[op.name] = torch.as_tensor(np.array(op.value)).to(dtype)[None]
            else:
                values[op.name] = _run(op, [values[name] for name in op.inputs], dtype)
            made = tuple(values[op.name].shape[1:])
            assert made == op.shape, f"{type(op).__name__} {op.name} has shape {made}, and says {op.shape}"
    return {name: value.numpy() for name, value in values.items()}


def outputs(graph: g.Graph, x: np.ndarray, dtype: torch.dtype = torch.float64) -> dict[str, np.ndarray]:
    """Return the graph's outputs by name."""
    values = run(graph, x, dtype)
    return {name: values[value] for name, value in graph.outputs.items()}


def _run(op: g.Op, values: Sequence[Any], dtype: torch.dtype) -> Any:
    def number(array: Any) -> Any:
        return None if array is None else torch.as_tensor(np.array(array)).to(dtype)

    x = values[0]
    match op:
        case g.Conv():
            padded = _padded(x, op.padding, 0.0)
            return F.conv2d(padded, number(op.weight), number(op.bias), op.stride, 0, op.dilation, op.groups)
        case g.ConvTranspose():
            whole = F.conv_transpose2d(
                x, number(op.weight), None, op.stride, 0, 0, groups=op.groups, dilation=op.dilation
            )
            top, left, bottom, right = op.padding
            cut = F.pad(whole, (-left, -right, -top, -bottom))
            return cut if op.bias is None else cut + number(op.bias)[:, None, None]
        case g.Linear():
            return F.linear(x, number(op.weight), number(op.bias))
        case g.Affine():
            shape = (-1, *(1 for _ in op.shape[1:]))
            return x * number(op.scale).reshape(shape) + number(op.shift).reshape(shape)
        case g.Activation():
            return _activation(op, x, number)
        case g.Pool():
            return _pool(op, x)
        case g.GlobalPool():
            pooled = x.amax((2, 3)) if op.function == "max" else x.mean((2, 3))
            return pooled[..., None, None] if op.keep else pooled
        case g.Resize():
            return number(op.rows) @ x @ number(op.columns).T
        case g.Elementwise():
            return _elementwise(op.function, x, values[1])
        case g.Concat():
            most = max(len(value) for value in values)
            return torch.cat([value.expand(most, *value.shape[1:]) for value in values], op.axis + 1)
        case g.Pad():
            top, left, bottom, right = op.padding
            mode = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}[op.mode]
            extra = {"value": op.value} if op.mode == "constant" else {}
            return F.pad(x, (left, right, top, bottom), mode=mode, **extra)
        case g.Reshape():
            return x.reshape(len(x), *op.target)
        case g.Transpose():
            return x.permute(0, *(axis + 1 for axis in op.axes))
        case g.Reorder():
            return x[:, list(op.order)]
        case g.Slice():
            places = torch.tensor(list(range(op.start, op.stop, op.step)))
            return x.index_select(op.axis + 1, places)
        case g.MatMul():
            return x @ values[1]
        case g.Attention():
            q, k, v, *mask = values
            weights = op.scale * q @ k.transpose(-1, -2)
            return (weights + mask[0] if mask else weights).softmax(-1) @ v
        case g.Softmax():
            axis = op.axis + 1 if op.axis >= 0 else op.axis
            return x.log_softmax(axis) if op.log else x.softmax(axis)
        case g.LayerNorm():
            axes = [axis + 1 for axis in op.axes]
            centered = x if op.root_mean_square else x - x.mean(axes, keepdim=True)
            made = centered / (centered.square().mean(axes, keepdim=True) + op.epsilon).sqrt()
            shape = [side if axis in op.axes else 1 for axis, side in enumerate(op.shape)]
            made = made if op.scale is None else made * number(op.scale).reshape(shape)
            return made if op.shift is None else made + number(op.shift).reshape(shape)
        case g.GroupNorm():
            return F.group_norm(x, op.groups, number(op.scale), number(op.shift), op.epsilon)
        case g.LocalResponseNorm():
            return F.local_response_norm(x, op.size, op.alpha, op.beta, op.bias)
        case g.Reduce():
            axes = [axis + 1 for axis in op.axes]
            function = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin}[op.function]
            return function(x, axes, keepdim=op.keep)
    raise AssertionError(f"no reference for {type(op).__name__}")


def _padded(x: Any, padding: g.Padding, value: float) -> Any:
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def _pool(op: g.Pool, x: Any) -> Any:
    """Read the windows one by one."""
    lowest = -torch.inf if op.function == "max" else 0.0
    padded = _padded(x, op.padding, lowest)
    inside = _padded(torch.ones_like(x[:1, :1]), op.counted, 1.0)
    inside = _padded(inside, tuple(p - c for p, c in zip(op.padding, op.counted, strict=True)), 0.0)
    out = x.new_zeros((len(x), *op.shape))
    for row in range(op.shape[1]):
        for column in range(op.shape[2]):
            rows = [row * op.stride[0] + i * op.dilation[0] for i in range(op.kernel[0])]
            columns = [column * op.stride[1] + i * op.dilation[1] for i in range(op.kernel[1])]
            window = padded[:, :, rows][..., columns]
            if op.function == "max":
                out[:, :, row, column] = window.amax((2, 3))
            else:
                out[:, :, row, column] = window.sum((2, 3)) / inside[:, :, rows][..., columns].sum()
    return out


def _activation(op: g.Activation, x: Any, number: Any) -> Any:
    match op.function:
        case "relu":
            return x.clamp(min=0)
        case "clip":
            return x.clamp(op.low, op.high)
        case "leaky_relu":
            return torch.where(x >= 0, x, x * op.slope)
        case "prelu":
            return torch.where(x >= 0, x, x * number(op.slopes).reshape(-1, *(1 for _ in op.shape[1:])))
        case "elu":
            return torch.where(x >= 0, x, op.slope * torch.expm1(x))
        case "celu":
            return torch.where(x >= 0, x, op.slope * torch.expm1(x / op.slope))
        case "selu":
            return F.selu(x)
        case "hard_sigmoid":
            return (op.slope * x + op.offset).clamp(0, 1)
        case "hard_swish":
            return x * (x / 6 + 0.5).clamp(0, 1)
        case "silu":
            return x * x.sigmoid()
        case "gelu":
            return F.gelu(x)
        case "gelu_tanh":
            return F.gelu(x, approximate="tanh")
        case "mish":
            return x * F.softplus(x).tanh()
        case "softplus" | "softsign":
            return getattr(F, op.function)(x)
        case function:
            return getattr(torch, function)(x)


def _elementwise(function: str, a: Any, b: Any) -> Any:
    call = {
        "add": torch.add,
        "subtract": torch.sub,
        "multiply": torch.mul,
        "divide": torch.div,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
        "power": torch.pow,
    }[function]
    return call(a, b)
