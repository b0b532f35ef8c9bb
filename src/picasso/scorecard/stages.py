"""How far a comparison is: many pieces of work in a row, each of which reports its own progress."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[int, int, str], None]
FINE = 100
"""Parts into which each piece is divided in what is reported."""


class Stages:
    """Reports the progress of pieces of work in a row.

    Args:
        report: Called with (done, total, message); it may raise CanceledError.
        total: Number of pieces.
    """

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total, self._done, self._message = report, total, 0, ""

    def begin(self, message: str) -> None:
        """Say what is done next."""
        self._message = message
        self._report(self._done * FINE, self._total * FINE, message)

    def end(self) -> None:
        """Say that a piece is done."""
        self._done = min(self._done + 1, self._total)
        self._report(self._done * FINE, self._total * FINE, self._message)

    def skip(self, pieces: int) -> None:
        """Say that some pieces need not be done."""
        self._done = min(self._done + pieces, self._total)

    def inner(self, done: int, total: int, message: str = "") -> None:
        """Report how far the present piece is."""
        part = min(FINE - 1, FINE * done // max(total, 1))
        self._report(min(self._done * FINE + part, self._total * FINE), self._total * FINE, self._message)
