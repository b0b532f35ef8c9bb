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
from picasso.core.labels import reading as labels_module
from picasso.core.labels.reading import check_count, fit_labels, read_labels

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


WORDS = ("tank", "decoy", "shed")


@pytest.mark.parametrize(
    "text",
    [
        "0 tank\n1 decoy\n2 shed\n",
        "0: tank\n1: decoy\n2: shed",
        "0,tank\n1,decoy\n2,shed",
        "0\ttank\r\n1\tdecoy\r\n2\tshed\r\n",
        "0 - tank\n1 - decoy\n2 - shed",
        "2 shed\n0 tank\n1 decoy",
        "1 tank\n2 decoy\n3 shed",
        "tank 0\ndecoy 1\nshed 2",
        "decoy,1\ntank,0\nshed,2",
        "# made by hand\ntank\ndecoy\n\nshed",
        '"tank"\n"decoy"\n"shed"',
        "'tank',\n'decoy',\n'shed'",
        '0: "tank"\n1: "decoy"\n2: "shed"',
        "{0: 'tank',\n 1: 'decoy',\n 2: 'shed'}",
        "['tank', 'decoy', 'shed']",
        "n01440764 tank\nn01443537 decoy\nn01484850 shed",
        "n01440764, tank\nn01443537, decoy\nn01484850, shed",
    ],
)
def test_texts_with_indices_quotes_and_comments(tmp_path: Path, text: str) -> None:
    assert read_labels(file(tmp_path, "labels.txt", text)) == WORDS
    for encoding in ("utf-8-sig", "utf-16"):
        assert read_labels(file(tmp_path, "labels.txt", text.encode(encoding))) == WORDS


@pytest.mark.parametrize(
    "labels",
    [
        ["class 0", "class 1", "class 2"],
        ["1 euro", "2 euro"],
        ["1 tank", "3 tanks"],
        ["0", "1", "2"],
        ["1", "2"],
        ["route 66", "route 1"],
        ['"tank"', "decoy"],
        ["#1", "#2"],
        ["a\\d", "b"],
        ["0 tank", "decoy"],
    ],
)
def test_what_only_looks_like_an_index_belongs_to_the_label(tmp_path: Path, labels: list[str]) -> None:
    assert read_labels(file(tmp_path, "labels.txt", "\n".join(labels))) == tuple(labels)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "index,label\n1,decoy\n0,tank\n2,shed\n"),
        ("labels.csv", "ClassId,Name\n0,tank\n1,decoy\n2,shed\n"),
        ("labels.csv", "ClassId,SignName,Files\n0,tank,3\n1,decoy,4\n2,shed,9\n"),
        ("labels.csv", "wnid,label\nn01440764,tank\nn01443537,decoy\nn01484850,shed\n"),
        ("labels.csv", "label\ntank\ndecoy\nshed\n"),
        ("labels.csv", "n01440764,tank\nn01443537,decoy\nn01484850,shed\n"),
        ("labels.csv", "0;tank\n1;decoy\n2;shed\n"),
        ("labels.csv", "Nr,Was\n0,tank\n1,decoy\n2,shed\n"),
        ("labels.tsv", "id\tname\n0\ttank\n1\tdecoy\n2\tshed\n"),
        ("class_index.json", '{"0": ["n01440764", "tank"], "2": ["n01484850", "shed"], "1": ["n01443537", "decoy"]}'),
        ("config.json", '{"model_type": "vit", "id2label": {"0": "tank", "1": "decoy", "2": "shed"}}'),
        ("config.json", '{"label2id": {"tank": 0, "shed": 2, "decoy": 1}}'),
        ("metadata.json", '{"tfjsVersion": "1", "labels": ["tank", "decoy", "shed"], "imageSize": 224}'),
        (
            "coco.json",
            '{"categories": [{"id": 3, "name": "shed"}, {"id": 1, "name": "tank"}, {"id": 2, "name": "decoy"}]}',
        ),
        ("labels.json", '{"names": {"0": "tank", "1": "decoy", "2": "shed"}}'),
        ("labels.json", '[{"name": "tank"}, {"name": "decoy"}, {"name": "shed"}]'),
        (
            "data.yaml",
            "path: ../x  # root\ntrain: a\nnc: 3\nnames:\n  0: tank\n  1: decoy # it is\n  2: shed\nval: b\n",
        ),
        ("data.yaml", "nc: 3\nnames: ['tank', \"decoy\", shed]\n"),
        ("data.yml", "names: [tank,\n  decoy,\n  shed]\nnc: 3\n"),
        ("data.yaml", "names:\n- tank\n- 'decoy'\n- shed\n"),
        ("data.yaml", "names: {0: tank, 1: decoy, 2: shed}\n"),
        ("names.yaml", "# all\n---\n- tank\n- decoy\n- shed\n"),
        ("names.yaml", "tank: 0\ndecoy: 1\nshed: 2\n"),
    ],
)
def test_tables_configurations_and_yaml(tmp_path: Path, name: str, text: str) -> None:
    assert read_labels(file(tmp_path, name, text)) == WORDS


