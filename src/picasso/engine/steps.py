"""The steps of a network as the engine runs them: on whole maps, and on patches of maps.

A tensor of a map is (n, channels, height, width) in the channels-last layout; any other value is (n, ...). A patch is
what a step makes of a rectangle of the map for each of n windows; `places` says where in the whole map it lies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from picasso.core.graph import NO_PADDING, Activation, Conv, ConvTranspose, Padding, Pool, Resize, Shape, average_counts
from picasso.engine.kernels import LAST, Convolution, activate, tensor
from picasso.engine.regions import Mixing, Reach, Sliding, Spreading

Places = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The first row and the first column of a rectangle for each window, (n,) each."""


@dataclass(frozen=True)
class Link:
    """How a step's value depends on one of its inputs.

    Args:
        rows, columns: Along both axes.
        padding: Places beyond the edges of the input that are read.
        border: The number that is read there.
    """

    rows: Reach
    columns: Reach
    padding: Padding = NO_PADDING
    border: float = 0.0


SAME = Link(Sliding(), Sliding())
"""Every place depends on the same place of the input alone."""


class Step(ABC):
    """One step.

    Args:
        name: Name of its value.
        inputs: Names of the values that it reads.
        shape: Shape of its value without the batch.
        multiply_adds: Multiplications by weights for one picture.
    """

    links: tuple[Link, ...] | None = None
    """For a step that can run on patches, one link for each input; None for one that mixes all places."""

    def __init__(self, name: str, inputs: Sequence[str], shape: Shape, multiply_adds: int = 0) -> None:
        self.name, self.inputs, self.shape, self.multiply_adds = name, tuple(inputs), shape, multiply_adds

    @abstractmethod
    def whole(self, values: list[Any]) -> Any:
        """Return the value from whole inputs."""

    def patch(self, values: list[Any], read: Places, made: Places, sides: tuple[int, int]) -> Any:
        """Return a rectangle of the value for each window.

        Args:
            values: Rectangles of the inputs, padding included.
            read: Where that of the first input begins, in places of the input.
            made: Where the rectangle of the value begins.
            sides: Its height and width.
        """
        raise TypeError(f"{type(self).__name__} runs on whole maps alone.")


class Anything(Step):
    """An operation on whole values."""

    def __init__(self, name: str, inputs: Sequence[str], shape: Shape, run: Callable[[list[Any]], Any], cost: int = 0):
        super().__init__(name, inputs, shape, cost)
        self._run = run

    def whole(self, values: list[Any]) -> Any:
        return self._run(values)


class Pointwise(Anything):
    """An operation on each place of a map for itself: what runs on a map runs on a patch."""

    def __init__(self, name: str, inputs: Sequence[str], shape: Shape, run: Callable[[list[Any]], Any], cost: int = 0):
        super().__init__(name, inputs, shape, run, cost)
        self.links = tuple(SAME for _ in inputs)

    def patch(self, values: list[Any], read: Places, made: Places, sides: tuple[int, int]) -> Any:
        return self._run(values)


class Joined(Step):
    """Maps one after the other along their channels, then perhaps each number between two limits of its channel.

    Args:
        widths: Channels of each map.
        limits: The limits, (channels,) each, or None.

    Attributes:
        channels: Where each map lies among the channels.
    """

    def __init__(
        self, name: str, inputs: Sequence[str], shape: Shape, widths: Sequence[int], limits: tuple[Any, Any] | None
    ) -> None:
        super().__init__(name, inputs, shape)
        self.links = tuple(SAME for _ in inputs)
        ends = np.cumsum(widths).tolist()
        self.channels = tuple(slice(end - width, end) for end, width in zip(ends, widths, strict=True))
        low, high = (None, None) if limits is None else (limit[:, None, None] for limit in limits)
        self._low, self._high = low, None if high is None or bool((high == np.inf).all()) else high

    def whole(self, values: list[Any]) -> Any:
        most = max(len(value) for value in values)
        if self._low is None:
            return torch.cat([value.expand(most, *value.shape[1:]) for value in values], 1)
        out = torch.empty((most, *self.shape), dtype=values[0].dtype, memory_format=LAST, device="cpu")
        for number, value in enumerate(values):
            self.limited(number, value.expand(most, *value.shape[1:]), out[:, self.channels[number]])
        return out

    def limited(self, number: int, value: Any, out: Any | None = None) -> Any:
        """Return one of the maps, or a rectangle of it, between its limits."""
        if self._low is None:
            return value
        low = self._low[self.channels[number]]
        if self._high is None:
            return torch.maximum(value, low, out=out)
        return torch.clamp(value, low, self._high[self.channels[number]], out=out)


