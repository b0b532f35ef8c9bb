"""Class labels in the forms in which people keep them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from picasso.core.errors import LabelsError
from picasso.core.labels import check_count, read_labels

NAMES = ("tank", "decoy, cardboard", 'a "wide" shed', "öäü 戦車")


def file(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "given",
    [NAMES, list(NAMES), np.array(NAMES), dict(enumerate(NAMES)), {name: i for i, name in enumerate(NAMES)}],
)
def test_labels_given_in_python(given: Any) -> None:
    assert read_labels(given) == NAMES
    assert all(type(label) is str for label in read_labels(given))


def test_a_mapping_is_sorted_by_its_indices() -> None:
    assert read_labels({2: "c", 0: "a", 1: "b"}) == ("a", "b", "c")
    assert read_labels({"c": 2, "a": 0, "b": 1}) == ("a", "b", "c")
    with pytest.raises(LabelsError, match="are no index-to-label mapping: the indices must run from 0 without a gap"):
        read_labels({1: "a", 2: "b"})


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_one_label_a_line(tmp_path: Path, ending: str) -> None:
    text = ending + ending.join(f"  {name} " for name in NAMES) + ending * 3
    assert read_labels(file(tmp_path, "labels.txt", text)) == NAMES
    assert read_labels(str(file(tmp_path, "labels", "\ufeff" + text))) == NAMES


@pytest.mark.parametrize(
    "text",
    [
        '0,tank\n1,"decoy, cardboard"\n2,"a ""wide"" shed"\n3,öäü 戦車\n',
        'index,label\n0,tank\n1,"decoy, cardboard"\n2,"a ""wide"" shed"\n3,öäü 戦車\n',
        'tank\n"decoy, cardboard"\n"a ""wide"" shed"\n\nöäü 戦車',
        '0,x,tank\n1,y,"decoy, cardboard"\n2,z,"a ""wide"" shed"\n3,w, öäü 戦車 \n',
    ],
)
def test_csv_whose_last_column_is_the_label(tmp_path: Path, text: str) -> None:
    assert read_labels(file(tmp_path, "labels.CSV", text)) == NAMES


@pytest.mark.parametrize("name", ["labels.json", "labels.txt", "labels"])
@pytest.mark.parametrize(
    "value",
    [
        list(NAMES),
        {str(i): name for i, name in enumerate(NAMES)},
        {name: i for i, name in reversed(list(enumerate(NAMES)))},
        {name: str(i) for i, name in enumerate(NAMES)},
        {str(i): [f"n0000000{i}", name] for i, name in enumerate(NAMES)},
        [[f"n0000000{i}", name] for i, name in enumerate(NAMES)],
    ],
)
def test_json_lists_and_objects(tmp_path: Path, name: str, value: object) -> None:
    for text in (json.dumps(value), "\n" + json.dumps(value, indent=1, ensure_ascii=False) + "\n"):
        assert read_labels(file(tmp_path, name, text)) == NAMES


def test_ten_indices_are_sorted_as_numbers(tmp_path: Path) -> None:
    names = tuple(f"name {i}" for i in range(12))
    text = json.dumps({str(i): name for i, name in sorted(enumerate(names), key=lambda p: str(p[0]))})
    assert read_labels(file(tmp_path, "labels.json", text)) == names


def test_a_text_may_begin_with_a_bracket(tmp_path: Path) -> None:
    assert read_labels(file(tmp_path, "labels.txt", "[background]\ntank\n")) == ("[background]", "tank")
    assert read_labels(file(tmp_path, "labels.txt", "{tank}\ndecoy\n")) == ("{tank}", "decoy")


def test_wordnet_identifiers_are_cut_only_where_every_label_has_one(tmp_path: Path) -> None:
    text = "n01440764 tench, Tinca tinca\nn01443537\tgoldfish\n"
    assert read_labels(file(tmp_path, "synset.txt", text)) == ("tench, Tinca tinca", "goldfish")
    assert read_labels(["n01440764 tench", "tank"]) == ("n01440764 tench", "tank")


def test_labels_may_repeat_and_hold_anything() -> None:
    odd = ["crane", "crane", "<b>", "a\nb", "", " a"]
    assert read_labels(odd) == tuple(odd)


def test_half_a_character_becomes_a_question_mark(tmp_path: Path) -> None:
    assert read_labels(file(tmp_path, "labels.json", '["tank \\ud83d", "decoy"]')) == ("tank ?", "decoy")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("labels.txt", "", r"^There are no labels\. Give one label for each class\.$"),
        ("labels.txt", " \n\n", "There are no labels"),
        ("labels.csv", "", "There are no labels"),
        ("labels.json", "[]", "There are no labels"),
        ("labels.json", "{}", "There are no labels"),
        ("labels.json", "", "The labels labels.json are no JSON list or index-to-label object"),
        ("labels.json", '["tank", ', "The labels labels.json are no JSON list or index-to-label object: "),
        ("labels.json", "5", "got int"),
        ("labels.json", '"tank"', "got str"),
        ("labels.json", '{"1": "tank", "2": "decoy"}', "the indices must run from 0 without a gap"),
        ("labels.json", '{"tank": 0, "decoy": 0}', "each of them once"),
        ("labels.json", '{"0": "tank", "00": "decoy"}', "each of them once"),
        ("labels.json", '{"tank": "first"}', "invalid literal"),
        ("labels.json", '{"tank": null}', "are no JSON list"),
        ("labels.json", '{"²": "tank"}', "are no JSON list"),
        ("labels.json", "[" * 100_000 + "]" * 100_000, "are no JSON list"),
        ("labels.txt", "[" * 100_000 + "]" * 100_000, "are no JSON list"),
        ("labels.csv", "0,tank\n1," + "x" * 200_000, r"^The labels labels\.csv are no CSV: field larger than"),
        ("labels.txt", b"\xff\xfet\0a\0n\0k\0", r"labels\.txt cannot be read: .*codec.* Give a text file\."),
        ("labels.txt", b"\x89PNG\r\n\x1a\n\0\0", "cannot be read"),
    ],
)
def test_what_holds_no_labels_is_refused(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(LabelsError, match=said) as error:
        read_labels(file(tmp_path, name, text))
    assert error.value.code == "bad-labels"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "absent.txt", "a\0b", "a" * 5000):
        with pytest.raises(LabelsError, match="cannot be read"):
            read_labels(source)


def test_the_number_must_be_that_of_the_classes() -> None:
    check_count(("a", "b"), 2)
    with pytest.raises(
        LabelsError, match=r"^There are 2 labels, but the model has 3 classes\. Give one label for each"
    ):
        check_count(("a", "b"), 3)


@given(st.binary(max_size=80), st.sampled_from(["labels.txt", "labels.csv", "labels.json"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_labels_or_an_error_of_labels(tmp_path: Path, data: bytes, name: str) -> None:
    try:
        labels = read_labels(file(tmp_path, name, data))
    except LabelsError:
        return
    assert labels
    assert all(isinstance(label, str) for label in labels)


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_labels_come_back_from_json(tmp_path: Path, labels: list[str]) -> None:
    assert read_labels(file(tmp_path, "labels.json", json.dumps(labels))) == tuple(labels)
