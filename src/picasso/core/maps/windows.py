"""Windows laid over a picture in a grid: where they lie, what each pixel gets of them, and what lies between some."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.pictures.clips import place_of
from picasso.core.preprocessing import Array

Boxes = NDArray[np.int64]
Places = NDArray[np.int64]
COARSEST = 4
"""Of the first windows that are run every so many in a row, and every so many rows."""


@dataclass(frozen=True)
class Windows:
    """The windows of a run: boxes (m, 4) = top, left, height, width, row by row, and the grid that they form.

    Of a clip boxes (m, 6) = first frame, frames, top, left, height, width, and `stretches` such grids in time.
    """

    boxes: Boxes
    rows: int
    columns: int
    stretches: int | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        """(rows, columns), or (stretches, rows, columns)."""
        return (self.rows, self.columns) if self.stretches is None else (self.stretches, self.rows, self.columns)

    def spread(self, drops: Array, shape: tuple[int, ...]) -> Array:
        """Give each pixel the mean drop over the windows that cover it, NaN where none does.

        Args:
            drops: (m,), one for each window.
            shape: (height, width) of the picture, (frames, height, width) of the clip.

        Returns:
            float32, of that shape.
        """
        total, count = np.zeros((*shape, 1)), np.zeros((*shape, 1))
        for box, drop in zip(self.boxes, drops, strict=True):
            place = place_of(box)
            total[place] += drop
            count[place] += 1
        with np.errstate(invalid="ignore"):
            return np.asarray(total / np.where(count == 0, np.nan, count), dtype=np.float32)[..., 0]


@dataclass(frozen=True)
class Found:
    """What is known of the windows of a grid so far.

    Args:
        scores: (m, classes), those of all windows; of those that were not run what lies between the others.
        run: Whether each window was run, (m,).
        guessed: What was taken for each window before it was run, (m, classes); NaN where nothing was.
    """

    scores: Array
    run: NDArray[np.bool_]
    guessed: Array


def coarse_to_fine(
    windows: Windows,
    score: Callable[[Places], Array],
    watched: Callable[[Array], Array],
    least: float,
) -> Iterator[Found]:
    """Run windows that lie far apart, then those between them where the map is steep, until none is left.

    Args:
        windows: A grid of windows in a picture.
        score: Gives the scores (k, classes) of windows by their numbers (k,).
        watched: What is watched of scores (..., classes): (..., targets).
        least: A window is run where the four around it differ by at least this part of the whole range so far; 0: all
            are run.

    Yields:
        What is known after each step; all windows have a score each time.
    """
    rows, columns = windows.rows, windows.columns
    down, across = _every(rows, COARSEST), _every(columns, COARSEST)
    places = np.ix_(down, across)
    numbers = np.arange(rows * columns).reshape(rows, columns)
    run = np.zeros((rows, columns), bool)
    first = score(numbers[places].reshape(-1))
    scores = np.full((rows, columns, first.shape[-1]), np.nan, np.float32)
    guessed = scores.copy()
    scores[places], run[places] = first.reshape(len(down), len(across), -1), True
    steps = (2, 1) if least else (1,)
    yield _found(_between(scores[places], (down, across), (np.arange(rows), np.arange(columns))), run, guessed)
    for step in steps:
        finer = _every(rows, step), _every(columns, step)
        known = scores[np.ix_(down, across)]
        guess = _between(known, (down, across), finer)
        seen = watched(known)
        limit = least * float(np.ptp(seen.reshape(-1, seen.shape[-1]), axis=0).max())
        steep = _steepness(seen, (down, across), finer) >= limit
        there = np.ix_(*finer)
        wanted = steep & ~run[there]
        guessed[there] = np.where(run[there][..., None], guessed[there], guess)
        made = np.where(run[there][..., None], scores[there], guess)
        if wanted.any():
            made[wanted] = score(numbers[there][wanted])
        scores[there] = made
        run[there] |= wanted
        down, across = finer
        if step > 1:
            yield _found(_between(made, finer, (np.arange(rows), np.arange(columns))), run, guessed)
    yield _found(scores, run, guessed)


def _found(scores: Array, run: NDArray[np.bool_], guessed: Array) -> Found:
    classes = scores.shape[-1]
    return Found(scores.reshape(-1, classes).copy(), run.reshape(-1).copy(), guessed.reshape(-1, classes).copy())


def _every(count: int, step: int) -> Places:
    """Return every so many of a row, the first and the last among them."""
    return np.unique([*range(0, count, step), count - 1])


def _between(values: Array, known: Sequence[Places], wanted: Sequence[Places]) -> Array:
    """Interpolate values (rows, columns, k) linearly between the rows and columns that are known."""
    down, across = (_weights(have, want) for have, want in zip(known, wanted, strict=True))
    return np.asarray(np.einsum("ar,bc,rck->abk", down, across, values, optimize=True), np.float32)


def _weights(have: Places, want: Places) -> Array:
    rows = [np.interp(want, have, unit) for unit in np.eye(len(have))]
    return np.asarray(np.stack(rows, axis=1), np.float32)


def _steepness(values: Array, known: Sequence[Places], wanted: Sequence[Places]) -> Array:
    """Return by how much the known values around each wanted place differ at most, (rows, columns)."""
    corners = []
    for have, want in zip(known, wanted, strict=True):
        above = np.minimum(np.searchsorted(have, want), len(have) - 1)
        below = np.where(have[above] == want, above, np.maximum(above - 1, 0))
        corners.append((below, above))
    around = np.stack([values[np.ix_(row, column)] for row in corners[0] for column in corners[1]])
    return np.asarray(np.ptp(around, axis=0).max(axis=-1))
