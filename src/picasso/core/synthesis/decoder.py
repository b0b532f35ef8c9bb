"""A decoder from a layer's output back to the picture: one linear up-convolution, learned by least squares.

Each cell of the layer's map, with the cells around it, gives the block of the picture that lies under it. What comes
out is the best that anything linear can do from so many cells: what it lacks is gone, or there in no simple way.

References:
    Dosovitskiy and Brox 2016, arXiv:1506.02753, whose decoder has more layers and is trained step by step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.pictures.resizing import resized
from picasso.core.preprocessing import Array
from picasso.core.statistics.probing import mixed

Numbers = NDArray[np.float64]
PENALTIES = 10.0 ** np.arange(-8, 1)
"""Of the size of the weights, as parts of the mean square of a feature; held-out pictures choose."""
LARGEST_BLOCK = 32
"""Pixels of a block's side: below a layer with fewer cells the picture is learned smaller."""
MOST_FEATURES = 1024
"""Numbers from which a block is made; where more cells around would need more, fewer are looked at, and where one cell
has more, they are mixed."""
WHOLE = 0.999
"""A block of which so much can move holds none of what padding adds."""
FLAT = 1e-9
"""Pictures that vary less than this do not vary, and nothing can be explained."""
MOST_CELLS = 1024
"""Of each picture, drawn at random, from which the weights are learned."""


