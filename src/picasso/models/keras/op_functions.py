"""What each function of Keras is in the op graph: activations, and the operations of keras.ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from picasso.core import graph as g
from picasso.models.keras.functions import Site, known_as
from picasso.models.keras.mending import old_hard_sigmoid
from picasso.models.keras.op_values import Value, Values, map_order, numbers, plain_order

SIMPLE: Mapping[str, Mapping[str, Any]] = {
    "relu": {"function": "relu"},
    "relu6": {"function": "clip", "low": 0.0, "high": 6.0},
    "sigmoid": {"function": "sigmoid"},
    "tanh": {"function": "tanh"},
    "silu": {"function": "silu"},
    "selu": {"function": "selu"},
    "softplus": {"function": "softplus"},
    "softsign": {"function": "softsign"},
}
"""Activations that are one thing in Keras and in its backends."""
OWN: Mapping[str, Mapping[str, Any]] = {
    "elu": {"function": "elu", "slope": 1.0},
    "celu": {"function": "celu", "slope": 1.0},
    "leaky_relu": {"function": "leaky_relu", "slope": 0.2},
    "hard_sigmoid": {"function": "hard_sigmoid", "slope": 1 / 6, "offset": 0.5},
    "hard_silu": {"function": "hard_swish"},
    "hard_tanh": {"function": "clip", "low": -1.0, "high": 1.0},
    "mish": {"function": "mish"},
    "gelu": {"function": "gelu"},
    "exponential": {"function": "exp"},
}
"""Activations of keras.activations, with the settings that they have there."""
OLD_HARD_SIGMOID = {"function": "hard_sigmoid", "slope": 0.2, "offset": 0.5}


class Reading(Values):
    """The values of a model that is being read.

    Args:
        keras: The imported package.
        head: The softmax or sigmoid that is left out, or None.
        read_call: Reads a call of an operation or a layer.
    """

    def __init__(self, keras: Any, head: Site | None, read_call: Callable[..., Any]) -> None:
        super().__init__()
        self.keras = keras
        self.head = head
        self.read_call = read_call


def activated(read: Reading, layer: Any, x: Value) -> Value:
    """Return what a layer's activation makes of a value."""
    function = layer.activation
    head = read.head
    if function is None or (head is not None and (head.operation, head.attribute) == (layer, "activation")):
        return x
    if isinstance(function, read.keras.Operation):
        return read.read_call(function, x)  # type: ignore[no-any-return]
    activations = read.keras.activations
    if function is activations.linear:
        return x
    for name in ("softmax", "log_softmax"):
        if function in known_as(read.keras, name):
            return softmax(read, x, -1, log=name == "log_softmax")
    given = next((given for name, given in SIMPLE.items() if function in known_as(read.keras, name)), None)
    if given is None:
        given = next((given for name, given in OWN.items() if function is getattr(activations, name, None)), None)
    if function is old_hard_sigmoid:
        given = OLD_HARD_SIGMOID
    if given is None:
        raise read.refused(f"the activation {getattr(function, '__name__', type(function).__name__)}")
    return read.same(x, g.Activation, **given)


def softmax(read: Reading, x: Value, axis: Any, log: bool = False) -> Value:
    """Return the softmax along one Keras axis, numbered with the batch."""
    axes = axis if isinstance(axis, list | tuple) else [axis]
    if len(axes) != 1 or axes[0] is None:
        raise read.refused("a softmax over several axes")
    return read.same(x, g.Softmax, axis=x.order.index(read.axis(x, axes[0])), log=log)


def clipped_relu(read: Reading, layer: Any, x: Value) -> Value:
    """Read a ReLU with a slope below zero and a largest value."""
    if layer.threshold:
        raise read.refused("a ReLU with a threshold")
    slope = float(layer.negative_slope or 0)
    high = None if layer.max_value is None else float(layer.max_value)
    if not slope:
        given = {"function": "relu"} if high is None else {"function": "clip", "low": 0.0, "high": high}
        return read.same(x, g.Activation, **given)
    x = read.same(x, g.Activation, function="leaky_relu", slope=slope)
    return x if high is None else read.same(x, g.Activation, function="clip", high=high)


