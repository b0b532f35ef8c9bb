"""What a setting of a page may name: what the server knows, or anything where paths are allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from picasso.core.errors import ConfigurationError, SettingsError
from picasso.core.sources import SourceKind
from picasso.service.configuration import Configuration, read_configuration
from picasso.service.sources import resolved

SCHEMA: dict[str, Any] = {
    "properties": {
        "album": {"picasso": {"choices": "album"}},
        "run": {"picasso": {"choices": "checkpoints"}},
        "view": {"picasso": {"choices": "visualization"}},
    }
}
KNOWN = {SourceKind.ALBUM: {"tanks": "/data/tanks"}, SourceKind.CHECKPOINTS: {"first": "/runs/first"}}


def test_names_become_paths_each_of_its_own_kind() -> None:
    given = {"album": "tanks", "run": "first", "view": "filters"}
    found = resolved(SCHEMA, given, KNOWN, paths=False)
    assert found == {"album": "/data/tanks", "run": "/runs/first", "view": "filters"}
    assert resolved(SCHEMA, found, KNOWN, paths=False) == found
    assert resolved(SCHEMA, {"album": "", "run": ""}, KNOWN, paths=False) == {"album": "", "run": ""}


def test_other_places_need_the_servers_leave() -> None:
    with pytest.raises(SettingsError, match="run must be a folder of checkpoints of this server") as caught:
        resolved(SCHEMA, {"run": "tanks"}, KNOWN, paths=False)
    assert caught.value.hint == "Known: first. Start it with --allow-add to name folders."
    with pytest.raises(SettingsError, match="album must be a data set of this server"):
        resolved(SCHEMA, {"album": "/etc"}, KNOWN, paths=False)
    assert resolved(SCHEMA, {"run": "/elsewhere"}, KNOWN, paths=True) == {"run": "/elsewhere"}


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