@dataclass(frozen=True)
class Grid:
    """How blocks of a picture lie under the cells of a layer.

    Args:
        rows, columns, channels: Of the layer.
        side: Of a block, in pixels of the picture as it is learned.
        colors: Channels of the picture.
        reach: How many cells are looked at for a block, along each axis: 1, 3, 5.
    """

    rows: int
    columns: int
    channels: int
    side: int
    colors: int
    reach: int

    @classmethod
    def of(cls, maps: Array, shape: tuple[int, int, int], reach: int) -> Grid:
        """Choose one for a layer's maps (channels, rows, columns) and pictures of a shape (h, w, c)."""
        channels, rows, columns = maps.shape
        side = min(LARGEST_BLOCK, max(-(-shape[0] // rows), -(-shape[1] // columns)))
        while reach > 1 and (channels * reach**2 > MOST_FEATURES or rows * columns == 1):
            reach -= 2
        return cls(rows, columns, channels, side, shape[2], reach)

    def features(self, maps: Array) -> Array:
        """Return the numbers around each cell, (rows, columns, channels * reach * reach); none beyond the edge."""
        around = self.reach // 2
        wide = np.pad(maps, ((0, 0), (around, around), (around, around)))
        windows = np.lib.stride_tricks.sliding_window_view(wide, (self.reach, self.reach), axis=(1, 2))
        return np.moveaxis(windows, 0, 2).reshape(self.rows, self.columns, -1)

    def blocks(self, picture: Numbers) -> Numbers:
        """Cut a picture (h, w, c) into the block under each cell, (rows, columns, side * side * c)."""
        small = resized(picture, self.rows * self.side, self.columns * self.side)
        cut = small.reshape(self.rows, self.side, self.columns, self.side, self.colors)
        return cut.transpose(0, 2, 1, 3, 4).reshape(self.rows, self.columns, -1)

    def joined(self, blocks: Numbers, shape: tuple[int, int, int]) -> Numbers:
        """Join the blocks under all cells to a picture (h, w, c)."""
        cut = blocks.reshape(self.rows, self.columns, self.side, self.side, self.colors)
        small = cut.transpose(0, 2, 1, 3, 4).reshape(self.rows * self.side, self.columns * self.side, self.colors)
        return resized(small, shape[0], shape[1])


class _Moments:
    """The sums from which least squares are solved."""

    def __init__(self, features: int, outputs: int) -> None:
        self.count = 0
        self.x, self.y, self.yy = np.zeros(features), np.zeros(outputs), 0.0
        self.xx, self.xy = np.zeros((features, features)), np.zeros((features, outputs))

    def add(self, x: Numbers, y: Numbers) -> None:
        self.count += len(x)
        self.x += x.sum(axis=0)
        self.y += y.sum(axis=0)
        self.yy += float(np.square(y).sum())
        self.xx += x.T @ x
        self.xy += x.T @ y

    def error(self, weights: Numbers, bias: Numbers) -> float:
        """Return the sum of squares that weights (features, outputs) and a bias leave."""
        bent = self.xy - np.outer(self.x, bias)
        left = self.yy - 2 * self.y @ bias + self.count * bias @ bias
        return float(left - 2 * np.vdot(weights, bent) + np.vdot(weights, self.xx @ weights))


class Decoder:
    """Learns to turn a layer's maps back into pictures.

    Args:
        grid: How blocks lie under cells.
        random: Draws the cells from which it learns.

    Attributes:
        explained: Share of the variance of held-out pictures that it explains, 1 at most; once it was solved.
        penalty: Which of `PENALTIES` was best on them.
    """

    def __init__(self, grid: Grid, random: np.random.Generator) -> None:
        self.grid, self._random = grid, random
        size = min(grid.channels * grid.reach**2, MOST_FEATURES), grid.side**2 * grid.colors
        self._learned, self._held = _Moments(*size), _Moments(*size)
        self.explained, self.penalty = np.nan, np.nan

    def add(self, maps: Array, picture: Numbers, movable: NDArray[np.bool_], held: bool) -> None:
        """Look at one picture.

        Args:
            maps: The layer's, (channels, rows, columns).
            picture: The picture, (h, w, c) in 0..1.
            movable: Which of its numbers depend on a picture, (h, w, c). Blocks that hold others are left out, where
                there are any without: what padding adds is known without a look at the layer.
            held: Whether it only judges what was learned from the others.
        """
        cells = self.grid.rows * self.grid.columns
        whole = np.flatnonzero(self.grid.blocks(movable.astype(np.float64)).reshape(cells, -1).min(axis=1) > WHOLE)
        chosen = self._random.permutation(whole if len(whole) else cells)[:MOST_CELLS]
        x = self._features(maps)[chosen]
        y = self.grid.blocks(picture).reshape(cells, -1)[chosen]
        (self._held if held else self._learned).add(x, y)

    def _features(self, maps: Array) -> Numbers:
        """Return the numbers from which each cell's block is made, (cells, numbers)."""
        found = self.grid.features(maps)
        flat = found.reshape(-1, found.shape[-1])
        return (mixed(flat, MOST_FEATURES) if self.mixed else flat).astype(np.float64)

    @property
    def mixed(self) -> bool:
        """Whether there are so many features that they are mixed."""
        return self.grid.channels * self.grid.reach**2 > MOST_FEATURES

    def solve(self) -> None:
        """Find the weights; of several penalties the one that held-out pictures like best."""
        one, held = self._learned, self._held
        mean_x, mean_y = one.x / one.count, one.y / one.count
        values, vectors = np.linalg.eigh(one.xx - one.count * np.outer(mean_x, mean_x))
        turned = vectors.T @ (one.xy - one.count * np.outer(mean_x, mean_y))
        size = max(float(values.mean()), np.finfo(np.float64).tiny)
        best = np.inf
        for penalty in PENALTIES:
            weights = vectors @ (turned / (np.maximum(values, 0) + penalty * size)[:, None])
            bias = mean_y - mean_x @ weights
            left = held.error(weights, bias)
            if left < best:
                best, self.penalty, self._weights, self._bias = left, float(penalty), weights, bias
        variance = held.yy - held.count * float(np.square(held.y / held.count).sum())
        self.explained = 1 - best / variance if variance > FLAT * held.count * len(held.y) else np.nan

    def decode(self, maps: Array, shape: tuple[int, int, int]) -> Numbers:
        """Return what the weights make of a layer's maps: a picture of a shape (h, w, c), within 0..1."""
        blocks = self._features(maps) @ self._weights + self._bias
        return np.clip(self.grid.joined(blocks, shape), 0, 1)
