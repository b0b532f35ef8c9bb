"""A copy of a network that answers as it does, to the last bit, and whose gradients by the picture come faster.

Autograd is ready to differentiate by everything. A map asks for less: the weights are given, norms are at rest, and
only what comes from the picture is pulled back. In the copy a convolution is one part with the norm and the ReLU behind
it. Forward it runs what the network runs, so that every number is the network's own and every ReLU opens at the same
places; for the way back it keeps what the ReLU returned, and nothing else. Its numbers are the network's, in the same
memory.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from picasso.core.preprocessing import Array
from picasso.models.torch.twin import Answer, Twin, Watched, copied

SLOPE = "slope"
"""Name of the gradient by the picture that an answer holds beside the outputs."""
CLOSE = 1e-5
"""By how much of the largest number the copy's gradient may differ: it adds in another order."""
_FEW = 4
"""Channels that a convolution reads, up to which its gradient comes faster by columns: those of pictures."""

_SMALL = 256
"""Places of one picture's map, up to which rows times filters come faster than filters times columns."""


def lean_of(module: Any, answer: Answer) -> Twin | None:
    """Return the copy, or None where it cannot be made, would be no faster, or does not answer the same.

    Args:
        module: The network; it is left as it is.
        answer: Runs it, and returns its outputs and `SLOPE`.
    """
    import torch

    # Without norms the way back costs the same, and the comparison would be for nothing.
    if not any(isinstance(part, (torch.nn.BatchNorm2d, torch.nn.LayerNorm)) for part in module.modules()):
        return None
    convolution, linear, followed = _parts()
    own, ran = Watched(followed), Watched({})
    try:
        expected = own.watch(module, answer)
        chains = _chains(own.pairs())
        taken = {id(part) for _, *behind in chains.values() for part in behind}

        def change(part: Any, made: Any) -> Any:
            if type(part) is torch.nn.Conv2d and _is_plain(part):
                made.__class__ = convolution
                made.__dict__["behind"] = chains[id(part)][1:] if id(part) in chains else []
            elif type(part) is torch.nn.Linear:
                made.__class__ = linear
            return torch.nn.Identity() if id(part) in taken else made

        made = copied(module, change)
        found = ran.watch(made, answer)
    except Exception:  # whatever a network's own code makes of being copied
        return None
    if ran.runs != own.runs or not _same(expected, found):
        return None
    parts = list(made.modules())
    late = any(type(part) is linear and part.sparse for part in parts)
    if not late and not any(type(part) is convolution for part in parts):
        return None
    for part in parts:
        if type(part) is linear and not part.sparse:
            part.__class__ = torch.nn.Linear  # to look for rows without a gradient takes a while, too
    changed = own.names_of(module, [part for chain in chains.values() for part in chain[:-1]])
    return Twin(made, changed, (), late)


def _chains(pairs: list[tuple[Any, Any]]) -> dict[int, list[Any]]:
    """Return convolutions with what follows them, by the identity of the convolution."""
    import torch

    follower = {id(first): second for first, second in pairs}
    found = {}
    for first, second in pairs:
        if type(first) is torch.nn.Conv2d and _is_plain(first):
            last = follower.get(id(second))
            found[id(first)] = [first, second] if last is None else [first, second, last]
    return found


def _is_plain(conv: Any) -> bool:
    zeros = conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return zeros and conv._parameters.get("weight") is not None and "bias" in conv._parameters


def _same(expected: dict[str, Array], found: dict[str, Array]) -> bool:
    """Say whether two answers are the same, but for the rounding of the gradient."""
    if expected.keys() != found.keys():
        return False
    most = CLOSE * float(np.abs(expected[SLOPE]).max(initial=0))
    return all(
        np.array_equal(one, found[name]) or (name == SLOPE and bool((np.abs(one - found[name]) <= most).all()))
        for name, one in expected.items()
    )


