"""Products of matrices, from TensorFlow into the op graph."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from picasso.core.graph import Conv, Linear, MatMul
from picasso.models.tensorflow.op_reader import LAST, Handler, Numbers, Reader, Value, plain_axes


def linear(reader: Reader, op: Any, value: Value, weight: Numbers) -> Value:
    """Write a matrix (out, in) on the last axis of a tensor; on the channels of a map it is a convolution of 1 x 1."""
    if value.axes == LAST:
        return replace(value, name=reader.add(op, Conv, [value.name], weight=weight[:, :, None, None]))
    name = reader.add(op, Linear, [reader.plain(value)], weight=weight)
    return replace(value, name=name, axes=plain_axes(value))


def _swapped(value: Value) -> Value:
    return replace(value, axes=(*value.axes[:-2], value.axes[-1], value.axes[-2]))


def _mat_mul(reader: Reader, op: Any) -> Value:
    value = reader.value(op, merged=True)
    if op.get_attr("transpose_a") or reader.varies(op, 1) or value.merged == len(value.axes):
        raise reader.refuse(op)
    matrix = reader.fixed(op, 1)
    return linear(reader, op, value, matrix if op.get_attr("transpose_b") else matrix.T)


def _batch_mat_mul(reader: Reader, op: Any) -> Value:
    turned = [bool(op.get_attr(name)) for name in ("adj_x", "adj_y")]
    if reader.varies(op, 0) and not reader.varies(op, 1):
        value, matrix = reader.value(op), reader.fixed(op, 1)
        matrix = np.swapaxes(matrix, -1, -2) if turned[1] else matrix
        if math.prod(matrix.shape[:-2]) == 1 and matrix.ndim <= len(value.axes) + 1 and len(value.axes) > 1:
            return linear(reader, op, _swapped(value) if turned[0] else value, matrix.reshape(matrix.shape[-2:]).T)
    names, ranks = [], []
    for place in (0, 1):
        if reader.varies(op, place):
            value = reader.value(op, place)
            value = _swapped(value) if turned[place] and len(value.axes) > 1 else value
            names.append(reader.plain(value))
            ranks.append(len(value.axes))
        else:
            constant = reader.fixed(op, place)
            constant = np.swapaxes(constant, -1, -2) if turned[place] else constant
            names.append(reader.constant(op, constant))
            ranks.append(constant.ndim)
    inner = [len(reader.build.shape(name)) for name in names]
    varying = [rank for place, rank in enumerate(ranks) if reader.varies(op, place)]
    constants = [rank for place, rank in enumerate(ranks) if not reader.varies(op, place)]
    if min(inner) < 2 or len(set(varying)) != 1 or any(rank > varying[0] for rank in constants):
        raise reader.refuse(op)
    return Value(reader.add(op, MatMul, names), tuple(range(varying[0])))


def _einsum(reader: Reader, op: Any) -> Value:
    given, out = op.get_attr("equation").decode().replace(" ", "").split("->")
    terms = given.split(",")
    if "." in given or len(terms) != 2 or any(len(set(term)) != len(term) for term in (*terms, out)):
        raise reader.refuse(op)
    both = reader.varies(op, 0) and reader.varies(op, 1)
    return _einsum_of_two(reader, op, terms, out) if both else _einsum_with_constant(reader, op, terms, out)


def _einsum_with_constant(reader: Reader, op: Any, terms: list[str], out: str) -> Value:
    place = 0 if reader.varies(op, 0) else 1
    value, weight = reader.value(op, place), reader.fixed(op, 1 - place)
    mine, theirs = terms[place], terms[1 - place]
    summed = [label for label in theirs if label in mine]
    kept, new = [label for label in mine if label not in summed], [label for label in theirs if label not in mine]
    if not summed or mine[0] != out[:1] or mine[0] in summed or sorted(out) != sorted((*kept, *new)):
        raise reader.refuse(op)
    size = dict(zip(mine[1:], reader.shape(value), strict=True)) | dict(zip(theirs, weight.shape, strict=True))
    matrix = np.transpose(weight, [theirs.index(label) for label in (*new, *summed)])
    matrix = matrix.reshape(math.prod(size[label] for label in new), -1)
    axes = dict(zip(mine[1:], value.axes, strict=True))
    if len(summed) == len(new) == 1 and mine[-1] == summed[0] and value.axes == LAST:
        made = linear(reader, op, value, matrix)
    else:
        moved = replace(value, axes=tuple(axes[label] for label in (*kept[1:], *summed)))
        shape = tuple(size[label] for label in kept[1:])
        flat = reader.reshaped(op, moved, (*shape, matrix.shape[1]))
        made = linear(reader, op, flat, matrix)
        made = reader.reshaped(op, made, (*shape, *(size[label] for label in new)))
    places = dict(zip((*kept[1:], *new), made.axes, strict=True))
    return replace(made, axes=tuple(places[label] for label in out[1:]))


def _einsum_of_two(reader: Reader, op: Any, terms: list[str], out: str) -> Value:
    left, right = terms
    values = [reader.value(op, 0), reader.value(op, 1)]
    if not left[0] == right[0] == out[:1]:
        raise reader.refuse(op, "works across pictures")
    size = {label: side for term, value in zip(terms, values, strict=True)
            for label, side in zip(term[1:], reader.shape(value), strict=True)}  # fmt: skip
    shared = [label for label in left[1:] if label in right and label in out]
    summed = [label for label in left[1:] if label in right and label not in out]
    rows, columns = ([label for label in term[1:] if label not in (*shared, *summed)] for term in terms)
    if not summed or sorted(out[1:]) != sorted((*shared, *rows, *columns)):
        raise reader.refuse(op)
    lead = tuple(size[label] for label in shared)
    wanted = ((rows, summed), (summed, columns))
    names = []
    for term, value, groups in zip(terms, values, wanted, strict=True):
        axes = dict(zip(term[1:], value.axes, strict=True))
        moved = replace(value, axes=tuple(axes[label] for label in (*shared, *groups[0], *groups[1])))
        sides = (math.prod(size[label] for label in group) for group in groups)
        names.append(reader.plain(reader.reshaped(op, moved, (*lead, *sides))))
    product = Value(reader.add(op, MatMul, names), tuple(range(len(lead) + 2)))
    labels = (*shared, *rows, *columns)
    made = reader.reshaped(op, product, tuple(size[label] for label in labels))
    places = dict(zip(labels, made.axes, strict=True))
    return replace(made, axes=tuple(places[label] for label in out[1:]))


HANDLERS: dict[str, Handler] = {
    "MatMul": _mat_mul,
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _batch_mat_mul),
    "Einsum": _einsum,
}
