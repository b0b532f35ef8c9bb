"""Values of the op graph that stand for values of a JAX program, whose axes lie in an order of their own.

The graph has maps channels first and no batch. So a value of the graph comes with the axis of JAX that each of its axes
is. Transposing, squeezing and broadcasting change nothing but that; an operation that needs an order asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from picasso.core.graph import Affine, AnyOp, Builder, Elementwise, GraphError, Reshape, Shape, Transpose
from picasso.core.preprocessing import Array

Axes = tuple[int | None, ...]


@dataclass(frozen=True)
class Value:
    """A value that depends on the picture.

    Args:
        name: Its name in the graph.
        axes: For each axis of the graph the axis in JAX; None for one of side 1 that JAX does not have.
        shape: Its sides in JAX for one picture: the batch's is 1, or how many parts of one picture lie in it, as where
            windows of a picture are rows of their own.
        batch: The axis in JAX of the batch.
        full: Its sides as JAX has them, for one picture, where it is broadcast: what the graph leaves to the readers.
    """

    name: str
    axes: Axes
    shape: Shape
    batch: int
    full: Shape

    @property
    def sided(self) -> list[int]:
        """The axes in JAX in the graph's order, without those of side 1."""
        return [axis for axis in self.axes if axis is not None and self.shape[axis] > 1]

    def own(self) -> list[int]:
        """Return all axes in JAX in JAX's order; without the batch where each picture is one row of it."""
        return [axis for axis in range(len(self.shape)) if axis != self.batch or self.shape[axis] > 1]

    def renamed(self, to: dict[int, int], shape: Sequence[int], batch: int, full: Sequence[int] | None = None) -> Value:
        """Return the same numbers whose axes have other numbers in JAX; axes of side 1 come and go.

        Args:
            to: New axis by old one; axes of side 1 may be missing.
            shape: New sides.
            batch: New axis of the batch.
            full: New sides as JAX has them, where the value is broadcast.
        """
        axes = [None if axis is None else to.get(axis) for axis in self.axes]
        new = [axis for axis in range(len(shape)) if axis != batch and axis not in to.values()]
        for index, axis in enumerate(axes):
            if axis is None and new:
                axes[index] = new.pop(0)
        return Value(self.name, tuple(axes), tuple(shape), batch, tuple(shape if full is None else full))


