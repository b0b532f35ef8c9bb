"""A picture that was painted over, as data: which pixels of the network's input, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import EditError
from picasso.core.maps.baselines import Baseline
from picasso.core.preprocessing import Array

Fill = Literal["grey", "black", "white", "mean", "blur", "clone"]
MOST_SIDE = 8192
MOST_PAINTS = 255
MOST_RUNS = 100_000
"""Stretches of pixels in one edit, over all its paints. A stroke of a round brush has one for each row."""


@dataclass(frozen=True)
class Paint:
    """What some pixels become.

    Args:
        fill: What stands for "absent", as in occlusion; or "clone": what lies elsewhere in the unpainted picture.
        runs: first, length, first, length, ...: stretches of pixels, counted row by row from the top left corner,
            in their order and without overlap.
        right, down: For a clone: a pixel takes what lies so many pixels to its right and below it.
    """

    fill: Fill
    runs: tuple[int, ...]
    right: int = 0
    down: int = 0


@dataclass(frozen=True)
class Edit:
    """A painted picture.

    Args:
        height, width: Of the network's input.
        paints: Where two of them meet, the later one holds.

    Raises:
        EditError: It is too large, or a paint's runs or offset are impossible.
    """

    height: int
    width: int
    paints: tuple[Paint, ...] = ()

    def __post_init__(self) -> None:
        if not (1 <= self.height <= MOST_SIDE and 1 <= self.width <= MOST_SIDE):
            raise EditError(f"An edit's sides must be in 1..{MOST_SIDE}. Got {self.width} x {self.height}.")
        if len(self.paints) > MOST_PAINTS:
            raise EditError(f"An edit may have at most {MOST_PAINTS} paints. Got {len(self.paints)}.")
        runs = sum(len(paint.runs) for paint in self.paints) // 2
        if runs > MOST_RUNS:
            raise EditError(f"An edit may have at most {MOST_RUNS} runs. Got {runs}.", "Paint larger, simpler regions.")
        for paint in self.paints:
            self._check(paint)

    def _check(self, paint: Paint) -> None:
        if len(paint.runs) % 2:
            raise EditError("Runs must be pairs of a first pixel and a length. Got an odd number of numbers.")
        if (paint.right or paint.down) and paint.fill != "clone":
            raise EditError(f"right and down belong to fill=clone. Got fill={paint.fill}.")
        if abs(paint.right) >= self.width or abs(paint.down) >= self.height:
            raise EditError(f"A clone must copy from within the picture. Got right={paint.right}, down={paint.down}.")
        pixels = self.height * self.width
        if any(number < 0 or number > pixels for number in paint.runs):
            raise EditError(f"Runs must lie within the {pixels} pixels of {self.width} x {self.height}.")
        first, length = np.array(paint.runs, np.int64).reshape(-1, 2).T
        ends = first + length
        if (length < 1).any() or (first[1:] < ends[:-1]).any():
            raise EditError("Runs must be in their order, without overlap, each of at least one pixel.")
        if len(ends) and ends[-1] > pixels:
            raise EditError(f"Runs must lie within the {pixels} pixels of {self.width} x {self.height}.")

    def region(self, paint: Paint) -> NDArray[np.bool_]:
        """Return the pixels of one paint, bool (height, width)."""
        first, length = np.array(paint.runs, np.int64).reshape(-1, 2).T
        steps = np.zeros(self.height * self.width + 1, np.int8)
        np.add.at(steps, first, 1)
        np.add.at(steps, first + length, -1)
        return np.cumsum(steps[:-1]).astype(bool).reshape(self.height, self.width)

    @property
    def painted(self) -> NDArray[np.bool_]:
        """All pixels that are painted, bool (height, width)."""
        found = np.zeros((self.height, self.width), bool)
        for paint in self.paints:
            found |= self.region(paint)
        return found

    def apply(self, x: Array, absent: Callable[[Baseline], Array]) -> Array:
        """Return an input with the paints laid on.

        Args:
            x: What the network reads, float32 (h, w, c).
            absent: Returns what stands for "absent", (h, w, c).

        Raises:
            EditError: The edit is of another size, or a clone copies from beyond the picture.
        """
        if x.shape[:2] != (self.height, self.width):
            raise EditError(
                f"The network reads {x.shape[1]} x {x.shape[0]} pixels. Got an edit of {self.width} x {self.height}."
            )
        result = x.copy()
        for paint in self.paints:
            region = self.region(paint)
            if paint.fill != "clone":
                result[region] = absent(paint.fill)[region]
                continue
            rows, columns = np.nonzero(region)
            rows, columns = rows + paint.down, columns + paint.right
            beyond = (rows < 0) | (rows >= self.height) | (columns < 0) | (columns >= self.width)
            if beyond.any():
                raise EditError("A clone copies from beyond the edge of the picture.", "Paint further from the edge.")
            result[region] = x[rows, columns]
        return result
