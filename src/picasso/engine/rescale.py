"""DeepLIFT's rescale rule on the op graph: gradients are replaced by quotients of differences from a baseline.

Linear operations keep their gradient. A function of one number passes its difference by the quotient of what comes out
and what goes in; the largest of several numbers passes it to the one that makes the difference; a product to both
factors, each weighed by the mean of the other with and without the picture. What has no such form (softmax,
normalization) is taken apart into these. So the parts always add up to the difference of the scores.
Shrikumar et al. 2017, arXiv:1704.02685.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from picasso.core import graph as ops
from picasso.core.errors import NotSupportedError
from picasso.core.graph import Op
from picasso.engine.executor import Rule, said
from picasso.engine.layerwise import Book
from picasso.engine.pieces import around, largest, normalization, windows_of
from picasso.engine.plain import Run

TINY = 16
"""A difference of fewer roundings of its numbers than this means nothing: the gradient takes the quotient's place."""
Call = Callable[[Any], Any]


def rescale_rules(base: Mapping[str, Any], constant: frozenset[str], book: Book) -> dict[type[Op], Rule]:
    """Return the rules by kind of operation.

    Args:
        base: Every value of the graph for the baseline.
        constant: Names of the values that do not depend on the picture.
        book: Where is written to how many operations which rule was applied.
    """

    def ruled(make: Callable[[Op, Run, list[Any]], Run]) -> Rule:
        def rule(op: Op, run: Run) -> Run:
            if op.name in constant:
                return run
            made = make(op, run, [base[name] for name in op.inputs])
            book.count(op, "gradient" if made is run else "differences")
            return made

        return rule

    def elementwise(op: Op, run: Run, bases: list[Any]) -> Run:
        assert isinstance(op, ops.Elementwise)
        return _elementwise(op, run, bases, [name in constant for name in op.inputs])

    return {
        **dict.fromkeys(_LINEAR, ruled(lambda op, run, bases: run)),
        ops.Activation: ruled(_activation),
        ops.Elementwise: ruled(elementwise),
        ops.Pool: ruled(_pool),
        ops.GlobalPool: ruled(_over),
        ops.Reduce: ruled(_over),
        ops.MatMul: ruled(_matmul),
        ops.Softmax: ruled(_softmax),
        ops.LayerNorm: ruled(_norm),
        ops.GroupNorm: ruled(_norm),
        ops.LocalResponseNorm: ruled(_local_norm),
    }


_LINEAR: tuple[type[Op], ...] = (
    ops.Conv, ops.ConvTranspose, ops.Linear, ops.Affine, ops.Resize, ops.Concat, ops.Pad, ops.Reshape, ops.Transpose,
    ops.Reorder, ops.Slice,
)  # fmt: skip


def through(function: Call, x: Any, x0: Any) -> Any:
    """Return a function of each number of x, which passes differences from x0 by their quotient."""
    at = x.detach().requires_grad_()
    with torch.enable_grad():
        y = function(at)
    (slope,) = torch.autograd.grad(y, at, torch.ones_like(y))
    dx, dy = at.detach() - x0, y.detach() - function(x0)
    tiny = ~(dx.abs() > TINY * torch.finfo(x.dtype).eps * (at.detach().abs() + x0.abs()))
    return passing(y, x, torch.where(tiny, slope, dy / torch.where(tiny, 1, dx)))


def product(a: Any, a0: Any, b: Any, b0: Any, times: Callable[[Any, Any], Any] = torch.mul) -> Any:
    """Return a product, whose difference from that of the baselines goes to both factors."""
    shares = times(a, (b.detach() + b0) / 2) + times((a.detach() + a0) / 2, b)
    return times(a.detach(), b.detach()) + shares - shares.detach()


def winner(x: Any, x0: Any, place: Any, place0: Any) -> Any:
    """Return the numbers at the places where x is largest along its last axis.

    A rise over the baseline comes from the place that is largest now, a fall from the one that was.
    """
    y, y0 = x.detach().gather(-1, place), x0.gather(-1, place0)
    at = torch.where(y >= y0, place, place0)
    chosen = x.gather(-1, at)
    dx = chosen.detach() - x0.expand_as(x).gather(-1, at)
    same = dx == 0
    return passing(y, chosen, torch.where(same, 1, (y - y0) / torch.where(same, 1, dx)))


def passing(y: Any, x: Any, multiplier: Any) -> Any:
    """Return y, whose gradient by x is the multiplier."""
    return y.detach() + (x - x.detach()) * multiplier


def _activation(op: Op, run: Run, bases: list[Any]) -> Run:
    return lambda values: through(lambda x: run([x]), values[0], bases[0])


