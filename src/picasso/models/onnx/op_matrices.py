"""ONNX's products of matrices as operations of the op graph."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from picasso.core.graph import Conv, Elementwise, Linear, MatMul
from picasso.models.onnx import op_patterns as patterns
from picasso.models.onnx.op_views import Numbers, Value, View, Views
from picasso.models.onnx.op_windows import Reader, fixed, seen


def _linear(on: Views, view: View, weight: Numbers, bias: Numbers | None) -> View:
    """Return a matrix (out, in) on ONNX's last axis: on channels that are first in the map, a convolution of 1 x 1."""
    last, shape = on.axis(view, -1), on.build.shape(view.name)
    w, b = weight.astype(np.float32, copy=False), None if bias is None else bias.astype(np.float32, copy=False)
    if last == 0 and len(shape) == 3:
        return replace(view, name=on.add(Conv, [view.name], weight=w[:, :, None, None], bias=b))
    if last != len(shape) - 1:
        view = on.plain(view)
    return replace(view, name=on.add(Linear, [view.name], weight=w, bias=b))


def _gemm(on: Views, a: Value, b: Value, c: Value | None = None) -> View:
    view, weight, bias = seen(on, a), fixed(on, b), fixed(on, c)
    assert weight is not None
    if on.call.get("transA", 0):
        raise on.refused("it turns its first input")
    weight = weight if on.call.get("transB", 0) else weight.T
    alpha, beta = on.call.get("alpha", 1.0), on.call.get("beta", 1.0)
    weight = weight if alpha == 1 else weight * alpha
    if bias is None:
        return _linear(on, view, weight, None)
    bias = bias if beta == 1 else bias * beta
    if bias.ndim < 2 or len(bias) == 1:
        return _linear(on, view, weight, np.broadcast_to(bias.reshape(-1), (len(weight),)))
    made = _linear(on, view, weight, None)
    return replace(made, name=_sum_with(on, made, bias))


def _sum_with(on: Views, view: View, constant: Numbers) -> str:
    return on.add(Elementwise, [view.name, on.constant(on.constant_for(constant, view))], function="add")


def _matmul(on: Views, a: Value, b: Value) -> View:
    if isinstance(a, View) and not isinstance(b, View) and b.size == math.prod(b.shape[-2:]) and b.ndim >= 2:
        return _linear(on, a, b.reshape(b.shape[-2:]).T, None)
    if isinstance(a, View) and isinstance(b, View):
        a, b = on.plain(a), on.plain(b)
        if len(a.order) != len(b.order) or a.pictures != b.pictures:
            raise on.refused("its inputs have their pictures on different axes")
        inner = a
        names = [a.name, b.name]
    else:
        inner = on.plain(seen(on, a if isinstance(a, View) else b))
        constant = np.asarray(b if isinstance(a, View) else a)
        if constant.ndim < 2 or len(inner.order) < constant.ndim:
            raise on.refused("it multiplies by a row")
        other = on.constant(_matrices(on, inner, constant))
        names = [inner.name, other] if isinstance(a, View) else [other, inner.name]
    if inner.batch >= len(inner.order) - 2 and on.count > 1:
        raise on.refused("it mixes pictures")
    return replace(inner, name=patterns.attention(on, *names) or on.add(MatMul, names))


def _matrices(on: Views, view: View, constant: Numbers) -> Numbers:
    """Return a constant of several matrices without its axis of pictures."""
    place = view.batch - (len(view.order) - constant.ndim)
    if place < 0 or view.merged:
        if view.merged and place >= 0 and constant.shape[place] != 1:
            raise on.refused("it reads matrices that may differ from picture to picture")
        return constant
    if constant.shape[place] != 1 and (constant != constant.take([0], place)).any():
        raise on.refused("it reads a constant that differs from picture to picture")
    return np.asarray(constant.take(0, place))


READERS: dict[str, Reader] = {"Gemm": _gemm, "MatMul": _matmul}
"""Every operator of this file by its name in the format."""
