"""JAX's matrix products, sums and number-by-number operations, written into an op graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from picasso.core.graph import Activation, Conv, Linear, MatMul, Reduce, Reshape, Resize
from picasso.core.preprocessing import Array
from picasso.models.jax.op_numbers import single
from picasso.models.jax.op_values import Value, Writer
from picasso.models.jax.program import Step


def product(write: Writer, step: Step) -> list[Value]:
    """Write a product: with known numbers a layer, of two values a `MatMul`."""
    sides: list[Value | Array] = [write.operand(place) for place in step.inputs]
    (left, right), (batch_left, batch_right) = step.params["dimension_numbers"]
    if batch_left or all(isinstance(side, Value) for side in sides):
        return [_product_of_two(write, sides, (left, right), (batch_left, batch_right))]
    at = 0 if isinstance(sides[0], Value) else 1
    value, known = sides[at], sides[1 - at]
    assert isinstance(value, Value)
    assert not isinstance(known, Value)
    axes, theirs = ((left, right), (right, left))[at]
    return [_layer(write, step, write.whole(value), known, list(axes), list(theirs), at)]


def _layer(write: Writer, step: Step, value: Value, known: Array, axes: list[int], theirs: list[int], at: int) -> Value:
    """Write a product with known numbers.

    Args:
        axes: The value's axes that are summed over.
        theirs: Those of the known numbers.
        at: Whether the value is the left operand, 0, or the right one, 1: it says where its axes go.
    """
    if value.batch in axes:
        raise write.refuse("mixes the pictures of a batch")
    free = [axis for axis in range(known.ndim) if axis not in theirs]
    kept = [axis for axis in range(len(value.shape)) if axis not in axes]
    matrix = known.transpose(*free, *theirs)
    new = [known.shape[axis] for axis in free]
    weight = matrix.reshape(math.prod(new), -1)
    behind = at == 0
    to = {old: index + (0 if behind else len(free)) for index, old in enumerate(kept)}
    added = [index + (len(kept) if behind else 0) for index in range(len(free))]
    shape = [0] * (len(kept) + len(free))
    for old, index in to.items():
        shape[index] = value.shape[old]
    for index, side in zip(added, new, strict=True):
        shape[index] = side
    batch = to[value.batch]

    def made(name: str, order: Sequence[int | None]) -> Value:
        return Value(name, tuple(order), tuple(shape), batch, tuple(shape))

    is_map = len(value.axes) == 3 and value.sided != axes
    if len(axes) == len(free) == 1 and is_map and axes[0] in value.axes:
        place = value.axes.index(axes[0])
        order = [added[0] if i == place else None if a is None else to[a] for i, a in enumerate(value.axes)]
        resizes = any(part.partition("#")[0] == "jit _resize" for part in step.scope)
        if place == 0:
            return made(write.add(Conv, [value.name], weight=weight[:, :, None, None]), order)
        if resizes:
            others = np.eye(write.build.shape(value.name)[3 - place], dtype=np.float32)
            rows, columns = (weight, others) if place == 1 else (others, weight)
            return made(write.add(Resize, [value.name], rows=rows, columns=columns), order)
    front = [axis for axis in value.axes if axis is not None and axis not in axes and value.shape[axis] > 1]
    name = write.arranged(value, [*front, *axes])
    if len(axes) != 1:
        sides = [value.shape[axis] for axis in front]
        name = write.add(Reshape, [name], target=(*sides, weight.shape[1]))
    name = write.add(Linear, [name], weight=weight)
    order = [*(to[axis] for axis in front), *added]
    if len(free) != 1:
        name = write.add(Reshape, [name], target=tuple(shape[axis] for axis in order if axis is not None))
    return made(name, order)


def _product_of_two(
    write: Writer,
    sides: Sequence[Value | Array],
    summed: tuple[Sequence[int], Sequence[int]],
    batches: tuple[Sequence[int], Sequence[int]],
) -> Value:
    """Write a product over axes of both; the pictures' axis must be one that is not multiplied out."""
    at = 0 if isinstance(sides[0], Value) else 1
    first = sides[at]
    assert isinstance(first, Value)
    where = list(batches[at]).index(first.batch) if first.batch in batches[at] else -1
    if where < 0 and all(isinstance(side, Value) for side in sides):
        raise write.refuse("mixes the pictures of a batch")
    names, kept, shapes, batch = [], list[list[int]](), list[tuple[int, ...]](), where
    for index, side in enumerate(sides):
        if isinstance(side, Value):
            value, shape, own = write.whole(side), side.full, side.batch
            if own in summed[index] or (where >= 0 and batches[index][where] != own):
                raise write.refuse("mixes the pictures of a batch")
        else:
            own = batches[index][where] if where >= 0 else -1
            known = write.for_one(side, own, side.ndim) if own >= 0 else side
            shape = known.shape
        free = [a for a in range(len(shape)) if a not in summed[index] and a not in batches[index]]
        if own in free:
            batch = len(batches[0]) + (len(kept[0]) if index else 0) + free.index(own)
        rows = [a for a in free if a != own or shape[a] > 1]
        outer = [a for a in batches[index] if a != own or shape[a] > 1]
        order = [*outer, *rows, *summed[index]] if index == 0 else [*outer, *summed[index], *rows]
        both = [math.prod(shape[a] for a in axes) for axes in (rows, summed[index])]
        target = (*(shape[a] for a in outer), *(both if index == 0 else both[::-1]))
        if isinstance(side, Value):
            names.append(_in_shape(write, write.arranged(value, order), target))
        else:
            rest = [a for a in range(known.ndim) if a not in order]
            names.append(write.build.constant(known.transpose(*order, *rest).reshape(target), write.layer))
        kept.append(free)
        shapes.append(shape)
    name = write.add(MatMul, names)
    made = (
        *(shapes[at][a] for a in batches[at]),
        *(shapes[0][a] for a in kept[0]),
        *(shapes[1][a] for a in kept[1]),
    )
    axes = tuple(a for a in range(len(made)) if a != batch or made[a] > 1)
    return Value(_in_shape(write, name, tuple(made[a] for a in axes)), axes, made, batch, made)


