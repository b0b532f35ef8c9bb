"""The convolutions and matrices of PyTorch on a CPU, with what follows them done in the same pass where that can be.

The fused kernels are PyTorch's own and private; where a version lacks them, the public functions run.
Maps are (n, channels, height, width) in the channels-last layout throughout.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from picasso.core.graph import Activation, Conv, Linear, Padding
from picasso.engine.winograd import FEWEST_TILES, Winograd

LAST = torch.channels_last
_WINOGRAD_FROM = 128
"""Channels, read and made, from which Winograd's algorithm is faster."""
_PACKED_AT_MOST = 2**26
"""Numbers of a matrix that is packed beforehand: a larger one is read once for all windows anyway."""
_NEEDED = ("_convolution_pointwise", "_linear_pointwise", "_reorder_convolution_weight", "_reorder_linear_weight")
_FUSED = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name) for name in (*_NEEDED, "data_ptr", "_nbytes")
)
_NAMES = {
    "relu": ("relu", ()),
    "sigmoid": ("sigmoid", ()),
    "tanh": ("tanh", ()),
    "silu": ("swish", ()),
    "hard_swish": ("hardswish", ()),
}
"""What the fused kernels call an activation, and its numbers."""


def tensor(array: Any, dtype: Any = torch.float32) -> Any:
    """Return a NumPy array as a contiguous tensor, without a copy where that is possible."""
    whole = np.ascontiguousarray(array, np.float32)
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy()).to(dtype)


def activate(op: Activation | None, x: Any) -> Any:
    """Return the activation of a tensor (n, channels, ...), which may be overwritten."""
    if op is None:
        return x
    match op.function:
        case "relu":
            return x.relu_()
        case "clip":
            return x.clamp_(op.low, op.high)
        case "leaky_relu":
            return functional.leaky_relu_(x, op.slope)
        case "prelu":
            return functional.prelu(x, tensor(op.slopes, x.dtype))
        case "elu":
            return functional.elu_(x, op.slope)
        case "celu":
            return functional.celu_(x, op.slope)
        case "selu":
            return functional.selu_(x)
        case "sigmoid":
            return x.sigmoid_()
        case "hard_sigmoid":
            return x.mul_(op.slope).add_(op.offset).clamp_(0, 1)
        case "hard_swish":
            return functional.hardswish(x)
        case "silu":
            return functional.silu(x)
        case "gelu":
            return functional.gelu(x)
        case "gelu_tanh":
            return functional.gelu(x, approximate="tanh")
        case "softplus":
            return functional.softplus(x)
        case "softsign":
            return functional.softsign(x)
        case "mish":
            return functional.mish(x)
        case "exp" | "log" | "sqrt" | "abs" | "reciprocal" | "rsqrt" | "erf" | "square" | "tanh" | "negative" | "round":
            return getattr(torch, op.function)(x)


@dataclass(frozen=True)
class Fusable:
    """What a fused kernel does after its sum: a name, its numbers, and a name of a variant."""

    name: str
    numbers: tuple[float, ...] = ()
    variant: str = ""


def fusable(op: Activation | None) -> Fusable | None:
    """Return how the fused kernels name an activation, or None."""
    if op is None:
        return Fusable("none")
    if op.function == "clip" and op.low > -1e30 and op.high < 1e30:
        return Fusable("hardtanh", (op.low, op.high))
    if op.function == "leaky_relu":
        return Fusable("leaky_relu", (op.slope,))
    if op.function in ("gelu", "gelu_tanh"):
        return Fusable("gelu", (), "none" if op.function == "gelu" else "tanh")
    return Fusable(*_NAMES[op.function]) if op.function in _NAMES else None