class Convolve(Step):
    """A convolution, then perhaps a map added, then perhaps an activation."""

    def __init__(self, name: str, inputs: Sequence[str], padding: Padding, op: Conv, kernel: Convolution) -> None:
        shape = op.shape
        super().__init__(name, inputs, shape, op.weight.size * shape[1] * shape[2])
        self._padding, self._kernel = padding, kernel
        rows, columns = (
            Sliding(op.weight.shape[2 + axis], op.stride[axis], padding[axis], op.dilation[axis]) for axis in (0, 1)
        )
        self.links = (Link(rows, columns, padding), SAME)[: len(inputs)]

    def whole(self, values: list[Any]) -> Any:
        return self._kernel(values[0], self._padding, *values[1:])

    def patch(self, values: list[Any], read: Places, made: Places, sides: tuple[int, int]) -> Any:
        return self._kernel(values[0], NO_PADDING, *values[1:])


class Pooling(Step):
    """The largest or mean number of each window."""

    def __init__(
        self, op: Pool, inputs: Sequence[str], sides: tuple[int, int], padding: Padding, border: float, dtype: Any
    ) -> None:
        super().__init__(op.name, inputs, op.shape)
        self._op, self._padding, self._border = op, padding, border
        rows, columns = (Sliding(op.kernel[axis], op.stride[axis], padding[axis], op.dilation[axis]) for axis in (0, 1))
        self.links = (Link(rows, columns, padding, border),)
        size = op.kernel[0] * op.kernel[1]
        self._factors: tuple[Any, Any] | None = None
        if op.function == "mean":
            down, across = average_counts(op, sides)
            if (np.outer(down, across) != size).any():
                self._factors = tensor(op.kernel[0] / down, dtype), tensor(op.kernel[1] / across, dtype)

    def whole(self, values: list[Any]) -> Any:
        top, left, bottom, right = self._padding
        x = values[0]
        if any(self._padding):
            x = functional.pad(x, (left, right, top, bottom), value=self._border).contiguous(memory_format=LAST)
        made = self._pooled(x)[:, :, : self.shape[1], : self.shape[2]]
        if self._factors is not None:
            made = made * self._factors[0][:, None] * self._factors[1]
        return made

    def patch(self, values: list[Any], read: Places, made: Places, sides: tuple[int, int]) -> Any:
        pooled = self._pooled(values[0])
        if self._factors is not None:
            down, across = (
                factors[torch.from_numpy(start[:, None] + np.arange(side))]
                for factors, start, side in zip(self._factors, made, sides, strict=True)
            )
            pooled = pooled * down[:, None, :, None] * across[:, None, None, :]
        return pooled

    def _pooled(self, x: Any) -> Any:
        op = self._op
        if op.function == "max":
            return functional.max_pool2d(x, op.kernel, op.stride, 0, op.dilation)
        if op.dilation == (1, 1):
            return functional.avg_pool2d(x, op.kernel, op.stride)
        even = x.new_full((x.shape[1], 1, *op.kernel), 1 / (op.kernel[0] * op.kernel[1]))
        return functional.conv2d(x, even, None, op.stride, 0, op.dilation, x.shape[1])


