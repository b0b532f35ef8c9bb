"""Labels of people: the last word of each counts, nothing lies beside the pictures, and nothing breaks the table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picasso.core.dataset import Dataset, Example
from picasso.core.dataset.sources import File
from picasso.core.errors import DatasetError, SettingsError
from picasso.core.labels.annotations import annotate, annotations_file, other_labels, read_annotations


def test_the_last_word_counts_and_can_be_taken_back(tmp_path: Path) -> None:
    assert read_annotations(tmp_path) == {}
    annotate(tmp_path, "a/1.png", "Ann", "tank")
    annotate(tmp_path, "a/1.png", " Bob ", "decoy ")
    annotate(tmp_path, "a/1.png", "Ann", "decoy")
    annotate(tmp_path, "a/2.png", "Ann", "tank")
    assert read_annotations(tmp_path) == {
        "Ann": {"a/1.png": "decoy", "a/2.png": "tank"},
        "Bob": {"a/1.png": "decoy"},
    }
    annotate(tmp_path, "a/1.png", "Bob", "")
    assert list(read_annotations(tmp_path)) == ["Ann"]
    assert list(tmp_path.iterdir()) == []


def test_one_folder_has_one_table_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    files = {annotations_file(name) for name in ("set", "./set", "set/../set", str(tmp_path / "set"), tmp_path / "set")}
    assert len(files) == 1
    assert annotations_file("demo:tanks") != annotations_file("demo:tanks-honest")
    assert annotations_file("x" * 5000).name


def test_commas_lines_formulas_and_half_characters_come_back(tmp_path: Path) -> None:
    for number, label in enumerate(("a, b", 'say "tank"', "two\nlines", "=1+1", "Größe", json.loads('"\\ud83d"'))):
        annotate(tmp_path, f"{number}.png", 'Ann, \n"A"', label)
    ((who, said),) = read_annotations(tmp_path).items()
    assert who == 'Ann, \n"A"'
    assert list(said.values()) == ["a, b", 'say "tank"', "two\nlines", "=1+1", "Größe", "\\ud83d"]


def test_rows_that_are_not_whole_are_left_out_and_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    annotate(tmp_path, "1.png", "Ann", "tank")
    file = annotations_file(tmp_path)
    with file.open("a") as table:
        table.write("2.png,Ann\n,,,\n\n3.png,Ann,decoy,now\n")
    assert read_annotations(tmp_path) == {"Ann": {"1.png": "tank", "3.png": "decoy"}}
    file.write_text("x" * 200_000)
    with pytest.raises(DatasetError, match="field larger than field limit"):
        read_annotations(tmp_path)


@pytest.mark.parametrize(
    ("picture", "annotator", "label", "said"),
    [
        ("1.png", "  ", "tank", "annotator must be a name"),
        ("", "Ann", "tank", "picture must be a place"),
        ("x" * 5000, "Ann", "tank", "Got 5000"),
        ("1.png", "A" * 201, "tank", "at most 200 letters. Got 201"),
        ("1.png", "Ann", "t" * 300, "Got 300"),
    ],
)
def test_what_cannot_be_kept_is_refused(tmp_path: Path, picture: str, annotator: str, label: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        annotate(tmp_path, picture, annotator, label)
    assert read_annotations(tmp_path) == {}


def test_a_column_is_an_opinion_where_it_holds_classes_alone(tmp_path: Path) -> None:
    source = File(tmp_path / "1.png", 1, 1)
    examples = (
        Example("1.png", "tank", source, columns={"reader": "Tank", "site": "A", "split": "train"}),
        Example("2.png", "decoy", source, columns={"reader": "", "site": "tank", "split": "train"}),
        Example("3.png", "decoy", source, columns={"reader": "decoy", "site": "B"}),
    )
    annotate(tmp_path, "3.png", "Ann", "tank")
    assert other_labels(Dataset("set", ("tank", "decoy"), examples), tmp_path) == {
        "reader": {"1.png": "Tank", "3.png": "decoy"},
        "Ann": {"3.png": "tank"},
    }
