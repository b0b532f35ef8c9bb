"""What the operations of a traced PyTorch network are written on: tensors of one picture as values of an op graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from picasso.core import graph as g
from picasso.core.graph import GraphError, Shape
from picasso.core.preprocessing import Array

_TO_LAST = (1, 2, 0)
_TO_FIRST = (2, 0, 1)


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the picture.

    Args:
        name: The value of the graph with its numbers.
        shape: The tensor's own shape, where one picture is the batch.
    """

    name: str
    shape: Shape

    @property
    def dropped(self) -> int:
        """How many leading axes the graph's value lacks: 1 where the tensor begins with a side of 1, else 0."""
        return int(self.shape[:1] == (1,))


Operand = Any
"""A Value; or what does not depend on the picture: a torch.Tensor, an array, a number."""


def inner(shape: Sequence[int]) -> Shape:
    """Return the shape of the graph's value for a tensor of one picture: without a leading axis of one entry."""
    return tuple(shape[1:]) if tuple(shape[:1]) == (1,) else tuple(shape)


def numbers(tensor: Any, kept: Collection[int] = ()) -> Array:
    """Return a tensor as float32 numbers: a copy, unless its memory is among what is kept (the network's weights)."""
    import torch

    plain = tensor.detach()
    if plain.dtype is torch.float32 and plain.untyped_storage().data_ptr() in kept:
        return plain.numpy()  # type: ignore[no-any-return]
    if not plain.is_floating_point() and plain.dtype is not torch.bool and plain.abs().max() > 2**24:
        raise GraphError("The network computes with whole numbers that float32 cannot hold.")
    return plain.to(torch.float32, copy=True).numpy()  # type: ignore[no-any-return]


class Sheet:
    """Writes operations on a graph, in the place of tensors of one picture.

    Args:
        kept: The addresses of the network's own weights.
    """

    def __init__(self, kept: Collection[int]) -> None:
        self.build = g.Builder()
        self.kept = kept
        self.layer = ""
        self._ops: dict[str, g.Op] = {}

    def input(self, shape: Shape) -> Value:
        """Begin with the input (1, channels, height, width)."""
        name = self.build.input(inner(shape))
        self._ops[name] = self.build.ops[-1]
        return Value(name, shape)

    def put(self, kind: type[g.Op], *inputs: str, **given: Any) -> str:
        """Write an operation; return the name of its value."""
        name = self.build.add(kind, inputs, layer=self.layer, **given)
        self._ops[name] = self.build.ops[-1]
        return name

    def op(self, name: str) -> g.Op:
        """Return the operation that makes a value."""
        return self._ops[name]

    def weight(self, operand: Operand) -> Any:
        """Return numbers that must not depend on the picture as an array; None stays None.

        Raises:
            GraphError: They depend on it.
        """
        if isinstance(operand, Value):
            raise GraphError("{op} at {layer} has weights that depend on the picture.")
        return operand if operand is None or isinstance(operand, np.ndarray) else numbers(operand, self.kept)

    def constant(self, value: Any) -> str:
        """Write a constant."""
        return self.put(g.Constant, value=np.asarray(value, np.float32))

    def reshape(self, name: str, target: Shape) -> str:
        """Write a change of shape; one after another is one."""
        while isinstance(op := self.op(name), g.Reshape):
            name = op.inputs[0]
        return name if self.build.shape(name) == target else self.put(g.Reshape, name, target=target)

    def transpose(self, name: str, axes: tuple[int, ...]) -> str:
        """Write another order of axes; one after another is one."""
        op = self.op(name)
        if isinstance(op, g.Transpose):
            name, axes = op.inputs[0], tuple(op.axes[axis] for axis in axes)
        return name if axes == tuple(range(len(axes))) else self.put(g.Transpose, name, axes=axes)

    def turned(self, name: str) -> str | None:
        """Return the map that a value is with its channels moved last, or None where it is no such thing."""
        op = self.op(name)
        return op.inputs[0] if isinstance(op, g.Transpose) and op.axes == _TO_LAST else None

    def first(self, name: str) -> str:
        """Move the channels of a map first."""
        return self.transpose(name, _TO_FIRST)

    def last(self, name: str) -> str:
        """Move the channels of a map last."""
        return self.transpose(name, _TO_LAST)

    def each(self, kind: type[g.Op], x: Value, **given: Any) -> str:
        """Write an operation on each number, before a map's channels are moved last."""
        source = self.turned(x.name)
        return self.put(kind, x.name, **given) if source is None else self.last(self.put(kind, source, **given))

    def axis(self, x: Value, axis: int) -> int:
        """Return where an axis of a tensor lies in its value.

        Raises:
            GraphError: It is the axis of the pictures.
        """
        axis = axis % max(len(x.shape), 1)
        if axis < x.dropped:
            raise GraphError("{op} at {layer} works along the axis of the pictures.")
        return axis - x.dropped

    def map(self, x: Operand) -> str:
        """Return the name of a tensor that is a map, (1, channels, height, width).

        Raises:
            GraphError: It is none.
        """
        if not isinstance(x, Value) or len(x.shape) != 4 or not x.dropped:
            shape = tuple(x.shape)
            raise GraphError(f"{{op}} at {{layer}} reads {shape}, which is not one map for each picture.")
        return x.name

    def full(self, operand: Operand, rank: int, dropped: int) -> str:
        """Return an operand with so many axes, ones before its own, less the leading one where it is dropped.

        Raises:
            GraphError: Its leading axis cannot be dropped.
        """
        shape = tuple(operand.shape) if hasattr(operand, "shape") else ()
        shape = (1,) * (rank - len(shape)) + shape
        if shape[:dropped] != (1,) * dropped:
            raise GraphError("{op} at {layer} mixes shapes that have no form in the op graph.")
        if isinstance(operand, Value):
            return self.reshape(operand.name, shape[dropped:])
        array = self.weight(operand) if hasattr(operand, "shape") else np.float32(operand)
        return self.constant(np.reshape(array, shape[dropped:]))

    def scaled(self, x: Value, scale: Any, shift: Any) -> str:
        """Write `scale * x + shift`.

        Args:
            x: The tensor.
            scale, shift: Arrays of as many axes as it has, with at most one side that is not 1, the same for both.
        """
        wide = np.broadcast_arrays(np.asarray(scale, np.float64), np.asarray(shift, np.float64))
        sides = wide[0].shape
        long = [axis for axis, side in enumerate(sides) if side != 1]
        place = self.axis(x, long[0]) if long else 0
        shape, source = inner(x.shape), self.turned(x.name)
        if source is not None and (not long or place == 2):
            return self.last(self._affine(source, *wide))
        if shape and place == 0:
            return self._affine(x.name, *wide)
        flat = [one.reshape(sides[x.dropped :]) for one in wide]
        name = x.name
        if (flat[0] != 1).any():
            name = self.put(g.Elementwise, name, self.constant(flat[0]), function="multiply")
        if (flat[1] != 0).any():
            name = self.put(g.Elementwise, name, self.constant(flat[1]), function="add")
        return name

    def _affine(self, name: str, scale: Any, shift: Any) -> str:
        channels = self.build.shape(name)[0]
        arrays = [np.broadcast_to(one.ravel(), channels).astype(np.float32) for one in (scale, shift)]
        return self.put(g.Affine, name, scale=arrays[0], shift=arrays[1])
