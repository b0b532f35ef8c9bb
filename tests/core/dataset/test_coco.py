"""COCO files of instances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from picasso.core.dataset import Dataset, read_dataset
from picasso.core.errors import DatasetError, PictureError
from tests.core.dataset.test_folders import draw, mask, masked

CATEGORIES = [{"id": 7, "name": "tank"}, {"id": 3, "name": "decoy"}, {"id": 9, "name": "flag"}]


def image(number: int, name: str, width: int = 6, height: int = 4) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": width, "height": height}


def thing(picture: int, category: int, box: list[float], drawn: Any = None) -> dict[str, Any]:
    said = {"image_id": picture, "category_id": category, "bbox": box, "id": 1, "iscrowd": 0}
    return said if drawn is None else {**said, "segmentation": drawn}


def coco(path: Path, images: list[Any], annotations: list[Any], categories: list[Any] = CATEGORIES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def one(tmp_path: Path, *things: dict[str, Any], size: tuple[int, int] = (6, 4)) -> Dataset:
    draw(tmp_path / "1.png")
    return read_dataset(coco(tmp_path / "set.json", [image(1, "1.png", *size)], list(things)))


def test_pictures_have_the_category_of_their_object(tmp_path: Path) -> None:
    for name in ("val/a.png", "val/b.png"):
        draw(tmp_path / name)
    path = coco(
        tmp_path / "annotations/instances.json",
        [image(1, "a.png"), image(2, "b.png")],
        [thing(1, 3, [0, 0, 2, 1]), thing(2, 7, [0, 0, 2, 1])],
    )
    dataset = read_dataset(path)
    assert [(e.name, e.label) for e in dataset.examples] == [("a.png", "decoy"), ("b.png", "tank")]
    # In the file's order; a category without pictures is no class.
    assert dataset.classes == ("tank", "decoy")
    assert dataset.notes == ("Categories without a picture of their own: flag.",)
    assert dataset.examples[0].boxes == ((0, 0, 2, 1),)
    assert masked(dataset, "a.png").sum() == 2
    assert read_dataset(tmp_path).examples == dataset.examples


@pytest.mark.parametrize(
    "drawn",
    [
        [[1, 1, 3, 1, 3, 2, 1, 2]],
        [[1, 1, 2, 1, 2, 2, 1, 2], [2, 1, 3, 1, 3, 2, 2, 2], [0, 0, 1, 1]],
        {"size": [4, 6], "counts": [5, 1, 3, 1, 14]},
        {"size": [4, 6], "counts": "5130;"},
    ],
    ids=["polygon", "polygons", "runs", "packed runs"],
)
def test_the_object_is_where_it_is_outlined(tmp_path: Path, drawn: Any) -> None:
    expected = np.zeros((4, 6), bool)
    expected[1:2, 1:3] = True
    dataset = one(tmp_path, thing(1, 7, [0, 0, 6, 4], drawn))
    assert np.array_equal(masked(dataset, "1.png"), expected)


def test_the_largest_object_gives_the_class_and_only_its_like_are_the_object(tmp_path: Path) -> None:
    dataset = one(tmp_path, thing(1, 3, [0, 0, 1, 1]), thing(1, 7, [2, 0, 4, 4]), thing(1, 7, [0, 3, 1, 1], [[0]]))
    assert dataset.examples[0].label == "tank"
    assert dataset.notes[0] == "1 picture holds objects of several categories; the largest gives the class."
    found = masked(dataset, "1.png")
    assert (found.sum(), found[0, 0], found[3, 0]) == (17, False, True)


def test_outlines_of_another_size_are_refused(tmp_path: Path) -> None:
    dataset = one(tmp_path, thing(1, 7, [0, 0, 2, 2]), size=(60, 40))
    with pytest.raises(PictureError, match=r"The mask of 1\.png has 60 x 40 pixels, its picture 6 x 4"):
        masked(dataset, "1.png")
    dataset = one(tmp_path, thing(1, 7, [0, 0, 2, 2], {"size": [4, 6], "counts": [3]}))
    with pytest.raises(PictureError, match="runs are damaged"):
        masked(dataset, "1.png")


def test_sizes_may_be_missing(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    path = coco(tmp_path / "set.json", [{"id": 1, "file_name": "1.png"}], [thing(1, 7, [1, 1, 2, 1])])
    assert masked(read_dataset(path), "1.png").sum() == 2


def test_outlines_of_a_picture_that_was_turned_are_turned_with_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    draw(tmp_path / "1.jpg", exif=exif)
    path = coco(tmp_path / "set.json", [image(1, "1.jpg", 6, 4)], [thing(1, 7, [0, 0, 1, 1])])
    found = masked(read_dataset(path), "1.jpg")
    assert found.shape == (6, 4)
    assert found[0, 3]
    assert found.sum() == 1


def test_masks_may_be_given_instead(tmp_path: Path) -> None:
    one(tmp_path, thing(1, 7, [0, 0, 1, 1]))
    mask(tmp_path / "mine/1.png", (0, 0, 6, 4))
    assert masked(read_dataset(tmp_path / "set.json", masks=tmp_path / "mine"), "1.png").all()


def test_what_is_no_example_is_listed(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.png"):
        draw(tmp_path / name)
    path = coco(
        tmp_path / "set.json",
        [image(1, "1.png"), image(2, "2.png"), image(3, "3.png"), image(4, "4.png"), image(5, "1.png")],
        [thing(1, 7, [0, 0, 1, 1]), thing(3, 99, [0, 0, 1, 1]), thing(5, 7, [0, 0, 1, 1])],
    )
    dataset = read_dataset(path)
    assert [e.name for e in dataset.examples] == ["1.png"]
    assert {s.label for s in dataset.skipped} == {"", "tank"}
    assert [(s.name, s.reason) for s in dataset.skipped] == [
        ("2.png", "It has no objects, so no class."),
        ("3.png", "Its category 99 is not among the categories."),
        ("4.png", "There is no such file, or several are called so."),
        ("1.png", "It is listed twice."),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no COCO file of instances: the file: Invalid JSON"),
        ("[]", "is no COCO file of instances"),
        ('{"images": [], "annotations": []}', "categories: Field required"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', r"images\.0\.file_name: Field required"),
        ('{"images": [], "annotations": [], "categories": []}', "names no picture with objects that is there"),
        (
            '{"images": [{"id":1,"file_name":"1.png","width":1000000000,"height":2}],"annotations":[],"categories":[]}',
            "width",
        ),
    ],
)
def test_what_is_no_coco_file_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "set.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=said):
        read_dataset(path)