class Writer:
    """Writes operations into a graph, on values whose axes lie in any order.

    Attributes:
        build: The graph's builder.
        pictures: Number of pictures in the batch with which the program was traced.
        known: The values of the program that do not depend on the picture, by place.
        values: Those that do, as far as they are written.
        layer: Name of the layer that is being written.
        what: What is being written, for a refusal.
    """

    def __init__(self, build: Builder, pictures: int, known: Mapping[int, Any]) -> None:
        self.build, self.pictures, self.known = build, pictures, known
        self.values: dict[int, Value] = {}
        self.layer = self.what = ""

    def value(self, place: int) -> Value:
        """Return the value at a place with all of its sides."""
        if place not in self.values:
            raise self.refuse("has a known operand where the op graph has none")
        return self.whole(self.values[place])

    def operand(self, place: int) -> Value | Array:
        """Return the value at a place as it is, known or not."""
        return self.values[place] if place in self.values else self.known[place]

    def refuse(self, why: str = "has no form in the op graph") -> GraphError:
        """Return the error that says that what is being written cannot be."""
        return GraphError(f"{self.what} at '{self.layer}' {why}.")

    def add(self, kind: type[AnyOp], inputs: Sequence[str], **given: Any) -> str:
        """Add an operation of the layer that is being written."""
        return self.build.add(kind, inputs, layer=self.layer, **given)

    def picture_shape(self, shape: Sequence[int], batch: int) -> Shape:
        """Return JAX's sides for one picture."""
        if shape[batch] % self.pictures:
            raise self.refuse("mixes the pictures of a batch")
        return tuple(side // self.pictures if axis == batch else side for axis, side in enumerate(shape))

    def arranged(self, value: Value, wanted: Sequence[int | None]) -> str:
        """Return the name of a value whose axes in the graph are those wanted; those of side 1 may be any."""
        small = [index for index, axis in enumerate(value.axes) if axis is None or value.shape[axis] == 1]
        needed = [axis for axis in wanted if axis is not None and value.shape[axis] > 1]
        if sorted(needed) != sorted(value.sided):
            raise self.refuse("mixes axes in a way that the op graph has no word for")
        name = value.name
        target = tuple(1 if axis is None else value.shape[axis] for axis in wanted)
        if needed != value.sided:
            if len(wanted) == len(value.axes):
                places = [value.axes.index(axis) if axis in needed else small.pop(0) for axis in wanted]
                return self.add(Transpose, [name], axes=tuple(places))
            if small:
                name = self.add(Reshape, [name], target=tuple(value.shape[axis] for axis in value.sided))
            name = self.add(Transpose, [name], axes=tuple(value.sided.index(axis) for axis in needed))
        return name if self.build.shape(name) == target else self.add(Reshape, [name], target=target)

    def whole(self, value: Value) -> Value:
        """Return a value with the sides that JAX has: broadcast by adding zeros where it is smaller."""
        if value.shape == value.full:
            return value
        axes = [axis for axis in value.axes if axis is not None]
        for axis, side in enumerate(value.full):
            if side > 1 and axis not in axes:
                axes.insert(axes.index(axis - 1) + 1 if axis - 1 in axes else len(axes), axis)
        name = self.arranged(value, axes)
        zeros = self.build.constant(np.zeros([value.full[axis] for axis in axes]), self.layer)
        name = self.add(Elementwise, [name, zeros], function="add")
        return Value(name, tuple(axes), value.full, value.batch, value.full)

    def for_one(self, known: Array, batch: int, rank: int) -> Array:
        """Return a known value for one picture, of so many axes: what it holds for all pictures must be the same."""
        if known.ndim == 0:
            return known.reshape((1,) * rank)
        side = known.shape[batch]
        if side == 1 or self.pictures == 1:
            return known
        if side % self.pictures:
            raise self.refuse("mixes the pictures of a batch")
        each = np.split(known, self.pictures, axis=batch)
        if known.strides[batch] and not all(np.array_equal(each[0], other) for other in each[1:]):
            raise self.refuse("treats the pictures of a batch differently")
        return each[0]

    def two(self, function: str, left: Value | Array, right: Value | Array, batch: int, rank: int) -> Value:
        """Write an operation on two values, number by number, one of which may be known.

        Args:
            function: As `Elementwise` has it.
            left, right: The operands.
            batch: The axis in JAX of the batch.
            rank: Number of axes in JAX of the result.
        """
        sides = [v if isinstance(v, Value) else self.for_one(v, batch, rank) for v in (left, right)]
        shape = np.broadcast_shapes(*(v.shape for v in sides))
        full = np.broadcast_shapes(*(v.full if isinstance(v, Value) else v.shape for v in sides))
        data = [v for v in sides if isinstance(v, Value)]
        main = max(data, key=lambda value: (len(value.sided), math.prod(value.shape)))
        if len(data) == 1 and main.shape == shape:
            known = next(v for v in sides if not isinstance(v, Value))
            affine = self._affine(function, main, known, known is sides[1])
            if affine is not None:
                return replace(affine, full=full)
        axes = list(main.axes)
        for axis, side in enumerate(shape):
            if side > 1 and axis not in axes:
                if None in axes:
                    axes[axes.index(None)] = axis
                else:
                    axes.append(axis)
        names = [
            self.arranged(v, axes) if isinstance(v, Value) else self.build.constant(laid(v, axes), self.layer)
            for v in sides
        ]
        return Value(self.add(Elementwise, names, function=function), tuple(axes), shape, batch, full)

    def _affine(self, function: str, value: Value, known: Array, is_right: bool) -> Value | None:
        """Return a value scaled or shifted by known numbers, one or one for each channel; None for anything else."""
        if function not in ("add", "subtract", "multiply", "divide") or (function == "divide" and not is_right):
            return None
        first = value.axes[0] if value.axes else None
        sides = [axis for axis, side in enumerate(known.shape) if side > 1]
        if not value.axes or sides not in ([], [first]):
            return None
        count = self.build.shape(value.name)[0]
        numbers = np.broadcast_to(known.reshape(-1).astype(np.float64), (count,))
        scale, shift = np.ones(count), np.zeros(count)
        if function in ("add", "subtract"):
            shift = numbers if function == "add" or not is_right else -numbers
            scale = scale if function == "add" or is_right else -scale
        else:
            scale = numbers if function == "multiply" else 1 / numbers
        return replace(value, name=self.add(Affine, [value.name], scale=scale, shift=shift))


def laid(known: Array, axes: Sequence[int | None]) -> Array:
    """Return a known value of JAX's axes with the graph's; leading sides of 1 are left out."""
    order = [axis for axis in axes if axis is not None]
    rest = [axis for axis in range(known.ndim) if axis not in order]
    turned = known.transpose(*order, *rest)
    shape = [1 if axis is None else known.shape[axis] for axis in axes]
    while shape and shape[0] == 1:
        shape.pop(0)
    return turned.reshape(shape)
