"""Operations that exporters spell out in several nodes, recognized when the last of them is read.

What the last node makes is then written as one operation; those before it are left to nobody and drop out of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from picasso.core.graph import (
    Activation,
    Attention,
    Concat,
    Constant,
    Conv,
    Elementwise,
    LayerNorm,
    LocalResponseNorm,
    MatMul,
    Op,
    Reduce,
    Reshape,
    Softmax,
)
from picasso.core.preprocessing import Array
from picasso.models.onnx.op_views import Views
from picasso.models.op_patterns import gated, is_line, line, sixth

_NEAR = 1e-5


def _is_function(op: Op, function: str) -> bool:
    return isinstance(op, Activation) and op.function == function


def scaled(on: Views, name: str) -> str | None:
    """Recognize what ends in a scale: GELU, hard sigmoid and hard swish; return the new name, or None."""
    op = on.maker(name)
    found = line(op)
    if found is None or found[1] != 0:
        return None
    if abs(found[0] - 1 / 6) < _NEAR:
        spelled = sixth(on.maker, op.inputs[0])
        return None if spelled is None else on.add(Activation, [spelled[0]], **spelled[1])
    return _gelu(on, name)


def _factors(on: Views, name: str) -> tuple[float, list[str]]:
    """Return a product's one number and its other factors."""
    op = on.maker(name)
    found = line(op)
    if found is not None and found[1] == 0:
        number, names = _factors(on, op.inputs[0])
        return number * found[0], names
    if isinstance(op, Elementwise) and op.function == "multiply":
        (a, first), (b, second) = (_factors(on, inner) for inner in op.inputs)
        return a * b, first + second
    return 1.0, [name]


def _gelu(on: Views, name: str) -> str | None:
    """Recognize x * (1 + erf(x / sqrt(2))) / 2, in whatever order it is multiplied."""
    number, names = _factors(on, name)
    for factor in names:
        inner = on.maker(factor)
        if not is_line(inner, 1, 1) or not _is_function(on.maker(inner.inputs[0]), "erf"):
            continue
        start = on.maker(on.maker(inner.inputs[0]).inputs[0])
        if not is_line(start, 1 / math.sqrt(2), 0):
            continue
        x = start.inputs[0]
        own, parts = _factors(on, x)
        rest = [other for other in names if other != factor]
        if sorted(rest) == sorted(parts) and math.isclose(number, own / 2, rel_tol=_NEAR):
            return on.add(Activation, [x], function="gelu")
    return None


def _product(on: Views, a: str, b: str) -> str | None:
    """Recognize what ends in a product of two values: squares, SiLU, hard swish, Mish and GELU."""
    if a == b:
        return on.add(Activation, [a], function="square")
    for x, weight in ((a, b), (b, a)):
        op = on.maker(weight)
        function = gated(op, x)
        if function is not None:
            return on.add(Activation, [x], function=function)
        inner = on.maker(op.inputs[0]) if _is_function(op, "tanh") else None
        if inner is not None and _is_function(inner, "softplus") and inner.inputs == (x,):
            return on.add(Activation, [x], function="mish")
    product = on.add(Elementwise, [a, b], function="multiply")
    return _gelu(on, product) or product


def neighbors(channels: int, size: int) -> Array:
    """Return the kernel of 1 x 1 that makes the means over so many channels beside each other."""
    ones = np.ones((channels - size + 1, channels), np.float32)
    kernel: Array = (np.tril(np.triu(ones), size - 1) / np.float32(size))[:, :, None, None]
    return kernel


