"""Where indexes are kept: one SQLite file for each model, a row for each picture, so that a stopped one goes on.

SQLite, since a row is there whole or not at all, whoever is killed when, and two processes may write at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import PicassoError
from picasso.core.index.reading import Reading, Strongest
from picasso.core.preprocessing import Array

_WAIT = 60
"""Seconds for which another process may write."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS pictures (key TEXT PRIMARY KEY, scores BLOB, properties BLOB, view BLOB)",
    "CREATE TABLE IF NOT EXISTS strongest (key TEXT, reading TEXT, shape TEXT, largest BLOB, largest_at BLOB, "
    "smallest BLOB, smallest_at BLOB, mean BLOB, PRIMARY KEY (key, reading))",
)
MOST_BYTES = 16 * 2**30
"""Of all indexes together: some hundred of ten thousand pictures each."""
_TYPES = {"largest_at": np.uint32, "smallest_at": np.uint32}
"""Of columns that hold no float32; all numbers take four bytes."""
_AT_ONCE = 64
"""Pictures that are read at a time: as long as somebody reads, nobody can write."""


@dataclass(frozen=True, eq=False)
class Row:
    """What is kept of one picture.

    Args:
        key: Of its file.
        scores: Class scores, float32 (classes,); none of a model that has none.
        properties: float32, as `measure` returns them.
        view: What the model sees, as a JPEG file.
        strongest: By reading.
    """

    key: str
    scores: Array
    properties: Array
    view: bytes
    strongest: Mapping[Reading, Strongest]


class Shelf:
    """The kept rows of one model.

    Args:
        file: Where they lie; it is made where it is not there. When it was last used its date says.

    All that is asked of it raises PicassoError where the file is damaged, or the disk is full.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PicassoError(f"{file.parent} cannot be made: {error.strerror}.", "Set PICASSO_HOME.") from None
        with self._open() as database:
            for table in _TABLES:
                database.execute(table)
        with suppress(OSError):  # where nothing may be written the index is as good
            file.touch()  # it was used just now

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction."""
        try:
            with closing(sqlite3.connect(self.file, timeout=_WAIT)) as database, database:
                yield database
        except sqlite3.Error as error:
            raise PicassoError(
                f"The index {self.file} cannot be used: {error}.", "Make room on the disk, or delete that file."
            ) from error

    def add(self, rows: Sequence[Row]) -> None:
        """Keep rows, all or none; one of the same key and reading is replaced."""
        with self._open() as database:
            database.executemany(
                "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)",
                [(row.key, _bytes(row.scores), _bytes(row.properties), row.view) for row in rows],
            )
            database.executemany(
                "INSERT OR REPLACE INTO strongest VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        row.key,
                        reading.key,
                        f"{found.rows} {found.columns}",
                        *map(_bytes, (found.largest, found.largest_at, found.smallest, found.smallest_at, found.mean)),
                    )
                    for row in rows
                    for reading, found in row.strongest.items()
                ],
            )

    def lacking(self, keys: Sequence[str], readings: Sequence[Reading]) -> set[str]:
        """Return those keys of which something is not kept yet."""
        with self._open() as database:
            _ask(database, keys)
            kept = {key for (key,) in database.execute("SELECT key FROM temp.asked JOIN pictures USING (key)")}
            for reading in readings:
                kept &= {
                    key
                    for (key,) in database.execute(
                        "SELECT key FROM temp.asked JOIN strongest USING (key) WHERE reading = ?", (reading.key,)
                    )
                }
        return set(keys) - kept

    def column(self, keys: Sequence[str], name: str) -> Array:
        """Return "scores" or "properties" of pictures, float32 (n, numbers)."""
        with self._open() as database:
            _ask(database, keys)
            rows = database.execute(
                f"SELECT {name} FROM temp.asked JOIN pictures USING (key) ORDER BY place"  # a name of our own
            )
            return _stacked(rows, len(keys), np.float32)

    def strongest(self, keys: Sequence[str], reading: Reading, name: str, channel: int | None = None) -> NDArray[Any]:
        """Return one field of `Strongest` for pictures, (n, channels); of one channel (n, 1)."""
        read = name if channel is None else f"substr({name}, {4 * channel + 1}, 4)"
        with self._open() as database:
            _ask(database, keys)
            rows = database.execute(
                f"SELECT {read} FROM temp.asked JOIN strongest USING (key) WHERE reading = ? ORDER BY place",
                (reading.key,),
            )
            return _stacked(rows, len(keys), _TYPES.get(name, np.float32))

    def shape(self, key: str, reading: Reading) -> tuple[int, int]:
        """Return the rows and columns of a reading's maps."""
        with self._open() as database:
            (found,) = database.execute(
                "SELECT shape FROM strongest WHERE key = ? AND reading = ?", (key, reading.key)
            ).fetchone()
        rows, columns = map(int, found.split())
        return rows, columns

    def views(self, keys: Sequence[str]) -> Iterator[bytes]:
        """Return what the model saw of pictures, as JPEG files, in the order of the keys."""
        for start in range(0, len(keys), _AT_ONCE):
            with self._open() as database:
                _ask(database, keys[start : start + _AT_ONCE])
                found = database.execute(
                    "SELECT view FROM temp.asked JOIN pictures USING (key) ORDER BY place"
                ).fetchall()
            yield from (view for (view,) in found)


def forget_oldest(used: Path, most: int = MOST_BYTES) -> None:
    """Delete the indexes beside one that were used longest ago, until all together take no more than so many bytes."""
    known = []
    for file in used.parent.glob(f"*{used.suffix}"):
        with suppress(OSError):  # another process forgot it
            known.append((file.stat().st_mtime, file, file.stat().st_size))
    total = sum(size for _, _, size in known)
    for _, file, size in sorted(known):
        if total > most and file != used:
            with suppress(OSError):  # another process has it open
                file.unlink()
                total -= size


def _ask(database: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Put keys into a table of this connection alone, from which queries take them and their order."""
    database.execute("CREATE TEMP TABLE asked (place INTEGER PRIMARY KEY, key TEXT)")
    database.executemany("INSERT INTO temp.asked (key) VALUES (?)", [(key,) for key in keys])


def _bytes(values: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values).tobytes()


def _stacked(rows: sqlite3.Cursor, count: int, kind: type) -> NDArray[Any]:
    """Return what so many blobs hold as one array (count, numbers)."""
    found: NDArray[Any] = np.zeros((count, 0), kind)
    number = 0
    for number, (blob,) in enumerate(rows, 1):
        values: NDArray[Any] = np.frombuffer(blob, kind)
        if number == 1:
            found = np.empty((count, len(values)), kind)
        found[number - 1] = values
    if number != count:
        raise PicassoError(f"The index holds {number} of {count} pictures: the rest went meanwhile.", "Ask again.")
    return found
