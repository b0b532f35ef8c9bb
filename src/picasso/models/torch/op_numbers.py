"""Operations on each number of a PyTorch network, written on an op graph: activations and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from picasso.core import graph as g
from picasso.core.graph import GraphError, Shape
from picasso.core.preprocessing import Array
from picasso.models.op_patterns import gated, sixth
from picasso.models.torch.op_sheet import Operand, Sheet, Value

Writer = Callable[..., str | list[str | None]]
"""Writes an operation on a sheet, given the shape of its (first) result and its arguments; returns names of values."""


def same(sheet: Sheet, made: Shape, x: Value, *_: Any, **__: Any) -> str:
    """Write what leaves the numbers as they are."""
    return x.name


def dropout(sheet: Sheet, made: Shape, x: Value, p: float, train: bool) -> str:
    """Write a dropout, which is nothing at rest."""
    if train:
        raise GraphError("{op} at {layer} drops numbers at random.")
    return x.name


def activation(function: g.Function) -> Writer:
    """Return the writer of a plain activation."""

    def write(sheet: Sheet, made: Shape, x: Value) -> str:
        return sheet.each(g.Activation, x, function=function)

    return write


def clamp(sheet: Sheet, made: Shape, x: Value, min: Any = None, max: Any = None) -> str:  # torch's own names
    """Write limits, numbers or tensors of one number."""
    low, high = (
        default if one is None else float(one) if not hasattr(one, "shape") else _number(sheet, one)
        for one, default in ((min, -math.inf), (max, math.inf))
    )
    if low == 0 and high == math.inf:
        return sheet.each(g.Activation, x, function="relu")
    return sheet.each(g.Activation, x, function="clip", low=low, high=high)


def clamp_max(sheet: Sheet, made: Shape, x: Value, max: Any) -> str:
    """Write an upper limit."""
    return clamp(sheet, made, x, None, max)


def relu6(sheet: Sheet, made: Shape, x: Value) -> str:
    """Write a ReLU with a cap of six."""
    return clamp(sheet, made, x, 0, 6)


def hardtanh(sheet: Sheet, made: Shape, x: Value, min_val: float = -1, max_val: float = 1) -> str:
    """Write limits that are -1 and 1 where nothing else is said."""
    return clamp(sheet, made, x, min_val, max_val)


def threshold(sheet: Sheet, made: Shape, x: Value, threshold: float, value: float) -> str:
    """Write a ReLU that is called a threshold."""
    if threshold != 0 or value != 0:
        raise GraphError("{op} at {layer} has a threshold other than zero.")
    return clamp(sheet, made, x, 0)


def hard_sigmoid(sheet: Sheet, made: Shape, x: Value) -> str:
    """Write PyTorch's hard sigmoid."""
    return sheet.each(g.Activation, x, function="hard_sigmoid", slope=1 / 6, offset=0.5)


def leaky_relu(sheet: Sheet, made: Shape, x: Value, negative_slope: float = 0.01) -> str:
    """Write a ReLU that leaks."""
    return sheet.each(g.Activation, x, function="leaky_relu", slope=float(negative_slope))


def rrelu(
    sheet: Sheet,
    made: Shape,
    x: Value,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Any = None,
) -> str:
    """Write a ReLU with a random slope, which is the middle one at rest."""
    dropout(sheet, made, x, 0, training)
    return leaky_relu(sheet, made, x, (lower + upper) / 2)


