"""Which part of one side of a map depends on which part of a side of another: intervals, one axis at a time.

An interval is `lo, hi`, both whole numbers, `hi` not part of it. A larger interval than is needed is still exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from picasso.core.preprocessing import Array

Interval = tuple[int, int]
Starts = NDArray[np.int64]


class Reach(Protocol):
    """How one side of an operation's value depends on the same side of its input."""

    def outputs(self, lo: int, hi: int, side: int) -> Interval:
        """Return the places of the value, of `side` places, that depend on the input's places lo..hi."""
        ...

    def inputs(self, starts: Starts, length: int) -> tuple[Starts, int]:
        """Return what part of the input, padding included, is read for so many places from each start on.

        Returns:
            The first place that is read for each, and how many, for all of them alike.
        """
        ...


@dataclass(frozen=True)
class Sliding:
    """Windows that slide over the input: convolution and pooling; a kernel of 1 is every place for itself."""

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def outputs(self, lo: int, hi: int, side: int) -> Interval:
        first = -((self._span - 1 - lo - self.padding) // self.stride)
        last = (hi - 1 + self.padding) // self.stride + 1
        return _kept(first, last, side)

    def inputs(self, starts: Starts, length: int) -> tuple[Starts, int]:
        return starts * self.stride - self.padding, (length - 1) * self.stride + self._span

    @property
    def _span(self) -> int:
        return (self.kernel - 1) * self.dilation + 1


@dataclass(frozen=True)
class Spreading:
    """Each place of the input adds a kernel to the value: transposed convolution, with `padding` cut off before."""

    kernel: int
    stride: int
    padding: int
    dilation: int

    def outputs(self, lo: int, hi: int, side: int) -> Interval:
        return _kept(lo * self.stride - self.padding, (hi - 1) * self.stride + self._span - self.padding, side)

    def inputs(self, starts: Starts, length: int) -> tuple[Starts, int]:
        # One more, so that every window of a chunk, wherever it begins between two places, gets what it needs.
        longest = -((1 - length - self._span) // self.stride) + 1
        return -((self._span - 1 - starts - self.padding) // self.stride), longest

    @property
    def _span(self) -> int:
        return (self.kernel - 1) * self.dilation + 1


class Mixing:
    """A matrix (places of the value, places of the input): interpolation."""

    def __init__(self, matrix: Array) -> None:
        self.matrix = matrix
        used = matrix != 0
        width = matrix.shape[1]
        # A row of zeros reads nothing; it is given the place where its neighbors read.
        some = used.any(axis=1)
        self._first = np.where(some, used.argmax(axis=1), 0)
        self._last = np.where(some, width - used[:, ::-1].argmax(axis=1), 1)

    def outputs(self, lo: int, hi: int, side: int) -> Interval:
        reached = np.flatnonzero((self.matrix[:, lo:hi] != 0).any(axis=1))
        return (int(reached[0]), int(reached[-1]) + 1) if len(reached) else (0, 1)

    def inputs(self, starts: Starts, length: int) -> tuple[Starts, int]:
        places = starts[:, None] + np.arange(length)
        first, last = self._first[places].min(axis=1), self._last[places].max(axis=1)
        longest = int((last - first).max())
        return np.minimum(first, self.matrix.shape[1] - longest), longest


def hull(intervals: list[Interval]) -> Interval:
    """Return the smallest interval that holds all of them."""
    return min(lo for lo, _ in intervals), max(hi for _, hi in intervals)


def middle(interval: Interval, longest: int) -> Interval:
    """Return the middle of an interval that is longer than that."""
    lo, hi = interval
    start = lo + max(0, hi - lo - longest) // 2
    return start, min(hi, start + longest)


def _kept(lo: int, hi: int, side: int) -> Interval:
    """Return what of an interval lies within 0..side, one place at least."""
    lo, hi = max(0, lo), min(side, hi)
    if hi <= lo:
        lo = min(max(0, lo), side - 1)
        hi = lo + 1
    return lo, hi
