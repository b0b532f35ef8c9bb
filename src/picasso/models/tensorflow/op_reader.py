"""How far the reading of a TensorFlow graph is: which tensor is which value of the op graph, and how it lies there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from picasso.core.graph import AnyOp, Builder, GraphError, Op, Padding, Pair, Reshape, Shape, Transpose
from picasso.models.tensorflow.op_norms import Part

Numbers = np.ndarray[Any, Any]
LAST = (1, 2, 0)
"""The axes of a map (height, width, channels), which the op graph holds as (channels, height, width)."""


@dataclass(frozen=True)
class Blocks:
    """A map that SpaceToBatchND has dealt out to the batch, block by block; in the op graph it stays whole.

    Args:
        sides: How many rows and columns apart the pixels of one dealt map are.
        padding: Zeros around the whole map, which no convolution has read yet.
    """

    sides: Pair
    padding: Padding


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the picture.

    Args:
        name: Its value in the op graph.
        axes: Where each axis of the tensor behind the batch lies there: a map that is (n, h, w, c) in TensorFlow and
            (c, h, w) in the op graph has (1, 2, 0). So transposing costs nothing until the order matters.
        merged: How many of these axes the tensor holds within its first, together with the batch.
        blocks: How it is dealt out to the batch, or None.
    """

    name: str
    axes: tuple[int, ...]
    merged: int = 0
    blocks: Blocks | None = None


Handler = Callable[["Reader", Any], Value | Sequence[Value | None]]
"""Writes an operation of TensorFlow into the op graph; returns the values of its outputs, None for constants."""