def elu(sheet: Sheet, made: Shape, x: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> str:
    """Write an ELU."""
    if scale != 1 or input_scale != 1:
        raise GraphError("{op} at {layer} is scaled.")
    return sheet.each(g.Activation, x, function="elu", slope=float(alpha))


def celu(sheet: Sheet, made: Shape, x: Value, alpha: float = 1) -> str:
    """Write a CELU."""
    return sheet.each(g.Activation, x, function="celu", slope=float(alpha))


def prelu(sheet: Sheet, made: Shape, x: Value, weight: Operand) -> str:
    """Write a ReLU with a learned slope for each channel."""
    slopes = sheet.weight(weight).ravel()
    if slopes.size == 1:
        return leaky_relu(sheet, made, x, float(slopes[0]))
    if sheet.axis(x, 1) != 0:
        raise GraphError("{op} at {layer} has its channels on another axis than the first.")
    return sheet.put(g.Activation, x.name, function="prelu", slopes=slopes)


def gelu(sheet: Sheet, made: Shape, x: Value, approximate: str = "none") -> str:
    """Write a GELU."""
    return sheet.each(g.Activation, x, function="gelu_tanh" if approximate == "tanh" else "gelu")


def softplus(sheet: Sheet, made: Shape, x: Value, beta: float = 1, threshold: float = 20) -> str:
    """Write a softplus; what PyTorch leaves out past the threshold is less than float32 holds."""
    if beta != 1 or threshold < 20:
        raise GraphError("{op} at {layer} has a beta other than one.")
    return sheet.each(g.Activation, x, function="softplus")


def power(sheet: Sheet, made: Shape, x: Operand, exponent: Operand) -> str:
    """Write a power; the usual ones are functions of their own."""
    known: dict[float, g.Function] = {2: "square", 0.5: "sqrt", -1: "reciprocal", -0.5: "rsqrt"}
    if isinstance(x, Value) and isinstance(exponent, int | float) and exponent in known:
        return sheet.each(g.Activation, x, function=known[exponent])
    return _elementwise(sheet, made, "power", x, exponent)


def add(sheet: Sheet, made: Shape, a: Operand, b: Operand, alpha: float = 1) -> str:
    """Write `a + alpha * b`."""
    if not isinstance(a, Value):
        a, b = _times(sheet, b, alpha), a
    elif isinstance(b, Value):
        return _elementwise(sheet, made, "add", a, _times(sheet, b, alpha))
    else:
        b = _array(sheet, b) * np.float32(alpha) if alpha != 1 else b
    return _scaled(sheet, made, a, None, b)


def subtract(sheet: Sheet, made: Shape, a: Operand, b: Operand, alpha: float = 1) -> str:
    """Write `a - alpha * b`."""
    if isinstance(a, Value) and isinstance(b, Value):
        return _elementwise(sheet, made, "subtract", a, _times(sheet, b, alpha))
    if isinstance(a, Value):
        return _scaled(sheet, made, a, None, -_array(sheet, b) * np.float32(alpha))
    return _scaled(sheet, made, b, -np.float32(alpha), a)


def subtract_from(sheet: Sheet, made: Shape, a: Operand, b: Operand, alpha: float = 1) -> str:
    """Write `b - alpha * a`."""
    return subtract(sheet, made, b, a, alpha)


def multiply(sheet: Sheet, made: Shape, a: Operand, b: Operand) -> str:
    """Write a product; a number times its sigmoid is an activation."""
    if isinstance(a, Value) and isinstance(b, Value):
        return _gated(sheet, a, b) or _gated(sheet, b, a) or _elementwise(sheet, made, "multiply", a, b)
    x, factor = (a, b) if isinstance(a, Value) else (b, a)
    return _scaled(sheet, made, x, factor, None)


def divide(sheet: Sheet, made: Shape, a: Operand, b: Operand, rounding_mode: str | None = None) -> str:
    """Write a quotient."""
    if rounding_mode is not None:
        raise GraphError("{op} at {layer} rounds.")
    if not isinstance(a, Value) or isinstance(b, Value):
        return _elementwise(sheet, made, "divide", a, b)
    divisor = _array(sheet, b)
    if divisor.size == 1 and float(divisor.ravel()[0]) == 6 and (spelled := _spelled(sheet, a)) is not None:
        return spelled
    return _scaled(sheet, made, a, 1 / divisor.astype(np.float64), None)


def larger(sheet: Sheet, made: Shape, a: Operand, b: Operand) -> str:
    """Write the larger of two numbers; with zero that is a ReLU."""
    for x, other in ((a, b), (b, a)):
        zero = not isinstance(other, Value) and not sheet.weight(other).any()
        if zero and isinstance(x, Value) and x.shape == made:
            return sheet.each(g.Activation, x, function="relu")
    return _elementwise(sheet, made, "maximum", a, b)


def smaller(sheet: Sheet, made: Shape, a: Operand, b: Operand) -> str:
    """Write the smaller of two numbers."""
    return _elementwise(sheet, made, "minimum", a, b)


def product_added(sheet: Sheet, made: Shape, x: Operand, a: Operand, b: Operand, value: float = 1) -> str:
    """Write `x + value * a * b`."""
    if not isinstance(a, Value) and not isinstance(b, Value):
        return add(sheet, made, x, a * b, value)
    sides = np.broadcast_shapes(a.shape, b.shape)
    return add(sheet, made, x, Value(multiply(sheet, sides, a, b), sides), value)


def where(sheet: Sheet, made: Shape, condition: Operand, a: Operand, b: Operand) -> str:
    """Write one number in the place of others, where a mask that does not depend on the picture says so."""
    chosen = sheet.weight(condition).astype(bool)
    if isinstance(a, Value) and isinstance(b, Value):
        raise GraphError("{op} at {layer} mixes two tensors.")
    return masked(sheet, made, a, ~chosen, b) if isinstance(a, Value) else masked(sheet, made, b, chosen, a)


def masked(sheet: Sheet, made: Shape, x: Value, mask: Operand, value: Operand) -> str:
    """Write another number in the place of those that a mask covers."""
    covered = sheet.weight(mask).astype(bool)
    other = float(_number(sheet, value) if hasattr(value, "shape") else value)
    if other == -math.inf:
        return _scaled(sheet, made, x, None, np.where(covered, np.float32(other), np.float32(0)))
    kept = Value(_scaled(sheet, made, x, np.where(covered, 0.0, 1.0), None), made)
    return _scaled(sheet, made, kept, None, np.where(covered, other, 0.0))


def _array(sheet: Sheet, operand: Operand) -> Array:
    """Return a number, an array or a tensor that does not depend on the picture as an array."""
    if isinstance(operand, int | float | np.ndarray | np.generic):
        return np.asarray(operand)
    return sheet.weight(operand)  # type: ignore[no-any-return]


def _number(sheet: Sheet, operand: Operand) -> float:
    array = sheet.weight(operand)
    if array.size != 1:
        raise GraphError("{op} at {layer} has limits for each number.")
    return float(array.ravel()[0])


def _times(sheet: Sheet, x: Value, factor: float) -> Value:
    return x if factor == 1 else Value(_scaled(sheet, x.shape, x, factor, None), x.shape)


def _scaled(sheet: Sheet, made: Shape, x: Value, scale: Operand, shift: Operand) -> str:
    """Write `scale * x` or `x + shift` or both with numbers that do not depend on the picture; None for none."""
    factor = np.asarray(1.0) if scale is None else _array(sheet, scale)
    added = np.asarray(0.0) if shift is None else _array(sheet, shift)
    sides = np.broadcast_shapes(factor.shape, added.shape)
    sides = (1,) * (len(made) - len(sides)) + sides
    if x.shape == made and sum(side != 1 for side in sides) <= 1 and np.isfinite(added).all():
        try:
            return sheet.scaled(x, *(one.reshape((1,) * (len(made) - one.ndim) + one.shape) for one in (factor, added)))
        except GraphError:
            pass
    name = x.name
    if scale is not None:
        name = _elementwise(sheet, made, "multiply", x, factor)
        x = Value(name, made)
    return name if shift is None else _elementwise(sheet, made, "add", x, added)


def _elementwise(sheet: Sheet, made: Shape, function: str, a: Operand, b: Operand) -> str:
    """Write two values number by number, with as many axes as the result."""
    if isinstance(a, Value) and isinstance(b, Value) and a.shape == b.shape == made:
        maps = [sheet.turned(one.name) for one in (a, b)]
        if any(maps):
            channels_first = [one or sheet.first(x.name) for one, x in zip(maps, (a, b), strict=True)]
            return sheet.last(sheet.put(g.Elementwise, *channels_first, function=function))
    dropped = int(made[:1] == (1,))
    return sheet.put(g.Elementwise, *(sheet.full(one, len(made), dropped) for one in (a, b)), function=function)


def _gated(sheet: Sheet, x: Value, gate: Value) -> str | None:
    """Write `x * sigmoid(x)` as the activation that it is, its hard form too."""
    if x.shape != gate.shape:
        return None
    source, key = sheet.turned(x.name), sheet.turned(gate.name)
    function = gated(sheet.op(key or gate.name), source or x.name)
    return function and sheet.each(g.Activation, x, function=function)


def _spelled(sheet: Sheet, x: Value) -> str | None:
    """Write `relu6(x + 3) / 6` and `x * relu6(x + 3) / 6` as the activations that they are, from what is divided."""
    found = sixth(sheet.op, x.name)
    return None if found is None else sheet.put(g.Activation, found[0], **found[1])


_PLAIN: tuple[g.Function, ...] = (
    "relu", "selu", "sigmoid", "tanh", "silu", "mish", "exp", "log", "sqrt", "abs", "square", "reciprocal", "rsqrt",
    "erf",
)  # fmt: skip
_SAME = (
    "alias", "clone", "contiguous", "conj", "detach", "_to_copy", "lift_fresh", "positive", "resolve_conj",
    "resolve_neg", "to", "type_as",
)  # fmt: skip
TABLE: dict[str, Writer] = {
    **{name: activation(name) for name in _PLAIN},
    **dict.fromkeys(_SAME, same),
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"), dropout),
    **dict.fromkeys(("clamp", "clip", "clamp_min"), clamp),
    "neg": activation("negative"),
    "clamp_max": clamp_max,
    "relu6": relu6,
    "hardtanh": hardtanh,
    "threshold": threshold,
    "hardsigmoid": hard_sigmoid,
    "hardswish": activation("hard_swish"),
    "leaky_relu": leaky_relu,
    "rrelu": rrelu,
    "elu": elu,
    "celu": celu,
    "prelu": prelu,
    "gelu": gelu,
    "softplus": softplus,
    "pow": power,
    "add": add,
    "sub": subtract,
    "subtract": subtract,
    "rsub": subtract_from,
    "mul": multiply,
    "multiply": multiply,
    "div": divide,
    "divide": divide,
    "true_divide": divide,
    "maximum": larger,
    "minimum": smaller,
    "addcmul": product_added,
    "where": where,
    "masked_fill": masked,
}
"""Writers by the names of PyTorch's operations."""
