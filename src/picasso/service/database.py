"""The connection to the database, and its migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from picasso.core.errors import ConfigurationError
from picasso.service import tables

REVISION = "0009"
"""The newest migration. Known here so that a start without anything to migrate need not import Alembic."""
BUSY_SECONDS = 15.0
"""How long a write waits for another process's."""
_SAFE_WAL = (3, 51, 3)
"""Older SQLite can lose data in WAL mode when two processes meet in a checkpoint."""


class Database:
    """One database, shared by the web process and the workers.

    Args:
        url: An SQLAlchemy URL.

    Raises:
        ConfigurationError: The URL is none.
    """

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
            self._reader = create_engine(self.url)
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigurationError(
                f"The database '{url}' cannot be used: {error}.", "Give an SQLAlchemy URL."
            ) from None
        if self.url.get_backend_name() == "sqlite":
            _prepare_sqlite(self._reader)
        self._writer = self._reader.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes; it is committed at the end, or rolled back on an error."""
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _rebuilding(self) -> Iterator[Connection]:
        """Open a transaction in which tables may be made anew, as SQLite changes a column.

        A table that is dropped for its successor must not take along what refers to its rows, and SQLite can be told
        so only before a transaction begins.
        """
        with self._writer.connect() as connection:
            driver = connection.connection.dbapi_connection
            if isinstance(driver, sqlite3.Connection):
                driver.execute("PRAGMA foreign_keys = OFF")
            try:
                with connection.begin():
                    yield connection
            finally:
                if isinstance(driver, sqlite3.Connection):
                    driver.execute("PRAGMA foreign_keys = ON")

    def upgrade(self) -> None:
        """Bring the tables to the newest form; harmless where they have it.

        Raises:
            ConfigurationError: The database cannot be opened, or a newer Picasso made it.
        """
        try:
            with self.reading() as connection:
                present = self.revision(connection)
        except OperationalError as error:
            raise ConfigurationError(
                f"The database {self.url.database} cannot be opened: {error.orig}.", "Check the data folder."
            ) from None
        if present == REVISION:
            return
        if present is None:
            self._create()
        else:
            self.migrate()

    def migrate(self) -> None:
        """Run the migrations that the tables lack.

        Raises:
            ConfigurationError: A newer Picasso made the database.
        """
        # Alembic costs a quarter of a second to import, and most starts have nothing to migrate.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        options = Config()
        options.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        known = {script.revision for script in ScriptDirectory.from_config(options).walk_revisions()}
        with self._rebuilding() as connection:
            present = self.revision(connection)
            if present is not None and present not in known:
                raise ConfigurationError(
                    f"The database {self.url.database} was made by a newer Picasso ({present}).",
                    "Install that version, or choose another data folder.",
                )
            attributes: dict[str, Any] = options.attributes
            attributes["connection"] = connection
            command.upgrade(options, "head")

    @staticmethod
    def revision(connection: Connection) -> str | None:
        """Return which migration the tables have; None for an empty database."""
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)

    def _create(self) -> None:
        """Make the tables of an empty database; a test holds them against those that the migrations make."""
        with self.writing() as connection:
            if self.revision(connection) is None:
                tables.metadata.create_all(connection)
                connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
                connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()


def now() -> str:
    """Return the time as it is kept: UTC, ISO 8601, to the millisecond, so that text sorts as time."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        # The driver would open transactions by itself, and only before writes; `begun` says what we want instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        # Events are written several times a second, and each commit waits for the disk.
        cursor.execute("PRAGMA synchronous = NORMAL")
        if sqlite3.sqlite_version_info >= _SAFE_WAL:
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A transaction that reads first and then writes would fail at once when another writes: lock at its start.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
