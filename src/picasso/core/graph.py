"""The op graph: a network as a list of small operations that know their inputs, weights, shapes and layers.

A reader in each folder of `models/` fills it, whatever framework the network comes from. What runs on it, the engine
and everything else that needs to know how a network is built, sees one language.

A value has no batch axis in its shape, and channels come first: (channels, height, width) for a map, (features,) for a
vector, whatever the network has for the rest. A network whose maps lie channels last is turned by its reader, which
writes a `Transpose` before what looks at the order of all numbers (flattening, reshaping).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

import numpy as np

from picasso.core.errors import NotSupportedError
from picasso.core.preprocessing import Array

Shape = tuple[int, ...]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
"""top, left, bottom, right."""
NO_PADDING: Padding = (0, 0, 0, 0)


class GraphError(NotSupportedError):
    """A network cannot be written as an op graph: it holds something that the graph has no word for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """One operation.

    Args:
        name: Name of its value, unique in the graph.
        inputs: Names of the values that it reads, all of them made before.
        shape: Shape of its value, without the batch.
        layer: Name of the layer in the user's model from which it comes; "" where there is none.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    layer: str = ""

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        """Return the shape of the value from those of the inputs and the operation's own fields."""
        return shapes[0]

    @property
    def multiply_adds(self) -> int:
        """Multiplications by weights for the whole value of one picture."""
        return 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Op):
    """The network's input, (channels, height, width)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Constant(Op):
    """A value that does not depend on the picture: it has no batch axis and is broadcast."""

    value: Array

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return tuple(given["value"].shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Op):
    """Cross-correlation of a map with zero padding.

    Args:
        weight: (out channels, in channels / groups, height, width).
        bias: (out channels,) or None.
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        weight = given["weight"]
        return (len(weight), *_windows(shapes[0], weight.shape[2:], **given))

    @property
    def multiply_adds(self) -> int:
        return self.weight.size * self.shape[1] * self.shape[2]


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvTranspose(Op):
    """The adjoint of a convolution: each input pixel adds a kernel to the output.

    Args:
        weight: (in channels, out channels / groups, height, width).
        bias: (out channels,) or None.
        padding: What is cut off the output at top, left, bottom, right; negative at the ends where zeros are added.
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        weight, stride, dilation = given["weight"], given.get("stride", (1, 1)), given.get("dilation", (1, 1))
        padding = given.get("padding", NO_PADDING)
        sides = (
            (shapes[0][1 + axis] - 1) * stride[axis]
            + (weight.shape[2 + axis] - 1) * dilation[axis]
            + 1
            - padding[axis]
            - padding[2 + axis]
            for axis in (0, 1)
        )
        return (weight.shape[1] * given.get("groups", 1), *sides)

    @property
    def multiply_adds(self) -> int:
        rows, columns = self.shape[1] // self.stride[0], self.shape[2] // self.stride[1]
        return self.weight.size * rows * columns


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Op):
    """A matrix on the last axis.

    Args:
        weight: (out features, in features).
        bias: (out features,) or None.
    """

    weight: Array
    bias: Array | None = None

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (*shapes[0][:-1], len(given["weight"]))

    @property
    def multiply_adds(self) -> int:
        return self.weight.size * math.prod(self.shape[:-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(Op):
    """`scale * x + shift` for each channel, the first axis: batch normalization at rest, a scaled input.

    Args:
        scale, shift: (channels,).
    """

    scale: Array
    shift: Array


Function = Literal[
    "relu",
    "clip",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "celu",
    "sigmoid",
    "hard_sigmoid",
    "hard_swish",
    "tanh",
    "silu",
    "gelu",
    "gelu_tanh",
    "softplus",
    "softsign",
    "mish",
    "exp",
    "log",
    "sqrt",
    "abs",
    "negative",
    "square",
    "reciprocal",
    "rsqrt",
    "erf",
    "round",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Activation(Op):
    """A function of each number.

    Args:
        function: clip: between `low` and `high` (relu6: 0 and 6). leaky_relu: `slope` below zero. elu and celu: `slope`
            is alpha. hard_sigmoid: clip(`slope` * x + `offset`, 0, 1). hard_swish: x * clip(x / 6 + 1 / 2, 0, 1).
            gelu_tanh: gelu by its approximation.
        slopes: Of prelu: (channels,), those below zero.
    """

    function: Function
    low: float = -math.inf
    high: float = math.inf
    slope: float = 1.0
    offset: float = 0.5
    slopes: Array | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Op):
    """The largest or the mean number of each window of a map, for each channel.

    Args:
        padding: With minus infinity for the largest, zeros for the mean. What rounding the size up (ceil mode) reads
            beyond the end is part of it.
        counted: How much of the padding counts as numbers of the mean; the windows divide by what lies inside that.
    """

    function: Literal["max", "mean"]
    kernel: Pair
    stride: Pair
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    counted: Padding = NO_PADDING

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (shapes[0][0], *_windows(shapes[0], given["kernel"], **given))


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalPool(Op):
    """The mean or the largest number of each channel of a map: (channels,), or (channels, 1, 1)."""

    function: Literal["max", "mean"]
    keep: bool = False

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (shapes[0][0], 1, 1) if given.get("keep") else (shapes[0][0],)


@dataclass(frozen=True, eq=False, kw_only=True)
class Resize(Op):
    """Linear interpolation of a map, nearest neighbors and adaptive means too: `rows @ x @ columns.T`.

    Args:
        rows: (out height, in height).
        columns: (out width, in width).
    """

    rows: Array
    columns: Array

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (shapes[0][0], len(given["rows"]), len(given["columns"]))


@dataclass(frozen=True, eq=False, kw_only=True)
class Elementwise(Op):
    """Two values, number by number; shapes are broadcast from the right."""

    function: Literal["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"]

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return np.broadcast_shapes(*shapes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Op):
    """Values one behind the other along an axis (0: channels)."""

    axis: int = 0

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        axis = given.get("axis", 0)
        return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Op):
    """A map with a border; negative: cut off.

    Args:
        mode: constant: the border is `value`. edge: the last pixel repeated. reflect: mirrored without the last pixel.
    """

    padding: Padding
    value: float = 0.0
    mode: Literal["constant", "edge", "reflect"] = "constant"

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        top, left, bottom, right = given["padding"]
        channels, height, width = shapes[0]
        return (channels, height + top + bottom, width + left + right)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Op):
    """The same numbers in the same order, in another shape; one axis may be -1."""

    target: Shape

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        target, count = given["target"], math.prod(shapes[0])
        known = -math.prod(target) if -1 in target else math.prod(target)
        return tuple(count // known if side == -1 else side for side in target)


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Op):
    """Axes in another order, numbered without the batch."""

    axes: tuple[int, ...]

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return tuple(shapes[0][axis] for axis in given["axes"])


@dataclass(frozen=True, eq=False, kw_only=True)
class Reorder(Op):
    """The channels of a map in another order: channel i is channel `order[i]` of the input."""

    order: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(Op):
    """Part of a value along one axis, `start:stop:step`, both in 0..side; down to the first with step -1, stop -1."""

    axis: int
    start: int
    stop: int
    step: int = 1

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        axis, places = given["axis"], range(given["start"], given["stop"], given.get("step", 1))
        return (*shapes[0][:axis], len(places), *shapes[0][axis + 1 :])


@dataclass(frozen=True, eq=False, kw_only=True)
class MatMul(Op):
    """The product of two values over their last two axes; the axes before are broadcast."""

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        a, b = shapes
        return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Attention(Op):
    """`softmax(scale * q @ k.T + mask) @ v` over the last two axes; inputs are q, k, v, and perhaps a mask."""

    scale: float

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        return (*shapes[0][:-1], shapes[2][-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(Op):
    """Exponentials that sum to 1 along an axis, numbered without the batch; or their logarithms."""

    axis: int = -1
    log: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerNorm(Op):
    """Mean 0 and deviation 1 over some axes, then a scale and a shift.

    Args:
        axes: Numbered without the batch; (0,) are the channels of a map.
        scale, shift: Of the shape of those axes, or None.
        root_mean_square: Whether the mean is left in.
    """

    axes: tuple[int, ...]
    epsilon: float
    scale: Array | None = None
    shift: Array | None = None
    root_mean_square: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupNorm(Op):
    """Mean 0 and deviation 1 over the channels of each group and all places, then a scale and a shift (channels,)."""

    groups: int
    epsilon: float
    scale: Array | None = None
    shift: Array | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class LocalResponseNorm(Op):
    """`x / (bias + alpha / size * sum of squares of `size` channels around) ** beta`."""

    size: int
    alpha: float
    beta: float
    bias: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduce(Op):
    """The sum, mean or largest number over some axes, numbered without the batch."""

    function: Literal["sum", "mean", "max", "min"]
    axes: tuple[int, ...]
    keep: bool = False

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        axes, keep = given["axes"], given.get("keep", False)
        return tuple(1 if axis in axes else side for axis, side in enumerate(shapes[0]) if keep or axis not in axes)


AnyOp = TypeVar("AnyOp", bound=Op)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as operations in the order of execution.

    Args:
        ops: The operations; the first is the `Input`.
        outputs: For each output of the network that is read, the name of the value that it is. The value has the axes
            of the network's own answer.
    """

    ops: tuple[Op, ...]
    outputs: Mapping[str, str]

    @property
    def by_name(self) -> dict[str, Op]:
        """The operations by name."""
        return {op.name: op for op in self.ops}

    @property
    def multiply_adds(self) -> int:
        """Multiplications by weights for one picture."""
        return sum(op.multiply_adds for op in self.ops)

    def readers(self) -> dict[str, list[Op]]:
        """Return the operations that read each value."""
        found: dict[str, list[Op]] = {op.name: [] for op in self.ops}
        for op in self.ops:
            for name in op.inputs:
                found[name].append(op)
        return found


