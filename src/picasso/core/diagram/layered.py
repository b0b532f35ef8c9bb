"""Where the boxes of one block lie: rows down which the data flows, columns for what runs side by side.

Every box lies below all that it reads. What is read further down than in the next row passes the rows between in a
column that no box has there, its lane; several readers of one box share its lane. So no line crosses a box.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

ENTRY = -1
"""What enters the block, as the source of an arc."""
MIDDLE = -1
"""The column of a box that has a row to itself."""


@dataclass(frozen=True)
class Layout:
    """Rows and columns.

    Args:
        rows: Row of each box, from 1.
        columns: Column of each box, from 0, or `MIDDLE`.
        lanes: Columns of the lanes, by the box that they come from, or `ENTRY`.
        last: The row below all boxes, where what leaves the block goes out.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    lanes: dict[int, int]
    last: int


def lay_out(count: int, arcs: Sequence[tuple[int, int]]) -> Layout:
    """Give each box of a block its row and column.

    Args:
        count: Number of boxes; each comes after all that it reads.
        arcs: (source, target) each; the source may be `ENTRY`, the target `count` for what leaves the block.
    """
    rows = [1] * count
    for source, target in sorted(arcs, key=lambda arc: arc[1]):
        if target < count and source != ENTRY:
            rows[target] = max(rows[target], rows[source] + 1)
    last = max(rows, default=0) + 1
    at = {ENTRY: 0, count: last} | dict(enumerate(rows))
    readers: dict[int, list[int]] = defaultdict(list)
    read: dict[int, list[int]] = defaultdict(list)
    for source, target in arcs:
        readers[source].append(target)
        read[target].append(source)
    return _Columns(count, at, readers, read).found()


class _Columns:
    """Gives out columns, row by row."""

    def __init__(
        self, count: int, at: dict[int, int], readers: dict[int, list[int]], read: dict[int, list[int]]
    ) -> None:
        self.count, self.at, self.readers, self.read = count, at, readers, read
        self.last = at[count]
        self.columns: dict[int, int] = {}
        self.lanes: dict[int, int] = {}
        self.taken: set[tuple[int, int]] = set()

    def found(self) -> Layout:
        in_row: dict[int, list[int]] = defaultdict(list)
        for number in range(self.count):
            in_row[self.at[number]].append(number)
        self._lane(ENTRY)
        for row in range(1, self.last):
            waiting = [number for number in in_row[row] if not self._inherit(number)]
            for number in waiting:
                self._take(number, self._free(row, row, self._wanted(number)))
            for number in sorted(in_row[row], key=self.columns.__getitem__):
                self._lane(number)
        self._sort_lanes()
        passed = {row for source in self.lanes for row in range(*self._passes(source))}
        alone = {members[0] for row, members in in_row.items() if len(members) == 1 and row not in passed}
        columns = tuple(MIDDLE if number in alone else self.columns[number] for number in range(self.count))
        return Layout(tuple(self.at[number] for number in range(self.count)), *self._narrowed(columns), self.last)

    def _take(self, number: int, column: int) -> None:
        self.columns[number] = column
        self.taken.add((self.at[number], column))

    def _inherit(self, number: int) -> bool:
        """Put a box right below one that it reads, where no other has come before it."""
        row = self.at[number]
        for source in sorted(self.read[number], key=lambda one: self.columns.get(one, 0)):
            column = self.columns.get(source)
            if column is not None and self.at[source] == row - 1 and (row, column) not in self.taken:
                self._take(number, column)
                return True
        return False

    def _wanted(self, number: int) -> int:
        known = [self.lanes.get(source, self.columns.get(source, 0)) for source in self.read[number]]
        return min(known, default=0)

    def _free(self, first: int, last: int, wanted: int, barred: frozenset[int] = frozenset()) -> int:
        """Return the column nearest to a wanted one, those to the right first, that is free from row to row."""
        beyond = 1 + max((column for _, column in self.taken), default=-1)
        nearest: list[int] = [*range(wanted, beyond), *reversed(range(wanted)), max(beyond, wanted)]
        for column in nearest:
            if column not in barred and not any((row, column) in self.taken for row in range(first, last + 1)):
                return column
        while beyond in barred:
            beyond += 1
        return beyond

    def _passes(self, source: int) -> tuple[int, int]:
        """Return the rows that a box's lane passes, first and one past the last."""
        return self.at[source] + 1, max((self.at[target] for target in self.readers[source]), default=0)

    def _lane(self, source: int) -> None:
        first, end = self._passes(source)
        if first >= end:
            return
        row, own = self.at[source], self.columns.get(source, 0)
        goes_on = frozenset(
            self.columns[number]
            for number in self.columns
            if self.at[number] == row and any(self.at[target] == row + 1 for target in self.readers[number])
        )
        if source == ENTRY:  # the boxes below it will begin at the left
            below = sum(self.at[target] == 1 for target in self.readers[source])
            goes_on = frozenset(range(below))
        column = self._free(first, end - 1, own, goes_on)
        self.lanes[source] = column
        self.taken.update((row, column) for row in range(first, end))

    def _sort_lanes(self) -> None:
        """Put long lanes further out than short ones, where columns beside each other hold lanes alone."""
        reach: dict[int, int] = defaultdict(int)
        for source, column in self.lanes.items():
            first, end = self._passes(source)
            reach[column] = max(reach[column], end - first)
        boxed = set(self.columns.values())
        moved: dict[int, int] = {}
        run: list[int] = []
        for column in range(max(reach, default=-1) + 2):
            if column in reach and column not in boxed:
                run.append(column)
                continue
            moved |= dict(zip(sorted(run, key=lambda one: reach[one]), run, strict=True))
            run = []
        self.lanes = {source: moved.get(column, column) for source, column in self.lanes.items()}

    def _narrowed(self, columns: tuple[int, ...]) -> tuple[tuple[int, ...], dict[int, int]]:
        """Leave out columns in which nothing lies any more."""
        used = sorted({column for column in (*columns, *self.lanes.values()) if column != MIDDLE})
        new = {column: place for place, column in enumerate(used)} | {MIDDLE: MIDDLE}
        return tuple(new[column] for column in columns), {source: new[c] for source, c in self.lanes.items()}