def _response_norm(on: Views, x: str, power: Op) -> str | None:
    """Recognize x / (bias + alpha * mean of squares around) ** beta."""
    base, exponent = (on.maker(name) for name in power.inputs)
    scale, shift = 1.0, 0.0
    while (found := line(base)) is not None:
        scale, shift, base = scale * found[0], shift + scale * found[1], on.maker(base.inputs[0])
    if not isinstance(base, Conv) or not isinstance(exponent, Constant) or exponent.value.size != 1:
        return None
    size = base.weight.shape[1] - base.weight.shape[0] + 1
    if size % 2 == 0 or not np.array_equal(base.weight, neighbors(base.weight.shape[1], size)):
        return None
    padded = on.maker(base.inputs[0])
    padded = on.maker(padded.inputs[0]) if isinstance(padded, Reshape) else padded
    if not isinstance(padded, Concat) or len(padded.inputs) != 3 or padded.axis != len(padded.shape) - 3:
        return None
    before, middle, after = (on.maker(name) for name in padded.inputs)
    square = on.maker(middle.inputs[0]) if isinstance(middle, Reshape) else middle
    borders = [part for part in (before, after) if isinstance(part, Constant) and not part.value.any()]
    halves = {part.shape[padded.axis] for part in borders}
    if len(borders) != 2 or halves != {size // 2} or not _is_function(square, "square") or square.inputs != (x,):
        return None
    beta = float(exponent.value.reshape(-1)[0])
    return on.add(LocalResponseNorm, [x], size=size, alpha=scale, beta=beta, bias=shift)


def _quotient(on: Views, a: str, b: str) -> str | None:
    """Recognize a normalization: what is centered, by its deviation; or by the squares of the channels around."""
    root = on.maker(b)
    if isinstance(root, Elementwise) and root.function == "power":
        return _response_norm(on, a, root)
    shifted = on.maker(root.inputs[0]) if _is_function(root, "sqrt") else root
    found = line(shifted)
    if found is None or abs(found[0] - 1) > _NEAR or found[1] < 0:
        return None
    return _normalized(on, a, shifted.inputs[0], found[1]) if shifted is not root else None


def _normalized(on: Views, a: str, variance: str, epsilon: float) -> str | None:
    mean = on.maker(variance)
    if not isinstance(mean, Reduce) or (mean.function, mean.keep) != ("mean", True):
        return None
    square = on.maker(mean.inputs[0])
    if not _is_function(square, "square") or square.inputs != (a,):
        return None
    centered = on.maker(a)
    if isinstance(centered, Elementwise) and centered.function == "subtract":
        x, middle = centered.inputs[0], on.maker(centered.inputs[1])
        if isinstance(middle, Reduce) and (middle.function, middle.axes, middle.inputs) == ("mean", mean.axes, (x,)):
            return on.add(LayerNorm, [x], axes=mean.axes, epsilon=epsilon)
    return on.add(LayerNorm, [a], axes=mean.axes, epsilon=epsilon, root_mean_square=True)


def attention(on: Views, weights: str, values: str) -> str | None:
    """Recognize softmax(scale * q @ k.T + mask) @ v; return its name, or None."""
    softmax = on.maker(weights)
    if not isinstance(softmax, Softmax) or softmax.log or softmax.axis not in (-1, len(softmax.shape) - 1):
        return None
    scores, masks = on.maker(softmax.inputs[0]), list[str]()
    if isinstance(scores, Elementwise) and scores.function == "add":
        masks, scores = [scores.inputs[1]], on.maker(scores.inputs[0])
    found = line(scores)
    scale = 1.0
    if found is not None and found[1] == 0:
        scale, scores = found[0], on.maker(scores.inputs[0])
    if not isinstance(scores, MatMul):
        return None
    q, turned = scores.inputs[0], scores.inputs[1]
    first, second = line(on.maker(q)), line(on.maker(turned))
    if first is not None and first[1] == 0:
        scale, q = scale * first[0], on.maker(q).inputs[0]
    if second is not None and second[1] == 0:
        scale, turned = scale * second[0], on.maker(turned).inputs[0]
    rank = len(on.build.shape(turned))
    if len({on.build.shape(part)[:-2] for part in (q, turned, values)}) > 1:
        return None
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    key = on.turned(turned, swapped)
    return on.add(Attention, [q, key, values, *masks], scale=scale)


PAIRS: dict[str, Callable[[Views, str, str], str | None]] = {"multiply": _product, "divide": _quotient}
"""What recognizes an operation whose last node is a function of two values, by that function."""