@dataclass
class Builder:
    """Collects operations in order; shapes follow from the inputs, names are made unique.

    Example:
        >>> build = Builder()
        >>> x = build.input((3, 8, 8))
        >>> y = build.add(Conv, [x], weight=np.ones((4, 3, 3, 3), np.float32), layer="stem")
        >>> build.shape(y)
        (4, 6, 6)
    """

    ops: list[Op] = field(default_factory=list)
    _shapes: dict[str, Shape] = field(default_factory=dict)

    def input(self, shape: Shape) -> str:
        """Begin with an input (channels, height, width); return its name."""
        return self._append(Input(name="input", inputs=(), shape=shape))

    def constant(self, value: Any, layer: str = "") -> str:
        """Add a constant; return its name."""
        array = np.asarray(value, np.float32)
        return self.add(Constant, [], layer=layer, value=array)

    def add(self, kind: type[AnyOp], inputs: Sequence[str], layer: str = "", name: str = "", **given: Any) -> str:
        """Add an operation; return the name of its value: `name` or the layer's, with a number where that is taken.

        Raises:
            GraphError: Its fields do not fit the shapes of the inputs.
        """
        known = {entry.name for entry in fields(kind)} - {entry.name for entry in fields(Op)}
        if unknown := given.keys() - known:
            raise TypeError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
        try:
            shape = kind.shaped([self._shapes[name] for name in inputs], **given)
        except (ValueError, IndexError, ZeroDivisionError) as error:
            raise GraphError(f"{kind.__name__} at '{layer}' does not fit its inputs: {error}.") from error
        wanted = name or layer or kind.__name__.lower()
        unique, count = wanted, 1
        while unique in self._shapes:
            count += 1
            unique = f"{wanted}:{count}"
        return self._append(kind(name=unique, inputs=tuple(inputs), shape=shape, layer=layer, **given))

    def shape(self, name: str) -> Shape:
        """Return the shape of a value."""
        return self._shapes[name]

    def graph(self, outputs: Mapping[str, str]) -> Graph:
        """Return the graph, without what no output needs."""
        needed, kept = set(outputs.values()), list[Op]()
        for op in reversed(self.ops):
            if op.name in needed or isinstance(op, Input):
                needed.update(op.inputs)
                kept.append(op)
        return Graph(tuple(reversed(kept)), dict(outputs))

    def _append(self, op: Op) -> str:
        self.ops.append(op)
        self._shapes[op.name] = op.shape
        return op.name


