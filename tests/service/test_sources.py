"""What a setting of a page may name: what the server knows, or anything where paths are allowed."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from picasso.core.errors import ConfigurationError, SettingsError
from picasso.core.sources import SourceKind
from picasso.service.configuration import Configuration, read_configuration
from picasso.service.glances import GlanceQuestion
from picasso.service.records import ComparisonRequest, FilmRequest, JobRequest, VideoRecord
from picasso.service.service import Service
from picasso.service.sources import Sources

from .conftest import configure, picture, write

SCHEMA: dict[str, Any] = {
    "properties": {
        "album": {"picasso": {"choices": "album"}},
        "run": {"picasso": {"choices": "checkpoints"}},
        "view": {"picasso": {"choices": "visualization"}},
    }
}
KNOWN = {SourceKind.ALBUM: {"tanks": "/data/tanks"}, SourceKind.CHECKPOINTS: {"first": "/runs/first"}}
STRICT, FREE = (Sources(lambda: KNOWN, paths) for paths in (False, True))
READER = '''
    from pydantic import Field
    from picasso.plugin import Attribution, AttributionMethod, Settings

    class ReaderSettings(Settings):
        album: str = Field("", json_schema_extra={"picasso": {"choices": "album"}})

    class Reader(AttributionMethod[ReaderSettings]):
        """Would read a folder."""

        name = "reader"
        title = "Reader"

        def attribute(self, ctx, sample, targets, settings):
            raise AssertionError(settings.album)
'''


def test_names_become_paths_each_of_its_own_kind() -> None:
    given = {"album": "tanks", "run": "first", "view": "filters"}
    found = STRICT.resolved(SCHEMA, given)
    assert found == {"album": "/data/tanks", "run": "/runs/first", "view": "filters"}
    assert STRICT.resolved(SCHEMA, found) == found
    assert STRICT.resolved(SCHEMA, {"album": "", "run": ""}) == {"album": "", "run": ""}


def test_other_places_need_the_servers_leave() -> None:
    with pytest.raises(SettingsError, match="run must be a folder of checkpoints of this server") as caught:
        STRICT.resolved(SCHEMA, {"run": "tanks"})
    assert caught.value.hint == "Known: first. Start it with --allow-add to name folders."
    with pytest.raises(SettingsError, match="album must be a data set of this server"):
        STRICT.resolved(SCHEMA, {"album": "/etc"})
    assert FREE.resolved(SCHEMA, {"run": "/elsewhere"}) == {"run": "/elsewhere"}


@pytest.mark.parametrize(
    "value", ["~nobody-is-called-so/pictures", "pictures\0.zip", "x" * 5000], ids=["home", "nul", "long"]
)
def test_what_can_be_no_path_is_refused_in_words(value: str) -> None:
    with pytest.raises(SettingsError, match=r"album must be a data set\. Got "):
        FREE.place_of(value, SourceKind.ALBUM, "album")


def test_every_way_in_asks_which_places_a_page_may_name(tmp_path: Path) -> None:
    configuration = configure(tmp_path)
    write(tmp_path / "plugins" / "reader.py", READER)
    service = Service(configuration)
    service.start()
    try:
        digest = service.pictures.adopt(picture(), "a.png").digest
        settings = {"album": str(tmp_path)}
        video = VideoRecord("", "a.mp4", None, 1)
        ways: dict[str, Callable[[], object]] = {
            "job": lambda: service.jobs.submit(JobRequest("Toy", "reader", (digest,), settings)),
            "comparison": lambda: service.jobs.compare(ComparisonRequest("Toy", (("reader", settings),), (digest,))),
            "film": lambda: service.jobs.film(FilmRequest("Toy", "reader", video, settings), BytesIO()),
            "frame": lambda: service.jobs.ask(GlanceQuestion("Toy", picture(), "reader", settings)),
        }
        for take in ways.values():
            with pytest.raises(SettingsError, match="album must be a data set of this server"):
                take()
        assert not service.records.jobs(None)
        assert not service.jobs.questions.waiting()
    finally:
        service.stop()


def test_folders_of_checkpoints_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    file = tmp_path / "picasso.toml"
    file.write_text('[[checkpoints]]\npath = "run"\n[[checkpoints]]\npath = "run"\nname = "again"\n', "utf-8")
    configuration = read_configuration(file)
    assert configuration.checkpoint_folders() == {"run": str(tmp_path / "run"), "again": str(tmp_path / "run")}
    configuration.check()


def test_two_folders_of_one_name_are_refused() -> None:
    twice = Configuration.model_validate({"checkpoints": [{"path": "a/run"}, {"path": "b/run"}]})
    with pytest.raises(ConfigurationError, match="Two folders of checkpoints are called 'run'"):
        twice.check()
