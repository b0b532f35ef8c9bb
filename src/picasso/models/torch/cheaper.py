"""Operations of a PyTorch network in a form whose derivative costs less on a processor, with the same numbers.

A TorchFunctionMode takes the place of single calls while a network runs for its gradients, so that the user's
network is never edited. What comes forward is bit for bit what PyTorch itself gives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

_LEAST_SIDE = 4
"""Patches with shorter sides PyTorch's own derivative follows as fast."""


@cache
def _functions() -> tuple[Any, Any]:
    """The autograd functions, made once torch is there: patches of a picture, and channels laid last."""
    import torch

    class Patches(torch.autograd.Function):
        """A convolution whose windows lie side by side, and so is one matrix product backward."""

        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, bias: Any, stride: Any) -> Any:
            ctx.save_for_backward(weight)
            ctx.shape = x.shape
            return torch.conv2d(x, weight, bias, stride)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            (gradient,), (weight,) = gradients, ctx.saved_tensors
            count, (filters, channels, height, width) = ctx.shape[0], weight.shape
            rows, columns = gradient.shape[-2:]
            pulled = gradient.flatten(2).transpose(1, 2) @ weight.reshape(filters, -1)
            tiles = pulled.reshape(count, rows, columns, channels, height, width).permute(0, 3, 1, 4, 2, 5)
            return tiles.reshape(ctx.shape), None, None, None

    class Last(torch.autograd.Function):
        """The same tensor with its channels last in memory; what goes back has them first."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.contiguous(memory_format=torch.channels_last)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return gradients[0].contiguous()

    return Patches, Last


def _plain(x: Any) -> bool:
    """Say whether a tensor is a batch of maps in float32 on the processor, through which a gradient goes."""
    import torch

    return (
        type(x) is torch.Tensor
        and x.requires_grad
        and x.ndim == 4
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and x.is_contiguous()
    )


@cache
def _cheaper() -> dict[Any, Callable[..., Any]]:
    """Torch functions, with what calls them in the cheaper form, or returns None where there is none."""
    import torch
    import torch.nn.functional as F

    patches, last = _functions()

    def conv2d(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        if groups != 1 or min(weight.shape[2:]) < _LEAST_SIDE or not _plain(input):
            return None
        sides = tuple(weight.shape[2:])
        if _pair(stride) != sides or _pair(padding) != (0, 0) or _pair(dilation) != (1, 1):
            return None
        trained = weight.requires_grad or (bias is not None and bias.requires_grad)
        if trained or any(have % side for have, side in zip(input.shape[2:], sides, strict=True)):
            return None
        return patches.apply(input, weight, bias, stride)

    def max_pool2d(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        # PyTorch's kernel for channels first looks at one number after the other.
        if return_indices or not _plain(input):
            return None
        laid = last.apply(input)
        return torch.max_pool2d(laid, kernel_size, stride or kernel_size, padding, dilation, ceil_mode).contiguous()

    aten = torch.ops.aten
    known: dict[Any, Callable[..., Any]] = dict.fromkeys((torch.conv2d, aten.conv2d.default), conv2d)
    return known | dict.fromkeys((F.max_pool2d, torch.max_pool2d, aten.max_pool2d.default), max_pool2d)


def _pair(given: Any) -> tuple[Any, ...]:
    """Return a pair of sides from one number or several; () for padding that has a name."""
    if isinstance(given, str):
        return ()
    numbers = (given,) if isinstance(given, int) else tuple(given)
    return numbers * 2 if len(numbers) == 1 else numbers


@cache
def _mode() -> Any:
    from torch.overrides import TorchFunctionMode

    known = _cheaper()

    class Cheaper(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            named = kwargs or {}
            cheaper = known.get(func)
            result = None if cheaper is None else cheaper(*args, **named)
            return func(*args, **named) if result is None else result

    return Cheaper


def cheaper() -> Any:
    """Return a context in which operations run in the form whose derivative costs less."""
    return _mode()()


def depthwise(module: Any) -> bool:
    """Say whether most filters of a network read one channel each.

    Its gradients come faster where its maps have their channels last in memory. Filters of many channels PyTorch would
    lay anew in every pass, which costs more than that layout saves.
    """
    import torch

    wide = [part for part in module.modules() if type(part) is torch.nn.Conv2d and max(part.kernel_size) > 1]
    alone = [part for part in wide if part.groups == part.in_channels > 1]
    return bool(alone) and 2 * len(alone) >= len(wide)
