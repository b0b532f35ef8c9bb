"""Which windows run together, and what of each step is computed for them.

A window is a rectangle of the input. Its rows and its columns spread through the steps independently of each other, so
that the few different rows and columns of a grid are followed once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.engine.fusing import Fused
from picasso.engine.regions import Interval, Reach, hull, middle
from picasso.engine.steps import Link, Places, Step

MOSTLY = 0.8
"""A step whose rectangle is at least this part of its map runs on the whole map, and so does all that follows."""
_GROUPS = 4
"""Groups of rows, and of columns, that differ in how far they spread, at most."""
_EACH = 12
"""Windows that should run together at least; there are fewer groups where there are few windows."""
_KINDS = 64
"""Kinds of rows or columns that are put into groups by what that costs; more are put into them by their size."""


@dataclass(frozen=True)
class Rectangles:
    """A rectangle of a map for each window, all of one size.

    Args:
        top, left: Where they begin, (n,).
        height, width: Their sides.
    """

    top: NDArray[np.int64]
    left: NDArray[np.int64]
    height: int
    width: int

    @property
    def places(self) -> Places:
        """Where they begin."""
        return self.top, self.left

    @property
    def sides(self) -> tuple[int, int]:
        """Their sides."""
        return self.height, self.width


@dataclass(frozen=True)
class Chunk:
    """Windows that run together.

    Args:
        windows: Their numbers.
        made: The rectangle of each step that is computed; steps that are not in it run on whole maps.
        read: What is read of each input of such a step for it.
        multiply_adds: Multiplications by weights, for all windows, up to where vectors begin.
    """

    windows: NDArray[np.int64]
    made: dict[str, Rectangles]
    read: dict[str, tuple[Rectangles, ...]]
    multiply_adds: int


class Plan:
    """The way of windows through the steps.

    Attributes:
        chunks: Windows that run together.
        multiply_adds: Multiplications by weights for all windows.

    Args:
        fused: The steps.
        steps: Those that run for each chunk of windows.
        boxes: (m, 4), top, left, height, width.
        at_once: Windows of a chunk at most.
        later: Multiplications for each window after these steps.
        reach: The largest part of a map's side on which windows are followed; below 1 what they change beyond it is
            left out (Nakandala et al., Incremental and approximate inference for faster occlusion-based deep CNN
            explanations, SIGMOD 2019).
    """

    def __init__(
        self,
        fused: Fused,
        steps: Sequence[Step],
        boxes: NDArray[np.int64],
        at_once: int,
        later: int,
        reach: float = 1.0,
    ) -> None:
        self._fused, self._steps, self._at_once, self._reach = fused, steps, at_once, reach
        rows, self._row = np.unique(boxes[:, [0, 2]], axis=0, return_inverse=True)
        columns, self._column = np.unique(boxes[:, [1, 3]], axis=0, return_inverse=True)
        self._rows = self._spread([(int(a), int(a + b)) for a, b in rows], 0)
        self._columns = self._spread([(int(a), int(a + b)) for a, b in columns], 1)
        self.chunks = list(self._chunks())
        self.multiply_adds = sum(chunk.multiply_adds for chunk in self.chunks) + later * len(boxes)

    def _spread(self, starts: list[Interval], axis: int) -> dict[str, NDArray[np.int64]]:
        """Return what each step must compute again, (starts, 2), for intervals of the input along an axis."""
        found = {self._fused.input: starts}
        for step in self._steps:
            if step.links is None:
                continue
            sides = step.shape[1 + axis]
            linked = [(link, name) for link, name in zip(step.links, step.inputs, strict=True) if name in found]
            if not linked or len(linked) < sum(name not in self._fused.constants for name in step.inputs):
                continue
            longest = sides if self._reach == 1 else max(1, round(self._reach * sides))
            found[step.name] = [
                middle(hull([_reach(link, axis).outputs(*found[name][place], sides) for link, name in linked]), longest)
                for place in range(len(starts))
            ]  # fmt: skip
        return {name: np.array(intervals) for name, intervals in found.items()}

    def _chunks(self) -> Iterator[Chunk]:
        down, across = self._groups(self._rows, 1), self._groups(self._columns, 2)
        for group in sorted(set(zip(down[self._row].tolist(), across[self._column].tolist(), strict=True))):
            members = np.flatnonzero((down[self._row] == group[0]) & (across[self._column] == group[1]))
            for part in np.array_split(members, -(-len(members) // self._at_once)):
                yield self._chunk(part)

    def _groups(self, spread: dict[str, NDArray[np.int64]], axis: int) -> NDArray[np.int64]:
        """Put intervals together so that little more is computed when each gets the size of its group's largest."""
        names = [step.name for step in self._steps if step.name in spread and step.multiply_adds]
        if not names:
            return np.zeros(len(spread[self._fused.input]), np.int64)
        steps = {step.name: step for step in self._steps}
        lengths = np.stack([spread[name][:, 1] - spread[name][:, 0] for name in names], axis=1)
        costs = np.array([steps[name].multiply_adds / steps[name].shape[axis] for name in names])
        # What a step costs for one place along this axis also depends on how far windows reach along the other.
        costs = costs * (lengths.mean(axis=0) / [steps[name].shape[axis] for name in names])
        kinds, kind, counts = np.unique(lengths, axis=0, return_inverse=True, return_counts=True)
        most = max(1, min(_GROUPS, math.isqrt(len(self._row) // _EACH)))
        if len(kinds) > _KINDS:
            place = np.argsort(np.argsort((kinds * costs).sum(axis=1), kind="stable"), kind="stable")
            return np.asarray((place * most // len(kinds))[kind.reshape(-1)])
        groups = [[place] for place in range(len(kinds))]

        def cost(group: list[int]) -> float:
            return float(counts[group].sum() * (kinds[group].max(axis=0) * costs).sum())

        single = [cost(group) for group in groups]
        while len(groups) > most:
            _, a, b = min(
                (cost(groups[a] + groups[b]) - single[a] - single[b], a, b)
                for a in range(len(groups))
                for b in range(a + 1, len(groups))
            )
            groups[a] = groups[a] + groups.pop(b)
            single.pop(b)
            single[a] = cost(groups[a])
        found = np.zeros(len(kinds), np.int64)
        for number, group in enumerate(groups):
            found[group] = number
        return np.asarray(found[kind.reshape(-1)])

    def _chunk(self, windows: NDArray[np.int64]) -> Chunk:
        rows, columns = self._row[windows], self._column[windows]
        made = {self._fused.input: self._rectangles(self._fused.input, rows, columns, self._fused.shape[1:])}
        read: dict[str, tuple[Rectangles, ...]] = {}
        count = 0
        for step in self._steps:
            if (
                step.links
                and step.name in self._rows
                and all(name in made or name in self._fused.constants for name in step.inputs)
            ):
                there = self._rectangles(step.name, rows, columns, step.shape[1:])
                area, sides = step.shape[1] * step.shape[2], there.height * there.width
                if sides < MOSTLY * area:
                    made[step.name] = there
                    read[step.name] = tuple(_read(link, there) for link in step.links)
                    count += len(windows) * step.multiply_adds * sides // area
                    continue
            count += len(windows) * step.multiply_adds
        return Chunk(windows, made, read, count)

    def _rectangles(
        self, name: str, rows: NDArray[np.int64], columns: NDArray[np.int64], sides: tuple[int, ...]
    ) -> Rectangles:
        down, across = self._rows[name][rows], self._columns[name][columns]
        height, width = int((down[:, 1] - down[:, 0]).max()), int((across[:, 1] - across[:, 0]).max())
        return Rectangles(
            np.minimum(down[:, 0], sides[0] - height), np.minimum(across[:, 0], sides[1] - width), height, width
        )


def _read(link: Link, there: Rectangles) -> Rectangles:
    """Return what is read of an input, of one size for all windows, for the rectangles that are made."""
    top, height = link.rows.inputs(there.top, there.height)
    left, width = link.columns.inputs(there.left, there.width)
    return Rectangles(top, left, height, width)


def _reach(link: Link, axis: int) -> Reach:
    return link.columns if axis else link.rows
