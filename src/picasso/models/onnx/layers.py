"""The layers of an ONNX graph: every value that depends on the picture, and where its channels lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from picasso.core.facts import Layer

if TYPE_CHECKING:
    from picasso.models.onnx.graph import Step

Shapes = Mapping[str, tuple[int, ...]]
Axis = int | None
"""Which axis the channels are on; None where that is not known, as where they are split among heads."""
_SECOND = frozenset(
    {
        *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "LRN"),
        *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "DepthToSpace", "SpaceToDepth"),
        *("ConvInteger", "QLinearConv", "QLinearAveragePool", "QLinearGlobalAveragePool"),
    }
)
"""Operators whose channels are on the second axis."""
_TURNED = frozenset({"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather", "MatMul", "Gemm", "Einsum"})
"""Operators behind which the axes may lie in another way."""
_MOST_STRETCHED = 4.0


@dataclass(frozen=True)
class Place:
    """A layer's value.

    Args:
        value: Its name in the graph.
        axis: Which axis is moved last; None to leave all as they are.
    """

    value: str
    axis: Axis

    def channels_last(self, array: Any) -> Any:
        """Return (n, ...) with its channels last."""
        return array if self.axis is None else np.ascontiguousarray(np.moveaxis(array, self.axis, -1))

    def as_in_graph(self, array: Any) -> Any:
        """Return (n, ..., channels) as the graph has it."""
        return array if self.axis is None else np.ascontiguousarray(np.moveaxis(array, -1, self.axis))


def find_layers(
    steps: Sequence[Step], start: str, start_axis: Axis, shapes: Shapes, count: int, input_shape: tuple[int, int, int]
) -> dict[str, tuple[Layer, Place]]:
    """Return the layers by name, in the order of execution.

    Args:
        steps: Of the graph.
        start: The input that reads the picture.
        start_axis: Where its channels are.
        shapes: Those of all floating-point values of one run that depend on the picture.
        count: How many pictures it had; what has another number of rows is no layer.
        input_shape: (height, width, channels).
    """
    axes: dict[str, Axis] = {start: start_axis}
    found: dict[str, tuple[Layer, Place]] = {}
    for step in steps:
        for number, value in enumerate(step.outputs):
            if value not in shapes:
                # Whole numbers, as of a quantized convolution, are no layer, but what they become may be one.
                if step.kind in _SECOND:
                    axes[value] = 1
                continue
            shape = shapes[value]
            axis = axes[value] = _axis(step, shape, axes, shapes)
            if len(shape) < 2 or shape[0] != count or 0 in shape:
                continue
            moved = axis if axis is not None and 0 < axis < len(shape) - 1 else None
            inner = [side for place, side in enumerate(shape) if place > 0 and place != moved]
            last = tuple(inner) if moved is None else (*inner, shape[moved])
            positions = None
            if len(last) > 3 or (len(last) == 3 and (axis is None or not _is_picture(last, input_shape))):
                positions = False
            name = _free(value if number else step.name, found)
            found[name] = Layer(name, step.kind, last, positions=positions), Place(value, moved)
    return found


def _free(name: str, taken: Mapping[str, object]) -> str:
    """Return a name that no other layer has."""
    free, copy = name, 1
    while free in taken:
        copy += 1
        free = f"{name}:{copy}"
    return free


def _axis(step: Step, shape: tuple[int, ...], axes: Mapping[str, Axis], shapes: Shapes) -> Axis:
    """Say where the channels of a step's output are, from where those of its inputs are."""
    known = [name for name in step.inputs if name in axes]
    before = next((axes[name] for name in known if axes[name] is not None), None)
    source = shapes.get(known[0], ()) if known else ()
    if step.kind in _SECOND:
        return 1
    if step.kind in ("LayerNormalization", "RMSNormalization"):
        return len(shape) - 1 if step.call.get("axis", -1) in (-1, len(shape) - 1) else before
    if step.kind in ("MatMul", "Gemm", "Einsum"):
        # A product with a weight makes channels; one of two activations weighs or mixes tokens.
        return len(shape) - 1 if len(known) == 1 and (step.kind != "Einsum" or len(shape) < 4) else None
    if before is None:
        return None
    if step.kind == "Transpose":
        turns = list(step.call.get("perm") or range(len(shape))[::-1])
        return turns.index(before) if before in turns else None
    if step.kind in _TURNED:
        if before == len(source) - 1 and shape and shape[-1] == source[-1]:
            return len(shape) - 1
        return before if shape[: before + 1] == source[: before + 1] else None
    return before if before < len(shape) else None


def _is_picture(sides: tuple[int, ...], input_shape: tuple[int, int, int]) -> bool:
    """Say whether a map has about the proportions of the input: heads by tokens have not."""
    stretched = sides[0] * input_shape[1] / (sides[1] * input_shape[0])
    return 1 / _MOST_STRETCHED <= stretched <= _MOST_STRETCHED
