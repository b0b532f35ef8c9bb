"""Which input of a graph reads the picture, how its axes lie, and what the other inputs get."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ConfigurationError, ModelFileError
from picasso.core.preprocessing import Array

Axes = Literal["nchw", "nhwc", "nhw", "flat"]
Dims = tuple[int | None, ...]
_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
_PICTURE_TYPES = ("float32", "float16", "float64", "uint8")
_NAMES = ("image", "images", "input", "inputs", "pixel_values", "x", "data")
_CHANNELS = (1, 3, 4)
_KEEPING = frozenset({"Sub", "Add", "Mul", "Div", "Cast", "Identity", "Clip", "BatchNormalization", "Pad", "Relu"})
"""Operators behind which the axes lie as before."""
_MOST_NUMBERS = 2**28
_MOST_SIDE = 8192


@dataclass(frozen=True)
class GraphInput:
    """An input as the file declares it.

    Args:
        name: Its name.
        type: NumPy's name of its type; "" for others.
        dims: Its sizes, None for those that are open; or None where nothing is said.
    """

    name: str
    type: str
    dims: Dims | None


@dataclass(frozen=True)
class ImageInput:
    """The input that reads the picture.

    Args:
        name: Its name.
        type: NumPy's name of its type.
        axes: How its axes lie: "nhw" without an axis of channels, "flat" in one row.
        batch: The only number of pictures that it takes, or None.
        sides: (height, width, channels), None for those that are open.
    """

    name: str
    type: str
    axes: Axes
    batch: int | None
    sides: tuple[int | None, int | None, int | None]

    @property
    def whole_numbers(self) -> bool:
        return self.type == "uint8"

    def arrange(self, x: Array) -> NDArray[Any]:
        """Turn float32 (n, h, w, c) into what the graph reads."""
        if self.whole_numbers:
            x = np.clip(np.round(x), 0, 255)
        if self.axes == "nchw":
            x = x.transpose(0, 3, 1, 2)
        elif self.axes == "nhw":
            x = x[..., 0]
        elif self.axes == "flat":
            x = x.reshape(len(x), -1)
        return np.ascontiguousarray(x, dtype=self.type)

    def arrange_tensor(self, x: Any) -> Any:
        """Do the same with a PyTorch tensor, so that gradients find back; whole numbers are rounded in passing."""
        if self.whole_numbers:
            x = x + (x.round().clamp(0, 255) - x).detach()
        if self.type == "float64":
            x = x.double()
        if self.axes == "nchw":
            return x.permute(0, 3, 1, 2).contiguous()
        return x[..., 0] if self.axes == "nhw" else x.flatten(1) if self.axes == "flat" else x

    def check(self, shape: tuple[int, int, int], declared: bool) -> tuple[int, int, int]:
        """Refuse a shape that this input does not take, or that no picture has.

        Raises:
            ConfigurationError: The declared preprocessing makes another shape.
            ModelFileError: The file asks for absurdly many numbers.
        """
        if declared and any(own not in (None, side) for own, side in zip(self.sides, shape, strict=True)):
            wanted = " x ".join("any" if side is None else str(side) for side in self.sides)
            raise ConfigurationError(
                f"The preprocessing makes {' x '.join(map(str, shape))} (height, width, channels); the network's input "
                f"'{self.name}' takes {wanted}.",
                "Declare that size and as many channels.",
            )
        count = self.batch or 1
        if min(shape) < 1 or max(shape[:2]) > _MOST_SIDE or math.prod(shape) * count > _MOST_NUMBERS or count > 4096:
            raise ModelFileError(
                f"The input '{self.name}' takes {count} x {' x '.join(map(str, shape))} numbers, which is no picture.",
                "Give another file.",
            )
        return shape


def graph_inputs(proto: Any) -> list[GraphInput]:
    """Return the inputs of a graph."""
    found = []
    for value in proto.graph.input:
        kind = value.type.tensor_type
        dims: Dims | None = None
        if kind.HasField("shape"):
            dims = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in kind.shape.dim)
        found.append(GraphInput(value.name, _TYPES.get(kind.elem_type, ""), dims))
    return found


def find_image_input(
    proto: Any, weights: Mapping[str, Any], asked: str, declared: tuple[int, int, int] | None
) -> ImageInput:
    """Find the input that reads the picture.

    Args:
        proto: onnx.ModelProto.
        weights: Its weights by name.
        asked: The user's own word, or "".
        declared: (height, width, channels) that the user's preprocessing makes, or None.

    Raises:
        ConfigurationError: There is no input of the name asked for, or several could be meant.
        ModelFileError: No input can read a picture.
    """
    inputs = graph_inputs(proto)
    listed = ", ".join(f"{one.name} {_said(one.dims)}" for one in inputs)
    if asked:
        chosen = [one for one in inputs if one.name == asked]
        if not chosen:
            raise ConfigurationError(f"The network has no input '{asked}'.", f"It has {listed}.")
    else:
        able = [one for one in inputs if one.type in _PICTURE_TYPES]
        ranks = [[one for one in able if one.dims is None or len(one.dims) == rank] for rank in (4, 3, 2)]
        chosen = next((fitting for fitting in ranks if fitting), [])
        if len(chosen) > 1:
            chosen = [one for one in chosen if one.name.lower() in _NAMES][:1] or chosen
        if len(chosen) > 1:
            raise ConfigurationError(
                f"Several inputs could read the picture: {listed}.", f"Say which, with --input {chosen[0].name}."
            )
    image = _laid_out(chosen[0], proto, weights, declared) if chosen else None
    if image is None:
        raise ModelFileError(
            f"No input of the network takes pictures: {listed or 'it has none'}.",
            "Picasso reads inputs of (n, channels, height, width) or (n, height, width, channels).",
        )
    return image


def held_inputs(
    proto: Any, image: ImageInput, hold: Mapping[str, Any]
) -> tuple[dict[str, tuple[NDArray[Any], bool]], list[str]]:
    """Return what the other inputs get, by name, each with whether it is repeated for each picture; and notes.

    Raises:
        ConfigurationError: There is no such input, or what it is to get has another shape.
    """
    others = [one for one in graph_inputs(proto) if one.name != image.name]
    unknown = set(hold) - {one.name for one in others}
    if unknown:
        names = ", ".join(one.name for one in others) or "none besides the picture's"
        raise ConfigurationError(f"There is no input '{sorted(unknown)[0]}' to hold.", f"The network has {names}.")
    found, notes = {}, []
    for one in others:
        dims = one.dims or ()
        each = bool(dims) and (dims[0] is None or (image.batch is not None and dims[0] == image.batch))
        shape = tuple(side or 1 for side in (dims[1:] if each else dims))
        if one.name in hold:
            value = np.asarray(hold[one.name], dtype=one.type or None)
            if not value.ndim and math.prod(shape) <= _MOST_NUMBERS:
                value = np.full(shape, value)  # one number fills it
            value = value[0] if each and value.ndim == len(dims) and len(value) == 1 else value
            fits = len(value.shape) == len(shape) and all(
                dim in (None, side) for dim, side in zip(dims[-len(shape) :] if shape else (), value.shape, strict=True)
            )
            if not fits:
                raise ConfigurationError(f"The input '{one.name}' takes {_said(dims)}. Got {list(value.shape)}.")
        else:
            if not one.type or math.prod(shape) > _MOST_NUMBERS:
                raise ConfigurationError(
                    f"The input '{one.name}' needs a value.", f"Give one, with hold={{'{one.name}': ...}}."
                )
            value = np.zeros(shape, one.type)
            notes.append(f"The input '{one.name}' gets zeros.")
        found[one.name] = (value, each)
    return found, notes


def _said(dims: Dims | None) -> str:
    return "of any shape" if dims is None else str(["any" if side is None else side for side in dims])


def _laid_out(
    one: GraphInput, proto: Any, weights: Mapping[str, Any], declared: tuple[int, int, int] | None
) -> ImageInput | None:
    """Decide how an input's axes lie."""
    dims = one.dims if one.dims is not None else (None,) * 4
    if one.type not in _PICTURE_TYPES:
        return None
    if len(dims) == 4:
        axes, channels = _channel_axis(one.name, dims, proto, weights)
        sides = (*dims[2:], dims[1] or channels) if axes == "nchw" else (*dims[1:3], dims[3] or channels)
        if declared and one.dims is None:
            sides = (None, None, None)
        return ImageInput(one.name, one.type, axes, dims[0], sides)
    if len(dims) == 3:
        return ImageInput(one.name, one.type, "nhw", dims[0], (dims[1], dims[2], 1))
    if len(dims) == 2:
        count = dims[1] if dims[1] is not None else math.prod(declared or (0,))
        side = math.isqrt(count)
        shape = declared if declared and math.prod(declared) == count else (side, side, 1)
        return ImageInput(one.name, one.type, "flat", dims[0], shape) if count and math.prod(shape) == count else None
    return None