class Convolution:
    """A convolution, then a map added, then an activation.

    Args:
        op: The convolution, what follows it in channels folded in.
        activation: What comes last, or None.
        dtype: In which it computes.
    """

    def __init__(self, op: Conv, activation: Activation | None, dtype: Any) -> None:
        self.activation = activation
        self._stride, self._dilation, self._groups = op.stride, op.dilation, op.groups
        self._weight: Any = tensor(op.weight, dtype)
        self._bias = None if op.bias is None else tensor(op.bias, dtype)
        # For one channel (of each group, in half precision) PyTorch 2.13 returns noise in the channels-last layout with
        # a stride of 1 down and more across, where one column is made.
        self._channels_first = op.weight.shape[1] == op.stride[0] == 1 < op.stride[1]
        self._fused = fusable(activation) if _FUSED and not self._channels_first else None
        pointwise = op.weight.shape[2:] == (1, 1) and op.groups == 1
        self._is_matrix = pointwise and self._fused is not None and op.weight.shape[1] > 1
        fewest = min(op.weight.shape[:2])
        simple = op.weight.shape[2:] == (3, 3) and op.stride == op.dilation == (1, 1) and op.groups == 1
        self._can_tile = _FUSED and simple and dtype == torch.float32 and fewest >= _WINOGRAD_FROM
        self._packs: dict[tuple[int, int], Any] = {}
        self._packed_matrix: Any = None
        self._tiled: Winograd | None = None

    def __call__(self, x: Any, padding: Padding, added: Any | None = None) -> Any:
        """Return the value from x (n, in, height, width), and a map that is added to it before the activation."""
        top, left, bottom, right = padding
        if (top, left) != (bottom, right) or (self._is_matrix and any(padding)):
            x = functional.pad(x, (left, right, top, bottom)).contiguous(memory_format=LAST)
            top = left = bottom = right = 0
        if self._can_tile:
            down, across = -(-(x.shape[2] + 2 * top - 2) // 4), -(-(x.shape[3] + 2 * left - 2) // 4)
            wasted = 16 * down * across / ((x.shape[2] + 2 * top - 2) * (x.shape[3] + 2 * left - 2))
            if len(x) * down * across >= FEWEST_TILES and wasted < 2:
                return self._by_tiles(x, top, left, added)
        if self._fused is None:
            if self._channels_first:
                x = x.squeeze(1).unsqueeze(1) if x.shape[1] == 1 else x.contiguous()
            made = functional.conv2d(
                x, self._weight, self._bias, self._stride, (top, left), self._dilation, self._groups
            )
            made = made.contiguous(memory_format=LAST)
            return activate(self.activation, made if added is None else made.add_(added))
        if self._is_matrix:
            return self._by_matrix(x[:, :, :: self._stride[0], :: self._stride[1]], added)
        return self._by_kernel(x, (top, left), added)

    def _by_kernel(self, x: Any, padding: tuple[int, int], added: Any | None) -> Any:
        fused = self._fused
        assert fused is not None
        packed = self._packed(x.shape, padding)
        given = (packed, self._bias, padding, self._stride, self._dilation, self._groups)
        if added is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *given, fused.name, list(fused.numbers), fused.variant)
        if fused.name in ("none", "relu") and self._groups == 1:
            last = fused.name if fused.name == "relu" else None
            return torch.ops.mkldnn._convolution_pointwise.binary(x, added, *given, "add", 1.0, last, [], None)
        made = torch.ops.mkldnn._convolution_pointwise(x, *given, "none", [], "")
        return activate(self.activation, made.add_(added))

    def _packed(self, shape: Sequence[int], padding: tuple[int, int]) -> Any:
        """Return the weight in the layout that the kernel wants; in another one a call takes up to ten times as long.

        It depends on the size of the map only where the channels are no power of two, and there are few.
        """
        made = len(self._weight)
        size = (0, 0) if made & (made - 1) == 0 or self._groups > 1 else (int(shape[2]), int(shape[3]))
        if size not in self._packs:
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                self._weight, padding, self._stride, self._dilation, self._groups, [16, *shape[1:]]
            )
            self._packs[size] = next((known for known in list(self._packs.values()) if _is_same(known, packed)), packed)
        return self._packs[size]

    def _by_matrix(self, x: Any, added: Any | None) -> Any:
        fused = self._fused
        assert fused is not None
        n, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, channels)
        weight = self._weight
        if weight is not None:
            self._packed_matrix = torch.ops.mkldnn._reorder_linear_weight(weight.flatten(1), 1024)
            self._weight = None  # nothing reads it any more; other threads have it at hand
        # A sum in passes of its own: measured faster than within the kernel.
        last = fused if added is None else Fusable("none")
        made = torch.ops.mkldnn._linear_pointwise(
            rows, self._packed_matrix, self._bias, last.name, list(last.numbers), last.variant
        )
        laid = made.view(n, height, width, -1).permute(0, 3, 1, 2)
        return laid if added is None else activate(self.activation, laid.add_(added))

    def _by_tiles(self, x: Any, top: int, left: int, added: Any | None) -> Any:
        if self._tiled is None:
            self._tiled = Winograd(self._weight, self._bias)
        inside = x.permute(0, 2, 3, 1)
        if top or left:  # padding by nothing would copy all the same
            inside = functional.pad(inside, (0, 0, left, left, top, top))
        made = self._tiled(inside).permute(0, 3, 1, 2)
        return activate(self.activation, made if added is None else made.add_(added))


def _is_same(a: Any, b: Any) -> bool:
    """Say whether a weight was packed in the same layout twice, which only its bytes tell."""
    mkldnn = torch.ops.mkldnn
    first, second = (ctypes.string_at(mkldnn.data_ptr(packed), mkldnn._nbytes(packed)) for packed in (a, b))
    return first == second


class Matrix:
    """A matrix on the last axis, then an activation."""

    def __init__(self, op: Linear, activation: Activation | None, dtype: Any) -> None:
        self.op, self.activation = op, activation
        self._weight = tensor(op.weight, dtype)
        self._bias = None if op.bias is None else tensor(op.bias, dtype)
        self._fused = fusable(activation) if _FUSED else None
        self._packed: Any = None

    def __call__(self, x: Any) -> Any:
        if self._fused is None:
            return activate(self.activation, functional.linear(x, self._weight, self._bias))
        if self._packed is None:
            small = self._weight.numel() <= _PACKED_AT_MOST
            self._packed = torch.ops.mkldnn._reorder_linear_weight(self._weight, 128) if small else self._weight
        fused = self._fused
        return torch.ops.mkldnn._linear_pointwise(
            x.contiguous(), self._packed, self._bias, fused.name, list(fused.numbers), fused.variant
        )
