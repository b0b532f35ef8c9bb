"""What ended processes leave behind is deleted, and nothing that is in use."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from picasso.core import errors
from picasso.service import leftovers
from picasso.service.configuration import DatasetSpecification, ModelSpecification
from picasso.service.records import AuditRequest, State
from picasso.service.service import Service
from picasso.service.uploads import Upload

from .conftest import configure, ended, wait_until, write
from .test_audits import MODEL, draw


def archive(folder: Path) -> io.BytesIO:
    """Return an archive of a few pictures of two classes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for path in sorted(draw(folder / "sent", 8).rglob("*.png")):
            made.write(path, path.relative_to(folder / "sent"))
    buffer.seek(0)
    return buffer


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Service]:
    """A service that has not started, with a quick and a slow model."""
    file = write(tmp_path / "models.py", MODEL)
    models = tuple(ModelSpecification(source=f"{file}:{name}") for name in ("Corner", "Slow"))
    pets = DatasetSpecification(path=str(draw(tmp_path / "pets")))
    made = Service(configure(tmp_path, models=models, datasets=(pets,)))
    yield made
    made.stop()


def left_by(folder: Path, name: str) -> Path:
    """Make the folder of an audit, with a file deep in it, as a killed process leaves it."""
    deep = folder / name / "counterfactuals" / "cat"
    deep.mkdir(parents=True)
    (deep / "1.png").touch()
    return folder / name


def test_folders_of_audits_that_do_not_run_are_deleted(tmp_path: Path) -> None:
    over = [left_by(tmp_path, name) for name in ("tmp-abc-1-x", "tmp-abc-12-x", "tmp-other-2-x", "tmp_old")]
    kept = [left_by(tmp_path, "tmp-abc-2-x"), left_by(tmp_path, "else"), tmp_path / "tmp.npz"]
    kept[2].touch()
    assert leftovers.sweep_folders(tmp_path, lambda: [("abc", 2)]) == 4
    assert not any(path.exists() for path in over)
    assert all(path.exists() for path in kept)
    assert leftovers.sweep_folders(tmp_path, list) == 1
    assert leftovers.sweep_folders(tmp_path / "absent", list) == 0


def test_an_audit_that_begins_while_folders_are_listed_keeps_its_own(tmp_path: Path) -> None:
    left_by(tmp_path, "tmp-old-1-x")

    def begun() -> list[tuple[str, int]]:
        left_by(tmp_path, "tmp-new-1-x")
        return []

    leftovers.sweep_folders(tmp_path, begun)
    assert [path.name for path in tmp_path.iterdir()] == ["tmp-new-1-x"]


def test_archives_of_no_data_set_are_deleted(tmp_path: Path) -> None:
    names = [f"{number:016x}.zip" for number in range(3)]
    for name in (*names, "mine.zip"):
        (tmp_path / name).touch()
    moved = Path("/elsewhere") / names[1]
    assert leftovers.sweep_archives(tmp_path, lambda: [moved]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {names[1], "mine.zip"}
    assert leftovers.sweep_archives(tmp_path / "absent", list) == 0


def test_a_start_deletes_what_the_last_server_left(house: Service, tmp_path: Path) -> None:
    stale = left_by(tmp_path / "data" / "audits", "tmp-gone-1-x")
    orphan = tmp_path / "data" / "datasets" / f"{7:016x}.zip"
    orphan.parent.mkdir()
    orphan.touch()
    house.start()
    wait_until(lambda: not stale.exists() and not orphan.exists())


def test_what_an_audit_leaves_goes_when_it_ends_and_nothing_before(house: Service, tmp_path: Path) -> None:
    house.start()
    house._preparing.join()
    folder = house.place.audits
    job = house.jobs.audit(AuditRequest("Slow", "pets"))
    wait_until(lambda: bool(list(folder.glob("*.npz"))), 120)
    (own,) = folder.glob("tmp*")
    assert own.name.startswith(f"tmp-{job.id}-1-")
    stale = left_by(folder, "tmp-gone-1-x")
    house._sweep_leftovers()
    assert own.exists()
    assert not stale.exists()
    stale = left_by(folder, "tmp-gone-1-x")
    process = house.records.job(job.id).process
    assert process is not None
    os.kill(process, signal.SIGKILL)  # it cleans nothing up
    assert ended(house, job).state is State.FAILED
    wait_until(lambda: not own.exists() and not stale.exists())
    stale = left_by(folder, "tmp-gone-1-x")
    job = ended(house, house.jobs.audit(AuditRequest("Corner", "pets")), 240)
    assert job.state is State.DONE, job.error
    wait_until(lambda: not stale.exists())
    assert not list(folder.glob("tmp*"))


def test_a_data_set_that_is_removed_takes_orphans_with_it_and_no_archive_in_use(house: Service, tmp_path: Path) -> None:
    house.start()
    house._preparing.join()
    first = house.upload_dataset(archive(tmp_path), "first.zip")
    second = house.upload_dataset(archive(tmp_path), "second.zip")
    orphan = Path(first.path).with_name(f"{7:016x}.zip")
    orphan.touch()
    with house.sending("third") as upload:
        upload.path.write_bytes(b"half of it")
        house.delete_dataset("first")
        assert not Path(first.path).exists()
        assert not orphan.exists()
        assert Path(second.path).exists()
        assert upload.path.exists()
        house.keep_dataset(Upload(upload.name, upload.path.with_name("whole.zip")), archive(tmp_path))
    assert house.dataset("second")[1].pictures == house.dataset("third")[1].pictures == 8


def test_a_name_is_refused_before_anything_was_read(house: Service, tmp_path: Path) -> None:
    house.start()

    class Unread(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise AssertionError("It was read.")

    with pytest.raises(errors.NotSupportedError, match="There is a data set 'pets' already") as error:
        house.upload_dataset(Unread(), "pets.zip")
    assert "remove that one first" in str(error.value)
    with house.sending("zoo") as upload:
        assert upload.name == "zoo"
        with pytest.raises(errors.NotSupportedError, match="A data set 'zoo' is being sent already"):
            house.upload_dataset(Unread(), "up/zoo.zip")
        with house.sending("other zoo"):
            pass
    assert house.upload_dataset(archive(tmp_path), "zoo.zip").name == "zoo"


def test_what_could_not_be_kept_frees_its_name_and_place(house: Service, tmp_path: Path) -> None:
    house.start()
    with pytest.raises(errors.DatasetError, match="no zip"):
        house.upload_dataset(io.BytesIO(b"words"), "zoo.zip")

    def broken_off() -> None:
        with house.sending("zoo") as upload:
            upload.path.write_bytes(b"half of it")
            raise OSError("The one who sends is gone.")

    with pytest.raises(OSError, match="gone"):
        broken_off()
    assert list((tmp_path / "data" / "datasets").iterdir()) == []
    assert house.upload_dataset(archive(tmp_path), "zoo.zip").name == "zoo"


@pytest.mark.parametrize(
    ("said", "called"), [("a/b #1?", "a b  1"), (" .. ", "pictures"), ("x" * 99 + " y", "x" * 99), ("v1.2", "v1.2")]
)
def test_a_name_can_stand_in_an_address(house: Service, said: str, called: str) -> None:
    house.start()
    with house.sending(said) as upload:
        assert upload.name == called
