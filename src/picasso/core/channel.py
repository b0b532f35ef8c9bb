"""A channel of a layer as what is explained: which pixels make channel 37 of conv5 fire."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotSupportedError, TargetError
from picasso.core.facts import Capability
from picasso.core.focus import Focus
from picasso.core.guessing import unknown_layer
from picasso.core.hooks import Prediction
from picasso.core.layers.receptive_field import ReceptiveFields, Region
from picasso.core.preprocessing import Array
from picasso.core.targets import LAYER

if TYPE_CHECKING:
    from picasso.core.facts import Layer, Sample
    from picasso.core.model import Model

HINT = (
    'Write layer:channel, "conv5:37", or with a place of the layer, "conv5:37@row,column", or "conv5:37@max" for where '
    "it is largest."
)
_WRITTEN = re.compile(r"(?P<layer>.+):(?P<channel>\d+)(?:@(?:(?P<max>max)|(?P<row>\d+),(?P<column>\d+)))?")


@dataclass(frozen=True)
class Channel:
    """A channel of a layer, counted from 0.

    Args:
        layer: The layer's name.
        number: Which of its channels.
        place: (row, column) in the layer's own map; "max" for the place where it is largest, which only a picture
            tells; or None for the mean over all of it.
    """

    layer: str
    number: int
    place: tuple[int, int] | Literal["max"] | None = None

    @property
    def text(self) -> str:
        """What a person writes for it."""
        if self.place == "max":
            return f"{self.layer}:{self.number}@max"
        where = "" if self.place is None else f"@{self.place[0]},{self.place[1]}"
        return f"{self.layer}:{self.number}{where}"

    @property
    def words(self) -> str:
        """Say which it is."""
        if self.place == "max":
            return f"channel {self.number} of {self.layer}, where it is largest"
        where = "its mean" if self.place is None else f"at row {self.place[0]}, column {self.place[1]}"
        return f"channel {self.number} of {self.layer}, {where}"


def read_channel(said: object) -> Channel:
    """Read a channel: "conv5:37"; "conv5:37@3,4" for its value at row 3, column 4 of the layer's map; "conv5:37@max".

    Raises:
        TargetError: It is not written so.
    """
    if isinstance(said, Channel):
        return said
    found = _WRITTEN.fullmatch(said.strip()) if isinstance(said, str) else None
    if found is None:
        raise TargetError(f"The channel to explain was not understood: {said!r}.", HINT)
    layer, number = found["layer"], int(found["channel"])
    if found["max"]:
        return Channel(layer, number, "max")
    return Channel(layer, number, None if found["row"] is None else (int(found["row"]), int(found["column"])))


@dataclass(frozen=True, eq=False)
class ChannelFocus(Focus):
    """A channel of a layer: the one score is its weighted sum over the layer's positions.

    Args:
        channel: Which.
        weights: float32, the shape of the layer without its channels: what each position counts, summing to 1.
        region: Of a unit at one place its receptive field; None where that is not known, and for the mean.
        size: (height, width) of the network's input.
    """

    channel: Channel
    weights: Array
    region: Region | None = None
    size: tuple[int, int] = (0, 0)

    @property
    def marked(self) -> NDArray[np.bool_] | None:
        return None if self.region is None else self.region.mask(self.size)

    @property
    def sentence(self) -> str:
        if self.region is None:
            return super().sentence
        seen = f"{self.region.height} x {self.region.width} of {self.size[0]} x {self.size[1]} pixels"
        return (
            f"The score is that of {self.about}. Its receptive field, {seen}: {self.region.words}. Nothing outside can "
            "change it."
        )

    @property
    def layer(self) -> str:
        return self.channel.layer

    def read(self, outputs: Mapping[str, Array]) -> Array:
        values = outputs[LAYER][..., self.channel.number]
        flat = values.reshape(len(values), -1).astype(np.float64)
        return (flat @ self.weights.reshape(-1).astype(np.float64))[:, None].astype(np.float32)

    def cotangents(self, outputs: Mapping[str, Array], slopes: Array) -> dict[str, Array]:
        given = np.zeros_like(outputs[LAYER])
        given[..., self.channel.number] = slopes.reshape(-1, *(1 for _ in self.weights.shape)) * self.weights
        return {LAYER: given}

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.channel.text.encode() + self.weights.tobytes()).hexdigest()


def focus_on_channel(model: Model, sample: Sample, channel: Channel) -> ChannelFocus:
    """Return the focus on a channel of a layer.

    Raises:
        NotSupportedError: The model does not show its layers, or the layer has no positions to choose a place from.
        NotFoundError: There is no such layer.
        TargetError: The layer has no such channel, or no such place.
    """
    whole = model.whole
    if Capability.ACTIVATIONS not in whole.capabilities:
        raise NotSupportedError(
            f"A channel cannot be explained: this {whole.framework} model does not show its layers.",
            "Give the network itself instead of its function or address.",
        )
    layer = _layer(whole, channel.layer)
    values = whole.activations(sample.x, [layer.name])[layer.name]
    count = values.shape[-1]
    if channel.number >= count:
        raise TargetError(f"The channels of '{layer.name}' are 0..{count - 1}. Got {channel.number}.", HINT)
    found, about = channel, channel.words
    if channel.place == "max":
        found = replace(channel, place=_largest(layer, values[0, ..., channel.number]))
        about = f"{found.words}, where it is largest in this picture"
    place = found.place if isinstance(found.place, tuple) else None
    weights = _weights(layer, values.shape[1:-1], place)
    focus = ChannelFocus(
        labels=(found.text,),
        classes=1,
        predictions=(),
        about=about,
        share="activation",
        outline=None,
        least=-np.inf,
        channel=found,
        weights=weights,
        region=None if place is None else _field(whole, layer, weights, found.number),
        size=whole.input_shape[:2],
    )
    score = float(focus.read({LAYER: values})[0, 0])
    return replace(focus, predictions=(Prediction(0, found.text, score),))


def _field(model: Model, layer: Layer, weights: Array, channel: int) -> Region | None:
    """Return the receptive field of the one unit that counts; None where it is not known, or the unit sees nothing."""
    (place,) = np.argwhere(weights)
    try:
        region = ReceptiveFields(model.graph()).of(layer, (*(int(one) for one in place), channel))
    except NotSupportedError:  # the network cannot be read
        return None
    return region if region is not None and region.height else None


def _layer(model: Model, name: str) -> Layer:
    layers = {layer.name: layer for layer in model.layers()}
    if name not in layers:
        raise unknown_layer(name, layers)
    return layers[name]


def _weights(layer: Layer, shape: tuple[int, ...], place: tuple[int, int] | None) -> Array:
    """Return what each position of a layer counts: all the same, or one alone."""
    weights = np.zeros(shape, np.float32)
    if place is None:
        weights[...] = 1 / max(1, weights.size)
        return weights
    (row, column), (rows, columns) = place, _grid(layer, shape)
    if row >= rows or column >= columns:
        raise TargetError(
            f"The map of '{layer.name}' has {rows} rows and {columns} columns, from 0. Got {row}, {column}.", HINT
        )
    if layer.grid is None:
        weights[row, column] = 1
    else:  # class and register tokens come before those of the patches
        weights[shape[0] - rows * columns + row * columns + column] = 1
    return weights


def _grid(layer: Layer, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many rows and columns a layer's map has; `shape` is that of its output without the channels."""
    if layer.grid is not None:
        return layer.grid
    if len(shape) != 2:
        raise NotSupportedError(
            f"The output of '{layer.name}', {(*shape, 'channels')}, has no rows and columns.", "Leave the place out."
        )
    return shape[0], shape[1]


def _largest(layer: Layer, values: Array) -> tuple[int, int]:
    """Return the row and column of the layer's map at which a channel's values (positions) are largest, the first."""
    rows, columns = _grid(layer, values.shape)
    place = int(values.reshape(-1)[-rows * columns :].argmax())
    return place // columns, place % columns
