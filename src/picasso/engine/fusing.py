"""From an op graph to few steps: batch norms folded, padding joined, activations and sums left to what comes before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from picasso.core import graph as ops
from picasso.core.graph import Activation, Affine, Conv, ConvTranspose, Elementwise, Graph, Linear, Op, Pad, Pool
from picasso.core.preprocessing import Array
from picasso.engine.kernels import Convolution, Matrix, tensor
from picasso.engine.plain import pointwise, whole
from picasso.engine.recognizing import recognized
from picasso.engine.rewriting import ChannelClip, rewritten, times
from picasso.engine.steps import Anything, Convolve, Interpolate, Joined, Pointwise, Pooling, Step, Transposed

_AFTER_A_SUM = ("relu", "clip")


@dataclass(frozen=True)
class Fused:
    """Steps in the order of execution.

    Args:
        steps: What runs.
        constants: Values that do not depend on the picture, by name.
        outputs: The names of the values that are the network's outputs, by the outputs' names.
        input: Name of the input.
        shape: Its shape, (channels, height, width).
    """

    steps: tuple[Step, ...]
    constants: dict[str, Array]
    outputs: dict[str, str]
    input: str
    shape: ops.Shape


def fuse(graph: Graph, half: bool = False) -> Fused:
    """Return the steps of a graph, which compute in single precision or in half, bfloat16."""
    return _Fusing(rewritten(recognized(graph)), torch.bfloat16 if half else torch.float32).run()


class _Fusing:
    """Walks a graph once; what an operation takes in with it is named after the last of them."""

    def __init__(self, graph: Graph, dtype: Any) -> None:
        self.graph, self.by_name, self.dtype = graph, graph.by_name, dtype
        self.readers = graph.readers()
        self.kept = set(graph.outputs.values())
        self.order = {op.name: place for place, op in enumerate(graph.ops)}
        self.done: set[str] = set()
        self.steps: dict[int, Step] = {}

    def run(self) -> Fused:
        constants = {op.name: op.value for op in self.graph.ops if isinstance(op, ops.Constant)}
        for op in self.graph.ops:
            if op.name not in self.done and not isinstance(op, ops.Input | ops.Constant):
                step = self._step(op)
                if step is not None:
                    self.steps[self.order[step.name]] = step
        first = self.graph.ops[0]
        steps = tuple(self.steps[place] for place in sorted(self.steps))
        return Fused(steps, constants, dict(self.graph.outputs), first.name, first.shape)

    def _step(self, op: Op) -> Step | None:
        match op:
            case Pad() if self._joins(op):
                return None
            case Conv():
                return self._convolution(op)
            case ConvTranspose():
                last, activation = self._activation(op)
                return Transposed(op, op.inputs, activation, last.name, self.dtype)
            case Pool():
                inputs, padding, border = self._border(op)
                lowest = -np.inf if op.function == "max" else 0.0
                joined = border if inputs is not op.inputs else lowest
                sides = self.by_name[op.inputs[0]].shape[1:]
                return Pooling(op, inputs, (sides[0], sides[1]), padding, joined, self.dtype)
            case ops.Concat() if self._is_pointwise(op):
                reader = self._only_reader(op)
                if not isinstance(reader, ChannelClip):
                    return self._joined(op, op, None)
                self.done.add(reader.name)
                return self._joined(op, reader, (tensor(reader.low, self.dtype), tensor(reader.high, self.dtype)))
            case ops.Resize():
                return Interpolate(op, op.inputs, self.dtype)
            case Linear():
                last, activation = self._activation(op)
                matrix = Matrix(op, activation, self.dtype)
                return Anything(last.name, op.inputs, op.shape, lambda values: matrix(values[0]), op.multiply_adds)
            case Affine():
                last, activation = self._activation(op)
                return self._alone(replace(op, name=last.name), pointwise(op, activation, self.dtype))
        return self._alone(op, pointwise(op, None, self.dtype) if self._is_pointwise(op) else whole(op, self.dtype))

    def _joined(self, op: Op, last: Op, limits: tuple[Any, Any] | None) -> Step:
        return Joined(last.name, op.inputs, op.shape, [self.by_name[name].shape[0] for name in op.inputs], limits)

    def _alone(self, op: Op, run: Any) -> Step:
        kind = Pointwise if self._is_pointwise(op) else Anything
        return kind(op.name, op.inputs, op.shape, run)

    def _is_pointwise(self, op: Op) -> bool:
        """Say whether each place of a map is made of the same place of the inputs, and of what has no places."""
        if len(op.shape) != 3:
            return False
        for made in (self.by_name[name] for name in op.inputs):
            if isinstance(made, ops.Constant):
                # One number for all places, or one for each channel, but none for single places.
                if len(made.shape) == 1 or made.shape[-2:] not in ((), (1, 1)):
                    return False
            elif made.shape[1:] != op.shape[1:]:
                return False
        match op:
            case Affine() | ChannelClip() | Activation() | Elementwise() | ops.LocalResponseNorm() | ops.Reorder():
                return True
            case ops.Concat() | ops.Slice():
                return op.axis == 0
            case ops.Softmax():
                return op.axis % 3 == 0
            case ops.LayerNorm():
                return op.axes == (0,)
        return False

    def _only_reader(self, op: Op) -> Op | None:
        readers = self.readers[op.name]
        return readers[0] if len(readers) == 1 and op.name not in self.kept else None

    def _activation(self, op: Op) -> tuple[Op, Activation | None]:
        """Take in an activation that alone reads a value."""
        reader = self._only_reader(op)
        if not isinstance(reader, Activation):
            return op, None
        self.done.add(reader.name)
        return reader, reader

    # --- padding ---------------------------------------------------------------------------------------------

    def _joins(self, op: Pad) -> bool:
        """Say whether padding is left to all that read it."""
        if op.mode != "constant" or min(op.padding) < 0 or op.name in self.kept:
            return False
        return all(
            (isinstance(reader, Conv) and op.value == 0)
            or (isinstance(reader, Pool) and reader.function == "max" and reader.padding == ops.NO_PADDING)
            for reader in self.readers[op.name]
        )

    def _border(self, op: Conv | Pool) -> tuple[Sequence[str], ops.Padding, float]:
        """Return what is read, with the padding before it joined."""
        before = self.by_name[op.inputs[0]]
        if isinstance(before, Pad) and self._joins(before):
            padding = tuple(a + b for a, b in zip(op.padding, before.padding, strict=True))
            return before.inputs, padding, before.value  # type: ignore[return-value]
        return op.inputs, op.padding, 0.0

    # --- convolutions ----------------------------------------------------------------------------------------

    def _convolution(self, op: Conv) -> Step | None:
        inputs, padding, _ = self._border(op)
        last: Op = op
        folded = op
        reader = self._only_reader(last)
        while isinstance(reader, Affine):
            folded = fold(folded, reader)
            self.done.add(reader.name)
            last, reader = reader, self._only_reader(reader)
        added: list[str] = []
        follows = not isinstance(self.by_name[op.inputs[0]], ops.Constant)
        if follows and isinstance(reader, Elementwise) and reader.function == "add" and self._comes_last(last, reader):
            added = [name for name in reader.inputs if name != last.name]
            self.done.add(reader.name)
            last, reader = reader, self._only_reader(reader)
        activation = None
        if isinstance(reader, Activation) and (not added or reader.function in _AFTER_A_SUM):
            activation, last = reader, reader
            self.done.add(reader.name)
        return Convolve(last.name, [*inputs, *added], padding, folded, Convolution(folded, activation, self.dtype))

    def _comes_last(self, value: Op, total: Op) -> bool:
        """Say whether a sum of two equal maps can be left to the convolution that makes one of them, the later one."""
        a, b = total.inputs
        other = self.by_name[b if a == value.name else a]
        if a == b or other.shape != value.shape or isinstance(other, ops.Constant):
            return False
        return self.order[other.name] < self.order[value.name] or not self._will_take(other, total)

    def _will_take(self, other: Op, total: Op) -> bool:
        """Say whether what makes the other map is a convolution that can take the sum in as well."""
        while isinstance(other, Affine) and self._only_reader(other) is not None:
            other = self.by_name[other.inputs[0]]
        return isinstance(other, Conv) and self._only_reader(other) is not None


def fold(op: Conv, affine: Affine) -> Conv:
    """Return a convolution with a scale and a shift of its channels folded in."""
    scale, shift = affine.scale.astype(np.float64), affine.shift.astype(np.float64)
    bias = shift if op.bias is None else op.bias * scale + shift
    return replace(op, weight=times(op.weight, scale[:, None, None, None]), bias=bias.astype(np.float32))
