"""Values of an op graph in the making, seen with the axes that the ONNX graph gives them.

ONNX has the pictures on some axis, mostly the first, and its maps may lie channels last. The op graph has neither. A
view says where each axis of ONNX's tensor is in the op graph's value, so that most transpositions need no operation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.graph import (
    Builder,
    Concat,
    Constant,
    Elementwise,
    GlobalPool,
    GraphError,
    GroupNorm,
    Op,
    Reshape,
    Shape,
    Transpose,
)
from picasso.models.onnx.operators import Call

Numbers = NDArray[Any]


@dataclass(frozen=True)
class View:
    """A value that depends on the picture.

    Args:
        name: Its name in the op graph.
        order: For each axis of ONNX's tensor the axis of the op graph's value; None for an axis of pictures alone.
        batch: The axis of ONNX's tensor on which the pictures lie. Where it is one of the value's, too, as of all heads
            of all pictures, they share it.
        outer: On a shared axis, how many entries are around the pictures: 1 where they are its outermost part.
        whole: Whether these are whole numbers.
    """

    name: str
    order: tuple[int | None, ...]
    batch: int
    outer: int = 1
    whole: bool = False

    @property
    def merged(self) -> bool:
        """Whether pictures share their axis."""
        return self.order[self.batch] is not None

    @property
    def pictures(self) -> tuple[int, bool, int]:
        """Where the pictures are: what two views must have in common to be read together."""
        return self.batch, self.merged, self.outer

    @property
    def axes(self) -> tuple[int, ...]:
        """The value's axes in the order in which ONNX has them."""
        return tuple(axis for axis in self.order if axis is not None)


Value = View | Numbers
"""What a node reads: a view, or a constant as ONNX has it."""