class Transposed(Step):
    """A transposed convolution, then perhaps an activation."""

    def __init__(
        self, op: ConvTranspose, inputs: Sequence[str], activation: Activation | None, name: str, dtype: Any
    ) -> None:
        super().__init__(name, inputs, op.shape, op.multiply_adds)
        op = _without_gaps(op)
        self._op, self._activation = op, activation
        self._weight = tensor(op.weight, dtype)
        self._bias = None if op.bias is None else tensor(op.bias, dtype)
        rows, columns = (
            Spreading(op.weight.shape[2 + axis], op.stride[axis], op.padding[axis], op.dilation[axis])
            for axis in (0, 1)
        )
        spans = [(op.weight.shape[2 + axis] - 1) * op.dilation[axis] // op.stride[axis] + 2 for axis in (0, 1)]
        # Beyond the edges nothing is added: zeros there are exact.
        self.links = (Link(rows, columns, (spans[0], spans[1], spans[0], spans[1])),)

    def whole(self, values: list[Any]) -> Any:
        top, left, _, _ = self._op.padding
        made = self._spread(values[0])
        ends = (top + self.shape[1], left + self.shape[2])
        lacking = [max(0, end - have) for end, have in zip(ends, made.shape[2:], strict=True)]
        made = functional.pad(made, (max(0, -left), lacking[1], max(0, -top), lacking[0]))
        top, left = max(0, top), max(0, left)
        return self._finished(made[:, :, top : top + self.shape[1], left : left + self.shape[2]])

    def patch(self, values: list[Any], read: Places, made: Places, sides: tuple[int, int]) -> Any:
        spread = self._spread(values[0])
        offsets = [
            place + padding - start * stride
            for place, start, padding, stride in zip(made, read, self._op.padding, self._op.stride, strict=False)
        ]
        out = torch.empty((len(spread), self.shape[0], *sides), dtype=spread.dtype, memory_format=LAST, device="cpu")
        for window, (down, across) in enumerate(zip(*offsets, strict=True)):
            out[window] = spread[window, :, down : down + sides[0], across : across + sides[1]]
        return self._finished(out)

    def _spread(self, x: Any) -> Any:
        op = self._op
        return functional.conv_transpose2d(
            x, self._weight, None, op.stride, 0, 0, groups=op.groups, dilation=op.dilation
        )

    def _finished(self, made: Any) -> Any:
        made = made if self._bias is None else made + self._bias[:, None, None]
        return activate(self._activation, made).contiguous(memory_format=LAST)


def _without_gaps(op: ConvTranspose) -> ConvTranspose:
    """Return the same with a kernel at least as long as the stride, so that each place is reached by some input."""
    lacking = [
        max(0, -(-(op.stride[axis] - 1) // op.dilation[axis]) + 1 - op.weight.shape[2 + axis]) for axis in (0, 1)
    ]
    return replace(op, weight=np.pad(op.weight, [(0, 0), (0, 0), (0, lacking[0]), (0, lacking[1])]))


class Interpolate(Step):
    """A map resized along both sides by matrices."""

    def __init__(self, op: Resize, inputs: Sequence[str], dtype: Any) -> None:
        super().__init__(op.name, inputs, op.shape)
        self.links = (Link(Mixing(op.rows), Mixing(op.columns)),)
        self._rows, self._columns = tensor(op.rows, dtype), tensor(op.columns, dtype)

    def whole(self, values: list[Any]) -> Any:
        return _mixed(values[0], self._rows[None], self._columns[None])

    def patch(self, values: list[Any], read: Places, made: Places, sides: tuple[int, int]) -> Any:
        height, width = values[0].shape[2:]
        rows, columns = (
            matrix[
                torch.from_numpy(out[:, None, None] + np.arange(side)[:, None]),
                torch.from_numpy(start[:, None, None] + np.arange(length)),
            ]
            for matrix, start, out, side, length in zip(
                (self._rows, self._columns), read, made, sides, (height, width), strict=True
            )
        )
        return _mixed(values[0], rows, columns)


def _mixed(x: Any, rows: Any, columns: Any) -> Any:
    """Return `rows @ x @ columns.T` of maps, with a pair of matrices for all windows or one for each."""
    n, channels, height, width = x.shape
    last = x.permute(0, 2, 3, 1)
    down = torch.matmul(rows, last.reshape(n, height, width * channels)).view(n, -1, width, channels)
    return torch.matmul(columns[:, None], down).permute(0, 3, 1, 2)