def _channel_axis(name: str, dims: Dims, proto: Any, weights: Mapping[str, Any]) -> tuple[Axes, int | None]:
    """Say where the channels lie, and how many there are where the sizes do not tell.

    What the graph does first decides: it turns the axes, or convolves with as many channels. Else the sizes do.
    """
    first: tuple[Axes, int | None] | None = None
    reached = {name}
    for node in proto.graph.node:
        if reached.isdisjoint(node.input):
            continue
        if node.op_type in _KEEPING and node.input[0] in reached:
            reached.add(node.output[0])
            continue
        if node.op_type == "Transpose":
            turns = next((list(one.ints) for one in node.attribute if one.name == "perm"), [])
            first = ("nhwc", dims[3]) if turns == [0, 3, 1, 2] else ("nchw", dims[1]) if turns == [0, 2, 3, 1] else None
        elif node.op_type == "Conv" and len(node.input) > 1 and node.input[1] in weights:
            groups = next((one.i for one in node.attribute if one.name == "group"), 1)
            channels = weights[node.input[1]].shape[1] * groups
            first = ("nchw", channels) if dims[1] in (None, channels) else None
        break
    if first is not None:
        return first
    ends: Sequence[int | None] = (dims[1], dims[3])
    if ends[0] in _CHANNELS and ends[1] not in _CHANNELS:
        return "nchw", ends[0]
    if ends[1] in _CHANNELS and ends[0] not in _CHANNELS:
        return "nhwc", ends[1]
    # Odd numbers of channels: the two sides of a picture are mostly equal.
    return ("nhwc", ends[1]) if dims[1] is not None and dims[1] == dims[2] != dims[3] else ("nchw", ends[0])
