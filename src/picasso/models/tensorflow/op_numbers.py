"""Number by number: sums, products and functions of TensorFlow, with constants folded to a scale and a shift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from picasso.core.graph import Activation, Affine, Conv, ConvTranspose, Elementwise, Function, Linear
from picasso.models.op_patterns import gated
from picasso.models.tensorflow import op_norms
from picasso.models.tensorflow.op_reader import Handler, Numbers, Reader, Value, ordered, plain_axes

_ONE, _NOTHING = np.ones(()), np.zeros(())
_WITH_CONSTANT: dict[str, Callable[[Numbers, bool], tuple[Numbers, Numbers]]] = {
    "add": lambda constant, first: (_ONE, constant),
    "subtract": lambda constant, first: (-_ONE, constant) if first else (_ONE, -constant),
    "multiply": lambda constant, first: (constant, _NOTHING),
    "divide": lambda constant, first: (constant if first else 1 / constant, _NOTHING),
}
"""The scale and the shift that an operation with a constant is; whether that comes first."""


def _binary(function: str) -> Handler:
    def read(reader: Reader, op: Any) -> Value:
        if reader.varies(op, 0) and reader.varies(op, 1):
            values = [reader.value(op, place, merged=True, blocks=True) for place in (0, 1)]
            return joined(reader, op, function, values[0], values[1])
        first = not reader.varies(op, 0)
        value = reader.value(op, int(first), merged=True, blocks=True)
        constant = _aligned(reader, op, value, reader.fixed(op, int(not first)))
        if function in _WITH_CONSTANT:
            if function == "divide" and first:
                value = _activation(reader, op, value, "reciprocal")
            scale, shift = _WITH_CONSTANT[function](constant, first)
            return shifted(reader, op, value, scale, shift)
        return _with_constant(reader, op, function, value, constant, first)

    return read


def _with_constant(reader: Reader, op: Any, function: str, value: Value, constant: Numbers, first: bool) -> Value:
    """Write the larger or smaller of a value and a constant, or a power."""
    same = float(constant.flat[0]) if constant.size and (constant == constant.flat[0]).all() else None
    if same is not None and function == "maximum":
        return clipped(reader, op, value, low=same)
    if same is not None and function == "minimum":
        return clipped(reader, op, value, high=same)
    known: dict[float | None, Function] = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
    if function == "power" and not first and same in known:
        return _activation(reader, op, value, known[same])
    names = [value.name, reader.constant(op, constant)]
    name = reader.add(op, Elementwise, names[::-1] if first else names, function=function)
    return _alike(reader, op, value, name)


def _alike(reader: Reader, op: Any, value: Value, name: str) -> Value:
    """Return a value that lies as another; a constant may have broadcast it, which neither batch nor blocks allow."""
    same = reader.build.shape(name) == reader.build.shape(value.name)
    if not same and (value.merged or value.blocks is not None):
        raise reader.refuse(op, "broadcasts pictures that are mixed with each other")
    return replace(value, name=name)


def _aligned(reader: Reader, op: Any, value: Value, constant: Numbers) -> Numbers:
    """Return a constant in double precision as the op graph broadcasts it to a value."""
    rank = 1 + len(value.axes) - value.merged
    if value.blocks is not None and any(side != 1 for side in constant.shape[:-1]):
        raise reader.refuse(op, "has another constant for each place of a map that is mixed with the batch")
    if constant.ndim > rank:
        raise reader.refuse(op, "gives the pictures another axis")
    if constant.ndim == rank:
        if len(constant) != 1 and (value.merged or not (constant == constant[:1]).all()):
            raise reader.refuse(op, "has another constant for each picture")
        constant = constant[0]
    sides = (1,) * (len(value.axes) - constant.ndim) + constant.shape
    if not value.axes:
        return constant.astype(np.float64)
    return ordered(constant.astype(np.float64).reshape(sides), value.axes)


def shifted(reader: Reader, op: Any, value: Value, scale: Numbers, shift: Numbers) -> Value:
    """Write `scale * value + shift`, both broadcast as the op graph does it."""
    shape = reader.build.shape(value.name)
    scale, shift = _shrunk(scale, shape), _shrunk(shift, shape)
    fits = np.broadcast_shapes(scale.shape, shift.shape, shape) == shape
    if fits and (scale == 1).all() and (shift == 0).all():
        return value
    normed = op_norms.shifted(reader, op, value.name, scale, shift)
    if normed is not None:
        return replace(value, name=normed)
    if fits and shape and all(_of_channels(one, shape) for one in (scale, shift)):
        name = _affine(reader, op, value.name, *(_channels(one, shape) for one in (scale, shift)))
        op_norms.note_shifted(reader, value.name, name, scale, shift)
        return replace(value, name=name)
    biased = _biased(reader, op, value.name, scale, shift) if value.axes == plain_axes(value) else None
    if biased is not None:
        return replace(value, name=biased)
    name = value.name
    if not (scale == 1).all():
        name = reader.add(op, Elementwise, [name, reader.constant(op, scale)], function="multiply")
    if not (shift == 0).all() or not fits:
        name = reader.add(op, Elementwise, [name, reader.constant(op, shift)], function="add")
    op_norms.note_shifted(reader, value.name, name, scale, shift)
    return _alike(reader, op, value, name)


def _shrunk(array: Numbers, shape: tuple[int, ...]) -> Numbers:
    """Return an array of equal numbers as one, where it broadcasts to the shape all the same."""
    array = np.asarray(array, np.float64)
    if array.size and (array == array.flat[0]).all() and np.broadcast_shapes(array.shape, shape) == shape:
        return np.array(array.flat[0])
    return array


def _of_channels(array: Numbers, shape: tuple[int, ...]) -> bool:
    return not array.ndim or (array.ndim == len(shape) and array.size == array.shape[0])


def _channels(array: Numbers, shape: tuple[int, ...]) -> Numbers:
    return np.broadcast_to(array.ravel() if array.ndim else array, (shape[0],)).astype(np.float64)


def _affine(reader: Reader, op: Any, name: str, scale: Numbers, shift: Numbers) -> str:
    """Scale and shift the channels of a value, together with what did so before; a shift alone is a bias."""
    before = reader.made[name]
    whole = op_norms.uniform(scale, shift)
    if isinstance(before, Activation) and before.function == "clip" and whole is not None:
        # relu6(x + 3) / 6
        factor, term = whole
        if factor > 0 and abs(before.low * factor + term) < 1e-6 and abs(before.high * factor + term - 1) < 1e-6:
            return _hard_sigmoid(reader, op, before.inputs[0], factor, term)
    if isinstance(before, Conv | ConvTranspose) and _takes_bias(reader, op, before, scale):
        return _copied(reader, op, before, shift)
    if isinstance(before, Linear) and len(before.shape) == 1 and _takes_bias(reader, op, before, scale):
        return _copied(reader, op, before, shift)
    source, first_scale, first_shift = reader.affines.get(name, (name, np.ones(()), np.zeros(())))
    step = name, scale, shift
    scale, shift = first_scale * scale, first_shift * scale + shift
    made = reader.add(op, Affine, [source], scale=scale.astype(np.float32), shift=shift.astype(np.float32))
    reader.steps[made] = step
    reader.affines[made] = source, scale, shift
    return made


def _takes_bias(reader: Reader, op: Any, before: Conv | ConvTranspose | Linear, scale: Numbers) -> bool:
    """Say whether a shift alone comes behind weights without a bias, and nothing else reads what they give."""
    return before.bias is None and bool((scale == 1).all()) and not reader.read_elsewhere(op, before.name)


def _copied(reader: Reader, op: Any, before: Conv | ConvTranspose | Linear, bias: Numbers) -> str:
    """Write a convolution or a matrix once more, with a bias; the one without is read by nothing."""
    given: dict[str, Any] = {"weight": before.weight, "bias": bias.astype(np.float32)}
    if not isinstance(before, Linear):
        given |= {key: getattr(before, key) for key in ("stride", "padding", "dilation", "groups")}
    return reader.add(op, type(before), before.inputs, **given)


def _biased(reader: Reader, op: Any, name: str, scale: Numbers, shift: Numbers) -> str | None:
    """Return the name of a matrix with the shift as its bias, where it is one."""
    before = reader.made[name]
    if not isinstance(before, Linear) or not _takes_bias(reader, op, before, scale):
        return None
    if not (shift.ndim == 0 or shift.size == shift.shape[-1] == before.shape[-1]):
        return None
    return _copied(reader, op, before, np.broadcast_to(shift.ravel(), before.shape[-1:]))


def _steps(reader: Reader, name: str) -> list[tuple[str, float, float]]:
    """Return of what a value is `factor * it + term`, with both numbers: of itself, and of each value before."""
    found = [(name, 1.0, 0.0)]
    while name in reader.steps and (whole := op_norms.uniform(*reader.steps[name][1:])) is not None:
        name, (_, factor, term) = reader.steps[name][0], found[-1]
        found.append((name, whole[0] * factor, whole[1] * factor + term))
    return found


def _hard_sigmoid(reader: Reader, op: Any, source: str, slope: float, offset: float) -> str:
    """Write what is held between 0 and 1 after a scale and a shift, with what scaled it before where that is known."""
    found = [(begin, slope * factor, slope * term + offset) for begin, factor, term in _steps(reader, source)]
    # The one of hard swish is taken where it begins, since its factor does so, too.
    usual = (one for one in found if abs(one[1] - 1 / 6) < 1e-7 and abs(one[2] - 0.5) < 1e-6)
    source, slope, offset = next(usual, found[-1])
    return reader.add(op, Activation, [source], function="hard_sigmoid", slope=slope, offset=offset)


def clipped(reader: Reader, op: Any, value: Value, low: float = -np.inf, high: float = np.inf) -> Value:
    """Write a value held between two numbers, together with what held it before."""
    before = reader.made[value.name]
    name = value.name
    if isinstance(before, Activation) and (
        before.function == "relu" or (before.function == "clip" and before.low <= before.high)
    ):
        first = (0.0, np.inf) if before.function == "relu" else (before.low, before.high)
        if max(first[0], low) <= min(first[1], high):
            name, low, high = before.inputs[0], max(first[0], low), min(first[1], high)
    if low == 0 and high == np.inf:
        return replace(value, name=reader.add(op, Activation, [name], function="relu"))
    if (low, high) == (0, 1) and name in reader.steps:
        return replace(value, name=_hard_sigmoid(reader, op, name, 1.0, 0.0))
    return replace(value, name=reader.add(op, Activation, [name], function="clip", low=low, high=high))


def joined(reader: Reader, op: Any, function: str, a: Value, b: Value) -> Value:
    """Write an operation on two values of the picture, or what the two together stand for."""
    if len(a.axes) != len(b.axes) or a.merged != b.merged or a.blocks != b.blocks:
        raise reader.refuse(op, "joins values of unlike axes")
    lead = a if np.prod(reader.shape(a)) >= np.prod(reader.shape(b)) else b
    left, right = reader.laid(a, lead.axes), reader.laid(b, lead.axes)
    name = _known(reader, op, function, left, right) or op_norms.joined(reader, op, function, left, right)
    if name is None:
        name = reader.add(op, Elementwise, [left, right], function=function)
        op_norms.note_joined(reader, function, left, right, name)
    return replace(lead, name=name)


def _known(reader: Reader, op: Any, function: str, left: str, right: str) -> str | None:
    """Return the name of an activation that two values together are, or None."""
    for x, y in ((left, right), (right, left)):
        gate = gated(reader.made[y], x) if function == "multiply" else None
        if gate is not None:
            return reader.add(op, Activation, [x], function=gate)
        if function == "multiply" and _is_gelu(reader, x, y):
            return reader.add(op, Activation, [reader.steps[x][0]], function="gelu")
        scaled = reader.steps.get(y)
        if function == "maximum" and scaled is not None and scaled[0] == x:
            whole = op_norms.uniform(*scaled[1:])
            if whole is not None and 0 < whole[0] < 1 and whole[1] == 0:
                return reader.add(op, Activation, [x], function="leaky_relu", slope=whole[0])
    return None


def _is_gelu(reader: Reader, half: str, rest: str) -> bool:
    """Say whether the product of two values is x / 2 * (1 + erf(x / sqrt(2))), or with 1 - erf(-x / sqrt(2))."""
    if half not in reader.steps or rest not in reader.steps:
        return False
    (source, *halved), (inner, *lifted) = reader.steps[half], reader.steps[rest]
    erf, whole = reader.made[inner], op_norms.uniform(lifted[0], lifted[1])
    if op_norms.uniform(halved[0], halved[1]) != (0.5, 0.0) or whole not in ((1.0, 1.0), (-1.0, 1.0)):
        return False
    if not isinstance(erf, Activation) or erf.function != "erf":
        return False
    scales = [
        factor * whole[0] for begin, factor, term in _steps(reader, erf.inputs[0]) if begin == source and not term
    ]
    return any(abs(scale - 0.5**0.5) < 1e-6 for scale in scales)


def _activation(reader: Reader, op: Any, value: Value, function: Function, **given: float) -> Value:
    name = reader.add(op, Activation, [value.name], function=function, **given)
    op_norms.note_function(reader, function, value.name, name)
    return replace(value, name=name)


_FUNCTIONS: dict[str, Function] = {
    "Relu": "relu", "Elu": "elu", "Selu": "selu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus",
    "Softsign": "softsign", "Erf": "erf", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Rsqrt": "rsqrt", "Abs": "abs",
    "Square": "square", "Reciprocal": "reciprocal", "Inv": "reciprocal",
}  # fmt: skip


def activated(reader: Reader, op: Any, kind: str, value: Value) -> Value:
    """Write a function of TensorFlow that has no settings of its own."""
    if kind == "Relu6":
        return _activation(reader, op, value, "clip", low=0.0, high=6.0)
    return _activation(reader, op, value, _FUNCTIONS[kind])


def _unary(reader: Reader, op: Any) -> Value:
    return activated(reader, op, op.type, reader.value(op, merged=True, blocks=True))


def _erfc(reader: Reader, op: Any) -> Value:
    return shifted(reader, op, _activation(reader, op, reader.value(op, merged=True), "erf"), -_ONE, _ONE)


def _leaky(reader: Reader, op: Any) -> Value:
    value = reader.value(op, merged=True, blocks=True)
    return _activation(reader, op, value, "leaky_relu", slope=float(op.get_attr("alpha")))


def _negative(reader: Reader, op: Any) -> Value:
    return shifted(reader, op, reader.value(op, merged=True, blocks=True), -_ONE, _NOTHING)


def _clip(reader: Reader, op: Any) -> Value:
    low, high = reader.fixed(op, 1), reader.fixed(op, 2)
    if low.size != 1 or high.size != 1:
        raise reader.refuse(op)
    return clipped(reader, op, reader.value(op, merged=True), float(low.item()), float(high.item()))


def _bias(reader: Reader, op: Any) -> Value:
    value, bias = reader.value(op, merged=True, blocks=True), reader.fixed(op, 1).astype(np.float64)
    first = op.get_attr("data_format") == b"NCHW" and len(value.axes) > 1 and not value.merged
    axis = value.axes[0 if first else -1]
    sides = [1] * len(value.axes)
    sides[axis] = -1
    return shifted(reader, op, value, _ONE, bias.reshape(sides))


def _squared_difference(reader: Reader, op: Any) -> Value:
    return _activation(reader, op, _binary("subtract")(reader, op), "square")  # type: ignore[arg-type]


def _select(reader: Reader, op: Any) -> Value:
    """Choose between two values where it is known beforehand which; so ends a dropout that is switched off."""
    chosen = reader.fixed(op, 0)
    place = 1 if chosen.all() else 2
    if chosen.any() and not chosen.all():
        raise reader.refuse(op)
    value = reader.value(op, place, merged=True)
    shape = (1, *reader.shape(value)[value.merged :])
    fixed = [reader.fixed(op, one).shape for one in range(3) if not reader.varies(op, one)]
    if any(len(one) > len(shape) or np.broadcast_shapes(shape, one)[1:] != shape[1:] for one in fixed):
        raise reader.refuse(op)
    return value


def _add_all(reader: Reader, op: Any) -> Value:
    if not all(reader.varies(op, place) for place in range(len(op.inputs))):
        raise reader.refuse(op, "adds a constant, for which the op graph has no form")
    total, *others = (reader.value(op, place) for place in range(len(op.inputs)))
    for value in others:
        total = joined(reader, op, "add", total, value)
    return total


HANDLERS: dict[str, Handler] = {
    "Add": _binary("add"),
    "AddV2": _binary("add"),
    "AddN": _add_all,
    "BiasAdd": _bias,
    "BiasAddV1": _bias,
    "Sub": _binary("subtract"),
    "Mul": _binary("multiply"),
    "Div": _binary("divide"),
    "RealDiv": _binary("divide"),
    "Maximum": _binary("maximum"),
    "Minimum": _binary("minimum"),
    "Pow": _binary("power"),
    "SquaredDifference": _squared_difference,
    "ClipByValue": _clip,
    "LeakyRelu": _leaky,
    "Neg": _negative,
    "Relu6": _unary,
    "Erfc": _erfc,
    **dict.fromkeys(("Select", "SelectV2"), _select),
    **dict.fromkeys(_FUNCTIONS, _unary),
}