def _in_shape(write: Writer, name: str, target: tuple[int, ...]) -> str:
    return name if write.build.shape(name) == target else write.add(Reshape, [name], target=target)


def _reduced(write: Writer, step: Step, function: str) -> list[Value]:
    value = write.value(step.inputs[0])
    axes = {axis % len(value.shape) for axis in step.params["axes"]}
    if value.batch in axes:
        raise write.refuse("mixes the pictures of a batch")
    places = tuple(index for index, axis in enumerate(value.axes) if axis in axes)
    name = write.add(Reduce, [value.name], function=function, axes=places, keep=True) if places else value.name
    kept = [axis for axis in range(len(value.shape)) if axis not in axes]
    to = {old: new for new, old in enumerate(kept)}
    shape = tuple(value.shape[axis] for axis in kept)
    left = replace(value, name=name, shape=tuple(1 if a in axes else s for a, s in enumerate(value.shape)))
    return [left.renamed(to, shape, to[value.batch])]


def _function(write: Writer, step: Step, function: str) -> list[Value]:
    value = write.values[step.inputs[0]]
    return [replace(value, name=write.add(Activation, [value.name], function=function))]


def _two(write: Writer, step: Step, function: str) -> list[Value]:
    left, right = (write.operand(place) for place in step.inputs)
    value = left if isinstance(left, Value) else right
    assert isinstance(value, Value)
    if isinstance(left, Value) and isinstance(right, Value) and left.batch != right.batch:
        raise write.refuse("mixes the pictures of a batch")
    other = right if value is left else left
    no_limit = {"maximum": -math.inf, "minimum": math.inf}.get(function)
    if not isinstance(other, Value) and no_limit is not None and single(other) == no_limit:
        return [value]
    return [write.two(function, left, right, value.batch, len(value.shape))]


def _power(write: Writer, step: Step) -> list[Value]:
    value, exponent = write.values[step.inputs[0]], step.params["y"]
    function = {2: "square", -1: "reciprocal"}.get(exponent)
    if function:
        return _function(write, step, function)
    known = np.full((1,) * len(value.shape), float(exponent))
    return [write.two("power", value, known, value.batch, len(value.shape))]


def _shifted(write: Writer, step: Step, function: str, scale: float, shift: float) -> list[Value]:
    """Write `scale * function(x) + shift`."""
    (value,) = _function(write, step, function)
    return [_scaled(write, value, scale, shift)]


def _scaled(write: Writer, value: Value, scale: float, shift: float) -> Value:
    rank = len(value.shape)
    for name, number, nothing in (("multiply", scale, 1), ("add", shift, 0)):
        if number != nothing:
            value = write.two(name, value, np.full((1,) * rank, number), value.batch, rank)
    return value


def _negative(write: Writer, step: Step) -> list[Value]:
    return [_scaled(write, write.values[step.inputs[0]], -1, 0)]


def _log_of_one_more(write: Writer, step: Step) -> list[Value]:
    value = _scaled(write, write.values[step.inputs[0]], 1, 1)
    return [replace(value, name=write.add(Activation, [value.name], function="log"))]


NUMBERS: Mapping[str, Callable[[Writer, Step], list[Value]]] = {
    "dot_general": product,
    "reduce_sum": partial(_reduced, function="sum"),
    "reduce_max": partial(_reduced, function="max"),
    "reduce_min": partial(_reduced, function="min"),
    "add": partial(_two, function="add"),
    "add_any": partial(_two, function="add"),
    "sub": partial(_two, function="subtract"),
    "mul": partial(_two, function="multiply"),
    "div": partial(_two, function="divide"),
    "max": partial(_two, function="maximum"),
    "min": partial(_two, function="minimum"),
    "pow": partial(_two, function="power"),
    "integer_pow": _power,
    "neg": _negative,
    "log1p": _log_of_one_more,
    "expm1": partial(_shifted, function="exp", scale=1, shift=-1),
    "erfc": partial(_shifted, function="erf", scale=-1, shift=1),
    "exp": partial(_function, function="exp"),
    "log": partial(_function, function="log"),
    "tanh": partial(_function, function="tanh"),
    "logistic": partial(_function, function="sigmoid"),
    "erf": partial(_function, function="erf"),
    "sqrt": partial(_function, function="sqrt"),
    "rsqrt": partial(_function, function="rsqrt"),
    "square": partial(_function, function="square"),
    "abs": partial(_function, function="abs"),
}
"""What writes an operation, by the name of JAX's primitive."""
