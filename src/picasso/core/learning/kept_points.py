"""Points that were measured, kept on disk as they come: work that was stopped goes on where it was."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from picasso.core import registry

MOST = 256
"""Grids that are kept; each takes some ten kilobytes."""
_SECONDS = 30.0
"""How long one process waits for another that works on the same grid."""

Point = tuple[int, ...]
"""The place of a point on its grid."""


class KeptPoints:
    """The measured points of one grid. Where the folder cannot be written, they last as long as the process.

    Args:
        key: Digest of all that decides the numbers.
        folder: Where grids are kept; by default in Picasso's home.
    """

    def __init__(self, key: str, folder: Path | None = None) -> None:
        place = folder or registry.home() / "landscapes"
        try:
            place.mkdir(parents=True, exist_ok=True)
            self._database = self._whole(place / f"{key}.sqlite")
        except (OSError, sqlite3.Error):
            self._database = self._opened(":memory:")
        _forget_oldest(place)

    def read(self) -> dict[Point, tuple[float, ...]]:
        """Return what is known, by place."""
        rows = self._database.execute("SELECT place, numbers FROM points").fetchall()
        return {
            tuple(map(int, place.split())): tuple(float.fromhex(number) for number in numbers.split())
            for place, numbers in rows
        }

    def write(self, place: Point, numbers: tuple[float, ...]) -> None:
        """Keep what was measured at a place, to the last bit."""
        try:
            self._insert(place, numbers)
        except sqlite3.Error:  # the disk is full, or cannot be written any more
            known: dict[Point, tuple[float, ...]] = {}
            with suppress(sqlite3.Error):
                known = self.read()
            self._database.close()
            self._database = self._opened(":memory:")
            for other, written in (known | {place: numbers}).items():
                self._insert(other, written)

    def _insert(self, place: Point, numbers: tuple[float, ...]) -> None:
        row = " ".join(map(str, place)), " ".join(float(number).hex() for number in numbers)
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO points VALUES (?, ?)", row)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _whole(self, file: Path) -> sqlite3.Connection:
        """Open a file; one that is damaged is begun anew."""
        try:
            return self._opened(file)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            file.unlink()
            return self._opened(file)

    @staticmethod
    def _opened(file: Path | str) -> sqlite3.Connection:
        database = sqlite3.connect(file, timeout=_SECONDS)
        # A process that is killed loses nothing so; only a computer that stops may, and points can be measured again.
        database.execute("PRAGMA synchronous = OFF")
        with database:
            database.execute("CREATE TABLE IF NOT EXISTS points (place TEXT PRIMARY KEY, numbers TEXT NOT NULL)")
        return database


def _forget_oldest(folder: Path) -> None:
    """Delete the grids that were longest not worked on, beyond so many."""
    with suppress(OSError):
        kept = sorted(folder.glob("*.sqlite"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in kept[MOST:]:
            file.unlink()
