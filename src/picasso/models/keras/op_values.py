"""The values of a Keras model in an op graph: which axis is which, and what is done to them.

Keras keeps maps channels last, or first; the graph keeps them channels first. A value says which axis of the Keras
tensor each of its own is, so that turning costs an operation only where the order of numbers matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from picasso.core import graph as g
from picasso.core.graph import GraphError
from picasso.core.preprocessing import Array
from picasso.models.keras.facts import host
from picasso.models.op_patterns import gated, line


@dataclass(frozen=True, eq=False)
class Value:
    """A value of the graph that stands for a Keras tensor.

    Args:
        name: Its name in the graph.
        order: For each axis of the graph's value, which axis of the Keras tensor it is, without the batch.
    """

    name: str
    order: tuple[int, ...]


def numbers(value: Any) -> Array:
    """Return a variable, a tensor or a number as an array, without a copy where that can be."""
    value = getattr(value, "value", value)
    if hasattr(value, "read_value") and "CPU" in value.device:
        # TensorFlow copies when it is asked for an array, and shows its memory when it is asked for that.
        return np.asarray(memoryview(value.read_value()))
    return np.asarray(host(value))


def plain_order(count: int) -> tuple[int, ...]:
    """Return the order of axes that Keras has."""
    return tuple(range(count))


def map_order(data_format: Any) -> tuple[int, ...]:
    """Return the order that turns a Keras map into one of the graph: (channels, height, width)."""
    return (0, 1, 2) if data_format == "channels_first" else (2, 0, 1)


class Values:
    """Adds operations on values to a graph, for one layer after another.

    Attributes:
        build: What collects the operations.
        layer: Name of the layer that is being read.
    """

    def __init__(self) -> None:
        self.build = g.Builder()
        self.layer = ""
        self._made: dict[str, g.Op] = {}

    # --- shapes --------------------------------------------------------------------------------------------------

    def add(self, kind: type[g.Op], *names: str, **given: Any) -> str:
        """Add an operation of the current layer; return its value's name."""
        name = self.build.add(kind, names, layer=self.layer, **given)
        self._made[name] = self.build.ops[-1]
        return name

    def producer(self, value: Value) -> g.Op | None:
        """Return the operation that made a value, or None for the input."""
        return self._made.get(value.name)

    def same(self, value: Value, kind: type[g.Op], /, **given: Any) -> Value:
        """Return what an operation that keeps axes where they are makes of a value."""
        return Value(self.add(kind, value.name, **given), value.order)

    def shape(self, value: Value) -> tuple[int, ...]:
        """Return the shape of the Keras tensor, without the batch."""
        sides = dict(zip(value.order, self.build.shape(value.name), strict=True))
        return tuple(sides[axis] for axis in range(len(sides)))

    def axis(self, value: Value, axis: int) -> int:
        """Return which axis of the Keras tensor, without the batch, a Keras axis with the batch is."""
        rank = len(value.order) + 1
        if not -rank <= axis < rank or axis % rank == 0:
            raise self.refused("an operation along the batch")
        return axis % rank - 1

    def refused(self, what: str) -> GraphError:
        """Return the error for what the graph has no word for."""
        return GraphError(f"{what[0].upper()}{what[1:]} at '{self.layer}' has no form in the op graph.")

    # --- order ---------------------------------------------------------------------------------------------------

    def arranged(self, value: Value, order: Sequence[int]) -> Value:
        """Return the value with its axes in another order; transposes that follow one another become one."""
        order = tuple(order)
        if len(order) != len(value.order):
            raise self.refused(f"a tensor of {len(value.order)} axes where {len(order)} are read")
        if value.order == order:
            return value
        shape = self.shape(value)
        long = [axis for axis in value.order if shape[axis] > 1]
        if long == [axis for axis in order if shape[axis] > 1]:
            return Value(self._reshaped(value.name, tuple(shape[axis] for axis in order)), order)
        axes, name = tuple(value.order.index(axis) for axis in order), value.name
        made = self.producer(value)
        if isinstance(made, g.Transpose):
            axes, name = tuple(made.axes[axis] for axis in axes), made.inputs[0]
        if axes == plain_order(len(axes)):
            return Value(name, order)
        return Value(self.add(g.Transpose, name, axes=axes), order)

    def plain(self, value: Value) -> Value:
        """Return the value with its axes as Keras has them."""
        return self.arranged(value, plain_order(len(value.order)))

    def with_first(self, value: Value, axis: int) -> Value:
        """Return the value with one axis of the Keras tensor first and the others as they follow."""
        if value.order[0] == axis:
            return value
        return self.arranged(value, (axis, *(other for other in plain_order(len(value.order)) if other != axis)))

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        """Return the numbers in the order of Keras in another shape; one side may be -1."""
        known = -math.prod(shape) if -1 in shape else 1
        whole = math.prod(self.shape(value))
        target = tuple(whole // known if side == -1 else int(side) for side in shape)
        if math.prod(target) != whole:
            raise self.refused(f"reshaping {self.shape(value)} to {target}")
        return Value(self._reshaped(self.plain(value).name, target), plain_order(len(target)))

    def squeezed(self, value: Value, axes: Sequence[int]) -> Value:
        """Return the value without axes of one entry, numbered as Keras numbers them without the batch."""
        kept = [axis for axis in value.order if axis not in axes]
        sides = self.shape(value)
        order = tuple(sorted(kept).index(axis) for axis in kept)
        return Value(self._reshaped(value.name, tuple(sides[axis] for axis in kept)), order)

    def expanded(self, value: Value, axis: int) -> Value:
        """Return the value with a new axis of one entry before `axis`, numbered without the batch."""
        order = (*(old + (old >= axis) for old in value.order), axis)
        return Value(self._reshaped(value.name, (*self.build.shape(value.name), 1)), order)

    def _reshaped(self, name: str, target: tuple[int, ...]) -> str:
        """Reshape a value of the graph; reshapes that follow one another become one."""
        made = self._made.get(name)
        name = made.inputs[0] if isinstance(made, g.Reshape) else name
        return name if self.build.shape(name) == target else self.add(g.Reshape, name, target=target)

    # --- numbers -------------------------------------------------------------------------------------------------

    def affine(self, value: Value, scale: Any, shift: Any) -> Value:
        """Return `scale * value + shift` of constants that are broadcast as Keras does.

        One scale for each channel is an `Affine`; anything wider is a product and a sum.
        """
        rank, sides = len(value.order), self.shape(value)
        scale, shift = np.asarray(scale, np.float64), np.asarray(shift, np.float64)
        both = np.broadcast_arrays(*(self._full(part, rank) for part in (scale, shift)))
        wide = [axis for axis, side in enumerate(both[0].shape) if side > 1]
        channel = wide[0] if wide else value.order[0]
        fits = len(wide) <= 1 and all(both[0].shape[axis] == sides[axis] for axis in wide)
        if fits and (rank != 2 or value.order[0] == channel):
            value = self.with_first(value, channel)
            wanted = tuple(np.broadcast_to(part.reshape(-1), (sides[channel],)) for part in both)
            return self._scaled(value, *wanted)
        if (both[0] != 1).any():
            value = self._elementwise("multiply", value, self._constant(self._full(scale, rank), value.order))
        if both[1].any():
            value = self._elementwise("add", value, self._constant(self._full(shift, rank), value.order))
        return value

    def _scaled(self, value: Value, scale: Array, shift: Array) -> Value:
        """Return an `Affine`, or the hard sigmoid where it ends one that is spelled out."""
        made = self.producer(value)
        factor = float(scale[0])
        if (
            isinstance(made, g.Activation)
            and (made.function, made.low) == ("clip", 0.0)
            and factor > 0
            and np.allclose(scale * made.high, 1, rtol=1e-6)
            and not shift.any()
        ):
            inner = self._made.get(made.inputs[0])
            known = None if inner is None else line(inner)
            if inner is not None and known is not None:
                slope, offset = (part * factor for part in known)
                given = {"function": "hard_sigmoid", "slope": slope, "offset": offset}
                return Value(self.add(g.Activation, inner.inputs[0], **given), value.order)
        return self.same(value, g.Affine, scale=scale.astype(np.float32), shift=shift.astype(np.float32))

    def elementwise(self, function: str, a: Value | Array, b: Value | Array) -> Value:
        """Return what a function of two values, or of a value and a constant, makes; broadcast as Keras does."""
        if isinstance(a, Value) and isinstance(b, Value):
            return self._of_two(function, a, b)
        if isinstance(a, Value):
            return self._with_constant(function, a, np.asarray(b, np.float64))
        if isinstance(b, Value):
            return self._from_constant(function, np.asarray(a, np.float64), b)
        raise self.refused("an operation on constants alone")

    def _of_two(self, function: str, a: Value, b: Value) -> Value:
        if len(a.order) != len(b.order):
            raise self.refused("an operation on tensors of different numbers of axes")
        larger = a if math.prod(self.shape(a)) >= math.prod(self.shape(b)) else b
        a, b = self.arranged(a, larger.order), self.arranged(b, larger.order)
        if function == "multiply":
            for gate, x in ((a, b), (b, a)):
                if gated := self._gated(gate, x):
                    return gated
        return self._elementwise(function, a, b.name)

    def _gated(self, gate: Value, x: Value) -> Value | None:
        """Return x times a sigmoid of x as the one function that it is, or None."""
        made = self.producer(gate)
        function = None if made is None else gated(made, x.name)
        return None if function is None else self.same(x, g.Activation, function=function)

    def _with_constant(self, function: str, x: Value, c: Array) -> Value:
        single = float(c.reshape(-1)[0]) if c.size == 1 else None
        match function:
            case "add":
                return self.affine(x, 1, c)
            case "subtract":
                return self.affine(x, 1, -c)
            case "multiply":
                return self.affine(x, c, 0)
            case "divide" if c.all():
                return self.affine(x, 1 / c, 0)
            case "maximum" if single is not None:
                return self.same(x, g.Activation, function="clip", low=single)
            case "minimum" if single is not None:
                return self.same(x, g.Activation, function="clip", high=single)
            case "power" if single in (0.5, 2.0):
                return self.same(x, g.Activation, function="sqrt" if single == 0.5 else "square")
        return self._elementwise(function, x, self._constant(self._full(c, len(x.order)), x.order))

    def _from_constant(self, function: str, c: Array, x: Value) -> Value:
        match function:
            case "add" | "multiply" | "maximum" | "minimum":
                return self._with_constant(function, x, c)
            case "subtract":
                return self.affine(x, -1, c)
            case "divide" if c.all():
                return self.affine(self.same(x, g.Activation, function="reciprocal"), c, 0)
        name = self._constant(self._full(c, len(x.order)), x.order)
        return Value(self.add(g.Elementwise, name, x.name, function=function), x.order)

    def _elementwise(self, function: str, a: Value, name: str) -> Value:
        return Value(self.add(g.Elementwise, a.name, name, function=function), a.order)

    def _full(self, array: Array, rank: int) -> Array:
        """Return a constant with all axes of a tensor of so many, without the batch."""
        if array.ndim > rank + 1 or (array.ndim == rank + 1 and len(array) != 1):
            raise self.refused("a constant that does not fit the tensor")
        array = array[0] if array.ndim == rank + 1 else array
        return array.reshape((1,) * (rank - array.ndim) + array.shape)

    def _constant(self, array: Array, order: tuple[int, ...]) -> str:
        name = self.build.constant(array.transpose(order), layer=self.layer)
        self._made[name] = self.build.ops[-1]
        return name

    def joined(self, parts: Sequence[Value | Array], axis: int) -> Value:
        """Return values, and constants, one behind the other along a Keras axis, numbered with the batch."""
        first = max((part for part in parts if isinstance(part, Value)), key=lambda part: math.prod(self.shape(part)))
        place, rank = self.axis(first, axis), len(first.order)
        names = [
            self.arranged(part, first.order).name
            if isinstance(part, Value)
            else self._constant(self._full(np.asarray(part), rank), first.order)
            for part in parts
        ]
        return Value(self.add(g.Concat, *names, axis=first.order.index(place)), first.order)

    def reduced(self, value: Value, function: str, axes: Any, keep: bool) -> Value:
        """Return the sum, mean, largest or smallest number over Keras axes, numbered with the batch."""
        rank = len(value.order)
        listed = axes if isinstance(axes, list | tuple) else [axes]
        if axes is None:
            raise self.refused("an operation over the batch")
        places = {self.axis(value, int(axis)) for axis in listed}
        left = [axis for axis in plain_order(rank) if axis not in places]
        if rank == 3 and len(left) == 1 and function in ("mean", "max"):
            value = self.with_first(value, left[0])
            name = self.add(g.GlobalPool, value.name, function=function, keep=keep)
            return Value(name, value.order if keep else (0,))
        given = tuple(sorted(value.order.index(axis) for axis in places))
        name = self.add(g.Reduce, value.name, function=function, axes=given, keep=keep)
        if keep:
            return Value(name, value.order)
        kept = [axis for axis in value.order if axis in left]
        return Value(name, tuple(left.index(axis) for axis in kept))

    def sliced(self, value: Value, axis: int, places: slice) -> Value:
        """Return part of a value along an axis of the Keras tensor, numbered without the batch."""
        start, stop, step = places.indices(self.shape(value)[axis])
        if (start, step) == (0, 1) and stop == self.shape(value)[axis]:
            return value
        return self.same(value, g.Slice, axis=value.order.index(axis), start=start, stop=stop, step=step)