class Reader:
    """Collects the op graph.

    Args:
        layers: Names of the layers in the user's model, by the operation whose output they are.
        readers: How many operations read a tensor, by its name.
        batches: The numbers of pictures for which everything that does not depend on the pictures was computed.
        settled: What was computed, for each of these numbers, by the name of the tensor.

    Attributes:
        values: What the tensors that depend on the picture are, by name.
        made: The operations of the op graph by name.
        affines: What each scaled and shifted value is made of: the value before, scale and shift in double precision.
        steps: The same, but only the last step of several.
        parts: What values are parts of a layer normalization.
        repeats: The map, the axis and the number of times for values that repeat each of its entries behind it.
    """

    def __init__(
        self,
        layers: Mapping[str, str],
        readers: Mapping[str, int],
        batches: Sequence[int],
        settled: Mapping[str, Sequence[Numbers]],
    ) -> None:
        self.build = Builder()
        self.batches = batches
        self.values: dict[str, Value] = {}
        self.made: dict[str, Op] = {}
        self.affines: dict[str, tuple[str, Numbers, Numbers]] = {}
        self.steps: dict[str, tuple[str, Numbers, Numbers]] = {}
        self.parts: dict[str, Part] = {}
        self.repeats: dict[str, tuple[Value, int, int]] = {}
        self._layers = layers
        self._readers = readers
        self._settled = settled
        self._reshaped: dict[tuple[str, tuple[int, ...]], Value] = {}
        self._transposed: dict[tuple[str, tuple[int, ...]], str] = {}

    def input(self, shape: Shape) -> Value:
        """Begin with the picture (channels, height, width), which TensorFlow gets as (n, h, w, c)."""
        name = self.build.input(shape)
        self.made[name] = self.build.ops[-1]
        return Value(name, LAST)

    def add(self, op: Any, kind: type[AnyOp], inputs: Sequence[str], **given: Any) -> str:
        """Add an operation for one of TensorFlow; return the name of its value."""
        name = self.build.add(kind, inputs, layer=self._layers.get(op.name, ""), **given)
        self.made[name] = self.build.ops[-1]
        return name

    def constant(self, op: Any, value: Numbers) -> str:
        """Add a constant; return its name."""
        return self.build.constant(value, self._layers.get(op.name, ""))

    def refuse(self, op: Any, why: str = "has no form in the op graph") -> GraphError:
        """Return the error for an operation that cannot be written."""
        return GraphError(f"{op.type} at '{self._layers.get(op.name, op.name)}' {why}.")

    # --- what an operation reads ------------------------------------------------------------------------------------

    def varies(self, op: Any, place: int) -> bool:
        """Say whether an input depends on the picture."""
        return op.inputs[place].name in self.values

    def value(self, op: Any, place: int = 0, merged: bool = False, blocks: bool = False, border: bool = False) -> Value:
        """Return an input that depends on the picture.

        Args:
            op: The operation.
            place: Which input.
            merged, blocks: Whether the operation can read a value that is mixed with the batch in that way.
            border: Whether it knows of the zeros around the blocks.

        Raises:
            GraphError: It does not depend on the picture, or is mixed with the batch.
        """
        found = self.values.get(op.inputs[place].name)
        if found is None:
            raise self.refuse(op, "reads a constant where the op graph has a value of the picture")
        dealt = found.blocks
        if (found.merged and not merged) or (dealt and not blocks) or (dealt and any(dealt.padding) and not border):
            raise self.refuse(op, "reads pictures that are mixed with each other")
        return found

    def read_elsewhere(self, op: Any, name: str) -> bool:
        """Say whether a value of the op graph that an operation reads is read by others, too."""
        found = (self.values.get(tensor.name) for tensor in op.inputs)
        own = [tensor.name for tensor, value in zip(op.inputs, found, strict=True) if value and value.name == name]
        return any(self._readers[tensor] > 1 for tensor in own)

    def numbers(self, op: Any, place: int) -> Sequence[Numbers]:
        """Return an input that does not depend on the picture, for each number of pictures."""
        name = op.inputs[place].name
        if name not in self._settled:
            raise self.refuse(op, "is steered by the picture, for which the op graph has no form")
        return self._settled[name]

    def fixed(self, op: Any, place: int) -> Numbers:
        """Return an input that depends neither on the picture nor on the number of pictures.

        What has one equal row for each picture comes back as (1, ...).

        Raises:
            GraphError: It depends on them.
        """
        first, *others = self.numbers(op, place)
        if all(np.array_equal(first, other, equal_nan=first.dtype.kind == "f") for other in others):
            return first
        rows = [first, *others]
        counted = all(row.ndim and len(row) == batch for row, batch in zip(rows, self.batches, strict=True))
        if counted and all(row.shape[1:] == first.shape[1:] and (row == first[0]).all() for row in rows):
            return first[:1]
        raise self.refuse(op, "depends on the number of pictures")

    def integers(self, op: Any, place: int) -> list[int]:
        """Return a fixed input as a list of whole numbers."""
        return [int(number) for number in self.fixed(op, place).ravel()]

    # --- how values lie ---------------------------------------------------------------------------------------------

    def shape(self, value: Value) -> Shape:
        """Return the shape of a tensor behind the batch, as TensorFlow orders it, merged axes apart."""
        sides = self.build.shape(value.name)
        return tuple(sides[axis] for axis in value.axes)

    def axis(self, op: Any, value: Value, axis: int) -> int:
        """Return which axis of the op graph's value an axis of the tensor is.

        Raises:
            GraphError: It is the batch.
        """
        rank = 1 + len(value.axes) - value.merged
        axis += rank if axis < 0 else 0
        if not 0 < axis < rank:
            raise self.refuse(op, "works across pictures")
        return value.axes[value.merged + axis - 1]

    def laid(self, value: Value, axes: tuple[int, ...]) -> str:
        """Return the name of the value with the tensor's axes where `axes` says, transposed where need be."""
        order = [0] * len(axes)
        for place, axis in zip(axes, value.axes, strict=True):
            order[place] = axis
        if order == sorted(order):
            return value.name
        key = value.name, tuple(order)
        if key not in self._transposed:
            layer = self.made[value.name].layer
            self._transposed[key] = self.build.add(Transpose, [value.name], layer=layer, axes=tuple(order))
            self.made[self._transposed[key]] = self.build.ops[-1]
        return self._transposed[key]

    def plain(self, value: Value) -> str:
        """Return the name of the value with its axes as the tensor has them."""
        return self.laid(value, plain_axes(value))

    def map(self, op: Any, value: Value, axes: tuple[int, ...]) -> str:
        """Return the name of a map, (channels, height, width), from the places of the tensor's axes in it.

        Raises:
            GraphError: It is no map.
        """
        if len(value.axes) != 3:
            raise self.refuse(op, "reads what is no map")
        return self.laid(value, axes)

    def reshaped(self, op: Any, value: Value, target: Shape) -> Value:
        """Return the same numbers in another shape, in the order in which TensorFlow has them."""
        origin = self._reshaped.get((value.name, value.axes), value)
        shape = self.shape(origin)
        if shape == target:
            return replace(origin, merged=0)
        if math.prod(shape) != math.prod(target):
            raise self.refuse(op, f"makes {target} of {shape}, which mixes pictures")
        if sum(side != 1 for side in shape) <= 1:  # in whatever order the axes are, the numbers lie the same
            axes = LAST if len(target) == 3 else tuple(range(len(target)))
            inner = [0] * len(target)
            for place, side in zip(axes, target, strict=True):
                inner[place] = side
            made = Value(self.add(op, Reshape, [origin.name], target=tuple(inner)), axes)
        else:
            name = self.add(op, Reshape, [self.plain(origin)], target=target)
            made = Value(name, tuple(range(len(target))))
        self._reshaped[made.name, made.axes] = replace(origin, merged=0)
        return made


def plain_axes(value: Value) -> tuple[int, ...]:
    """Return the places of the axes of a value that lies as TensorFlow has it."""
    return tuple(range(len(value.axes)))


def ordered(array: Numbers, axes: Sequence[int]) -> Numbers:
    """Return an array with its axes moved to places."""
    return np.transpose(array, np.argsort(axes))
