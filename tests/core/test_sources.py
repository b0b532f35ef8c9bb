"""Settings that name something: what tells results apart when it changes behind the name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from picasso.core.sources import SourceKind, named_sources, pinned

SCHEMA: dict[str, Any] = {
    "properties": {
        "album": {"picasso": {"choices": "album"}},
        "run": {"picasso": {"choices": "checkpoints"}},
        "view": {"picasso": {"choices": "visualization"}},
        "layer": {"picasso": {"choices": "layers"}},
        "steps": {"type": "integer"},
    }
}


def test_the_names_are_found_by_what_the_schema_says() -> None:
    given = {"album": "", "run": "folder", "view": "filters", "layer": "conv1", "steps": 3}
    assert list(named_sources(SCHEMA, given)) == [
        ("run", SourceKind.CHECKPOINTS, "folder"),
        ("view", SourceKind.VISUALIZATION, "filters"),
    ]


def test_another_file_and_another_version_make_another_key(tmp_path: Path) -> None:
    given = {"run": str(tmp_path), "view": "filters", "steps": 3}
    first = pinned(SCHEMA, given, lambda name: f"{name}-1")
    assert first == pinned(SCHEMA, given, lambda name: f"{name}-1")
    assert first["steps"] == 3
    assert first["view"] == "filters filters-1"
    (tmp_path / "new.pt").write_bytes(b"x")
    second = pinned(SCHEMA, given, lambda name: f"{name}-2")
    assert second["run"] != first["run"]
    assert second["view"] != first["view"]
    assert pinned(SCHEMA, {"run": "demo:tanks"}, str)["run"] == pinned(SCHEMA, {"run": "demo:tanks"}, str)["run"]


def test_a_picture_that_a_table_names_makes_another_key(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    picture, table = tmp_path / "pictures" / "1.png", tmp_path / "labels.csv"
    picture.write_bytes(b"one")
    table.write_text("file,label\npictures/1.png,a\n")
    first = pinned(SCHEMA, {"album": str(table)}, str)
    assert pinned(SCHEMA, {"album": str(table)}, str) == first
    picture.write_bytes(b"another")
    assert pinned(SCHEMA, {"album": str(table)}, str) != first


def test_a_link_is_followed_as_it_is_read(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "folder"
    elsewhere.mkdir()
    folder.mkdir()
    (elsewhere / "1.png").write_bytes(b"one")
    (folder / "a").symlink_to(elsewhere, target_is_directory=True)
    first = pinned(SCHEMA, {"album": str(folder)}, str)
    (elsewhere / "1.png").write_bytes(b"another")
    assert pinned(SCHEMA, {"album": str(folder)}, str) != first


def test_what_cannot_be_a_path_is_left_to_whoever_reads_it() -> None:
    for odd in ("~nobody-of-that-name/x", "a\0b"):
        assert pinned(SCHEMA, {"album": odd}, str)["album"].startswith(odd)
