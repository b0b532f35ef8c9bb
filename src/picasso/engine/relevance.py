"""Scores shared out among a network's inputs on its op graph, by the rules of DeepLIFT or of LRP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from picasso.core import graph as ops
from picasso.core.errors import NotSupportedError
from picasso.core.graph import Graph
from picasso.core.preprocessing import Array
from picasso.core.relevance import LayerwiseRules, LrpRule, RelevanceRules, RescaleRule
from picasso.engine.executor import Executor, attention_apart, laid, towards, unreached
from picasso.engine.layerwise import Book, Layerwise, folded
from picasso.engine.rescale import rescale_rules

Named = dict[str, Array]
Cotangents = Callable[[Named], Mapping[str, Array]]
"""From the ends by name, (n, ...), the derivatives of each target by them, (targets, n, ...)."""


@dataclass(frozen=True)
class Shared:
    """What came of it; see `picasso.core.relevance.Relevance`.

    Args:
        outputs: The graph's outputs by name, (n, ...).
        values: (targets, n, height, width, channels).
        shared, scores: (targets, n).
        absorbed: By kind of operation, (targets, n).
        rules: How many operations each rule was applied to.
    """

    outputs: Named
    values: Array
    shared: Array
    scores: Array
    absorbed: Named
    rules: Mapping[str, int]


@dataclass
class _Way:
    """How a graph is run so that autograd shares scores out.

    Args:
        graph: What is run.
        executor: Runs it.
        start: The values from which differences count, by name; empty where the values themselves are shared out.
        book: What is not handed on.
    """

    graph: Graph
    executor: Executor
    start: Mapping[str, Any] = field(default_factory=dict)
    book: Book = field(default_factory=Book)


def share(
    graph: Graph,
    x: Array,
    rules: RelevanceRules,
    ends: Mapping[str, str],
    cotangents: Cotangents,
    dtype: Any = torch.float32,
) -> Shared:
    """Share the scores of targets out among the numbers of pictures.

    Args:
        graph: The network.
        x: Pictures, (n, height, width, channels).
        rules: By which it is done.
        ends: The values from which it starts, by the names of outputs: the outputs, or what goes into their softmax.
        cotangents: Tells what the targets are made of; they must be linear in the ends.
        dtype: In which it computes.

    Raises:
        NotSupportedError: There is no rule for an operation; its kind and its layer are named.
    """
    whole = Graph(graph.ops, {**graph.outputs, **{f"end of {name}": value for name, value in ends.items()}})
    whole = attention_apart(whole)
    part = towards(whole, tuple(dict.fromkeys(ends.values())))
    way = _by_differences(part, rules, dtype) if isinstance(rules, RescaleRule) else _by_layers(part, rules, dtype)
    tensor = laid(x, dtype).requires_grad_()
    with torch.enable_grad():
        values = way.executor(tensor, way.graph.by_name)
    made = {name: _array(values[value], len(x)) for name, value in ends.items()}
    slopes = cotangents(made)
    starts = {name: _array(way.start[ends[name]], len(x)) if way.start else np.float32(0) for name in slopes}
    parts = {name: slope.astype(np.float64) * (made[name] - starts[name]) for name, slope in slopes.items()}
    seeds = slopes if way.start else parts
    found, absorbed = [], list[dict[str, Array]]()
    for target in range(len(next(iter(seeds.values())))):
        way.book.absorbed.clear()
        ways = {name: torch.from_numpy(np.ascontiguousarray(seed[target])).to(dtype) for name, seed in seeds.items()}
        found.append(_backward(tensor, [values[ends[name]] for name in ways], list(ways.values()), way.book))
        absorbed.append({kind: kept.numpy() for kind, kept in way.book.absorbed.items()})
    relevance = torch.stack(found)
    if way.start:
        relevance = relevance * (tensor.detach() - way.start[graph.ops[0].name])
    with torch.no_grad():
        known = {name: value.detach() for name, value in values.items()}
        answers = Executor(whole, dtype=dtype).outputs(tensor.detach(), known)
    return Shared(
        outputs={name: _array(answers[name], len(x)) for name in graph.outputs},
        values=np.moveaxis(relevance.float().numpy(), 2, -1),
        shared=_totals(parts),
        scores=_totals({name: slope.astype(np.float64) * made[name] for name, slope in slopes.items()}),
        absorbed={kind: np.stack([one[kind] for one in absorbed]) for kind in absorbed[0]},
        rules=dict(way.book.rules),
    )


def _totals(parts: Mapping[str, NDArray[np.float64]]) -> Array:
    """Return what the parts of each target's outputs come to, (targets, n)."""
    return np.sum([part.reshape(*part.shape[:2], -1).sum(axis=2) for part in parts.values()], axis=0)  # type: ignore[no-any-return]


def _by_differences(graph: Graph, rules: RescaleRule, dtype: Any) -> _Way:
    with torch.no_grad():
        base = Executor(graph, dtype=dtype)(laid(rules.baseline[None], dtype))
    book = Book()
    constant = unreached(graph)
    return _Way(graph, Executor(graph, rescale_rules(base, constant, book), None, dtype), base, book)


def _by_layers(graph: Graph, rules: LayerwiseRules, dtype: Any) -> _Way:
    graph = folded(graph)
    constant = unreached(graph, (ops.Softmax,) if rules.attention == "constant" else ())
    limits = None
    if rules.limits is not None and rules.first is LrpRule.Z_BOX:
        run = Executor(graph, dtype=dtype)
        with torch.no_grad():
            low, high = (run(laid(limit[None], dtype)) for limit in rules.limits)
        limits = low, high
    layerwise = Layerwise(graph, rules, constant, limits, dtype)
    return _Way(graph, Executor(graph, layerwise.rules, None, dtype), book=layerwise.book)


def _backward(x: Any, ends: list[Any], seeds: list[Any], book: Book) -> Any:
    reached = [(end, seed) for end, seed in zip(ends, seeds, strict=True) if end.requires_grad]
    if not reached:
        raise NotSupportedError(
            "Nothing of the score comes from the picture by these rules.", "Let attention be shared, or choose others."
        )
    for end, seed in zip(ends, seeds, strict=True):
        if not end.requires_grad:
            book.note("end", seed, [])
    (found,) = torch.autograd.grad(
        [end for end, _ in reached], x, [seed for _, seed in reached], retain_graph=True, allow_unused=True
    )
    return torch.zeros_like(x) if found is None else found


def _array(value: Any, count: int) -> Array:
    """Return a value as an array, with one row for each picture."""
    array: Array = value.detach().expand(count, *value.shape[1:]).float().numpy()
    return array
