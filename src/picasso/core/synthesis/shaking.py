"""Small random moves of a picture before the network reads it, and how slopes are taken back through them.

What a network says of one picture alone, exactly as it lies, is often an accident of its pixels. A picture that must
please however it is shifted, turned and scaled a little has to be made of shapes.

References:
    Olah, Mordvintsev and Schubert 2017, doi:10.23915/distill.00007 (transformation robustness).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Shake:
    """One move: each pixel is the mean of four, weighted by how near they lie, in the picture mirrored at its edges.

    Args:
        rows, columns: Which of its own stand in the rows and columns of the mirrored picture, (H,) and (W,).
        corner: Where the mirrored picture begins, in rows and columns of the picture; negative beyond its edge.
        cells: The upper left of the four in the mirrored picture, counted row by row, (h, w).
        down, right: How near to the lower, and to the right of the four each lies, 0..1, (h, w).
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    corner: tuple[int, int]
    cells: NDArray[np.intp]
    down: Wide
    right: Wide

    def apply(self, picture: Wide) -> Wide:
        """Return the moved picture, (h, w, c)."""
        wide = np.moveaxis(picture, -1, 0)[:, self.rows][:, :, self.columns]
        below = len(self.columns)
        made = np.empty((len(wide), *self.cells.shape), picture.dtype)
        for values, out in zip(wide.reshape(len(wide), -1), made, strict=True):
            upper, lower = (self._across(values[start:]) for start in (0, below))
            lower -= upper
            lower *= self.down
            np.add(upper, lower, out=out)
        return np.moveaxis(made, 0, -1)

    def _across(self, values: Wide) -> Wide:
        left, right = values.take(self.cells), values[1:].take(self.cells)
        right -= left
        right *= self.right
        left += right
        return left

    def pull(self, slopes: Wide) -> Wide:
        """Return the derivative by the picture of what has these slopes (h, w, c) by the moved one."""
        given = np.moveaxis(slopes, -1, 0)
        height, width = len(self.rows), len(self.columns)
        four = np.add.outer((0, 1, width, width + 1), self.cells).ravel()
        shares = np.empty((4, *self.cells.shape))  # as wide as the sums are: they are not converted again
        folded: Wide = np.empty((len(given), height, width))
        for values, out in zip(given, folded, strict=True):
            np.multiply(values, self.down, out=shares[2])
            np.subtract(values, shares[2], out=shares[0])
            np.multiply(shares[::2], self.right, out=shares[1::2])
            shares[::2] -= shares[1::2]
            out[...] = np.bincount(four, shares.ravel(), minlength=out.size).reshape(out.shape)
        for axis, places in enumerate((self.rows, self.columns)):
            folded = _folded(folded, axis + 1, places, self.corner[axis], self.cells.shape[axis])
        return np.moveaxis(folded.astype(slopes.dtype, copy=False), 0, -1)


@dataclass(frozen=True)
class Shaking:
    """How far pictures are moved at random.

    Args:
        jitter: They are shifted by up to so much of their side each way.
        scaling: They become larger or smaller by up to so much: 0.1 is 1 / 1.1 to 1.1 times.
        rotation: They are turned by up to so many degrees each way.
    """

    jitter: float = 0.0
    scaling: float = 0.0
    rotation: float = 0.0

    @property
    def still(self) -> bool:
        """Whether nothing moves."""
        return not (self.jitter or self.scaling or self.rotation)

    def draw(self, random: np.random.Generator, shape: tuple[int, int]) -> Shake | None:
        """Return a move of pictures of (h, w); None where nothing moves."""
        if self.still:
            return None
        down, right, grown, turned = random.uniform(-1, 1, 4)
        shift = down * self.jitter * shape[0], right * self.jitter * shape[1]
        return shake(shape, shift, math.exp(grown * math.log1p(self.scaling)), turned * self.rotation)


def shake(shape: tuple[int, int], shift: tuple[float, float], factor: float, degrees: float) -> Shake:
    """Return a move of pictures.

    Args:
        shape: (h, w) of the picture.
        shift: How far (down, right), in pixels, after all else.
        factor: By what it grows around its middle.
        degrees: By how much it is turned around its middle, counterclockwise.
    """
    height, width = shape
    cosine = math.cos(math.radians(degrees)) / factor
    sine = math.sin(math.radians(degrees)) / factor
    y = np.arange(height)[:, None] - (height - 1) / 2 - shift[0]
    x = np.arange(width)[None] - (width - 1) / 2 - shift[1]
    # Single precision: thousandths of a pixel do not matter, and the time does.
    rows = (cosine * y + (height - 1) / 2).astype(np.float32) + (sine * x).astype(np.float32)
    columns = (cosine * x + (width - 1) / 2).astype(np.float32) - (sine * y).astype(np.float32)
    top, left = np.floor(rows), np.floor(columns)
    rows -= top
    columns -= left
    first, start = int(top.min()), int(left.min())
    seen = _mirrored(first, int(top.max()) + 2, height), _mirrored(start, int(left.max()) + 2, width)
    top -= first
    top *= len(seen[1])
    top += left - start
    return Shake(*seen, (first, start), top.astype(np.intp), rows, columns)


def _mirrored(start: int, stop: int, side: int) -> NDArray[np.intp]:
    """Return which of so many cells stands at the places from start to stop, beyond their edge mirrored."""
    twice = np.arange(start, stop) % (2 * side)
    return np.minimum(twice, 2 * side - 1 - twice)


def _folded(values: Wide, axis: int, places: NDArray[np.intp], start: int, side: int) -> Wide:
    """Return the sums of what stands at the same of `side` places along an axis.

    Args:
        values: What stands there.
        axis: Along which.
        places: The place of each.
        start: That of the first, where nothing is mirrored.
        side: How many places there are.
    """
    values = np.moveaxis(values, axis, 0)
    made = np.zeros((side, *values.shape[1:]))
    low, high = max(start, 0), max(min(start + len(places), side), 0)
    if high > low:
        made[low:high] = values[low - start : high - start]
    above, below = values[: low - start], values[high - start :]
    if high > low and max(len(above), len(below)) <= side:  # each side is mirrored once
        made[: len(above)] += above[::-1]
        made[side - len(below) :] += below[::-1]
        return np.moveaxis(made, 0, axis)
    for number, (place, value) in enumerate(zip(places, values, strict=True), start):
        if not low <= number < high:
            made[place] += value
    return np.moveaxis(made, 0, axis)
