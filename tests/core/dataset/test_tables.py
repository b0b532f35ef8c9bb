"""CSV and TSV files that name pictures and classes."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from picasso.core.dataset import Example, read_dataset
from picasso.core.dataset.tables import parse_table
from picasso.core.errors import DatasetError, PictureError
from tests.core.dataset.test_folders import draw, mask, masked


def table(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def examples(path: Path, **options: str) -> list[tuple[str, str]]:
    return [(example.name, example.label) for example in read_dataset(path, **options).examples]


def only(path: Path) -> Example:
    (example,) = read_dataset(path).examples
    return example


@pytest.mark.parametrize(
    "text",
    [
        "file,label\nimages/1.png,tank\nimages/2.png,decoy\n",
        "label;file\ntank;images/1.png\n\ndecoy;images/2.png\n",
        "Image Path\tClass Name\nimages/1.png\ttank\nimages/2.png\tdecoy\n",
        'whatever,verdict\n"images/1.png"," tank "\nimages/2.png,decoy\n',
        "file,label\r\n./images/1.png,tank\r\nimages\\2.png,decoy\r\n",
        codecs.BOM_UTF8 + b"file,label\nimages/1.png,tank\nimages/2.png,decoy\n",
        "file,label\nimages/1.png,tank\nimages/2.png,decoy\n".encode("utf-16"),
    ],
    ids=["plain", "semicolons", "tabs", "by what the cells hold", "windows", "utf-8 mark", "utf-16"],
)
def test_files_and_classes_are_found_in_every_form(tmp_path: Path, text: str | bytes) -> None:
    draw(tmp_path / "images/1.png")
    draw(tmp_path / "images/2.png")
    dataset = read_dataset(table(tmp_path / "set.csv", text))
    assert [(e.name, e.label) for e in dataset.examples] == [("images/1.png", "tank"), ("images/2.png", "decoy")]
    assert dataset.classes == ("decoy", "tank")
    assert dataset.name == "set.csv"
    assert dataset.picture(dataset.examples[0]).pixels.shape == (4, 6, 3)
    # The folder that holds the table is the same data set, where the column of classes is called so.
    if "verdict" not in str(text):
        assert read_dataset(tmp_path).examples == dataset.examples


def test_names_are_found_whichever_way_accents_are_written(tmp_path: Path) -> None:
    apart, composed = (unicodedata.normalize(form, "äü") for form in ("NFD", "NFC"))
    draw(tmp_path / apart / f"{apart}1.png")
    draw(tmp_path / "other" / apart / f"{apart}1.png")
    draw(tmp_path / "other" / f"{composed}2.png")
    path = table(
        tmp_path / "set.csv", f"file,label\n{composed}/{composed}1.png,tank\n{apart}2,decoy\n{composed}3.png,decoy\n"
    )
    dataset = read_dataset(path)
    assert [str(e.source.path.relative_to(tmp_path)) for e in dataset.examples] == [  # type: ignore[union-attr]
        f"{apart}/{apart}1.png",
        f"other/{composed}2.png",
    ]
    draw(tmp_path / composed / f"{composed}1.png")
    assert read_dataset(path).examples[0].source.path == tmp_path / composed / f"{composed}1.png"  # type: ignore[union-attr]


def test_what_is_skipped_has_the_class_that_it_would_have(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    dataset = read_dataset(table(tmp_path / "set.csv", "file,label\n1.png,tank\n2.png,tank\n3.png,\n"))
    assert [(one.name, one.label) for one in dataset.skipped] == [("2.png", "tank"), ("3.png", "")]


def test_masks_of_no_picture_are_said(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    mask(tmp_path / "given/1.png")
    mask(tmp_path / "given/2.png")
    dataset = read_dataset(table(tmp_path / "set.csv", "file,label\n1.png,tank\n"), masks=tmp_path / "given")
    assert dataset.notes[-1] == "1 mask file fits no picture, or several of one name; the first: 2.png."


def test_further_columns_are_metadata(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    text = "file,label,site,Scan date,empty\n1.png,tank,North,2020-01-02,\n"
    assert dict(only(table(tmp_path / "a.csv", text)).columns) == {"site": "North", "Scan date": "2020-01-02"}


def test_names_may_lack_folder_and_suffix(tmp_path: Path) -> None:
    draw(tmp_path / "images/a17.png")
    draw(tmp_path / "images/a18.png")
    path = table(tmp_path / "set.csv", "image_id,diagnosis\na17,tank\na18.png,decoy\n/home/me/images/a18.png,decoy\n")
    assert examples(path) == [("a17", "tank"), ("a18.png", "decoy"), ("/home/me/images/a18.png", "decoy")]


def test_a_picture_of_the_same_name_in_another_folder_is_another_picture(tmp_path: Path) -> None:
    draw(tmp_path / "decoy/1.png")
    draw(tmp_path / "decoy/2.png")
    path = table(tmp_path / "set.csv", "file,label\ntank/1.png,tank\ndecoy/2.png,decoy\n")
    assert examples(path) == [("decoy/2.png", "decoy")]


def test_paths_may_be_absolute_and_may_lie_deep_or_beside(tmp_path: Path) -> None:
    first, second, third = (draw(tmp_path / name) for name in ("a/b/c/d/1.png", "beside/2.png", "other/3.png"))
    path = table(tmp_path / "beside/set.csv", f"file,label\n{first},x\n2.png,y\n../other/3.png,z\n")
    sources = [example.source.read() for example in read_dataset(path).examples]
    assert sources == [file.read_bytes() for file in (first, second, third)]


def test_the_column_of_classes_may_be_named(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    path = table(tmp_path / "set.csv", "file,site,kind\n1.png,north,tank\n")
    with pytest.raises(
        DatasetError, match=r"No column of set.csv is known to hold classes\. Its columns: file, site, kind"
    ):
        read_dataset(path)
    with pytest.raises(DatasetError, match=r"There is no column 'sort' in set\.csv"):
        read_dataset(path, labels_column="sort")
    assert examples(path, labels_column="Kind") == [("1.png", "tank")]
    assert examples(tmp_path, labels_column="kind") == [("1.png", "tank")]
    with pytest.raises(DatasetError, match="holds no table of pictures with a column 'sort'"):
        read_dataset(tmp_path, labels_column="sort")


def test_masks_of_a_table(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        draw(tmp_path / name)
    mask(tmp_path / "drawn/1.png", (0, 0, 6, 4))
    path = table(tmp_path / "set.csv", "file,mask,label\n1.png,drawn/1.png,a\n2.png,,b\n3.png,drawn/9.png,b\n")
    dataset = read_dataset(path)
    assert masked(dataset, "1.png").all()
    assert masked(dataset, "2.png") is None
    mask(tmp_path / "others/2.png", (0, 0, 1, 1))
    assert masked(read_dataset(path, masks=tmp_path / "others"), "2.png").sum() == 1


@pytest.mark.parametrize(
    "text",
    [
        "file,label,left,top,width,height\n1.png,a,1,1,2,1\n",
        "file,label,x,y,w,h\n1.png,a,1,1,2,1\n",
        "file,label,xmin,ymin,xmax,ymax\n1.png,a,1,1,3,2\n",
        "file,ClassId,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2\n1.png,a,1,1,3,2\n",
        "file,label,bbox_x,bbox_y,bbox_width,bbox_height\n1.png,a,1.2,1.2,1.5,.5\n",
    ],
)
def test_boxes_are_filled(tmp_path: Path, text: str) -> None:
    draw(tmp_path / "1.png")
    dataset = read_dataset(table(tmp_path / "set.csv", text))
    expected = np.zeros((4, 6), bool)
    expected[1:2, 1:3] = True
    assert np.array_equal(masked(dataset, "1.png"), expected)
    assert not dataset.examples[0].columns


def test_rows_of_one_picture_are_put_together(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    draw(tmp_path / "2.png")
    rows = "file,label,x,y,w,h\n1.png,a,0,0,1,1\n1.png,a,5,3,9,9\n1.png,a,0,0,1,1\n2.png,a,,,,\n2.png,b,,,,\n"
    dataset = read_dataset(table(tmp_path / "set.csv", rows))
    assert dataset.examples[0].boxes == ((0, 0, 1, 1), (5, 3, 9, 9))
    found = masked(dataset, "1.png")
    assert (found.sum(), found[0, 0], found[3, 5]) == (2, True, True)
    assert [(e.name, e.reason) for e in dataset.skipped] == [("2.png", "It is listed under several classes: a, b.")]


def test_a_box_outside_of_its_picture_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    dataset = read_dataset(table(tmp_path / "set.csv", "file,label,x,y,w,h\n1.png,a,60,0,10,10\n"))
    with pytest.raises(PictureError, match=r"No box of 1\.png lies in its picture of 6 x 4 pixels"):
        masked(dataset, "1.png")


def test_rows_that_are_no_examples_are_listed(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    draw(tmp_path / "2.png")
    draw(tmp_path / "a/7.png")
    draw(tmp_path / "b/7.png")
    (tmp_path / "empty.png").touch()
    rows = (
        "file,label,mask,x,y,w,h\n1.png,a,,,,,\n2.png,,,,,,\n3.png,a,,,,,\n7.png,a,,,,,\nempty.png,a,,,,,\n"
        "2.png,a,none.png,,,,\n2.png,a,,1,1,0,1\n2.png,a,,one,1,1,1\n,a,,,,,\n1.png\n"
    )
    dataset = read_dataset(table(tmp_path / "set.csv", rows))
    assert [e.name for e in dataset.examples] == ["1.png"]
    absent = "There is no such file, or several are called so."
    assert [(one.name, one.reason) for one in dataset.skipped] == [
        ("2.png", "It has no class."),
        ("3.png", absent),
        ("7.png", absent),
        ("empty.png", "It is empty: it holds 0 bytes."),
        ("2.png", "Its mask is not there: none.png."),
        ("2.png", "Its box is none: 1, 1, 0, 1."),
        ("2.png", "Its box is none: one, 1, 1, 1."),
        ("a row", absent),
        ("1.png", "It has no class."),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no table of pictures: it has 0 rows below its heading, and 0 columns"),
        ("file,label\n", "it has 0 rows"),
        ("file\n1.png\n", "and 1 columns"),
        ("left,right\na,b\n", "No column of set.csv holds names of pictures. Its columns: left, right"),
        ("file,label\n9.png,tank\n", r"names no picture that is there. The first: 9.png: There is no such file"),
        ("file,label\n" + "x" * 200_000, "a line has more than 131072 characters"),
        (b"\x00\x01\x02\x00", "no table"),
    ],
    ids=["empty", "heading only", "one column", "no files", "no picture", "long line", "binary"],
)
def test_what_is_no_table_of_pictures_says_why(tmp_path: Path, text: str | bytes, said: str) -> None:
    draw(tmp_path / "1.png")
    with pytest.raises(DatasetError, match=said):
        read_dataset(table(tmp_path / "set.csv", text))


def test_a_table_that_names_no_pictures_does_not_hide_the_folders(tmp_path: Path) -> None:
    draw(tmp_path / "tank/1.png")
    table(tmp_path / "results.csv", "epoch,loss\n1,0.3\n")
    table(tmp_path / "runs.csv", "id,label\n7,good\n")
    table(tmp_path / "scenes.json", '[{"file": "tank/1.png"}]')
    assert examples(tmp_path) == [("tank/1.png", "tank")]


def test_a_table_beside_folders_of_classes_tells_more_of_their_pictures(tmp_path: Path) -> None:
    for name in ("tank/1.png", "tank/2.png", "decoy/1.png"):
        draw(tmp_path / name)
    table(tmp_path / "sites.csv", "file,site\ntank/1.png,North\ndecoy/1.png,South\n1.png,nowhere\n9.png,West\n")
    dataset = read_dataset(tmp_path)
    assert [(e.name, e.label, dict(e.columns)) for e in dataset.examples] == [
        ("decoy/1.png", "decoy", {"site": "South"}),
        ("tank/1.png", "tank", {"site": "North"}),
        ("tank/2.png", "tank", {}),
    ]
    assert dataset.notes == ("sites.csv tells more of 2 pictures.",)
    # Somebody who names the table means its only other column.
    assert examples(tmp_path / "sites.csv") == [("tank/1.png", "North"), ("decoy/1.png", "South")]


def test_of_several_tables_one_has_to_be_named(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    for name in ("a.csv", "b.csv"):
        table(tmp_path / name, "file,label\n1.png,tank\n")
    with pytest.raises(DatasetError, match=r"holds several tables: a\.csv, b\.csv\. Name the one that is meant"):
        read_dataset(tmp_path)
    assert examples(tmp_path / "b.csv") == [("1.png", "tank")]


def test_letters_of_old_spreadsheets_are_read(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    assert only(table(tmp_path / "set.csv", "file;label\n1.png;Käfer\n".encode("cp1252"))).label == "Käfer"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    try:
        head, rows = parse_table(data, "any.csv")
    except DatasetError:
        return
    assert all(len(row) == len(head) for row in rows)