@cache
def _parts() -> tuple[Any, Any, dict[type, tuple[type, ...]]]:
    """Return the parts of the copy, and what follows what in them, made once torch is there."""
    import torch
    from torch.nn import functional

    aten = torch.ops.aten

    class Convolution(torch.nn.Conv2d):
        """A convolution with the norm and the ReLU behind it, `behind`.

        Numbers are read where modules keep them: to ask a module for each takes longer than to multiply by it.
        """

        behind: list[Any]

        def forward(self, x: Any) -> Any:
            return _Convolved.apply(x, self) if torch.is_grad_enabled() and x.requires_grad else self.run(x)

        def run(self, x: Any) -> Any:
            own = self._parameters
            made = torch.conv2d(x, own["weight"], own["bias"], self.stride, self.padding, self.dilation, self.groups)
            for part in self.behind:
                if type(part) is torch.nn.BatchNorm2d:
                    held, kept = part._parameters, part._buffers
                    given = kept["running_mean"], kept["running_var"], held["weight"], held["bias"]
                    made = functional.batch_norm(made, *given, False, 0.0, part.eps)
                elif type(part) is torch.nn.ReLU:
                    made = made.relu_()
                else:
                    made = functional.hardtanh_(made, part.min_val, part.max_val)
            return made

    class _Convolved(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, part: Any) -> Any:
            made = part.run(x)
            ctx.part, ctx.like = part, x.shape
            ctx.lies = torch.channels_last if _lies_last(x) else torch.contiguous_format
            if part.behind and type(part.behind[-1]) is not torch.nn.BatchNorm2d:
                ctx.save_for_backward(made)
            return made

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            (gradient,), part, weight = gradients, ctx.part, ctx.part._parameters["weight"]
            for one in reversed(part.behind):
                if type(one) is torch.nn.ReLU:
                    gradient = aten.threshold_backward.default(gradient, *ctx.saved_tensors, 0)
                elif type(one) is torch.nn.BatchNorm2d:
                    factor, scale = (one._buffers["running_var"] + one.eps).rsqrt_(), one._parameters["weight"]
                    factor = factor if scale is None else factor.mul_(scale)
                    if weight.numel() < gradient.numel():
                        weight = weight * factor.view(-1, 1, 1, 1)
                    else:
                        gradient = gradient * factor.view(-1, 1, 1)
                else:
                    gradient = aten.hardtanh_backward.default(gradient, *ctx.saved_tensors, one.min_val, one.max_val)
            return _pulled_through(part, weight, gradient, ctx.like, ctx.lies), None

    class Linear(torch.nn.Linear):
        """A matrix that leaves out the rows without a gradient: at a transformer's end, all but the class token's.

        `sparse` says whether there were any.
        """

        sparse = False

        def forward(self, x: Any) -> Any:
            pulls = x.ndim > 2 and torch.is_grad_enabled() and x.requires_grad
            return _Multiplied.apply(x, self) if pulls else super().forward(x)

    class _Multiplied(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, part: Any) -> Any:
            ctx.part = part
            return functional.linear(x, part.weight, part.bias)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            (gradient,), weight = gradients, ctx.part.weight
            rows = gradient.flatten(0, -2)
            if rows[-1].any():
                return gradient @ weight, None
            ctx.part.sparse = True
            some = rows.any(-1).nonzero()[:, 0]
            found = rows.new_zeros((len(rows), weight.shape[1]))
            found[some] = rows[some] @ weight
            return found.view(*gradient.shape[:-1], -1), None

    def _pulled_through(part: Any, weight: Any, gradient: Any, shape: Any, lies: Any) -> Any:
        made, read, *sides = weight.shape
        count, _, height, width = shape
        if part.groups > 1 or (read > _FEW and sides != [1, 1]):
            like = torch.empty(shape, dtype=gradient.dtype, memory_format=lies)
            given = part.stride, part.padding, part.dilation, False, (0, 0), part.groups, (True, False, False)
            return aten.convolution_backward.default(gradient, like, weight, None, *given)[0]
        matrix = weight.flatten(1)
        if sides == [1, 1] and part.stride == (1, 1) and part.padding == (0, 0):
            if lies is torch.channels_last:
                rows = gradient.permute(0, 2, 3, 1).reshape(-1, made) @ matrix
                return rows.view(count, height, width, read).permute(0, 3, 1, 2)
            if count == 1 and height * width <= _SMALL:
                return (gradient.reshape(made, -1).t() @ matrix).t().contiguous().view(shape)
            return (matrix.t() @ gradient.flatten(2)).view(shape)
        down, across = gradient.shape[2:]
        columns = (matrix.t() @ gradient.flatten(2)).view(count, read, *sides, down, across)
        apart = list(part.stride) == sides and part.padding == (0, 0)
        if apart and (height, width) == (down * sides[0], across * sides[1]):  # patches side by side
            return columns.permute(0, 1, 4, 2, 5, 3).reshape(shape)
        (top, left), (y, x), gaps = part.padding, part.stride, part.dilation
        rows, places = ((n - 1) * step + 1 for n, step in ((down, y), (across, x)))
        ends = [(side - 1) * gap for side, gap in zip(sides, gaps, strict=True)]
        total = gradient.new_zeros(
            (count, read, max(top + height, rows + ends[0]), max(left + width, places + ends[1]))
        )
        for row in range(sides[0]):
            for column in range(sides[1]):
                above, before = row * gaps[0], column * gaps[1]
                total[:, :, above : above + rows : y, before : before + places : x] += columns[:, :, row, column]
        return total[:, :, top : top + height, left : left + width]

    relus = (torch.nn.ReLU, torch.nn.ReLU6, torch.nn.Hardtanh)
    followed = dict.fromkeys(relus, (torch.nn.Conv2d, torch.nn.BatchNorm2d))
    return Convolution, Linear, {torch.nn.BatchNorm2d: (torch.nn.Conv2d,), **followed}


def _lies_last(x: Any) -> bool:
    import torch

    return bool(x.is_contiguous(memory_format=torch.channels_last)) and not x.is_contiguous()
