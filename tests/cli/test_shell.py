"""What the commands are made of."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from picasso.core import registry
from picasso.core.errors import PicassoError, PictureError, SettingsError, by_code
from picasso.shell import explaining, flags, output, pictures, tables
from picasso.shell.scaffolding import new_model

BUILT_IN = [entry for entry in registry.visualizations([]).values() if entry.origin == "built-in"]


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: entry.name)
def test_every_setting_can_be_given_as_a_flag(entry: registry.Entry) -> None:
    kind = entry.load().settings_type
    words = ["photo.png"]
    for name, value in kind().model_dump(mode="json").items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            words += [f"--{flag}", str(value)] if str(value) else [f"--{flag}="]
    named, values = flags.split_words(words, kind, entry.name, [])
    assert named == ["photo.png"]
    assert kind.read(values) == kind()
    assert len(tables.setting_rows(kind)) == len(kind.model_fields)


def test_lists_and_objects_are_json() -> None:
    assert flags.as_value("[1, 2]") == [1, 2]
    assert flags.as_value("[half") == "[half"
    assert flags.as_value("1") == "1"
    assert flags.read_pairs(["a-b=1", "c=[1]"]) == {"a_b": "1", "c": [1]}


def test_a_switch_can_be_given_with_a_value() -> None:
    kind = registry.visualization("grad-cam").load().settings_type
    for word, value in (("--keep-negative=true", True), ("--keep-negative=no", False), ("--no-keep-negative", False)):
        assert kind.read(flags.split_words([word], kind, "grad-cam", [])[1]).model_dump()["keep_negative"] is value
    with pytest.raises(SettingsError, match="There is no setting 'no-layer'"):
        flags.split_words(["--no-layer"], kind, "grad-cam", [])


def test_pictures_keep_their_place_below_a_folder(tmp_path: Path) -> None:
    for name in ("a.png", "tank/a.png", "tank/b.JPG", ".hidden/c.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = pictures.find_pictures([str(tmp_path)])
    assert [(one.path.name, str(one.beside)) for one in found] == [("a.png", "."), ("a.png", "tank"), ("b.JPG", "tank")]
    twice = pictures.find_pictures([str(tmp_path / "a.png"), str(tmp_path / "tank/a.png")])
    assert [str(one.beside) for one in twice] == ["0000", "0001"]


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="holds no pictures"):
        pictures.find_pictures([str(tmp_path)])


def test_every_error_has_an_exit_code() -> None:
    for kind in by_code().values():
        assert output.exit_code(kind("")) in (1, 2, 3, 130)
    assert output.exit_code(PicassoError("")) == 1


def test_progress_is_shown_on_a_terminal_and_nowhere_else() -> None:
    def show(terminal: bool, quiet: bool) -> str:
        said = io.StringIO()
        console = Console(file=said, force_terminal=terminal, width=100)
        with explaining.progress_bars(console, 2, quiet) as (begin, report):
            begin("photo.png")
            report(3, 7, "")
        return said.getvalue()

    assert "photo.png" in show(terminal=True, quiet=False)
    assert show(terminal=True, quiet=True) == ""
    assert show(terminal=False, quiet=False) == ""


def test_every_spelling_of_a_name_is_filled_in(tmp_path: Path) -> None:
    for name in ("tank-detector", "tank_detector", "TankDetector", "tank detector"):
        path = new_model(name, tmp_path, force=True)
        text = path.read_text("utf-8")
        assert path.name == "tank_detector.py"
        assert "class TankDetector(" in text
        assert "my" not in text.lower().replace("numpy", "")