def _elementwise(op: ops.Elementwise, run: Run, bases: list[Any], fixed: list[bool]) -> Run:
    match op.function:
        case "add" | "subtract":
            return run
        case "multiply":
            return lambda values: product(values[0], bases[0], values[1], bases[1])
        case "divide":
            below = torch.reciprocal
            return lambda values: product(values[0], bases[0], through(below, values[1], bases[1]), below(bases[1]))
        case "maximum" | "minimum":
            sign = 1 if op.function == "maximum" else -1

            def chosen(values: list[Any]) -> Any:
                pair, pair0 = (sign * torch.stack(torch.broadcast_tensors(*both), -1) for both in (values, bases))
                return sign * _largest(pair, pair0, [pair.ndim - 1])

            return chosen
    if not any(fixed):
        raise NotSupportedError(f"DeepLIFT has no rule for {said(op)} where both numbers depend on the picture.")
    if fixed[1]:
        return lambda values: through(lambda x: x ** values[1], values[0], bases[0])
    return lambda values: through(lambda x: values[0] ** x, values[1], bases[1])


def _pool(op: Op, run: Run, bases: list[Any]) -> Run:
    assert isinstance(op, ops.Pool)
    if op.function == "mean":
        return run

    def ran(values: list[Any]) -> Any:
        (x, place), (x0, place0) = windows_of(op, values[0]), windows_of(op, bases[0])
        return _winner(x, x0, place, place0).unflatten(-1, op.shape[1:])

    return ran


def _over(op: Op, run: Run, bases: list[Any]) -> Run:
    assert isinstance(op, ops.GlobalPool | ops.Reduce)
    if op.function in ("mean", "sum"):
        return run
    sign = -1 if op.function == "min" else 1
    axes = [2, 3] if isinstance(op, ops.GlobalPool) else [axis + 1 for axis in op.axes]

    def ran(values: list[Any]) -> Any:
        made = sign * _largest(sign * values[0], sign * bases[0], axes)
        return made.reshape(len(made), *op.shape)

    return ran


def _largest(x: Any, x0: Any, axes: list[int]) -> Any:
    (flat, place), (flat0, place0) = largest(x, axes), largest(x0, axes)
    return _winner(flat, flat0, place, place0).squeeze(-1)


def _winner(x: Any, x0: Any, place: Any, place0: Any) -> Any:
    """Give the baseline as many rows as there are pictures."""
    return winner(x, x0.expand_as(x), place, place0.expand_as(place))


def _matmul(op: Op, run: Run, bases: list[Any]) -> Run:
    return lambda values: product(values[0], bases[0], values[1], bases[1], torch.matmul)


def _softmax(op: Op, run: Run, bases: list[Any]) -> Run:
    assert isinstance(op, ops.Softmax)
    axis = op.axis + 1 if op.axis >= 0 else op.axis

    def ran(values: list[Any]) -> Any:
        x, x0 = values[0], bases[0]
        # The largest is taken off both, each its own, so that no exponential is infinite and no sum of them zero.
        x, x0 = (x.clamp(min=torch.finfo(x.dtype).min) for x in (x, x0))  # masks are minus infinity
        most = _largest(x, x0, [axis % x.ndim]).unsqueeze(axis)
        x, x0 = x - most, x0 - x0.amax(axis, keepdim=True)
        powers, powers0 = through(torch.exp, x, x0), x0.exp()
        total, total0 = powers.sum(axis, keepdim=True), powers0.sum(axis, keepdim=True)
        if op.log:
            return x - through(torch.log, total, total0)
        return product(powers, powers0, through(torch.reciprocal, total, total0), total0.reciprocal())

    return ran


def _norm(op: Op, run: Run, bases: list[Any]) -> Run:
    assert isinstance(op, ops.LayerNorm | ops.GroupNorm)
    parts = normalization(op, bases[0].dtype)

    def inverse(square: Any) -> Any:
        return (square + parts.epsilon).rsqrt()

    def ran(values: list[Any]) -> Any:
        x, x0 = parts.centered(values[0]), parts.centered(bases[0])
        square, square0 = parts.mean(through(torch.square, x, x0)), parts.mean(x0.square())
        return parts.finished(product(x, x0, through(inverse, square, square0), inverse(square0)))

    return ran


def _local_norm(op: Op, run: Run, bases: list[Any]) -> Run:
    assert isinstance(op, ops.LocalResponseNorm)

    def inverse(square: Any) -> Any:
        return (op.bias + op.alpha * square) ** -op.beta

    def ran(values: list[Any]) -> Any:
        x, x0 = values[0], bases[0]
        square, square0 = around(op, through(torch.square, x, x0)), around(op, x0.square())
        return product(x, x0, through(inverse, square, square0), inverse(square0))

    return ran
