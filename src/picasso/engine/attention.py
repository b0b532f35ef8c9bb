"""Attention weights of an op graph, fused or written out, and the gradients of targets by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from picasso.core import graph as ops
from picasso.core.errors import NotSupportedError
from picasso.core.graph import Graph, Op
from picasso.core.layers.attention import AttentionLayer
from picasso.core.preprocessing import Array
from picasso.engine.executor import Executor, attention_apart, laid, towards, unreached
from picasso.engine.relevance import Cotangents, Named

_TURNING = (ops.Reshape, ops.Transpose)
_SCORING = (*_TURNING, ops.Conv, ops.Affine, ops.Elementwise, ops.Activation, ops.Slice)
"""What may lie between the products of queries and keys and their softmax: scales, masks, places, talking heads."""
_MIXING = (*_TURNING, ops.Conv, ops.Linear, ops.Affine, ops.Elementwise, ops.LayerNorm, ops.GroupNorm)
_OTHERWISE = "Choose a method that does not look at attention, such as Grad-CAM."


@dataclass(frozen=True)
class Weighing:
    """Where a graph holds attention weights.

    Args:
        value: The name of the value that holds them.
        layer: The layer that they come from.
        turned: Whether the keys are its last axis but one, and not the last.
    """

    value: str
    layer: str
    turned: bool


@dataclass(frozen=True, eq=False)
class Attended:
    """What came of it; see `picasso.core.layers.attention.Attention`."""

    outputs: Named
    layers: tuple[AttentionLayer, ...]
    read: NDArray[np.bool_]


def attend(graph: Graph, x: Array, names: Collection[str], cotangents: Cotangents, early: bool = False) -> Attended:
    """Return the attention weights for pictures, and the gradients of targets by them.

    Args:
        graph: The network.
        x: Pictures, (n, height, width, channels).
        names: The outputs that the targets are made of.
        cotangents: Tells how.
        early: Whether each layer's gradients are those of the score that the network would give if the block of that
            layer were its last; else of the score itself.

    Raises:
        NotSupportedError: There is no attention among tokens, or its weights cannot be told.
    """
    ends = {name: graph.outputs[name] for name in names}
    graph = attention_apart(graph)
    part = towards(graph, tuple(dict.fromkeys(ends.values())))
    found = weighings(part)
    states = block_ends(part, found) if early else []
    run, tensor = Executor(part), laid(x).requires_grad_()
    with torch.enable_grad():
        values = run(tensor, [*(one.value for one in found), *states])
        made = [{name: values[end] for name, end in ends.items()}]
        for state in states:
            left = run(tensor, (), {states[-1]: values[state]})
            made.append({name: left[end] for name, end in ends.items()})
    weights = [values[one.value] for one in found]
    read = _read(made[0], weights[-1], found[-1])
    if early:
        gradients = [_by_target(o, [w], cotangents)[0] for o, w in zip(made[1:], weights, strict=True)]
    else:
        gradients = _by_target(made[0], weights, cotangents)
    with torch.no_grad():
        answers = Executor(graph).outputs(tensor.detach(), {name: value.detach() for name, value in values.items()})
    layers = [
        AttentionLayer(name, _laid_out(weight, one), _laid_out(gradient, one, 2))
        for name, one, weight, gradient in zip(_unlike(found), found, weights, gradients, strict=True)
    ]
    return Attended({name: value.float().numpy() for name, value in answers.items()}, tuple(layers), read)


def weighings(graph: Graph) -> list[Weighing]:
    """Return where a graph without fused attention holds attention weights, in the order of execution.

    They are what a softmax gives, and something of the picture is summed with them along the softmax's axis.

    Raises:
        NotSupportedError: There are none, or they are mixed among heads before they weigh, or lie in windows.
    """
    by_name, readers, fixed = graph.by_name, graph.readers(), unreached(graph)

    def multiplies(op: Op) -> bool:
        return isinstance(op, ops.MatMul) and not fixed.intersection(op.inputs)

    found = []
    for op in graph.ops:
        if not isinstance(op, ops.Softmax) or op.log or op.name in fixed:
            continue
        where = op.layer or op.name
        summed = _summed(op, readers, multiplies)
        if summed is None:
            scores = _leads(op, lambda one: [by_name[name] for name in one.inputs], _SCORING, multiplies)
            if scores and _leads(op, lambda one: readers[one.name], _MIXING, multiplies):
                raise NotSupportedError(
                    f"The attention weights at '{where}' are mixed among heads before they weigh anything.", _OTHERWISE
                )
            continue
        before, turned = summed
        shape = before.shape
        while len(shape) > 3 and shape[0] == 1:
            shape = shape[1:]
        if len(shape) > 3:
            raise NotSupportedError(
                f"The attention at '{where}' stays within windows, {shape[0]} of them: its tokens are not those of the "
                "whole picture.",
                _OTHERWISE,
            )
        found.append(Weighing(before.name, where, turned))
    if not found:
        raise NotSupportedError("This network has no attention: nothing in it weighs tokens by tokens.", _OTHERWISE)
    return found


def block_ends(graph: Graph, found: Sequence[Weighing]) -> list[str]:
    """Return for each layer of attention the value that its block ends with: its last sum of tokens.

    All of the picture that comes behind it comes through it.

    Raises:
        NotSupportedError: A block does not end so.
    """
    by_name, fixed = graph.by_name, unreached(graph)
    places = {op.name: place for place, op in enumerate(graph.ops)}
    read = {name: places[readers[-1].name] for name, readers in graph.readers().items() if readers}
    read |= dict.fromkeys(graph.outputs.values(), len(graph.ops))
    farthest, narrow = 0, list[Op]()
    for place, op in enumerate(graph.ops):
        if op.name in fixed:
            continue
        sums = isinstance(op, ops.Elementwise) and op.function == "add"
        if sums and farthest <= place and not fixed.intersection(op.inputs):
            narrow.append(op)
        farthest = max(farthest, read.get(op.name, 0))
    states = []
    for one, after in zip(found, [*(places[other.value] for other in found[1:]), len(places)], strict=True):
        tokens = by_name[one.value].shape[-2 if one.turned else -1]
        ends = [
            op.name
            for op in narrow
            if places[one.value] < places[op.name] < after and len(op.shape) == 2 and tokens in op.shape
        ]
        if not ends:
            raise NotSupportedError(
                f"Behind the attention at '{one.layer}' no sum of tokens ends a block that the network could stop at.",
                _OTHERWISE,
            )
        states.append(ends[-1])
    return states


def _summed(
    softmax: Op, readers: Mapping[str, Sequence[Op]], multiplies: Callable[[Op], bool]
) -> tuple[Op, bool] | None:
    """Return the value that holds what a softmax gives as a product sums with it, and whether it is the second factor.

    None where nothing is summed along the softmax's axis.
    """
    assert isinstance(softmax, ops.Softmax)
    waiting = list[tuple[Op, int]]([(softmax, softmax.axis % len(softmax.shape))])
    while waiting:
        op, axis = waiting.pop()
        for other in readers[op.name]:
            if multiplies(other):
                for turned, name in enumerate(other.inputs):
                    if name == op.name and axis == len(op.shape) - (2 if turned else 1):
                        return op, bool(turned)
            elif isinstance(other, ops.Transpose):
                waiting.append((other, other.axes.index(axis)))
            elif isinstance(other, ops.Reshape):
                same = (op.shape[axis], math.prod(op.shape[axis + 1 :]))
                sides = [(side, math.prod(other.shape[place + 1 :])) for place, side in enumerate(other.shape)]
                waiting += [(other, sides.index(same))] if same in sides else []
    return None


def _leads(
    start: Op, next_to: Callable[[Op], Sequence[Op]], through: tuple[type[Op], ...], wanted: Callable[[Op], bool]
) -> bool:
    """Say whether one operation leads to a wanted one through operations of some kinds."""
    seen, waiting = {start.name}, [start]
    while waiting:
        for other in next_to(waiting.pop()):
            if wanted(other):
                return True
            if isinstance(other, through) and other.name not in seen:
                seen.add(other.name)
                waiting.append(other)
    return False


def _read(made: Mapping[str, Any], weights: Any, one: Weighing) -> NDArray[np.bool_]:
    """Return which queries' weights the ends depend on, (queries,): their gradients are not zero.

    Raises:
        NotSupportedError: None.
    """
    random = torch.Generator().manual_seed(0)
    ways = [torch.randn(end.shape, generator=random) for end in made.values()]
    heard = _laid_out(_slopes(list(made.values()), ways, [weights])[0], one)
    read = np.asarray(heard.any(axis=(0, 1, 3)), np.bool_)
    if not read.any():
        raise NotSupportedError(f"The answer does not depend on the attention at '{one.layer}'.", _OTHERWISE)
    return read


def _by_target(made: Mapping[str, Any], weights: Sequence[Any], cotangents: Cotangents) -> list[Any]:
    """Return the derivatives of each target by each of some weights, (targets, n, ...)."""
    slopes = cotangents({name: end.detach().float().numpy() for name, end in made.items()})
    found = [
        _slopes(
            [made[name] for name in slopes],
            [torch.from_numpy(np.ascontiguousarray(slope[target])).float() for slope in slopes.values()],
            weights,
        )
        for target in range(len(next(iter(slopes.values()))))
    ]
    return [torch.stack(of_one) for of_one in zip(*found, strict=True)]


def _slopes(ends: Sequence[Any], ways: Sequence[Any], weights: Sequence[Any]) -> list[Any]:
    found = torch.autograd.grad(ends, weights, ways, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(weight) if slope is None else slope for slope, weight in zip(found, weights, strict=True)]


def _laid_out(value: Any, one: Weighing, leading: int = 1) -> Array:
    """Return weights as (..., heads, queries, keys) behind some leading axes."""
    value = value.transpose(-1, -2) if one.turned else value
    inner = value.shape[leading:]
    heads = int(np.prod(inner[:-2]))  # one, where the network has no axis of heads
    array: Array = value.detach().float().reshape(*value.shape[:leading], heads, *inner[-2:]).numpy()
    return array


def _unlike(found: Sequence[Weighing]) -> list[str]:
    """Return the names of the layers; one that runs again gets a number."""
    names = [one.layer for one in found]
    return [
        name if names[:place].count(name) == 0 else f"{name}:{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]