def resized(read: Reading, x: Value, sides: tuple[int, int], interpolation: str, antialias: bool) -> Value:
    """Resize a map of the graph as the backend does: the matrix of each axis is what it makes of single pixels."""

    def matrix(out: int, side: int) -> Any:
        if interpolation == "nearest" and out % side == 0:
            return np.repeat(np.eye(side, dtype=np.float32), out // side, axis=0)
        single = np.eye(side, dtype=np.float32)[None, :, None, :]
        given = {"interpolation": interpolation, "antialias": antialias, "data_format": "channels_last"}
        return numbers(read.keras.ops.image.resize(single, (out, 1), **given))[0, :, 0]

    _, height, width = read.build.shape(x.name)
    return read.same(x, g.Resize, rows=matrix(sides[0], height), columns=matrix(sides[1], width))


def _function(read: Reading, operation: Any, x: Value, **given: Any) -> Value:
    return read.same(x, g.Activation, **given)


def _two(read: Reading, operation: Any, a: Any, b: Any, function: str) -> Value:
    return read.elementwise(function, a, b)


def _reduce(read: Reading, operation: Any, x: Value, function: str) -> Value:
    if getattr(operation, "initial", None) is not None:
        raise read.refused("a reduction with a first value")
    return read.reduced(x, function, operation.axis, bool(operation.keepdims))


def _reshape(read: Reading, operation: Any, x: Value) -> Value:
    first, *sides = operation.newshape
    free = first is None or first == -1
    if not free or any(side is None or side < 0 for side in sides):
        raise read.refused(f"reshaping to {tuple(operation.newshape)}")
    return read.reshaped(x, sides)


def _transpose(read: Reading, operation: Any, x: Value) -> Value:
    rank = len(x.order) + 1
    axes = [axis % rank for axis in operation.axes or range(rank)[::-1]]
    if axes[0] != 0:
        raise read.refused("moving the batch")
    return Value(x.name, tuple(axes.index(axis + 1) - 1 for axis in x.order))


def _swap(read: Reading, operation: Any, x: Value) -> Value:
    a, b = read.axis(x, operation.axis1), read.axis(x, operation.axis2)
    return Value(x.name, tuple({a: b, b: a}.get(axis, axis) for axis in x.order))


def _squeeze(read: Reading, operation: Any, x: Value) -> Value:
    axes = operation.axis
    if axes is None:
        raise read.refused("squeezing whatever has one entry")
    return read.squeezed(x, [read.axis(x, axis) for axis in (axes if isinstance(axes, list | tuple) else [axes])])


def _expand(read: Reading, operation: Any, x: Value) -> Value:
    axes = operation.axis if isinstance(operation.axis, list | tuple) else [operation.axis]
    rank = len(x.order) + 1 + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        if axis == 0:
            raise read.refused("an axis before the batch")
        x = read.expanded(x, axis - 1)
    return x


def _get(read: Reading, operation: Any, x: Value, key: Any) -> Value:
    """Read an index, axis by axis."""
    keys = list(key) if isinstance(key, list | tuple) else [key]
    if any(not isinstance(part, int | slice | type(None) | type(Ellipsis)) for part in keys):
        raise read.refused("an index that is itself calculated")
    taken = sum(part is not None and part is not Ellipsis for part in keys)
    place = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys[place : place + 1] = [slice(None)] * (len(x.order) + 1 - taken)
    if keys[0] != slice(None):
        raise read.refused("an index into the batch")
    axis = 0
    for part in keys[1:]:
        if part is None:
            x = read.expanded(x, axis)
        elif isinstance(part, slice):
            x = read.sliced(x, axis, part)
        else:
            at = part % read.shape(x)[axis]
            x = read.squeezed(read.sliced(x, axis, slice(at, at + 1)), [axis])
            continue
        axis += 1
    return x


def _pad(read: Reading, operation: Any, x: Value, constant_values: Any = None) -> Value:
    widths = [tuple(width) for width in operation.pad_width]
    mode = {"constant": "constant", "edge": "edge", "reflect": "reflect"}.get(operation.mode)
    if len(x.order) != 3 or len(widths) != 4 or widths[0] != (0, 0) or mode is None:
        raise read.refused(f"padding by {widths} ({operation.mode})")
    still = [axis for axis in plain_order(3) if widths[axis + 1] == (0, 0)]
    if not still:
        raise read.refused("padding all axes")
    # The channels where they rest, else the first axis that does.
    x = read.with_first(x, x.order[0] if x.order[0] in still else still[0])
    (top, bottom), (left, right) = (widths[axis + 1] for axis in x.order[1:])
    value = float(constant_values or 0)
    return read.same(x, g.Pad, padding=(top, left, bottom, right), value=value, mode=mode)


def _clip(read: Reading, operation: Any, x: Value) -> Value:
    low, high = float(operation.x_min), float(operation.x_max)
    return read.same(x, g.Activation, function="clip", low=low, high=high)


def _matmul(read: Reading, operation: Any, a: Any, b: Any) -> Value:
    if isinstance(a, Value) and not isinstance(b, Value) and np.ndim(b) == 2:
        a = a if a.order[-1] == len(a.order) - 1 else read.plain(a)
        return read.same(a, g.Linear, weight=np.asarray(b, np.float32).T, bias=None)
    if not (isinstance(a, Value) and isinstance(b, Value)) or len(a.order) != len(b.order) or len(a.order) < 2:
        raise read.refused("a product of matrices of these shapes")
    a, b = read.plain(a), read.plain(b)
    return Value(read.add(g.MatMul, a.name, b.name), a.order)


def _cast(read: Reading, operation: Any, x: Value) -> Value:
    if operation.dtype not in ("float32", "float64"):
        raise read.refused(f"a cast to {operation.dtype}")
    return x


def _resize(read: Reading, operation: Any, x: Value) -> Value:
    if operation.crop_to_aspect_ratio or operation.pad_to_aspect_ratio:
        raise read.refused("resizing that keeps proportions")
    x = read.arranged(x, map_order(operation.data_format or read.keras.config.image_data_format()))
    return resized(read, x, tuple(operation.size), operation.interpolation, operation.antialias)


def _flip(read: Reading, operation: Any, x: Value) -> Value:
    axes = operation.axis if isinstance(operation.axis, list | tuple) else [operation.axis]
    for axis in axes:
        x = read.sliced(x, read.axis(x, axis), slice(None, None, -1))
    return x


def _stack(read: Reading, operation: Any, parts: Any) -> Value:
    rank = len(parts[0].order) + 2
    axis = operation.axis % rank
    return read.joined([read.expanded(part, axis - 1) for part in parts], axis)


def _split(read: Reading, operation: Any, x: Value) -> list[Value]:
    axis = read.axis(x, operation.axis)
    side, asked = read.shape(x)[axis], operation.indices_or_sections
    inner = range(side // asked, side, side // asked) if isinstance(asked, int) else asked
    ends = [0, *(int(end) for end in inner), side]
    return [read.sliced(x, axis, slice(a, b)) for a, b in pairwise(ends)]


def _alone(read: Reading, operation: Any, x: Value) -> Value:
    return x


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "Add": partial(_two, function="add"),
    "Subtract": partial(_two, function="subtract"),
    "Multiply": partial(_two, function="multiply"),
    "Divide": partial(_two, function="divide"),
    "TrueDivide": partial(_two, function="divide"),
    "Power": partial(_two, function="power"),
    "Maximum": partial(_two, function="maximum"),
    "Minimum": partial(_two, function="minimum"),
    "Negative": partial(_function, function="negative"),
    "Square": partial(_function, function="square"),
    "Sqrt": partial(_function, function="sqrt"),
    "Rsqrt": partial(_function, function="rsqrt"),
    "Reciprocal": partial(_function, function="reciprocal"),
    "Exp": partial(_function, function="exp"),
    "Log": partial(_function, function="log"),
    "Abs": partial(_function, function="abs"),
    "Absolute": partial(_function, function="abs"),
    "Erf": partial(_function, function="erf"),
    "Relu": partial(_function, **SIMPLE["relu"]),
    "Relu6": partial(_function, **SIMPLE["relu6"]),
    "Sigmoid": partial(_function, **SIMPLE["sigmoid"]),
    "Tanh": partial(_function, **SIMPLE["tanh"]),
    "Silu": partial(_function, **SIMPLE["silu"]),
    "Selu": partial(_function, **SIMPLE["selu"]),
    "Softplus": partial(_function, **SIMPLE["softplus"]),
    "Softsign": partial(_function, **SIMPLE["softsign"]),
    "HardSigmoid": partial(_function, **OWN["hard_sigmoid"]),
    "HardSilu": partial(_function, **OWN["hard_silu"]),
    "HardTanh": partial(_function, **OWN["hard_tanh"]),
    "Mish": partial(_function, **OWN["mish"]),
    "ReLU": clipped_relu,
    "LeakyRelu": lambda read, operation, x: read.same(
        x, g.Activation, function="leaky_relu", slope=float(operation.negative_slope)
    ),
    "Elu": lambda read, operation, x: read.same(x, g.Activation, function="elu", slope=float(operation.alpha)),
    "Celu": lambda read, operation, x: read.same(x, g.Activation, function="celu", slope=float(operation.alpha)),
    "Gelu": lambda read, operation, x: read.same(
        x, g.Activation, function="gelu_tanh" if operation.approximate else "gelu"
    ),
    "Softmax": lambda read, operation, x: softmax(read, x, operation.axis),
    "LogSoftmax": lambda read, operation, x: softmax(read, x, operation.axis, log=True),
    "Mean": partial(_reduce, function="mean"),
    "Sum": partial(_reduce, function="sum"),
    "Max": partial(_reduce, function="max"),
    "Amax": partial(_reduce, function="max"),
    "Min": partial(_reduce, function="min"),
    "Amin": partial(_reduce, function="min"),
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Swapaxes": _swap,
    "Squeeze": _squeeze,
    "ExpandDims": _expand,
    "GetItem": _get,
    "Concatenate": lambda read, operation, parts: read.joined(parts, operation.axis),
    "Stack": _stack,
    "Split": _split,
    "Flip": _flip,
    "Pad": _pad,
    "Clip": _clip,
    "Matmul": _matmul,
    "Cast": _cast,
    "Resize": _resize,
    "Copy": _alone,
    "StopGradient": _alone,
}
"""What reads an operation of keras.ops, by its class."""
