"""ONNX's convolutions, pools and normalizations on PyTorch's operations.

Imports PyTorch, so it is imported itself only where a graph is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from picasso.models.onnx.operators import Call, Operator

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAXIMA = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEANS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@dataclass(frozen=True)
class Window:
    """How a window moves along each axis of space.

    Args:
        kernel, strides, dilations: One number for each axis.
        before, after: Padding declared on both sides of each axis.
        reached: Padding behind each axis that the windows really reach, which may be less (or less than none) or, in
            ceil mode, more.
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    before: list[int]
    after: list[int]
    reached: list[int]

    @property
    def padding(self) -> list[int]:
        """As F.pad wants it: the last axis first."""
        return _for_pad(self.before, self.reached)


def _for_pad(before: Sequence[int], after: Sequence[int]) -> list[int]:
    return [amount for pair in zip(reversed(before), reversed(after), strict=True) for amount in pair]


def window_of(call: Call, sides: Sequence[int], kernel: Sequence[int], ceil: bool = False) -> Window:
    """Return how a node's window moves.

    Args:
        call: The node's attributes.
        sides: Of the map: its height and width, one number for each axis of space.
        kernel: The window's own sides.
        ceil: Whether sizes are rounded up.
    """
    axes = len(kernel)
    strides = list(call.get("strides") or [1] * axes)
    dilations = list(call.get("dilations") or [1] * axes)
    pads = list(call.get("pads") or [0] * 2 * axes)
    auto = call.get("auto_pad", "NOTSET")
    before, after, reached = [], [], []
    for axis in range(axes):
        length, stride = sides[axis], strides[axis]
        span = (kernel[axis] - 1) * dilations[axis] + 1
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            total = max((-(-length // stride) - 1) * stride + span - length, 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            last = total - first
        elif auto == "VALID":
            first = last = 0
        else:
            first, last = pads[axis], pads[axis + axes]
        free = length + first + last - span
        count = (-(-free // stride) if ceil else free // stride) + 1
        if ceil and (count - 1) * stride >= length + first:
            count -= 1  # a window that would begin in the padding behind the picture
        before.append(first)
        after.append(last)
        reached.append((count - 1) * stride + span - length - first)
    return Window(list(kernel), strides, dilations, before, after, reached)


def _conv(call: Call, x: Any, weight: Any, bias: Any = None) -> Any:
    window = window_of(call, x.shape[2:], call.get("kernel_shape") or weight.shape[2:])
    padding: list[int] = window.before
    if window.before != window.after:
        x, padding = F.pad(x, _for_pad(window.before, window.after)), [0] * len(padding)
    run = _CONVOLUTIONS[weight.ndim - 2]
    return run(x, weight, bias, window.strides, padding, window.dilations, call.get("group", 1))


def _conv_transpose(call: Call, x: Any, weight: Any, bias: Any = None) -> Any:
    axes = weight.ndim - 2
    strides = list(call.get("strides") or [1] * axes)
    dilations = list(call.get("dilations") or [1] * axes)
    extra = list(call.get("output_padding") or [0] * axes)
    pads = list(call.get("pads") or [0] * 2 * axes)
    auto, wanted = call.get("auto_pad", "NOTSET"), call.get("output_shape")
    whole = _TRANSPOSED[axes](x, weight, None, strides, 0, 0, call.get("group", 1), dilations)
    before, after = [], []
    for axis in range(axes):
        length = whole.shape[2 + axis] + extra[axis]
        first, last = pads[axis], pads[axis + axes]
        if wanted or auto.startswith("SAME"):
            size = list(wanted)[-axes:][axis] if wanted else x.shape[2 + axis] * strides[axis]
            total = max(length - size, 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            last = total - first
            extra[axis] += max(size - length, 0)
        before.append(-first)
        after.append(extra[axis] - last)
    whole = F.pad(whole, _for_pad(before, after))
    return whole if bias is None else whole + bias.reshape(-1, *[1] * axes)


def _max_pool(call: Call, x: Any) -> Any:
    if call.outputs > 1:
        raise NotImplementedError("MaxPool that returns where the maxima lie")
    window = window_of(call, x.shape[2:], call.get("kernel_shape"), bool(call.get("ceil_mode", 0)))
    if any(window.padding):
        x = F.pad(x, window.padding, value=float("-inf"))
    return _MAXIMA[len(window.kernel)](x, window.kernel, window.strides, 0, window.dilations)


def _sums(x: Any, window: Window) -> Any:
    """Return the sums over all windows."""
    if all(step == 1 for step in window.dilations):
        mean = _MEANS[len(window.kernel)](x, window.kernel, window.strides)
        return mean * torch.Size(window.kernel).numel()
    channels = x.shape[1]
    ones = torch.ones(channels, 1, *window.kernel, dtype=x.dtype, device=x.device)
    run = _CONVOLUTIONS[len(window.kernel)]
    return run(x, ones, None, window.strides, 0, window.dilations, channels)


def _average_pool(call: Call, x: Any) -> Any:
    window = window_of(call, x.shape[2:], call.get("kernel_shape"), bool(call.get("ceil_mode", 0)))
    total = _sums(F.pad(x, window.padding), window)
    # Over how many numbers each window goes: padding counts where it is declared and said to.
    counted = torch.ones(1, 1, *x.shape[2:], dtype=x.dtype, device=x.device)
    beyond = window.padding
    if call.get("count_include_pad", 0):
        counted = F.pad(counted, _for_pad(window.before, window.after), value=1.0)
        beyond = _for_pad([0] * len(window.kernel), [r - a for r, a in zip(window.reached, window.after, strict=True)])
    return total / _sums(F.pad(counted, beyond), window)


def _power_pool(call: Call, x: Any) -> Any:
    p = call.get("p", 2)
    window = window_of(call, x.shape[2:], call.get("kernel_shape"), bool(call.get("ceil_mode", 0)))
    return _sums(F.pad(x.abs() ** p, window.padding), window) ** (1 / p)


def _space(x: Any) -> list[int]:
    return list(range(2, x.ndim))


def _global(function: Callable[[Any, list[int]], Any]) -> Operator:
    return Operator(lambda call, x: function(x, _space(x)))


def _global_power_pool(call: Call, x: Any) -> Any:
    p = call.get("p", 2)
    return (x.abs() ** p).sum(_space(x), True) ** (1 / p)


def _batch_norm(call: Call, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    if not call.get("spatial", 1):
        raise NotImplementedError("BatchNormalization for each position")
    if call.get("training_mode", 0):  # as exporters write the standardization of weights
        kept, axes = call.get("momentum", 0.9), [axis for axis in range(x.ndim) if axis != 1]
        running = (mean, x.mean(axes)), (variance, x.var(axes, correction=0))
        result = F.batch_norm(x, None, None, scale, bias, True, 0, call.get("epsilon", 1e-5))
        return result, *(old * kept + new * (1 - kept) for old, new in running)
    return F.batch_norm(x, mean, variance, scale, bias, False, 0, call.get("epsilon", 1e-5))


def _normalized(x: Any, axes: list[int], epsilon: float) -> Any:
    centered = x - x.mean(axes, True)
    return centered * torch.rsqrt((centered * centered).mean(axes, True) + epsilon)


def _instance_norm(call: Call, x: Any, scale: Any, bias: Any) -> Any:
    shape = (-1, *[1] * (x.ndim - 2))
    return _normalized(x, _space(x), call.get("epsilon", 1e-5)) * scale.reshape(shape) + bias.reshape(shape)


def _group_norm(call: Call, x: Any, scale: Any, bias: Any) -> Any:
    groups, channels = call.get("num_groups"), x.shape[1]
    if scale.numel() != channels:  # before version 21: one for each group
        scale, bias = (one.repeat_interleave(channels // groups) for one in (scale, bias))
    return F.group_norm(x, groups, scale, bias, call.get("epsilon", 1e-5))


def _layer_norm(call: Call, x: Any, scale: Any, bias: Any = None) -> Any:
    axis = call.get("axis", -1) % x.ndim
    epsilon = call.get("epsilon", 1e-5)
    if scale.shape == x.shape[axis:] and (bias is None or bias.shape == scale.shape):
        return F.layer_norm(x, scale.shape, scale, bias, epsilon)
    result = _normalized(x, list(range(axis, x.ndim)), epsilon) * scale
    return result if bias is None else result + bias


def _rms_norm(call: Call, x: Any, scale: Any) -> Any:
    axes = list(range(call.get("axis", -1) % x.ndim, x.ndim))
    return x * torch.rsqrt((x * x).mean(axes, True) + call.get("epsilon", 1e-5)) * scale


def _power_norm(call: Call, x: Any) -> Any:
    return x / torch.linalg.vector_norm(x, call.get("p", 2), call.get("axis", -1), True)


def _mean_variance_norm(call: Call, x: Any) -> Any:
    return _normalized(x, list(call.get("axes") or (0, 2, 3)), 1e-9)


def _response_norm(call: Call, x: Any) -> Any:
    size = call.get("size")
    before = (size - 1) // 2
    squares = F.pad(x * x, [*[0, 0] * (x.ndim - 2), before, size - 1 - before])
    total = sum(squares[:, place : place + x.shape[1]] for place in range(size))
    base = call.get("bias", 1.0) + call.get("alpha", 1e-4) / size * total
    return x / base ** call.get("beta", 0.75)


OPERATORS: dict[str, Operator] = {
    "Conv": Operator(_conv),
    "ConvTranspose": Operator(_conv_transpose),
    "MaxPool": Operator(_max_pool),
    "AveragePool": Operator(_average_pool),
    "LpPool": Operator(_power_pool),
    "GlobalAveragePool": _global(lambda x, axes: x.mean(axes, True)),
    "GlobalMaxPool": _global(lambda x, axes: x.amax(axes, True)),
    "GlobalLpPool": Operator(_global_power_pool),
    "BatchNormalization": Operator(_batch_norm),
    "InstanceNormalization": Operator(_instance_norm),
    "GroupNormalization": Operator(_group_norm),
    "LayerNormalization": Operator(_layer_norm),
    "RMSNormalization": Operator(_rms_norm),
    "LpNormalization": Operator(_power_norm),
    "MeanVarianceNormalization": Operator(_mean_variance_norm),
    "LRN": Operator(_response_norm),
}
"""Every operator of this file by its name in the format."""
