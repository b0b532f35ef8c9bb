"""ONNX's arithmetic, activations and reductions as operations of the op graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from picasso.core.graph import (
    Activation,
    Conv,
    Elementwise,
    GlobalPool,
    LayerNorm,
    Linear,
    Reduce,
    Softmax,
)
from picasso.models.onnx import op_patterns as patterns
from picasso.models.onnx.op_views import Numbers, Value, View, Views
from picasso.models.onnx.op_windows import Reader, affine, fixed, numbers, seen
from picasso.models.onnx.operators import TYPES

_HALF = (10, 16)
"""The format's codes of half precision."""
_LARGEST = 3.4e38


def activated(on: Views, view: View, function: str, **given: Any) -> View:
    """Return a function of each number of a view."""
    return replace(view, name=on.add(Activation, [view.name], function=function, **given))


def _activation(function: str, **defaults: tuple[str, float]) -> Reader:
    """Return the reader of an activation.

    Args:
        function: The op graph's name of it.
        defaults: For each of the op graph's fields ONNX's attribute and its default.
    """

    def read(on: Views, x: Value) -> View:
        given = {name: on.call.get(attribute, default) for name, (attribute, default) in defaults.items()}
        return activated(on, seen(on, x), function, **given)

    return read


def _clip(on: Views, x: Value, low: Value | None = None, high: Value | None = None) -> View:
    least, most = (numbers(fixed(on, limit)) for limit in (low, high))
    return _limited(
        on,
        seen(on, x),
        least[0] if least else on.call.get("min", -math.inf),
        most[0] if most else on.call.get("max", math.inf),
    )


def _limited(on: Views, view: View, low: float, high: float) -> View:
    low, high = -math.inf if low <= -_LARGEST else low, math.inf if high >= _LARGEST else high
    if (low, high) == (-math.inf, math.inf):
        return view
    if (low, high) == (0, math.inf):
        return activated(on, view, "relu")
    return activated(on, view, "clip", low=float(low), high=float(high))


def _prelu(on: Views, x: Value, slope: Value) -> View:
    view, array = seen(on, x), fixed(on, slope)
    assert array is not None
    if array.size == 1:
        return activated(on, view, "leaky_relu", slope=float(array.reshape(-1)[0]))
    slopes = _by_channel(on, view, on.constant_for(array, view))
    if slopes is None:
        raise on.refused("it has a slope for each place")
    return activated(on, view, "prelu", slopes=slopes.astype(np.float32))


def _selu(on: Views, x: Value) -> View:
    if abs(on.call.get("alpha", 1.6732632) - 1.6732632) > 1e-6 or abs(on.call.get("gamma", 1.050701) - 1.050701) > 1e-6:
        raise on.refused("it has limits of its own")
    return activated(on, seen(on, x), "selu")


def _threshold(on: Views, x: Value) -> View:
    if on.call.get("alpha", 1.0) != 0:
        raise on.refused("its threshold is not zero")
    return activated(on, seen(on, x), "relu")


def _swish(alpha: float) -> Reader:
    def read(on: Views, x: Value) -> View:
        view, factor = seen(on, x), on.call.get("alpha", alpha)
        if factor == 1:
            return activated(on, view, "silu")
        weights = activated(on, _with_constant(on, "multiply", view, np.array(factor)), "sigmoid")
        return on.pair("multiply", view, weights)

    return read


def _gelu(on: Views, x: Value) -> View:
    return activated(on, seen(on, x), "gelu_tanh" if on.call.get("approximate", "none") == "tanh" else "gelu")


def _softmax(log: bool) -> Reader:
    def read(on: Views, x: Value) -> View:
        view = seen(on, x)
        rank, old = len(view.order), on.call.opset < 13
        place = on.call.get("axis", 1 if old else -1) % rank
        if old and math.prod(on.sides(view)[place + 1 :]) > 1:
            raise on.refused("it goes over several axes at once")
        return replace(view, name=on.add(Softmax, [view.name], axis=on.axis(view, place), log=log))

    return read


def _same(on: Views, x: Value, *rest: Value) -> View:
    return seen(on, x)


def _cast(on: Views, x: Value, *rest: Value) -> View:
    view, code = seen(on, x), on.call.get("to")
    if code in _HALF:
        raise on.refused("it goes over to half precision")
    if not TYPES[code].is_floating_point:
        raise on.refused("it makes whole numbers")
    return replace(view, whole=False)


def _cast_like(on: Views, x: Value, other: Value) -> View:
    if not isinstance(other, View) and other.dtype.kind != "f":
        raise on.refused("it makes whole numbers")
    return replace(seen(on, x), whole=False)


