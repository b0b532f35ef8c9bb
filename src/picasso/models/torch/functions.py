"""What runs inside a PyTorch network, seen and ruled without touching it: ReLUs and the final head.

A TorchFunctionMode sees every call of a torch function, be it made by a module, a functional or a method, so that
the user's network is never edited.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from picasso.core.facts import ReluRule
from picasso.core.hooks import Head

Heads = list[tuple[Any, Any, Head]]
"""Input, output and kind of each softmax and sigmoid that ran."""


@cache
def _rectifiers() -> dict[Any, Callable[..., tuple[Any, float | None, bool] | None]]:
    """Every torch function that can be a ReLU, with what reads its arguments: (input, cap, in place), or None."""
    import torch
    import torch.nn.functional as F

    aten = torch.ops.aten

    def plain(x: Any, inplace: bool = False) -> tuple[Any, float | None, bool]:
        return x, None, inplace

    def within(x: Any) -> tuple[Any, float | None, bool]:
        return x, None, True

    def relu6(x: Any, inplace: bool = False) -> tuple[Any, float | None, bool]:
        return x, 6.0, inplace

    def tanh(x: Any, low: float = -1.0, high: float = 1.0, inplace: bool = False, **names: float) -> Any:
        low, high = names.get("min_val", low), names.get("max_val", high)
        return (x, float(high), inplace) if low == 0 else None

    def tanh_within(x: Any, low: float = -1.0, high: float = 1.0, **names: float) -> Any:
        return tanh(x, low, high, True, **names)

    def clamp(x: Any, min: Any = None, max: Any = None) -> Any:  # torch's own names
        limits = [float(v) if torch.is_tensor(v) and v.ndim == 0 and not v.requires_grad else v for v in (min, max)]
        number = isinstance(limits[0], int | float) and (max is None or isinstance(limits[1], int | float))
        return (x, None if max is None else float(limits[1]), False) if number and limits[0] == 0 else None

    def clamp_within(x: Any, min: Any = None, max: Any = None) -> Any:
        read = clamp(x, min, max)
        return read and (read[0], read[1], True)

    def threshold(x: Any, at: float, value: float, inplace: bool = False) -> Any:
        return (x, None, inplace) if at == 0 and value == 0 else None

    def threshold_within(x: Any, at: float, value: float) -> Any:
        return threshold(x, at, value, True)

    def maximum(x: Any, other: Any) -> Any:
        zero = torch.is_tensor(other) and not other.requires_grad and not bool(other.any())
        return (x, None, False) if zero and torch.broadcast_shapes(x.shape, other.shape) == x.shape else None

    known: dict[Any, Callable[..., Any]] = {}
    known |= dict.fromkeys((F.threshold, torch.threshold, aten.threshold.default), threshold)
    known |= dict.fromkeys((vars(F)["threshold_"], aten.threshold_.default), threshold_within)
    known |= dict.fromkeys((torch.maximum, torch.Tensor.maximum, aten.maximum.default), maximum)
    known |= dict.fromkeys((F.relu, torch.relu, torch.Tensor.relu, aten.relu.default), plain)
    known |= dict.fromkeys((torch.relu_, torch.Tensor.relu_, aten.relu_.default), within)
    known |= dict.fromkeys((F.relu6, aten.relu6.default), relu6)
    known |= dict.fromkeys((F.hardtanh, aten.hardtanh.default), tanh)
    known |= dict.fromkeys((F.hardtanh_, aten.hardtanh_.default), tanh_within)
    known |= dict.fromkeys((torch.clamp, torch.Tensor.clamp, torch.clip, torch.Tensor.clip), clamp)
    known |= dict.fromkeys((torch.clamp_min, torch.Tensor.clamp_min), clamp)
    known |= dict.fromkeys((torch.Tensor.clamp_, torch.Tensor.clip_, torch.Tensor.clamp_min_), clamp_within)
    known |= dict.fromkeys((aten.clamp.default, aten.clamp_min.default), clamp)
    return known


@cache
def _heads() -> dict[Any, Head]:
    """Every torch function that can be a head."""
    import torch
    import torch.nn.functional as F

    aten = torch.ops.aten
    softmax = (F.softmax, torch.softmax, torch.Tensor.softmax, aten.softmax.int, aten._softmax.default)
    logs = (F.log_softmax, torch.log_softmax, torch.Tensor.log_softmax, aten.log_softmax.int, aten._log_softmax.default)
    sigmoid = (F.sigmoid, torch.sigmoid, torch.Tensor.sigmoid, torch.special.expit, aten.sigmoid.default)
    return dict.fromkeys((*softmax, *logs), Head.SOFTMAX) | dict.fromkeys(sigmoid, Head.SIGMOID)


@cache
def _ruled_relu() -> Any:
    """The autograd function of a ReLU with a rule of its own, made once torch is there."""
    import torch

    class RuledRelu(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, cap: float | None, rule: ReluRule, inplace: bool) -> Any:
            inside = x > 0 if cap is None else (x > 0) & (x < cap)
            ctx.rule = rule
            ctx.save_for_backward(inside)
            if inplace:
                ctx.mark_dirty(x)
                return x.clamp_(0, cap)
            return x.clamp(0, cap)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            (gradient,) = gradients
            (inside,) = ctx.saved_tensors
            passed = gradient.clamp(min=0)
            if ctx.rule is ReluRule.GUIDED:
                passed = passed * inside
            return passed, None, None, None

    return RuledRelu


@cache
def _watching() -> Any:
    """The mode of `watching`, made once torch is there."""
    from torch.overrides import TorchFunctionMode

    rectifiers, heads, relu = _rectifiers(), _heads(), _ruled_relu()

    class Watching(TorchFunctionMode):
        def __init__(self, rule: ReluRule, ran: Heads | None, ruled: list[Any] | None) -> None:
            super().__init__()
            self.rule, self.ran, self.ruled = rule, ran, ruled

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            named = kwargs or {}
            if self.rule is not ReluRule.STANDARD and func in rectifiers:
                read = rectifiers[func](*args, **named)
                if read is not None:
                    x, cap, inplace = read
                    if self.ruled is not None:
                        self.ruled.append(func)
                    return relu.apply(x, cap, self.rule, inplace)
            result = func(*args, **named)
            if self.ran is not None and func in heads:
                self.ran.append((args[0] if args else named.get("input"), result, heads[func]))
            return result

    return Watching


def watching(rule: ReluRule, ran: Heads | None, ruled: list[Any] | None = None) -> Any:
    """Return a context in which ReLUs follow a rule and heads are noted.

    Args:
        rule: How gradients pass ReLUs.
        ran: Gets (input, output, head) of each softmax and sigmoid that runs; None to note none.
        ruled: Gets the function of each ReLU that the rule was applied to.

    Returns:
        A TorchFunctionMode.
    """
    return _watching()(rule, ran, ruled)
