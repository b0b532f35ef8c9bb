"""An op graph run plainly, one operation after another, on PyTorch's autograd.

Nothing is fused and nothing overwritten, so that gradients pass, every value can be had by its name, and a caller can
replace how single operations run or are differentiated: relevance rules, attention methods.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from picasso.core import graph as ops
from picasso.core.errors import NotSupportedError
from picasso.core.graph import Graph, Op
from picasso.core.preprocessing import Array
from picasso.engine.kernels import tensor
from picasso.engine.plain import Run, whole
from picasso.engine.steps import Interpolate, Pooling, Transposed

Rule = Callable[[Op, Run], Run]
"""Given an operation and what runs it plainly, returns what runs instead: tensors (n, ...) of the inputs to that of the
value. What it does with gradients is its own affair."""


def as_it_is(op: Op, run: Run) -> Run:
    """Run an operation plainly, with its own gradient."""
    return run


class Executor:
    """Runs a graph.

    Args:
        graph: The network.
        rules: How the operations of a kind run.
        otherwise: How operations of other kinds do; None where they are refused.
        dtype: In which it computes.

    Raises:
        NotSupportedError: There is no rule for an operation; its kind and its layer are named.

    Example:
        >>> from picasso.core.graph import Activation, Builder
        >>> build = Builder()
        >>> relu = build.add(Activation, [build.input((1, 1, 2))], function="relu", name="relu")
        >>> run = Executor(build.graph({"scores": relu}))
        >>> run(torch.tensor([[[[-1.0, 2.0]]]]))["relu"].tolist()
        [[[[0.0, 2.0]]]]
    """

    def __init__(
        self,
        graph: Graph,
        rules: Mapping[type[Op], Rule] | None = None,
        otherwise: Rule | None = as_it_is,
        dtype: Any = torch.float32,
    ) -> None:
        self.graph, self.dtype = graph, dtype
        self._constants = {op.name: tensor(op.value, dtype)[None] for op in graph.ops if isinstance(op, ops.Constant)}
        by_name, given = graph.by_name, rules or {}
        self._steps: list[tuple[Op, Run]] = []
        for op in graph.ops:
            if isinstance(op, ops.Input | ops.Constant):
                continue
            rule = given.get(type(op), otherwise)
            if rule is None:
                raise NotSupportedError(f"There is no rule for {said(op)}.", "Choose another method for this network.")
            self._steps.append((op, rule(op, plainly(op, by_name, dtype))))

    def __call__(
        self, x: Any, keep: Collection[str] | None = None, known: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run and return values by name, tensors (n, ...); those of constants have one row.

        Args:
            x: The input, (n, channels, height, width), which may ask for gradients.
            keep: Names of the values that are wanted, besides the outputs; None for all.
            known: Values that are taken as they are: what makes them does not run.
        """
        values = {self.graph.ops[0].name: x, **self._constants, **(known or {})}
        wanted = None if keep is None else {*keep, *self.graph.outputs.values()}
        steps = self._needed({op.name for op, _ in self._steps} if wanted is None else wanted, values)
        last: dict[str, int] = {}
        if wanted is not None:
            last = {name: place for place, (op, _) in enumerate(steps) for name in op.inputs if name not in wanted}
        for place, (op, run) in enumerate(steps):
            values[op.name] = run([values[name] for name in op.inputs])
            for name in set(op.inputs):
                if last.get(name) == place:
                    del values[name]
        return values if wanted is None else {name: values[name] for name in wanted}

    def _needed(self, wanted: Collection[str], known: Collection[str]) -> list[tuple[Op, Run]]:
        """Return what must run for some values."""
        needed, found = set(wanted), list[tuple[Op, Run]]()
        for op, run in reversed(self._steps):
            if op.name in needed and op.name not in known:
                needed.update(op.inputs)
                found.append((op, run))
        return found[::-1]

    def outputs(self, x: Any, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run and return the network's outputs by their own names, (n, ...); see `__call__`."""
        values = self(x, (), known)
        return {name: values[made].expand(len(x), *values[made].shape[1:]) for name, made in self.graph.outputs.items()}


def laid(x: Array, dtype: Any = torch.float32) -> Any:
    """Return pictures (n, height, width, channels) as the tensor that a graph reads."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1))).to(dtype)


def said(op: Op) -> str:
    """Name an operation and its layer for a reader."""
    kind = type(op).__name__
    function = getattr(op, "function", "")
    where = f"at the layer '{op.layer}'" if op.layer else f"called '{op.name}'"
    return f"{kind} ({function}) {where}" if function else f"{kind} {where}"


def plainly(op: Op, by_name: Mapping[str, Op], dtype: Any) -> Run:
    """Return what runs an operation, with PyTorch's own gradient.

    Raises:
        GraphError: There is nothing that does.
    """
    match op:
        case ops.Conv():
            return convolution(op, dtype)
        case ops.Linear():
            weight, bias = tensor(op.weight, dtype), None if op.bias is None else tensor(op.bias, dtype)
            return lambda values: functional.linear(values[0], weight, bias)
        case ops.ConvTranspose():
            return Transposed(op, op.inputs, None, op.name, dtype).whole
        case ops.Pool():
            height, width = by_name[op.inputs[0]].shape[1:]
            border = -np.inf if op.function == "max" else 0.0
            return Pooling(op, op.inputs, (height, width), op.padding, border, dtype).whole
        case ops.Resize():
            return Interpolate(op, op.inputs, dtype).whole
        case ops.Activation(function="prelu"):
            slopes = tensor(op.slopes, dtype)
            return lambda values: functional.prelu(values[0], slopes)
    return whole(op, dtype)


def convolution(op: ops.Conv, dtype: Any) -> Run:
    """Return what runs a convolution whose padding may differ from side to side."""
    weight, bias = tensor(op.weight, dtype), None if op.bias is None else tensor(op.bias, dtype)
    return lambda values: convolved(op, values[0], weight, bias)


def convolved(op: ops.Conv, x: Any, weight: Any, bias: Any) -> Any:
    """Return a convolution of maps with another weight and bias than its own."""
    top, left, bottom, right = op.padding
    if (top, left) != (bottom, right):
        x = functional.pad(x, (left, right, top, bottom))
        top = left = 0
    # Channels first: see `Convolution` for what the other layout gives where there is one channel.
    x = x.clone(memory_format=torch.contiguous_format) if weight.shape[1] == 1 else x
    return functional.conv2d(x, weight, bias, op.stride, (top, left), op.dilation, op.groups)


def towards(graph: Graph, names: Collection[str]) -> Graph:
    """Return the part of a graph that some values need; these are its outputs, called as the values are."""
    needed, kept = set(names), list[Op]()
    for op in reversed(graph.ops):
        if op.name in needed or isinstance(op, ops.Input):
            needed.update(op.inputs)
            kept.append(op)
    return Graph(tuple(reversed(kept)), {name: name for name in names})


def unreached(graph: Graph, blocked: tuple[type[Op], ...] = ()) -> frozenset[str]:
    """Return the values that do not depend on the picture, or only through operations of some kinds."""
    reached = {graph.ops[0].name}
    for op in graph.ops:
        if not isinstance(op, blocked) and reached.intersection(op.inputs):
            reached.add(op.name)
    return frozenset(op.name for op in graph.ops if op.name not in reached)


def attention_apart(graph: Graph) -> Graph:
    """Return the same network with every `Attention` written as the operations that it is made of.

    The weights, (..., queries, keys), are then the value of a `Softmax` called "<name>:weights".
    """
    by_name, found = graph.by_name, list[Op]()
    for op in graph.ops:
        found += _apart(op, by_name) if isinstance(op, ops.Attention) else [op]
    return replace(graph, ops=tuple(found))


def _apart(op: ops.Attention, by_name: Mapping[str, Op]) -> list[Op]:
    q, k, v = (by_name[name] for name in op.inputs[:3])
    made: list[Op] = []

    def add(kind: type[ops.AnyOp], part: str, *inputs: Op, **given: Any) -> ops.AnyOp:
        shape = kind.shaped([one.shape for one in inputs], **given)
        name = f"{op.name}:{part}" if part else op.name
        made.append(one := kind(name=name, inputs=tuple(i.name for i in inputs), shape=shape, layer=op.layer, **given))
        return one

    axes = tuple(range(len(k.shape)))
    scale = add(ops.Constant, "scale", value=np.float32(op.scale).reshape(()))
    scaled = add(ops.Elementwise, "scaled", q, scale, function="multiply")
    turned = add(ops.Transpose, "turned", k, axes=(*axes[:-2], axes[-1], axes[-2]))
    products: Op = add(ops.MatMul, "products", scaled, turned)
    for name in op.inputs[3:]:
        products = add(ops.Elementwise, "masked", products, by_name[name], function="add")
    weights = add(ops.Softmax, "weights", products, axis=-1)
    add(ops.MatMul, "", weights, v)
    return made