# --- two values ---------------------------------------------------------------------------------------------------


def _by_channel(on: Views, view: View, array: Numbers) -> Numbers | None:
    """Return one number for each entry of the value's first axis, where that is all that a constant says; or None."""
    shape = on.build.shape(view.name)
    if not shape or array.shape[0] not in (1, shape[0]) or array[:1].size != 1:
        return None
    return np.broadcast_to(array.reshape(-1).astype(np.float64), shape[:1])


def _with_constant(on: Views, function: str, view: View, constant: Numbers, first: bool = False) -> View:
    """Return a view and a constant, number by number.

    Args:
        on: The op graph.
        function: That of `Elementwise`.
        view: The view.
        constant: The constant as ONNX has it.
        first: Whether the constant is the first of the two.
    """
    array = on.constant_for(constant, view)
    if constant.size == 1 and (name := _known(on, function, view.name, float(constant.reshape(-1)[0]), first)):
        return replace(view, name=name)
    if function in ("add", "multiply") and on.alone(0 if not first else 1):
        name = _absorbed(on, function, view.name, array)
        if name:
            return replace(view, name=name)
    each = _by_channel(on, view, array)
    if each is not None and (line := _LINES.get((function, first))):
        name = affine(on, view.name, *line(each))
        return replace(view, name=patterns.scaled(on, name) or name)
    names = [on.constant(array), view.name] if first else [view.name, on.constant(array)]
    return replace(view, name=on.add(Elementwise, names, function=function))


def _added(each: Numbers) -> tuple[Numbers, Numbers]:
    return np.ones_like(each), each


def _multiplied(each: Numbers) -> tuple[Numbers, Numbers]:
    return each, np.zeros_like(each)


_LINES: dict[tuple[str, bool], Callable[[Numbers], tuple[Numbers, Numbers]]] = {
    ("add", False): _added,
    ("add", True): _added,
    ("subtract", False): lambda each: _added(-each),
    ("subtract", True): lambda each: (-np.ones_like(each), each),
    ("multiply", False): _multiplied,
    ("multiply", True): _multiplied,
    ("divide", False): lambda each: _multiplied(1 / each),
}
"""Scale and shift that a function of a value and a constant are, by the function and whether the constant is first."""


def _known(on: Views, function: str, name: str, number: float, first: bool) -> str | None:
    """Return what a function of a value and one number has a name for, or None."""
    if function == "power" and not first:
        functions = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
        return on.add(Activation, [name], function=functions[number]) if number in functions else None
    if function == "divide" and first and number == 1:
        return on.add(Activation, [name], function="reciprocal")
    if function == "maximum":
        given: dict[str, Any] = {"function": "relu"} if number == 0 else {"function": "clip", "low": number}
        return on.add(Activation, [name], **given)
    if function == "minimum":
        return on.add(Activation, [name], function="clip", high=number)
    return None


def _absorbed(on: Views, function: str, name: str, array: Numbers) -> str | None:
    """Return the matrix or normalization before with a constant as its bias or scale; or None."""
    op = on.maker(name)
    wide = (1,) * (len(op.shape) - array.ndim) + array.shape
    if isinstance(op, Linear) and function == "add" and op.bias is None and array.size == wide[-1] in (1, op.shape[-1]):
        bias = np.broadcast_to(array.reshape(-1), op.shape[-1:]).astype(np.float32)
        return on.add(Linear, op.inputs, weight=op.weight, bias=bias)
    if isinstance(op, Conv) and op.layer != on.layer and function == "add" and op.bias is None and array.size > 1:
        if wide == (op.shape[0], 1, 1):
            given: dict[str, Any] = {"weight": op.weight, "stride": op.stride, "padding": op.padding}
            given |= {"dilation": op.dilation, "groups": op.groups, "bias": array.reshape(-1).astype(np.float32)}
            return on.add(Conv, op.inputs, **given)
        return None
    if isinstance(op, LayerNorm) and op.shift is None and not (function == "multiply" and op.scale is not None):
        if wide != tuple(side if axis in op.axes else 1 for axis, side in enumerate(op.shape)):
            return None
        part = array.reshape([op.shape[axis] for axis in op.axes]).astype(np.float32)
        norm: dict[str, Any] = {"axes": op.axes, "epsilon": op.epsilon, "root_mean_square": op.root_mean_square}
        scale, shift = (part, None) if function == "multiply" else (op.scale, part)
        return on.add(LayerNorm, op.inputs, scale=scale, shift=shift, **norm)
    return None