def test_label_maps_count_from_one(tmp_path: Path) -> None:
    text = "item {\n  id: 2\n  name: '/m/01'\n  display_name: \"decoy\"\n}\nitem {\n  name: 'tank'\n  id: 1\n}\n"
    assert read_labels(file(tmp_path, "map.pbtxt", text)) == ("background", "tank", "decoy")
    assert read_labels(file(tmp_path, "map.txt", text)) == ("background", "tank", "decoy")
    gap = text.replace("id: 2", "id: 3")
    assert read_labels(file(tmp_path, "map.pbtxt", gap)) == ("background", "tank", "class 2", "decoy")


def test_yaml_with_quotes_and_signs(tmp_path: Path) -> None:
    text = "names: ['it''s', \"a, b\", 'c # d', e: f, \"g]\"]  # five\n"
    assert read_labels(file(tmp_path, "data.yaml", text)) == ("it's", "a, b", "c # d", "e: f", "g]")


def test_the_background_is_added_or_left_out() -> None:
    thousand = tuple(f"name {i}" for i in range(1000))
    assert fit_labels(thousand, 1001) == (
        ("background", *thousand),
        "1000 labels for 1001 classes: class 0 is taken for the background.",
    )
    labels, note = fit_labels(("Background", *thousand), 1000)
    assert labels == thousand
    assert note == "1001 labels for 1000 classes: the first, 'Background', is left out."
    assert fit_labels(("dummy", "a", "b"), 2)[0] == ("a", "b")
    assert fit_labels(("background", "a"), 2) == (("background", "a"), "")
    for labels, classes in ((("a", "b", "c"), 2), (("a", "b"), 3), (("background", "a"), 1)):
        with pytest.raises(LabelsError, match=f"There are {len(labels)} labels, but the model has {classes}"):
            fit_labels(labels, classes)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "_MOST_BYTES", 2**20)
    with pytest.raises(LabelsError, match="cannot be read: it is larger than 1 MiB"):
        read_labels(file(tmp_path, "labels.txt", "a\n" * 2**20))


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
        ("labels.txt", b"\xff\xfet\0a\0n\0k", r"labels\.txt cannot be read: .*codec.* Give a text file\."),
        ("labels.txt", b"\xfft\0a", r"labels\.txt cannot be read: .*codec.* Give a text file\."),
        ("labels.txt", b"tank\0decoy", "cannot be read: it is no text"),
        ("labels.txt", "{'tank': open('x')}", "are no JSON list"),
        ("data.yaml", "train: images\n", "are no YAML list or mapping of names: there is no list or mapping"),
        ("data.yaml", "names: [a, b\n", "are no YAML list or mapping of names: the list of names has no ]"),
        ("data.yaml", "names:\n  0: a\n  2: b\n", "without a gap"),
        ("map.pbtxt", "item { id: 1 }", "are no label map: an item has no id or no name: id: 1"),
        ("map.pbtxt", "nothing", "are no label map: each id must come once"),
        ("map.pbtxt", "item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }", "each id must come once"),
        ("labels.json", '[{"id": 0}]', "an entry has no name: "),
        ("labels.json", '[{"id": 0, "name": "a"}, {"id": 2, "name": "b"}]', "without a gap"),
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


def test_labels_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"nowhere\.txt cannot be read: No such file or directory\. Give"):
        read_labels(tmp_path / "nowhere.txt")
