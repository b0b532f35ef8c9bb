"""The documents and files of an audit."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from picasso.auditing.findings import FORMAT, Interval, Outcome, PictureFinding
from picasso.auditing.report.wording import chance_of_error, percent, plain, points, signed, span, with_span
from tests.auditing.making import BLUR, CORNER, NOISE, SKY, effect, findings, pair


def test_the_document_survives_json_and_has_everything_but_pixels() -> None:
    found = findings()
    document = found.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert json.loads(found.json()) == document
    assert document["format"] == FORMAT
    assert document["verdict"]["outcome"] == "wrong-reason"
    assert document["verdict"]["named"]["name"] == "region-0"
    assert document["suspects"] == ["region-0", "cell-r0c0"]
    assert document["effects"][1]["what"]["box"] == [0.0, 0.0, 0.25, 0.5]
    assert document["effects"][0]["drop"] == {"value": 0.41, "low": 0.41 - 0.08, "high": 0.41 + 0.08}
    assert document["pairs"][0] == {
        "name": "tank/0000.png",
        "source": "decoy/0000.png",
        "label": 0,
        "property": "region-0",
        "probabilities": [[0.97, 0.03], [0.1, 0.9]],
    }
    assert document["confusion"] == [[48, 2], [2, 48]]
    assert document["record"]["seed"] == 7


def test_numbers_that_json_lacks_become_none() -> None:
    odd = effect(SKY, 0.1, by_class=(float("nan"), None), margin=Interval(float("inf"), 0.0, 1.0), p=np.float64(0.25))
    document = findings(effects=(odd,)).document()["effects"][0]
    assert document["by_class"] == [None, None]
    assert document["margin"]["value"] is None
    assert document["p"] == 0.25


def test_npz_holds_the_pictures_of_the_pairs() -> None:
    found = findings()
    with np.load(io.BytesIO(found.npz()), allow_pickle=False) as arrays:
        assert sorted(arrays) == sorted(f"{when}_{n}" for n in range(4) for when in ("before", "after"))
        for number, one in enumerate(found.pairs):
            np.testing.assert_array_equal(arrays[f"before_{number}"], one.before)
            np.testing.assert_array_equal(arrays[f"after_{number}"], one.after)


def test_everything_is_saved(tmp_path: Path) -> None:
    found = findings()
    paths = found.save(tmp_path / "new" / "audit")
    names = [path.relative_to(tmp_path / "new" / "audit").as_posix() for path in paths]
    assert all(path.is_file() for path in paths)
    assert names == [
        "audit.html",
        "audit.json",
        "to_fix.csv",
        "pairs/1-tank-0000.region-0.before.png",
        "pairs/1-tank-0000.region-0.after.png",
        "pairs/2-tank-0001.region-0.before.png",
        "pairs/2-tank-0001.region-0.after.png",
        "pairs/3-tank-0000.cell-r0c0.before.png",
        "pairs/3-tank-0000.cell-r0c0.after.png",
        "pairs/4-tank-0003.object-swap.before.png",
        "pairs/4-tank-0003.object-swap.after.png",
    ]
    assert json.loads(paths[1].read_text("utf-8")) == found.document()
    with Image.open(paths[4]) as image:
        np.testing.assert_array_equal(np.asarray(image), found.pairs[0].after)


def test_names_that_would_leave_the_folder_or_meet_in_one_file_do_not(tmp_path: Path) -> None:
    pairs = (pair(SKY, 1, name="../../etc/{}.png"), pair(SKY, 2, name="a/b"), pair(SKY, 3, name="a-b"))
    classes = ("../up", "..-up")
    paths = findings(pairs=pairs, classes=classes).save(tmp_path / "here")
    assert len(set(paths)) == 3 + 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here"]
    assert all((tmp_path / "here").resolve() in path.resolve().parents for path in paths)


def test_the_pictures_to_fix_are_those_whose_answer_flips(tmp_path: Path) -> None:
    odd = PictureFinding('a "quoted", name\n.png', 1, 0, 0.123456, True)
    found = findings(by_picture=(*findings().by_picture, odd))
    assert [one.name for one in found.to_fix] == ["tank/0000.png", "decoy/0001.png", odd.name]
    found.save(tmp_path)
    with (tmp_path / "to_fix.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["picture", "class", "answer", "moved"],
        ["tank/0000.png", "tank", "tank", "3.2500"],
        ["decoy/0001.png", "decoy", "decoy", "2.5000"],
        [odd.name, "decoy", "tank", "0.1235"],
    ]


def test_without_pictures_to_fix_the_list_is_empty(tmp_path: Path) -> None:
    findings(Outcome.RIGHT_REASON).save(tmp_path)
    assert (tmp_path / "to_fix.csv").read_text("utf-8") == "picture,class,answer,moved\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.html", "audit.json", "to_fix.csv"]


def test_an_effect_is_found_by_the_name_of_its_property() -> None:
    found = findings()
    sky = found.effect("region-0")
    assert sky is found.effects[0]
    assert found.effect("nothing") is None
    assert found.suspects == found.effects[:2]


def test_after_what_is_named_stands_what_is_of_the_other_nature() -> None:
    sky, corner, blur, noise = (
        effect(what, 0.3, change=change, suspect=True)
        for what, change in ((SKY, 0.3), (CORNER, 0.1), (BLUR, 0.25), (NOISE, 0.2))
    )
    place = replace(findings(), effects=(blur, sky, noise, corner))
    assert place.suspects == (sky, noise, corner, blur)
    look = replace(place, verdict=replace(place.verdict, named=BLUR))
    assert look.suspects == (blur, corner, noise, sky)
    parts = replace(place, verdict=replace(place.verdict, parts=(CORNER,)))
    assert parts.suspects == (corner, sky, noise, blur)
    assert replace(place, effects=(sky, corner)).suspects == (sky, corner)


def test_the_shape_in_a_notebook() -> None:
    text = findings()._repr_html_()
    assert "WRONG REASON" in text.upper()
    assert text.count("data:image/png;base64,") == 2
    assert "Sky: 41 points, 33 … 49" in text
    assert "data:image" not in findings(Outcome.WEAK_MODEL)._repr_html_()
    assert repr(findings()) == "Findings(100 pictures: WRONG REASON: the sky)"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.41, "41 points"), (0.01, "1 point"), (-0.01, "−1 point"), (-0.003, "0 points"), (-0.25, "−25 points")],
)
def test_points_have_a_real_minus_and_no_negative_zero(value: float, written: str) -> None:
    assert points(value) == written


def test_intervals_are_written_in_points() -> None:
    assert with_span(Interval(0.41, 0.33, 0.49)) == "41 points, 33 … 49"
    assert span(Interval(0.0, -0.062, 0.081)) == "−6 … 8"
    assert signed(-0.04, 1) == "0.0"


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.0, "100 %"), (0.995, "99.5 %"), (0.97, "97 %"), (0.002, "0.2 %"), (0.0, "0 %"), (0.99999, "100 %")],
)
def test_percent(value: float, written: str) -> None:
    assert percent(value) == written


def test_values_of_documents_are_written_for_people() -> None:
    assert [plain(v) for v in (None, [], True, False, -0.12345, 3, [1, "a"], "x")] == [
        "–",
        "–",
        "yes",
        "no",
        "−0.123",
        "3",
        "1, a",
        "x",
    ]
    assert [chance_of_error(p) for p in (0.00001, 0.0312, 1.0)] == ["< 0.001", "0.031", "1"]