def _both(on: Views, function: str, a: Value, b: Value) -> View:
    if isinstance(a, View) and isinstance(b, View):
        recognized = patterns.PAIRS.get(function)
        if recognized and a.order == b.order and (name := recognized(on, a.name, b.name)):
            return replace(a, name=name)
        return on.pair(function, a, b)
    if isinstance(a, View):
        return _with_constant(on, function, a, np.asarray(b))
    return _with_constant(on, function, seen(on, b), np.asarray(a), first=True)


def _elementwise(function: str) -> Reader:
    def read(on: Views, first: Value, *others: Value) -> Value:
        for other in others:
            first = _both(on, function, first, other)
        return first

    return read


def _mean(on: Views, *values: Value) -> View:
    total = _elementwise("add")(on, *values)
    return _with_constant(on, "multiply", seen(on, total), np.array(1 / len(values)))


# --- reductions ---------------------------------------------------------------------------------------------------


def _reduced(on: Views, x: Value, axes: Value | None, function: str) -> View:
    view, call = seen(on, x), on.call
    places = numbers(fixed(on, axes)) or call.get("axes")
    if not places and call.get("noop_with_empty_axes", 0):
        return view
    rank = len(view.order)
    places = sorted(place % rank for place in places or range(rank))
    inner = tuple(sorted(on.axis(view, place) for place in places))
    keep = bool(call.get("keepdims", 1))
    if inner == (1, 2) and len(view.axes) == 3 and function in ("mean", "max"):
        name = on.add(GlobalPool, [view.name], function=function, keep=keep)
    else:
        name = on.add(Reduce, [view.name], function=function, axes=inner, keep=keep)
    if keep:
        return replace(view, name=name)
    left = [axis for axis in range(len(view.axes)) if axis not in inner]
    order = tuple(
        None if axis is None else left.index(axis) for place, axis in enumerate(view.order) if place not in places
    )
    return replace(view, name=name, order=order, batch=view.batch - sum(place < view.batch for place in places))


def _reduction(
    function: str,
    before: Callable[[Views, View], View] | None = None,
    after: str = "",
) -> Reader:
    """Return the reader of a reduction: a function of each number, `Reduce`, and a function of what comes out."""

    def read(on: Views, x: Value, axes: Value | None = None) -> View:
        view = seen(on, x)
        made = _reduced(on, before(on, view) if before else view, axes, function)
        return activated(on, made, after) if after else made

    return read


def _squared(on: Views, view: View) -> View:
    return activated(on, view, "square")


_PLAIN = {
    "Abs": "abs", "Erf": "erf", "Exp": "exp", "HardSwish": "hard_swish", "Log": "log", "Mish": "mish",
    "Neg": "negative", "Reciprocal": "reciprocal", "Relu": "relu", "Sigmoid": "sigmoid", "Softplus": "softplus",
    "Softsign": "softsign", "Sqrt": "sqrt", "Tanh": "tanh",
}  # fmt: skip
READERS: dict[str, Reader] = {
    **{name: _activation(function) for name, function in _PLAIN.items()},
    "LeakyRelu": _activation("leaky_relu", slope=("alpha", 0.01)),
    "Elu": _activation("elu", slope=("alpha", 1.0)),
    "Celu": _activation("celu", slope=("alpha", 1.0)),
    "HardSigmoid": _activation("hard_sigmoid", slope=("alpha", 0.2), offset=("beta", 0.5)),
    "Selu": _selu,
    "ThresholdedRelu": _threshold,
    "PRelu": _prelu,
    "Clip": _clip,
    "Gelu": _gelu,
    "Swish": _swish(1.0),
    "QuickGelu": _swish(1.702),
    "Softmax": _softmax(False),
    "LogSoftmax": _softmax(True),
    "Identity": _same,
    "Dropout": _same,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Add": _elementwise("add"),
    "Sum": _elementwise("add"),
    "Sub": _elementwise("subtract"),
    "Mul": _elementwise("multiply"),
    "Div": _elementwise("divide"),
    "Max": _elementwise("maximum"),
    "Min": _elementwise("minimum"),
    "Pow": _elementwise("power"),
    "Mean": _mean,
    "ReduceMean": _reduction("mean"),
    "ReduceSum": _reduction("sum"),
    "ReduceMax": _reduction("max"),
    "ReduceMin": _reduction("min"),
    "ReduceL1": _reduction("sum", lambda on, view: activated(on, view, "abs")),
    "ReduceL2": _reduction("sum", _squared, "sqrt"),
    "ReduceSumSquare": _reduction("sum", _squared),
    "ReduceLogSum": _reduction("sum", None, "log"),
}
"""Every operator of this file by its name in the format."""
