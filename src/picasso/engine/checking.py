"""What decides whether the engine may be used: it must be right, and faster than the network itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.facts import Progress
from picasso.core.preprocessing import Array

TOLERANCE = 1e-4
"""How far the engine may be from the network itself, as a part of the largest class score."""
_WATCHED = 3
"""Chunks of windows after which the engine must have been faster than the network itself."""
_NOISE = 1.1
"""By what factor times that are measured so shortly may be wrong."""


class UnfitError(Exception):
    """The network itself is to be run: why, and whether for this once alone."""

    def __init__(self, reason: str, *, for_now: bool = False) -> None:
        super().__init__(reason)
        self.for_now = for_now


class MismatchError(UnfitError):
    """The engine does not give what the network does."""


class SlowerError(UnfitError):
    """The engine takes longer than the network."""

    def __init__(self) -> None:
        super().__init__("The network itself is faster here than following its windows.", for_now=True)


class PassedError(Exception):
    """What a callback raised, on its way through the engine."""

    def __init__(self, inner: Exception) -> None:
        super().__init__()
        self.inner = inner


@dataclass(frozen=True)
class Moment:
    """A moment, in seconds by the clock and of this process's processors."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> Moment:
        """Return this moment."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, earlier: Moment) -> float:
        """Return the seconds of work between two moments: the fewer of the two kinds.

        While other programs have the processor only the clock goes on; several threads at once each add to the other.
        """
        return min(self.clock - earlier.clock, self.processor - earlier.processor)


class Watch:
    """Passes progress on, and stops an engine that takes longer than the network itself.

    Args:
        seconds: What the network itself takes for one picture.
        progress: Where progress goes.
    """

    def __init__(self, seconds: float, progress: Progress) -> None:
        self._seconds, self._progress = seconds, progress
        self._ends: list[tuple[int, float]] = []
        self._worked = 0.0
        self._begun = Moment.now()

    def __call__(self, done: int, total: int) -> None:
        self._worked += Moment.now().since(self._begun)
        self._ends.append((done, self._worked))
        if len(self._ends) == _WATCHED + 1:
            (before, start), (after, end) = self._ends[0], self._ends[-1]
            if (end - start) / (after - before) > _NOISE * self._seconds:
                raise SlowerError()
        try:
            self._progress(done, total)
        except Exception as error:
            raise PassedError(error) from error
        self._begun = Moment.now()


def compare(found: Array, own: Array, what: str, parts: Sequence[int], limit: float = TOLERANCE) -> float:
    """Return the largest difference between class scores.

    Raises:
        MismatchError: In one of the parts it is too large.
    """
    if found.shape != own.shape:
        raise MismatchError(f"The engine's scores of {what} have the shape {found.shape} instead of {own.shape}.")
    for some, wanted in zip(np.split(found, parts, axis=1), np.split(own, parts, axis=1), strict=True):
        size = float(np.abs(wanted).max(initial=1e-30))  # not 0: an infinite limit times it would be no number
        error = float(np.abs(some - wanted).max(initial=0))
        if not error <= limit * size + 1e-6:
            raise MismatchError(f"The engine's scores of {what} differ from the network's own by {error:.1e}.")
    return float(np.abs(found - own).max(initial=0))


def chosen(scores: Array, base: Array, boxes: NDArray[np.int64], count: int, seed: int) -> list[int]:
    """Return the windows that the network itself runs, too: at an edge and anywhere, each where the most changes.

    The others are drawn.

    Args:
        scores: Class scores of the windows, (m, classes).
        base: Those of the picture, (classes,).
        boxes: The windows, (m, 4).
        count: How many are returned.
        seed: For what is drawn.
    """
    changes = np.abs(scores - base).max(axis=1)
    sides = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).T
    outermost = (sides[:2] == sides[:2].min(axis=1, keepdims=True)).any(axis=0)
    outermost |= (sides[2:] == sides[2:].max(axis=1, keepdims=True)).any(axis=0)
    found = {int(changes.argmax()), int(np.where(outermost, changes, -1).argmax())}
    drawn = np.random.default_rng(seed).permutation(len(scores))
    for window in drawn.tolist():
        if len(found) >= count:
            break
        found.add(window)
    return sorted(found)
