"""Receptive fields: which pixels of the picture a unit of a layer can depend on, read from the op graph.

Exact for every unit, with padding, dilation and the edges of the picture, through branches, attention and reshaping; a
unit that depends on a region of another form than a rectangle has the smallest rectangle around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from picasso.core import graph as g
from picasso.core.graph import Graph, Op
from picasso.core.graph.operation import Shape
from picasso.core.layers.extents import Extent, followed

if TYPE_CHECKING:
    from picasso.core.facts import Layer


@dataclass(frozen=True)
class Region:
    """A rectangle of pixels of the network's input.

    Args:
        top, left: Its first row and column.
        height, width: Its size; both 0 where a unit depends on no pixel at all.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def words(self) -> str:
        """Say where it is."""
        last = self.top + self.height - 1, self.left + self.width - 1
        return f"rows {self.top} to {last[0]}, columns {self.left} to {last[1]}"

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return it as a mask, bool (height, width) of the input."""
        found = np.zeros(shape, bool)
        found[self.top : self.top + self.height, self.left : self.left + self.width] = True
        return found


@dataclass(frozen=True)
class Sliding:
    """How receptive fields lie along one axis, as if the picture had no edges.

    The field of the unit at place i begins at pixel `start + i * stride` and is `size` pixels long; what lies outside
    the picture is padding (Araujo, Norris and Sim 2019, doi:10.23915/distill.00021).

    Args:
        size: Pixels.
        stride: Pixels from one unit's field to the next one's.
        start: Where the field of the first unit begins, negative in the padding.
    """

    size: int
    stride: int
    start: int


class ReceptiveFields:
    """The receptive field of every unit of a network.

    Weights are taken to be different from zero.

    Args:
        graph: The network.

    Raises:
        NotSupportedError: There is an operation whose reach is not known.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._extents: dict[str, tuple[Extent, Extent]] = {}
        shape_of = {op.name: op.shape for op in graph.ops}
        for op in graph.ops:
            given = [self._extents[name] for name in op.inputs]
            shapes = [shape_of[name] for name in op.inputs]
            rows, columns = (followed(op, [one[side] for one in given], shapes, side) for side in (0, 1))
            self._extents[op.name] = rows, columns

    def of(self, layer: Layer, index: Sequence[int]) -> Region | None:
        """Return the receptive field of one unit, clipped to the picture.

        Args:
            layer: The layer, as `model.layers()` has it.
            index: Which of its units: a place in `layer.shape`, channels last: (row, column, channel) of a map,
                (token, channel) of tokens, (feature,) of a vector.

        Returns:
            The region; None where the layer is not found in the op graph, or lies otherwise there.
        """
        op = self.operation(layer)
        if op is None:
            return None
        index = tuple(index)
        place = (index[-1], *index[:-1]) if _channels_first(op.shape, layer.shape) else index
        found = []
        for extent in self._extents[op.name]:
            at = tuple(min(one, side - 1) for one, side in zip(place, extent.lo.shape, strict=True))
            lo, hi = int(extent.lo[at]), int(extent.hi[at])
            if hi <= lo:
                return Region(0, 0, 0, 0)
            found.append((lo, hi - lo))
        (top, height), (left, width) = found
        return Region(top, left, height, width)

    def sliding(self, layer: Layer) -> tuple[Sliding, Sliding] | None:
        """Return how the fields of a layer's units lie along rows and columns, as if the picture had no edges.

        Returns:
            None where the layer is no map, is not found in the op graph, or its fields are not all of one size.
        """
        op = self.operation(layer)
        return None if op is None else self._slidings.get(op.name)

    def operation(self, layer: Layer) -> Op | None:
        """Return the operation whose value is what a layer returns, or None."""
        inside = [op for op in self._graph.ops if op.layer == layer.name or _is_part(op.layer, layer.name)]
        if not inside or len(inside[-1].shape) != len(layer.shape):
            return None
        op = inside[-1]
        return op if op.shape == layer.shape or _channels_first(op.shape, layer.shape) else None

    @cached_property
    def _slidings(self) -> dict[str, tuple[Sliding, Sliding]]:
        ops, found = self._graph.by_name, dict[str, tuple[Sliding, Sliding]]()
        for op in self._graph.ops:
            read = [name for name in op.inputs if not isinstance(ops[name], g.Constant)]
            if isinstance(op, g.Input):
                found[op.name] = Sliding(1, 1, 0), Sliding(1, 1, 0)
            elif read and all(name in found for name in read):
                stretched = isinstance(op, g.Elementwise) and len({ops[name].shape[1:] for name in read}) > 1
                rows, columns = (_slid(op, [found[name][side] for name in read], side) for side in (0, 1))
                if rows and columns and not stretched:
                    found[op.name] = rows, columns
        return found


def _is_part(name: str, whole: str) -> bool:
    return name.startswith((f"{whole}.", f"{whole}/"))


def _channels_first(shape: Shape, layer: tuple[int, ...]) -> bool:
    """Say whether a value has its channels first where the layer has them last."""
    return len(shape) == 3 and len(layer) == 3 and shape == (layer[2], layer[0], layer[1])


def _slid(op: Op, given: Sequence[Sliding], side: int) -> Sliding | None:
    """Return how the fields of a map's units lie along a side, from those of its inputs; None where that is uneven."""
    if len({one.stride for one in given}) > 1:
        return None
    stride, start = given[0].stride, min(one.start for one in given)
    size = max(one.start + one.size for one in given) - start

    def windows(kernel: int, step: int, padding: int, dilation: int) -> Sliding:
        return Sliding(size + (kernel - 1) * dilation * stride, stride * step, start - padding * stride)

    match op:
        case g.Conv():
            return windows(op.weight.shape[2 + side], op.stride[side], op.padding[side], op.dilation[side])
        case g.Pool():
            return windows(op.kernel[side], op.stride[side], op.padding[side], op.dilation[side])
        case g.Pad():
            return windows(1, 1, op.padding[side], 1)
        case g.Slice() if op.axis == 1 + side:
            return windows(1, op.step, -op.start, 1) if op.step > 0 else None
        case g.Affine() | g.Activation() | g.Reorder() | g.Slice() | g.LocalResponseNorm():
            return windows(1, 1, 0, 1)
        case g.Elementwise():
            return windows(1, 1, 0, 1)
        case g.Concat() if op.axis == 0:
            return windows(1, 1, 0, 1)
        case g.LayerNorm() if op.axes == (0,):
            return windows(1, 1, 0, 1)
        case g.Softmax() if op.axis == 0:
            return windows(1, 1, 0, 1)
    return None