def padded_to(out: int, side: int, kernel: int, stride: int, dilation: int, before: int) -> int:
    """Return the padding at the end with which windows give just `out` places; negative where the end is not read.

    A pool in ceil mode, or a framework's "same", is written with it.
    """
    return max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - side - before)


def average_counts(op: Pool, sides: Pair) -> tuple[Array, Array]:
    """Return by how many numbers each row and each column of windows of a mean divides: (rows,), (columns,)."""
    return tuple(  # type: ignore[return-value]
        np.array([
            sum(
                -op.counted[axis] <= place < sides[axis] + op.counted[2 + axis]
                for place in range(start, start + op.kernel[axis] * op.dilation[axis], op.dilation[axis])
            )
            for start in (out * op.stride[axis] - op.padding[axis] for out in range(op.shape[1 + axis]))
        ], np.float32)
        for axis in (0, 1)
    )  # fmt: skip


def interpolation(out: int, side: int, place: Callable[[int], float]) -> Array:
    """Return the matrix (out, side) of linear interpolation, from the place in 0..side-1 that each output reads.

    Places outside are moved to the edge.
    """
    matrix = np.zeros((out, side), np.float32)
    for row in range(out):
        at = min(max(place(row), 0.0), side - 1.0)
        low = min(int(at), side - 1)
        matrix[row, low] += 1 - (at - low)
        if at > low:
            matrix[row, low + 1] += at - low
    return matrix


def _windows(shape: Shape, kernel: Sequence[int], /, **given: Any) -> Pair:
    stride, dilation = given.get("stride", (1, 1)), given.get("dilation", (1, 1))
    padding = given.get("padding", NO_PADDING)
    _, height, width = shape
    sides = [
        (side + padding[axis] + padding[2 + axis] - (kernel[axis] - 1) * dilation[axis] - 1) // stride[axis] + 1
        for axis, side in enumerate((height, width))
    ]
    if min(sides) < 1:
        raise ValueError(f"a window of {tuple(kernel)} is larger than a map of {height} x {width}")
    return sides[0], sides[1]
