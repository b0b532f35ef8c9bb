"""A picture cut into a grid of cells: what is removed at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.preprocessing import Array


@dataclass(frozen=True, eq=False)
class Cells:
    """A grid of cells.

    Args:
        boxes: int (m, 4): top, left, height, width of each, row by row.
        number: int (h, w): in which cell each pixel lies.
    """

    boxes: NDArray[np.int64]
    number: NDArray[np.intp]

    def sums(self, values: Array) -> NDArray[np.float64]:
        """Return the sum of a map (h, w) over each cell, (m,); what is not known counts as 0."""
        known = np.nan_to_num(np.asarray(values, np.float64), posinf=0.0, neginf=0.0)
        return np.asarray(np.bincount(self.number.reshape(-1), known.reshape(-1), len(self.boxes)), np.float64)

    def means(self, values: Array) -> NDArray[np.float64]:
        """Return the mean of a map over each cell, (m,)."""
        return np.asarray(self.sums(values) / (self.boxes[:, 2] * self.boxes[:, 3]))


def grid(height: int, width: int, cells: int) -> Cells:
    """Cut a picture into so many rows and columns, of which no two differ by more than a pixel; at least one each."""
    edges = [np.round(np.linspace(0, side, min(cells, side) + 1)).astype(np.int64) for side in (height, width)]
    (tops, talls), (lefts, wides) = ((ends[:-1], np.diff(ends)) for ends in edges)
    boxes = [
        (top, left, tall, wide)
        for top, tall in zip(tops, talls, strict=True)
        for left, wide in zip(lefts, wides, strict=True)
    ]
    down, across = np.repeat(np.arange(len(tops)), talls), np.repeat(np.arange(len(lefts)), wides)
    return Cells(np.array(boxes, np.int64), down[:, None] * len(lefts) + across[None])
