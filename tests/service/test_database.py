"""The tables, their migrations, and several processes at one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from picasso.core.errors import ConfigurationError, NotFoundError
from picasso.service import database as module
from picasso.service import tables
from picasso.service.database import Database
from picasso.service.job_store import JobStore
from picasso.service.records import (
    AuditRecord,
    Fault,
    JobRecord,
    ModelState,
    PictureRecord,
    ResultRecord,
    State,
    TaskRecord,
)
from picasso.service.store import Store
from picasso.service.tables import metadata


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'picasso.db'}")
    yield made
    made.close()


def describe(database: Database) -> dict[str, object]:
    with database.reading() as connection:
        found = inspect(connection)
        return {
            name: (
                [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)],
                found.get_pk_constraint(name),
                sorted(found.get_foreign_keys(name), key=str),
                sorted(found.get_indexes(name), key=str),
            )
            for name in metadata.tables
        }


def test_migrations_from_empty_give_the_tables(database: Database, tmp_path: Path) -> None:
    database.migrate()
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    fresh.upgrade()
    assert describe(fresh) == describe(database)
    fresh.close()


def test_an_upgrade_can_be_repeated(database: Database) -> None:
    for _ in range(3):
        database.upgrade()
    database.migrate()
    with database.reading() as connection:
        assert database.revision(connection) == module.REVISION
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_the_known_revision_is_the_newest() -> None:
    script = ScriptDirectory(str(Path(module.__file__).parent / "migrations"))
    assert script.get_current_head() == module.REVISION


def test_a_newer_database_is_refused(database: Database) -> None:
    database.upgrade()
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer Picasso"):
        database.upgrade()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Database("nothing at all")
    folder = tmp_path / "picasso.db"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        database.upgrade()
    database.close()


def test_old_sqlite_stays_out_of_wal_mode(database: Database) -> None:
    with database.reading() as connection:
        mode = connection.execute(text("PRAGMA journal_mode")).scalar()
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == module.BUSY_SECONDS * 1000
    assert (mode == "wal") == (sqlite3.sqlite_version_info >= (3, 51, 3))


def test_writers_wait_for_each_other(database: Database) -> None:
    database.upgrade()
    stores = [Store(Database(str(database.url))) for _ in range(4)]

    def add(number: int) -> None:
        for count in range(10):
            stores[number].add_model(f"{number}-{count}", {"source": "x"})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores[0].models()) == 40
    for store in stores:
        store.database.close()


def test_configured_models_follow_the_configuration(database: Database) -> None:
    database.upgrade()
    store = Store(database)
    store.set_configured_models([("a", {"source": "a"}), ("b", {"source": "b"})])
    store.set_card("a", {"digest": "1"})
    store.set_card("b", {"digest": "2"})
    assert store.add_model("mine", {"source": "c"})
    assert not store.add_model("mine", {"source": "d"})
    store.set_model_state("mine", ModelState.OPENING)
    store.set_configured_models([("b", {"source": "other"}), ("a", {"source": "a"})])
    assert [(m.name, m.state, m.added) for m in store.models()] == [
        ("b", ModelState.NEW, False),
        ("a", ModelState.READY, False),
        ("mine", ModelState.NEW, True),
    ]
    store.set_model_state("b", ModelState.FAILED, Fault("bad-model", "No.", ""))
    assert store.model("b").error == Fault("bad-model", "No.", "")
    store.set_configured_models([])
    with pytest.raises(NotFoundError):
        store.model("a")
    assert store.model("mine").added


def an_audit(number: int) -> AuditRecord:
    return AuditRecord(
        key=f"{number:064x}",
        job=None,
        model="Toy",
        dataset="pets",
        asked={"seed": number},
        document={
            "counts": [number, 40],
            "verdict": {"outcome": "both", "headline": f"BOTH: {number}", "sentence": "So it is.", "reasons": []},
            "effects": ["x" * 10_000],
        },
        pairs=(),
        pictures={},
        files={},
        seconds=1.5,
        created=f"2026-01-01T00:00:{number:02d}.000Z",
    )


def test_a_list_of_audits_reads_no_documents(database: Database) -> None:
    database.upgrade()
    store = Store(database)
    for number in range(50):
        store.add_audit(an_audit(number))
    expected = [an_audit(number).line for number in reversed(range(50))]
    assert store.audits(100) == expected
    assert store.audit(an_audit(3).key) == an_audit(3)
    with database.writing() as connection:
        connection.execute(text("UPDATE audits SET document = 'no JSON', pairs = 'no JSON'"))
    with pytest.raises(ValueError, match="Expecting value"):
        store.audit(an_audit(3).key)
    assert store.audits(100) == expected
    assert store.audits(7) == expected[:7]
    # Of one model the newest are found however many of others are newer.
    store.add_audit(replace(an_audit(0), key="a" * 64, model="other"))
    assert [one.model for one in store.audits(1, "other")] == ["other"]
    assert store.audits(7, an_audit(0).model) == expected[:7]
    assert store.audit_line(an_audit(3).key) == an_audit(3).line
    with pytest.raises(NotFoundError, match="There is no audit 'nothing'"):
        store.audit_line("nothing")


def test_an_audit_that_comes_again_replaces_its_line(database: Database) -> None:
    database.upgrade()
    store = Store(database)
    store.add_audit(an_audit(1))
    changed = replace(an_audit(2), key=an_audit(1).key)
    store.add_audit(changed)
    assert store.audits(9) == [changed.line]


PICTURE = PictureRecord("d" * 64, "a.png", 4, 4, (), "f" * 64, "image/png", "e" * 64, "2026-01-01T00:00:00.000Z")
JOB = JobRecord(
    id="ab12", model="Toy", visualization="saliency-map", settings={}, target=None, top=5, seed=0, at=None,
    state=State.DONE, error=None, attempts=1, cancel=False, done=1, total=1, message="", process=None,
    created="2026-01-01T00:00:00.000Z", started=None, finished=None,
)  # fmt: skip
RESULT = ResultRecord(
    "c" * 64, JOB.id, "Toy", "saliency-map", PICTURE.digest, {}, (), "b" * 64, "2026-01-01T00:00:00.000Z"
)


def without_later(connection: Connection) -> None:
    """Take away what later migrations add."""
    later = (("jobs", "video"), ("jobs", "film"), ("tasks", "mask"), ("comparisons", "masks"), ("pictures", "adopted"))
    for table, column in later:
        connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
    connection.execute(text("DROP TABLE masks"))


def test_a_migration_that_makes_tables_anew_loses_nothing(database: Database) -> None:
    script = ScriptDirectory(str(Path(module.__file__).parent / "migrations"))
    database.upgrade()
    with database.writing() as connection:
        connection.execute(
            text("UPDATE alembic_version SET version_num = :before"),
            {"before": script.get_revision("0006").down_revision},
        )
    store, records = Store(database), JobStore(database)
    store.add_picture(PICTURE)
    records.add(JOB, [])
    store.add_result(RESULT)
    done = TaskRecord(JOB.id, 0, PICTURE.digest, "a.png", State.DONE, RESULT.key, None)
    with database.writing() as connection:
        connection.execute(tables.tasks.insert(), asdict(done))
        without_later(connection)
    database.upgrade()
    assert records.tasks([JOB.id]) == {JOB.id: [done]}
    assert store.result(RESULT.key) == RESULT
    with database.reading() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    records.delete(JOB.id)
    assert store.result(RESULT.key).job is None
    store.delete_result(RESULT.key)
    store.add_result(replace(RESULT, job=None, picture=None))
    assert store.results(9)[0].picture is None


def test_audits_of_old_get_their_lines(database: Database) -> None:
    script = ScriptDirectory(str(Path(module.__file__).parent / "migrations"))
    before = script.get_revision("0005").down_revision
    database.migrate()
    with database.writing() as connection:  # the tables as they were
        without_later(connection)
        connection.execute(text("ALTER TABLE audits DROP COLUMN summary"))
        connection.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": before})
        for number in (1, 2):
            old = an_audit(number)
            values = {"key": old.key, "document": json.dumps(old.document), "created": old.created}
            connection.execute(
                text(
                    "INSERT INTO audits (key, model, dataset, asked, document, pairs, pictures, files, seconds, "
                    "created) "
                    "VALUES (:key, 'Toy', 'pets', '{}', :document, '[]', '{}', '{}', 1.5, :created)"
                ),
                values,
            )
    database.upgrade()
    assert Store(database).audits(9) == [an_audit(2).line, an_audit(1).line]
