"""Which axis of a tensor holds the channels, followed through a network while it runs.

No name and no shape tells (n, c, h, w) from (n, h, w, c), or tokens from what attention weighs; the operations that
made the tensor do. A convolution puts channels on axis 1, a linear layer on the last, a permutation moves them, and
most operations leave them where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

NOWHERE = -1
"""The axis of a tensor whose positions are no places of the picture: heads, windows, what attention weighs."""
_FIRST = (
    "conv",
    "batch_norm",
    "group_norm",
    "instance_norm",
    "pool1d",
    "pool2d",
    "pool3d",
    "upsample",
    "interpolate",
    "pixel_",
)
_LAST = ("linear", "layer_norm", "rms_norm")
_PRODUCTS = ("matmul", "rmatmul", "bmm", "mm", "baddbmm", "addmm", "einsum", "scaled_dot_product_attention")
_MOVES = ("permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "T", "mT")
_RESHAPES = ("reshape", "view", "flatten", "unflatten", "unsafe_view", "reshape_as", "view_as", "squeeze", "unsqueeze")


def tensors_in(value: Any) -> Iterator[Any]:
    """Yield the tensors in arguments or results, those in lists and tuples, too."""
    import torch

    if torch.is_tensor(value):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)


class Axes:
    """The channel axis of each tensor that is known while it lives."""

    def __init__(self) -> None:
        from torch.utils.weak import WeakIdKeyDictionary

        self._known: Any = WeakIdKeyDictionary()

    def __setitem__(self, tensor: Any, axis: int) -> None:
        self._known[tensor] = axis

    def __getitem__(self, tensor: Any) -> int | None:
        axis: int | None = self._known.get(tensor)
        return axis

    def follow(self, func: Any, args: Any, named: Any, result: Any) -> None:
        """Note what the results of a torch function are, from what its arguments were."""
        given = [*tensors_in(args), *tensors_in(list(named.values()))]
        if not given:
            return
        name = _name(func)
        for made in tensors_in(result):
            if made.ndim >= 3:
                axis = self._after(func, name, args, named, given, made)
                if axis is not None:
                    self[made] = axis

    def _after(self, func: Any, name: str, args: Any, named: Any, given: list[Any], made: Any) -> int | None:
        first, last = given[0], made.ndim - 1
        before = self[first]
        if name in _PRODUCTS:
            if len(given) > 1 and given[1].ndim == 2 and name != "einsum":
                return self._projected(before, first, made)
            return NOWHERE if made.ndim >= 4 else None
        if name in _MOVES:
            return before if before is None or before == NOWHERE else _moved(func, args, named, before)
        if name in _RESHAPES:
            return _reshaped(before, first, made)
        if name == "multi_head_attention_forward":
            return int(last)
        if any(word in name for word in _LAST):
            shape = named.get("normalized_shape", args[1] if len(args) > 1 else ())
            if "norm" in name and isinstance(shape, list | tuple) and len(shape) == 3:
                return 1
            return self._projected(before, first, made)
        if any(word in name for word in _FIRST):
            return 1
        return self._kept(given, made)

    def _projected(self, before: int | None, first: Any, made: Any) -> int | None:
        """Follow a linear layer or a normalization of the last axis; one over positions leaves the channels alone."""
        if first.ndim == made.ndim and before is not None and (before != NOWHERE or made.ndim >= 4):
            return int(before)
        return int(made.ndim) - 1

    def _kept(self, given: list[Any], made: Any) -> int | None:
        """Follow what leaves the order of axes alone: element by element, padding, slices, concatenation."""
        for tensor in given:
            axis = self[tensor]
            if axis is None or tensor.ndim != made.ndim:
                continue
            if axis == NOWHERE:
                return NOWHERE if made.ndim >= 4 else None
            others = [i for i in range(made.ndim) if i != axis]
            if tensor.shape[axis] == made.shape[axis] or all(tensor.shape[i] == made.shape[i] for i in others):
                return axis
        # Parts of heads and windows are parts of heads and windows.
        return NOWHERE if made.ndim >= 4 and any(self[tensor] == NOWHERE for tensor in given) else None


def _moved(func: Any, args: Any, named: Any, before: int) -> int | None:
    """Find where a permutation puts the channels, by having it permute a tensor in which they alone have an extent."""
    import torch

    tensor = next(tensors_in([*args, *named.values()]))
    small = torch.empty([2 if axis == before else 1 for axis in range(tensor.ndim)], device="meta")
    put = [small if value is tensor else value for value in args]
    shape = func(*put, **{key: small if value is tensor else value for key, value in named.items()}).shape
    return list(shape).index(2)


def _reshaped(before: int | None, first: Any, made: Any) -> int | None:
    if before is None or before == NOWHERE:
        return None
    if before == first.ndim - 1 and made.shape[-1] == first.shape[-1]:
        return int(made.ndim) - 1
    if before == 1 and made.shape[1] == first.shape[1]:
        return 1
    return NOWHERE if made.ndim >= 4 else None


def _name(func: Any) -> str:
    """Return a torch function's plain name: "conv2d", "add", "permute", whichever way it is called."""
    name = str(getattr(func, "__name__", ""))
    if name == "__get__":  # the property Tensor.T
        name = str(getattr(getattr(func, "__self__", None), "__name__", ""))
    return name.split(".")[0].strip("_")


@cache
def _following() -> Any:
    from torch.overrides import TorchFunctionMode

    class Following(TorchFunctionMode):
        def __init__(self, axes: Axes) -> None:
            super().__init__()
            self.axes = axes

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            self.axes.follow(func, args, kwargs or {}, result)
            return result

    return Following


def following(axes: Axes) -> Any:
    """Return a context in which the channels of everything that runs are followed."""
    return _following()(axes)
