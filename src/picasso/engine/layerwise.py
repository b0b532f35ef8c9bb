"""Layer-wise relevance propagation on the op graph: what autograd carries back are relevances, not gradients.

Each operation hands the relevance of its value on to its inputs by a rule. What a rule leaves for biases and other
constants is booked, so that nothing gets lost unseen. Bach et al. 2015 (LRP), Montavon et al. 2019 (composites),
Achtibat et al. 2024, arXiv:2402.05602 (attention).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from picasso.core import graph as ops
from picasso.core.errors import NotSupportedError
from picasso.core.graph import Graph, Op
from picasso.core.relevance import LayerwiseRules, LrpRule
from picasso.engine.executor import Rule, plainly, said
from picasso.engine.fusing import fold
from picasso.engine.pieces import normalization
from picasso.engine.plain import Run

STABILIZER = 1e-6
"""Keeps denominators from zero where a rule has no epsilon of its own."""
Weighted = ops.Conv | ops.ConvTranspose | ops.Linear
Share = Callable[[Any], Sequence[Any]]
"""Hands the relevance of a value on: returns that of each input."""
Spread = Callable[[Op, Run, list[Any]], tuple[Any, Share]]
"""From an operation, what runs it and its inputs: its value, and how the relevance of that is handed on."""


@dataclass
class Book:
    """What was handed on and what was not.

    Attributes:
        absorbed: By kind of operation, (n,), since it was last cleared.
        rules: How many operations each rule was applied to.
    """

    absorbed: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)

    def count(self, op: Op, rule: str) -> None:
        """Book that a rule was applied to an operation."""
        name = f"{type(op).__name__}: {rule}"
        self.rules[name] = self.rules.get(name, 0) + 1

    def note(self, kind: str, arrived: Any, handed: Sequence[Any]) -> None:
        """Book what arrived at an operation and was not handed on."""
        kept = _by_picture(arrived) - sum(_by_picture(one) for one in handed)
        self.absorbed[kind] = self.absorbed.get(kind, 0) + kept


def _by_picture(relevance: Any) -> Any:
    return relevance.reshape(len(relevance), -1).sum(1, dtype=torch.float64)


class Layerwise:
    """The rules of layer-wise relevance propagation for one graph.

    Args:
        graph: The network, from `prepared`.
        given: The rules that were chosen.
        constant: Names of the values that do not depend on the picture, or get no relevance.
        limits: Values by name for the least and the largest input; needed by z-box alone.
        dtype: In which it computes.
    """

    def __init__(
        self,
        graph: Graph,
        given: LayerwiseRules,
        constant: frozenset[str],
        limits: tuple[Mapping[str, Any], Mapping[str, Any]] | None,
        dtype: Any,
    ) -> None:
        self.book = Book()
        self._by_name, self._dtype = graph.by_name, dtype
        self._given, self._constant, self._limits = given, constant, limits
        self._first = first_layers(graph)
        by_layer: dict[type[Op], Callable[[Op], tuple[str, Spread]]] = {
            **dict.fromkeys((ops.Conv, ops.ConvTranspose, ops.Linear), self._weighted),
            **dict.fromkeys(_MOVES, lambda _: ("moved", moved)),
            **dict.fromkeys((ops.Activation, ops.Affine, ops.LocalResponseNorm), lambda _: ("passed", passed)),
            **dict.fromkeys((ops.Pool, ops.GlobalPool, ops.Reduce), _pooled),
            ops.Resize: lambda _: ("by share", by_share(STABILIZER)),
            ops.Elementwise: self._elementwise,
            ops.MatMul: lambda op: ("by share", self._matmul(op)),
            ops.Softmax: self._softmax,
            ops.LayerNorm: lambda _: ("normalization", self._norm),
            ops.GroupNorm: lambda _: ("normalization", self._norm),
        }
        self.rules: dict[type[Op], Rule] = {kind: self._ruled(choose) for kind, choose in by_layer.items()}

    def _ruled(self, choose: Callable[[Op], tuple[str, Spread]]) -> Rule:
        def rule(op: Op, run: Run) -> Run:
            if op.name in self._constant:
                return lambda values: run([one.detach() for one in values])
            name, spread = choose(op)
            kind = type(op).__name__
            self.book.count(op, name)
            reached = [source not in self._constant for source in op.inputs]

            def ran(values: list[Any]) -> Any:
                value, share = spread(op, run, [one.detach() for one in values])

                def booked(relevance: Any) -> Sequence[Any]:
                    shares = [one if get else None for one, get in zip(share(relevance), reached, strict=True)]
                    self.book.note(kind, relevance, [one for one in shares if one is not None])
                    return shares

                return _Shared.apply(booked, value, *values)

            return ran

        return rule

    # --- layers of weights -----------------------------------------------------------------------------------

    def _weighted(self, op: Op) -> tuple[str, Spread]:
        if op.name in self._first:
            rule = self._given.first
        else:
            rule = self._given.matrices if isinstance(op, ops.Linear) else self._given.convolutions
        spreads: dict[LrpRule, Spread] = {
            LrpRule.EPSILON: by_share(self._given.epsilon),
            LrpRule.GAMMA: self._gamma,
            LrpRule.Z_PLUS: self._alpha_beta(1.0),
            LrpRule.ALPHA_BETA: self._alpha_beta(self._given.alpha),
            LrpRule.FLAT: self._flat,
            LrpRule.Z_BOX: self._z_box,
        }
        return str(rule), spreads[rule]

    def _with(self, op: Op, change: Callable[[Any], Any], bias: bool = True) -> Run:
        """Return what runs a layer with its weights, and perhaps its bias, changed."""
        assert isinstance(op, Weighted)
        kept = change(op.bias) if bias and op.bias is not None else None
        return plainly(replace(op, weight=change(op.weight), bias=kept), self._by_name, self._dtype)

    def _halves(self, op: Op, of_up: Callable[[Any], Any], of_down: Callable[[Any], Any]) -> tuple[list[Run], ...]:
        """Return what adds to a value and what takes from it: of inputs above zero, and of inputs below."""
        up, down = self._with(op, of_up), self._with(op, of_down)
        up_alone, down_alone = self._with(op, of_up, False), self._with(op, of_down, False)
        return [up, down_alone], [down, up_alone]

    def _alpha_beta(self, alpha: float) -> Spread:
        def spread(op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
            adding, taking = self._halves(op, lambda w: np.maximum(w, 0), lambda w: np.minimum(w, 0))
            signs = [values[0].clamp(min=0), values[0].clamp(max=0)]
            more = _Parts(adding, signs)
            less = _Parts(taking, signs) if alpha > 1 else None

            def share(relevance: Any) -> Sequence[Any]:
                handed = more.share(alpha * relevance / stabilized(more.total, STABILIZER))
                if less is not None:
                    handed = handed - less.share((alpha - 1) * relevance / stabilized(less.total, STABILIZER))
                return [handed]

            return run(values), share

        return spread

    def _gamma(self, op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
        gamma = self._given.gamma
        adding, taking = self._halves(
            op, lambda w: w + gamma * np.maximum(w, 0), lambda w: w + gamma * np.minimum(w, 0)
        )
        signs = [values[0].clamp(min=0), values[0].clamp(max=0)]
        above, below, made = _Parts(adding, signs), _Parts(taking, signs), run(values)

        def share(relevance: Any) -> Sequence[Any]:
            return [
                above.share((made > 0) * relevance / stabilized(above.total, STABILIZER))
                + below.share((made < 0) * relevance / stabilized(below.total, STABILIZER))
            ]

        return made, share

    def _flat(self, op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
        parts = _Parts([self._with(op, np.ones_like, False)], [torch.ones_like(values[0])])
        return run(values), lambda relevance: [parts.share(relevance / stabilized(parts.total, STABILIZER))]

    def _z_box(self, op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
        if self._limits is None:
            raise NotSupportedError(f"The rule z-box at {said(op)} needs the least and the largest input.")
        at_ends = [ends[op.inputs[0]] for ends in self._limits]
        low, high = torch.minimum(*at_ends), torch.maximum(*at_ends)
        runs = [
            self._with(op, lambda w: w, False),
            self._with(op, lambda w: -np.maximum(w, 0), False),
            self._with(op, lambda w: -np.minimum(w, 0), False),
        ]
        parts = _Parts(runs, [values[0], low.expand_as(values[0]), high.expand_as(values[0])])
        return run(values), lambda relevance: [parts.share(relevance / stabilized(parts.total, STABILIZER))]

    # --- the others ------------------------------------------------------------------------------------------

    def _elementwise(self, op: Op) -> tuple[str, Spread]:
        assert isinstance(op, ops.Elementwise)
        both = not any(name in self._constant for name in op.inputs)
        match op.function:
            case "add" | "subtract":
                return "by share", by_share(STABILIZER)
            case "maximum" | "minimum":
                return "to the winner", moved
            case "multiply" if both:
                return "half to each", halved
            case "divide" if both:
                return "to the dividend", to_the_dividend
            case "multiply" | "divide":
                return "passed", passed
            case "power" if not both:
                return "passed", passed
        raise NotSupportedError(f"LRP has no rule for {said(op)} where both numbers depend on the picture.")

    def _matmul(self, op: Op) -> Spread:
        both = not any(name in self._constant for name in op.inputs)
        return by_share(self._given.epsilon, 0.5 if both else 1.0)

    def _softmax(self, op: Op) -> tuple[str, Spread]:
        assert isinstance(op, ops.Softmax)
        if op.log:
            raise NotSupportedError(f"LRP has no rule for the logarithm of {said(op)}.")
        axis = op.axis + 1 if op.axis >= 0 else op.axis

        def spread(op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
            made, x = run(values), values[0]

            def share(relevance: Any) -> Sequence[Any]:
                moved = relevance - made * relevance.sum(axis, keepdim=True)
                return [torch.where(made > 0, x, 0) * moved]  # masks are minus infinity

            return made, share

        return "softmax", spread

    def _norm(self, op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
        assert isinstance(op, ops.LayerNorm | ops.GroupNorm)
        parts = normalization(op, self._dtype)

        def linear(given: list[Any]) -> Any:
            x = parts.centered(given[0])
            return parts.finished(x * (parts.mean(x.square()) + parts.epsilon).rsqrt().detach())

        return by_share(self._given.epsilon)(op, linear, values)


class _Shared(torch.autograd.Function):  # type: ignore[misc]
    """A value whose relevance is handed on by a rule."""

    @staticmethod
    def forward(ctx: Any, share: Share, value: Any, *inputs: Any) -> Any:
        ctx.share = share
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, relevance: Any) -> Any:
        return (None, None, *ctx.share(relevance))


class _Parts:
    """Sums of linear functions of inputs, and what each input adds to them."""

    def __init__(self, runs: Sequence[Run], inputs: Sequence[Any]) -> None:
        self._inputs = [one.detach().requires_grad_() for one in inputs]
        with torch.enable_grad():
            self._total = sum(run([one]) for run, one in zip(runs, self._inputs, strict=True))
        self.total = self._total.detach()

    def share(self, weights: Any) -> Any:
        """Return what all inputs add to the sums, each sum weighed."""
        slopes = torch.autograd.grad(self._total, self._inputs, weights, retain_graph=True)
        return sum(one.detach() * slope for one, slope in zip(self._inputs, slopes, strict=True))


def stabilized(z: Any, epsilon: float) -> Any:
    """Return numbers moved away from zero."""
    return z + torch.where(z >= 0, epsilon, -epsilon)


def by_share(epsilon: float, part: float = 1.0) -> Spread:
    """Return the rule for what is linear in each input: each gets the share that it has in the value.

    Args:
        epsilon: Keeps the value from zero.
        part: How much of the relevance each input gets; half where there are two that are linear in turn.
    """

    def spread(op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
        inputs = [one.detach().requires_grad_() for one in values]
        with torch.enable_grad():
            made = run(inputs)

        def share(relevance: Any) -> Sequence[Any]:
            weights = part * relevance / stabilized(made.detach(), epsilon)
            slopes = torch.autograd.grad(made, inputs, weights, retain_graph=True)
            return [torch.where(slope == 0, 0, one.detach() * slope) for one, slope in zip(inputs, slopes, strict=True)]

        return made.detach(), share

    return spread


def moved(op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
    """Hand relevance to where the numbers came from: views, parts, the largest of several."""
    inputs = [one.detach().requires_grad_() for one in values]
    with torch.enable_grad():
        made = run(inputs)
    return made.detach(), lambda relevance: torch.autograd.grad(made, inputs, relevance, retain_graph=True)


def passed(op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
    """Hand all relevance on, number by number, where one input depends on the picture."""
    return run(values), lambda relevance: [_fitting(relevance, one) for one in values]


def to_the_dividend(op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
    """Hand all relevance to what is divided; what divides counts as a constant, as in a normalization."""
    a, b = values
    return run(values), lambda relevance: [_fitting(relevance, a), torch.zeros_like(b)]


def halved(op: Op, run: Run, values: list[Any]) -> tuple[Any, Share]:
    """Hand one half of the relevance to each of two inputs."""
    return run(values), lambda relevance: [_fitting(relevance / 2, one) for one in values]


def _fitting(relevance: Any, x: Any) -> Any:
    """Sum over the axes along which an input was broadcast."""
    return relevance.sum_to_size(x.shape)


def _pooled(op: Op) -> tuple[str, Spread]:
    largest = getattr(op, "function", "") in ("max", "min")
    return ("to the winner", moved) if largest else ("by share", by_share(STABILIZER))


_MOVES: tuple[type[Op], ...] = (
    ops.Concat, ops.Pad, ops.Reshape, ops.Transpose, ops.Reorder, ops.Slice,
)  # fmt: skip
_BEFORE_FIRST = (*_MOVES, ops.Affine)


def first_layers(graph: Graph) -> set[str]:
    """Return the layers of weights that read the picture itself, or what only moves and scales its numbers."""
    raw: set[str] = set()
    found: set[str] = set()
    constants = {op.name for op in graph.ops if isinstance(op, ops.Constant)}
    for op in graph.ops:
        of_picture = [name for name in op.inputs if name not in constants]
        if isinstance(op, ops.Input):
            raw.add(op.name)
        elif of_picture and all(name in raw for name in of_picture):
            if isinstance(op, Weighted):
                found.add(op.name)
            elif isinstance(op, _BEFORE_FIRST) or (isinstance(op, ops.Elementwise) and len(of_picture) == 1):
                raw.add(op.name)
    return found


def folded(graph: Graph) -> Graph:
    """Return the same network with batch norms at rest written into the layers of weights before them."""
    readers, kept = graph.readers(), set(graph.outputs.values())
    found: dict[str, Op] = {}
    for op in graph.ops:
        before = found.get(op.inputs[0]) if isinstance(op, ops.Affine) else None
        lone = before is not None and len(readers[before.name]) == 1 and before.name not in kept
        if isinstance(op, ops.Affine) and lone and isinstance(before, Weighted) and _foldable(before):
            del found[before.name]
            found[op.name] = replace(_fold(before, op), name=op.name)
        else:
            found[op.name] = op
    return replace(graph, ops=tuple(found.values()))


def _foldable(op: Weighted) -> bool:
    return not isinstance(op, ops.Linear) or len(op.shape) == 1


def _fold(op: Weighted, affine: ops.Affine) -> Weighted:
    if isinstance(op, ops.Conv):
        return fold(op, affine)
    scale, shift = affine.scale.astype(np.float64), affine.shift.astype(np.float64)
    if isinstance(op, ops.Linear):
        weight = op.weight * scale[:, None]
    else:
        # (in channels, out channels / groups, ...): the in channels of a group make the out channels of that group.
        apart = op.weight.reshape(op.groups, -1, *op.weight.shape[1:])
        weight = (apart * scale.reshape(op.groups, 1, -1, 1, 1)).reshape(op.weight.shape)
    bias = shift if op.bias is None else op.bias * scale + shift
    return replace(op, weight=weight.astype(np.float32), bias=bias.astype(np.float32))
