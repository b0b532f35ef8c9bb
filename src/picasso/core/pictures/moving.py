"""Moves a picture, and a layer's map of it in the same way: shifts, turns, scales, mirrors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.facts import Layer
from picasso.core.preprocessing import Array

Edge = Literal["edge", "reflect", "wrap"]
"""What comes in from outside: the outermost pixels repeated, the picture mirrored, or what left at the other side."""
_NEAR = 1e-6
"""Places that lie so near to a pixel's center are meant to be there: sin(180 degrees) is not zero to the last bit."""
Pair = tuple[float, float]


@dataclass(frozen=True)
class Move:
    """Where what is seen comes from: source = inverse (place - shift), both from the middle, rows before columns.

    Args:
        inverse: The inverse of the linear part.
        shift: How far everything is shifted after that, (down, right), in pixels.
    """

    inverse: tuple[Pair, Pair] = ((1.0, 0.0), (0.0, 1.0))
    shift: Pair = (0.0, 0.0)

    @classmethod
    def shifted(cls, down: float, right: float) -> Move:
        """Return a shift by pixels."""
        return cls(shift=(down, right))

    @classmethod
    def turned(cls, degrees: float) -> Move:
        """Return a turn around the middle, counterclockwise."""
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return cls(((cosine, sine), (-sine, cosine)))

    @classmethod
    def scaled(cls, down: float, right: float) -> Move:
        """Return an enlargement around the middle by factors; negative ones mirror."""
        return cls(((1 / down, 0.0), (0.0, 1 / right)))

    def on_map(self, stride: Pair) -> Move:
        """Return the same move in cells of a map, one of which is so many pixels high and wide."""
        (a, b), (c, d) = self.inverse
        down, right = stride
        return Move(((a, b * right / down), (c * down / right, d)), (self.shift[0] / down, self.shift[1] / right))


@dataclass(frozen=True, eq=False)
class Moved:
    """What a move makes of values.

    Args:
        values: (rows, columns, channels), as float64 has it.
        inside: Which of them come from the values, bool (rows, columns); the others from beyond their edge.
        exact: Whether each of those inside is one of the values; else they lie between them.
    """

    values: NDArray[np.float64]
    inside: NDArray[np.bool_]
    exact: bool


def moved(values: NDArray[Any], move: Move, outside: Edge | Array) -> Moved:
    """Move a picture or a map, bilinear between the centers of its cells; where it shrinks, the mean of what falls in.

    Args:
        values: (rows, columns, channels).
        move: How, in cells of the values.
        outside: What comes in from beyond the edge, or values of the same shape that stand there.

    Returns:
        A shift by whole cells, a mirror image, and quarter turns of what is square hold the very values.
    """
    rows, columns = values.shape[:2]
    smallest = max(math.hypot(*column) for column in zip(*move.inverse, strict=True))
    fine = max(1, math.ceil(smallest - _NEAR))
    parts = (np.arange(fine) + 0.5) / fine - 0.5
    total = np.zeros(values.shape, np.float64)
    inside = np.ones((rows, columns), bool)
    exact = True
    for down in parts:
        for right in parts:
            source = _sources(move, rows, columns, down, right)
            total += _sampled(values, source, outside)
            tolerance = 0.5 if fine > 1 else 0.0  # of a cell that shrinks, the parts near the edge are inside
            within = [
                (s >= -tolerance) & (s <= side - 1 + tolerance) for s, side in zip(source, (rows, columns), strict=True)
            ]
            inside &= within[0] & within[1]
            exact &= fine == 1 and all(bool((s[inside] == np.round(s[inside])).all()) for s in source)
    if isinstance(outside, str) and outside == "wrap":
        inside[:] = True
    return Moved(total / fine**2, inside, exact and bool(inside.any()))


def _sources(move: Move, rows: int, columns: int, down: float, right: float) -> tuple[NDArray[np.float64], ...]:
    """Return for each cell where it comes from, rows and columns, each (rows, columns)."""
    middle = (rows - 1) / 2, (columns - 1) / 2
    y = np.arange(rows)[:, None] + down - middle[0] - move.shift[0]
    x = np.arange(columns)[None] + right - middle[1] - move.shift[1]
    found = []
    for (by_row, by_column), center in zip(move.inverse, middle, strict=True):
        place = by_row * y + by_column * x + center
        whole = np.round(place)
        found.append(np.where(np.abs(place - whole) < _NEAR, whole, place))
    return tuple(found)


def _sampled(
    values: NDArray[Any], source: tuple[NDArray[np.float64], ...], outside: Edge | Array
) -> NDArray[np.float64]:
    """Read values between their centers."""
    wide = values.astype(np.float64)
    lows = [np.floor(places) for places in source]
    parts = [(places - low)[..., None] for places, low in zip(source, lows, strict=True)]
    sides = values.shape[:2]
    first = [_index(low, side, outside) for low, side in zip(lows, sides, strict=True)]
    second = [_index(low + 1, side, outside) for low, side in zip(lows, sides, strict=True)]
    upper = wide[first[0], first[1]] * (1 - parts[1]) + wide[first[0], second[1]] * parts[1]
    lower = wide[second[0], first[1]] * (1 - parts[1]) + wide[second[0], second[1]] * parts[1]
    found: NDArray[np.float64] = upper * (1 - parts[0]) + lower * parts[0]
    if not isinstance(outside, str):
        beyond = [(places < -0.5) | (places > side - 0.5) for places, side in zip(source, sides, strict=True)]
        found = np.where((beyond[0] | beyond[1])[..., None], outside, found)
    return found


def _index(places: NDArray[np.float64], side: int, outside: Edge | Array) -> NDArray[np.intp]:
    """Return which of so many cells stands at whole places, which may lie beyond the edge."""
    whole = places.astype(np.intp)
    if isinstance(outside, str) and outside == "wrap":
        return whole % side
    if isinstance(outside, str) and outside == "reflect":
        twice = whole % (2 * side)
        return np.where(twice < side, twice, 2 * side - 1 - twice)
    return np.clip(whole, 0, side - 1)


def map_strides(layers: Sequence[Layer], input_shape: Sequence[int]) -> dict[str, Pair]:
    """Return how many pixels of the input lie between the cells of each layer with space, (down, right), by name.

    From layer to layer it is the largest stride that leaves so many cells, so that a border that was cut off, as
    convolutions without padding do, is not taken for a stride. Where that goes astray, as it may in branches, the ratio
    of the sides itself is taken.

    Args:
        layers: In the order of execution.
        input_shape: (height, width, channels).
    """
    found: dict[str, Pair] = {}
    before = float(input_shape[0]), float(input_shape[1])
    strides = [1.0, 1.0]
    for layer in layers:
        if not layer.spatial or (layer.grid is None and len(layer.shape) != 3):
            continue
        sides = layer.grid or (layer.shape[0], layer.shape[1])
        for axis, side in enumerate(sides):
            strides[axis] *= _stride(before[axis], side)
        before = float(sides[0]), float(sides[1])
        plain = input_shape[0] / sides[0], input_shape[1] / sides[1]
        good = all(0.4 < mine / ratio < 1.05 for mine, ratio in zip(strides, plain, strict=True))
        found[layer.name] = (strides[0], strides[1]) if good else plain
    return found


def _stride(before: float, side: float) -> float:
    """Return the largest whole stride that leaves `side` of `before` cells; below 1 where there are more."""
    if side > before:
        return 1 / max(1, round(side / before))
    # ceil(before / stride) >= side
    return next(stride for stride in range(int(before // max(side - 1, 1)) + 1, 0, -1) if -(-before // stride) >= side)