@dataclass
class Views:
    """The op graph in the making, and the node that is being read.

    Args:
        count: How many pictures the constants and sizes of the ONNX graph are worked out for.
        build: Collects the operations.
        kind, node, call, inputs: The node: its operator, its name, its attributes and the names of its inputs.
        layer: The layer that it makes, or "".
        readers: How many nodes read each of ONNX's values.
    """

    count: int
    readers: Mapping[str, int]
    build: Builder = field(default_factory=Builder)
    kind: str = ""
    node: str = ""
    layer: str = ""
    call: Call = field(default_factory=lambda: Call({}, 1, 1, None))
    inputs: Sequence[str] = ()
    _made: dict[str, Op] = field(default_factory=dict)
    _turned: dict[tuple[str, tuple[int, ...]], str] = field(default_factory=dict)

    def refused(self, why: str = "") -> GraphError:
        """Return the error for a node that cannot be written down."""
        return GraphError(f"{self.kind} at '{self.node}' has no form in the op graph{f': {why}' if why else ''}.")

    def start(self, shape: Shape) -> str:
        """Begin with the input (channels, height, width)."""
        name = self.build.input(shape)
        self._made[name] = self.build.ops[-1]
        return name

    def add(self, kind: type[Op], inputs: Sequence[str], layer: str | None = None, **given: Any) -> str:
        """Add an operation for the node that is being read, or for another layer; return its name."""
        name = self.build.add(kind, inputs, layer=self.layer if layer is None else layer, **given)
        self._made[name] = self.build.ops[-1]
        return name

    def constant(self, array: Numbers) -> str:
        """Add a constant; return its name."""
        return self.add(Constant, [], value=np.asarray(array, np.float32))

    def maker(self, name: str) -> Op:
        """Return the operation that makes a value."""
        return self._made[name]

    def alone(self, place: int = 0) -> bool:
        """Say whether the node's input at a place is read by nothing else."""
        return self.readers.get(self.inputs[place], 0) == 1

    def sides(self, view: View) -> Shape:
        """Return the shape of ONNX's tensor."""
        shape = self.build.shape(view.name)
        return tuple(
            (1 if axis is None else shape[axis]) * (self.count if place == view.batch else 1)
            for place, axis in enumerate(view.order)
        )

    def axis(self, view: View, axis: int) -> int:
        """Return the value's axis for one of ONNX's, which may count from the end.

        Raises:
            GraphError: It is that of the pictures.
        """
        axis %= len(view.order)
        found = view.order[axis]
        if found is None or (axis == view.batch and self.count > 1):
            raise self.refused("it mixes pictures")
        return found

    # --- other orders and shapes ----------------------------------------------------------------------------------

    def turned(self, name: str, axes: Sequence[int]) -> str:
        """Return a value with its axes in another order; what was turned before is turned but once."""
        op = self.maker(name)
        if isinstance(op, Transpose):
            name, axes = op.inputs[0], [op.axes[axis] for axis in axes]
        shape = self.build.shape(name)
        if list(axes) == sorted(axes):
            return name
        moved = [axis for axis in axes if shape[axis] != 1]
        if moved == sorted(moved):  # the numbers stay where they are
            return self.shaped(name, tuple(shape[axis] for axis in axes))
        key = (name, tuple(axes))
        if key not in self._turned:
            self._turned[key] = self.add(Transpose, [name], axes=tuple(axes))
        return self._turned[key]

    def shaped(self, name: str, target: Shape) -> str:
        """Return a value in another shape; of several shapes behind each other the last one counts."""
        op = self.maker(name)
        while isinstance(op, Reshape):
            name, op = op.inputs[0], self.maker(op.inputs[0])
        if self.build.shape(name) == target:
            return name
        if isinstance(op, GlobalPool) and target == (op.shape[0],):
            return self.add(GlobalPool, op.inputs, op.layer, function=op.function)
        if isinstance(op, GroupNorm) and (whole := self._ungrouped(op, target)):
            return whole
        return self.add(Reshape, [name], target=(-1,) if len(target) == 1 else target)

    def _ungrouped(self, op: GroupNorm, target: Shape) -> str | None:
        """Return a normalization of groups that were laid out as channels, on the map that they come from."""
        before = self.maker(op.inputs[0])
        if not isinstance(before, Reshape) or op.groups != op.shape[0]:
            return None
        name = before.inputs[0]
        if self.build.shape(name) != target or len(target) < 2 or target[0] % op.groups:
            return None
        of_one = target[0] // op.groups
        scale, shift = (None if part is None else np.repeat(part, of_one) for part in (op.scale, op.shift))
        return self.add(GroupNorm, [name], op.layer, groups=op.groups, epsilon=op.epsilon, scale=scale, shift=shift)

    def plain(self, view: View) -> View:
        """Return a view of a value whose axes lie as ONNX's."""
        axes = view.axes
        if list(axes) == sorted(axes):
            return view
        places = iter(range(len(axes)))
        order = tuple(None if axis is None else next(places) for axis in view.order)
        return replace(view, name=self.turned(view.name, axes), order=order)

    def with_first(self, view: View, rank: int | None = None) -> View:
        """Return a view whose second axis, of channels, is the value's first.

        Raises:
            GraphError: Its first axis is not that of the pictures alone, or it has another number of axes.
        """
        if view.batch != 0 or view.merged or len(view.order) < 2 or (rank and len(view.order) != rank):
            raise self.refused(f"it reads a value of shape {self.sides(view)}")
        return view if view.order[1] == 0 else self.plain(view)

    def map(self, view: View) -> View:
        """Return a view of a map (channels, height, width) whose pictures come first."""
        return self.plain(self.with_first(view, 4))

    def reshaped(self, view: View, target: Sequence[int]) -> View:
        """Return the same numbers in another of ONNX's shapes, which has no open axes.

        Raises:
            GraphError: Pictures do not stay apart.
        """
        sides = self.sides(view)
        if tuple(target) == sides:
            return view
        view = self.plain(view)
        before = math.prod(sides[: view.batch]) * view.outer
        places = []
        for batch, side in enumerate(target):
            outer, rest = divmod(before, math.prod(target[:batch]) or 1)
            if not rest and outer and side % (outer * self.count) == 0:
                places.append((side // self.count != 1, outer != 1, batch, outer))
        if not places:
            raise self.refused("it mixes pictures")
        # An axis of their own before one that they share; and a single picture may be anywhere: outermost, if it may.
        shared, _, batch, outer = min(places)
        inner = target[batch] // self.count
        own = (*target[:batch], *((inner,) if shared else ()), *target[batch + 1 :])
        numbers = iter(range(len(own)))
        order = tuple(None if axis == batch and not shared else next(numbers) for axis in range(len(target)))
        return View(self.shaped(view.name, tuple(own)), order, batch, outer, view.whole)

    def without(self, view: View, dropped: Collection[int]) -> View:
        """Return a view without some of ONNX's axes, whose sides are 1."""
        sides = self.sides(view)
        return self.reshaped(view, [side for axis, side in enumerate(sides) if axis not in dropped])

    # --- several values -------------------------------------------------------------------------------------------

    def like(self, view: View, other: View) -> View:
        """Return a view in the order of another one of as many axes.

        Raises:
            GraphError: Their pictures lie on different axes.
        """
        if len(view.order) != len(other.order) or view.pictures != other.pictures:
            raise self.refused("its inputs have their pictures on different axes")
        if view.order == other.order:
            return view
        place = {axis: number for axis, number in zip(other.order, view.order, strict=True) if axis is not None}
        name = self.turned(view.name, [place[axis] for axis in range(len(place))])  # type: ignore[misc]
        return replace(view, name=name, order=other.order)

    def constant_for(self, array: Numbers, view: View) -> Numbers:
        """Return a constant as it is broadcast to a view, with the axes of the view's value.

        Raises:
            GraphError: It differs from picture to picture, or has more axes.
        """
        if array.ndim > len(view.order):
            raise self.refused("it reads a constant of more axes")
        array = array.reshape((1,) * (len(view.order) - array.ndim) + array.shape)
        batch = array.shape[view.batch]
        if self.count > 1 and batch > 1:
            apart = np.moveaxis(array, view.batch, 0)
            apart = apart.reshape(view.outer, self.count, -1, *apart.shape[1:])
            if (apart != apart[:, :1]).any():
                raise self.refused("it reads a constant that differs from picture to picture")
            array = np.moveaxis(apart[:, 0].reshape(batch // self.count, *apart.shape[3:]), 0, view.batch)
        if not view.merged:
            if array.shape[view.batch] != 1:
                raise self.refused("it reads a constant with an axis of its own for pictures")
            array = array.squeeze(view.batch)
        axes = view.axes
        return array.transpose([axes.index(axis) for axis in range(len(axes))])

    def pair(self, function: str, a: View, b: View) -> View:
        """Return two views, number by number."""
        if np.prod(self.sides(b)) > np.prod(self.sides(a)) or (self.plain_already(a) and not self.plain_already(b)):
            a2 = self.like(a, b)
            return replace(b, name=self.add(Elementwise, [a2.name, b.name], function=function))
        return replace(a, name=self.add(Elementwise, [a.name, self.like(b, a).name], function=function))

    @staticmethod
    def plain_already(view: View) -> bool:
        """Say whether a view's axes lie as ONNX's."""
        return list(view.axes) == sorted(view.axes)

    def joined(self, values: Sequence[Value], axis: int) -> View:
        """Return values one behind the other along one of ONNX's axes."""
        views = [value for value in values if isinstance(value, View)]
        first = max(views, key=lambda view: not self.plain_already(view))
        along = self.axis(first, axis)
        names = [
            self.like(value, first).name if isinstance(value, View) else self.constant(self.constant_for(value, first))
            for value in values
        ]
        return replace(first, name=self.add(Concat, names, axis=along))


def beginning(on: Views, axes: str, shape: Shape, whole: bool) -> View:
    """Return the view that an image input is.

    Args:
        on: An op graph without operations.
        axes: How the input's axes lie: nchw, nhwc, nhw or flat.
        shape: (channels, height, width).
        whole: Whether it takes whole numbers.
    """
    name = on.start(shape)
    channels, height, width = shape
    if axes == "nhw":
        return View(on.shaped(name, (height, width)), (None, 0, 1), 0, whole=whole)
    if axes == "flat":
        return View(on.shaped(on.turned(name, (1, 2, 0)), (channels * height * width,)), (None, 0), 0, whole=whole)
    return View(name, (None, 1, 2, 0) if axes == "nhwc" else (None, 0, 1, 2), 0, whole=whole)
