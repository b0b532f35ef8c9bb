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
        return np.bincount(self.number.reshape(-1), known.reshape(-1), len(self.boxes))

    def means(self, values: Array) -> NDArray[np.float64]:
        """Return the mean of a map over each cell, (m,)."""
        return np.asarray(self.sums(values) / (self.boxes[:, 2] * self.boxes[:, 3]))


def grid(height: int, width: int, cells: int) -> Cells:
    """Cut a picture into so many rows and columns, of which no two differ by more than a pixel; at least a pixel each."""
    rows, columns = (
        np.round(np.linspace(0, side, min(cells, side) + 1)).astype(np.int64) for side in (height, width)
    )
    boxes = [
        (top, left, bottom - top, right - left)
        for top, bottom in zip(rows[:-1], rows[1:], strict=True)
        for left, right in zip(columns[:-1], columns[1:], strict=True)
    ]
    down = np.repeat(np.arange(len(rows) - 1), np.diff(rows))
    across = np.repeat(np.arange(len(columns) - 1), np.diff(columns))
    return Cells(np.array(boxes, np.int64), down[:, None] * (len(columns) - 1) + across[None])
