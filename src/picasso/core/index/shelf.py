"""Where indexes are kept: one SQLite file for each model, a row for each picture, so that a stopped one goes on.

SQLite, since a row is there whole or not at all, whoever is killed when, and two processes may write at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.index.reading import Reading, Strongest
from picasso.core.preprocessing import Array

_WAIT = 60
"""Seconds for which another process may write."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS pictures (key TEXT PRIMARY KEY, problem TEXT, scores BLOB, properties BLOB, view BLOB)",
    "CREATE TABLE IF NOT EXISTS strongest (key TEXT, reading TEXT, shape TEXT, largest BLOB, largest_at BLOB, "
    "smallest BLOB, smallest_at BLOB, mean BLOB, PRIMARY KEY (key, reading))",
)
_TYPES = {"largest_at": np.uint32, "smallest_at": np.uint32}
"""Of columns that hold no float32."""


@dataclass(frozen=True, eq=False)
class Row:
    """What is kept of one picture.

    Args:
        key: Of its file.
        problem: Why it cannot be read, one sentence; "" where it can, and else all that follows is empty.
        scores: Class scores, float32 (classes,); none of a model that has none.
        properties: float32, as `measure` returns them.
        view: What the model sees, as a JPEG file.
        strongest: By reading.
    """

    key: str
    problem: str = ""
    scores: Array | None = None
    properties: Array | None = None
    view: bytes = b""
    strongest: Mapping[Reading, Strongest] | None = None


class Shelf:
    """The kept rows of one model.

    Args:
        file: Where they lie; it is made where it is not there.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            for table in _TABLES:
                database.execute(table)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction."""
        with closing(sqlite3.connect(self._file, timeout=_WAIT)) as database, database:
            yield database

    def add(self, rows: Sequence[Row]) -> None:
        """Keep rows, all or none; one of the same key and reading is replaced."""
        with self._open() as database:
            database.executemany(
                "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)",
                [(row.key, row.problem, _bytes(row.scores), _bytes(row.properties), row.view) for row in rows],
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
                    for reading, found in (row.strongest or {}).items()
                ],
            )

    def lacking(self, keys: Sequence[str], readings: Sequence[Reading]) -> set[str]:
        """Return those keys of which something is not kept yet. A picture with a problem lacks nothing."""
        with self._open() as database:
            _ask(database, keys)
            known = dict(
                database.execute("SELECT key, problem FROM pictures WHERE key IN (SELECT key FROM temp.asked)")
            )
            read = {key for key, problem in known.items() if not problem}
            complete = set(known)
            for reading in readings:
                there = database.execute(
                    "SELECT key FROM strongest WHERE reading = ? AND key IN (SELECT key FROM temp.asked)",
                    (reading.key,),
                )
                complete -= read - {key for (key,) in there}
        return set(keys) - complete

    def problems(self, keys: Sequence[str]) -> dict[str, str]:
        """Return why pictures cannot be read, by key; of those only that cannot."""
        with self._open() as database:
            _ask(database, keys)
            return dict(
                database.execute(
                    "SELECT key, problem FROM pictures WHERE problem <> '' AND key IN (SELECT key FROM temp.asked)"
                )
            )

    def column(self, keys: Sequence[str], name: str) -> Array:
        """Return "scores" or "properties" of pictures, float32 (n, numbers)."""
        with self._open() as database:
            _ask(database, keys)
            rows = database.execute(
                f"SELECT {name} FROM temp.asked JOIN pictures USING (key) ORDER BY place"  # a name of our own
            )
            return _stacked(rows, np.float32)

    def strongest(self, keys: Sequence[str], reading: Reading, name: str) -> NDArray[Any]:
        """Return one field of `Strongest` for pictures, (n, channels)."""
        with self._open() as database:
            _ask(database, keys)
            rows = database.execute(
                f"SELECT {name} FROM temp.asked JOIN strongest USING (key) WHERE reading = ? ORDER BY place",
                (reading.key,),
            )
            return _stacked(rows, _TYPES.get(name, np.float32))

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
        with self._open() as database:
            _ask(database, keys)
            for (view,) in database.execute("SELECT view FROM temp.asked JOIN pictures USING (key) ORDER BY place"):
                yield view


def _ask(database: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Put keys into a table of this connection alone, from which queries take them and their order."""
    database.execute("CREATE TEMP TABLE asked (place INTEGER PRIMARY KEY, key TEXT)")
    database.executemany("INSERT INTO temp.asked (key) VALUES (?)", [(key,) for key in keys])


def _bytes(values: NDArray[Any] | None) -> bytes | None:
    return None if values is None else np.ascontiguousarray(values).tobytes()


def _stacked(rows: sqlite3.Cursor, kind: type) -> NDArray[Any]:
    """Return what blobs hold as one array (rows, numbers)."""
    blobs = [blob for (blob,) in rows]
    return np.frombuffer(b"".join(blobs), kind).reshape(len(blobs), -1 if blobs and blobs[0] else 0)
