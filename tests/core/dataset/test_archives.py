"""Data sets in zip archives: read in place, bounded, and never unpacked onto the disk."""

from __future__ import annotations

import contextlib
import pickle
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picasso.core.dataset import read_dataset
from picasso.core.errors import DatasetError, PictureError
from tests.core.dataset.test_coco import coco, image, thing
from tests.core.dataset.test_folders import draw, mask, masked
from tests.core.dataset.test_tables import table


def packed(folder: Path, path: Path, method: int = zipfile.ZIP_DEFLATED, under: str = "") -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, under + str(file.relative_to(folder)))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    draw(folder / "tank/1.png", 1)
    draw(folder / "decoy/2.png", 2)
    mask(folder / "masks/object/1.png")
    return folder


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("under", ["", "around/"])
def test_an_archive_is_the_same_data_set_as_its_folder(tmp_path: Path, folder: Path, method: int, under: str) -> None:
    before = set(tmp_path.rglob("*"))
    archive = packed(folder, tmp_path / "set.zip", method, under)
    dataset, same = read_dataset(archive), read_dataset(folder)
    assert dataset.classes == same.classes
    assert [e.name for e in dataset.examples] == [under + e.name for e in same.examples]
    for example, twin in zip(dataset.examples, same.examples, strict=True):
        assert dataset.read(example) == same.read(twin)
    assert masked(pickle.loads(pickle.dumps(dataset)), f"{under}tank/1.png").sum() == 2
    assert set(tmp_path.rglob("*")) == before | {archive}
    assert dataset.name == "set"


def test_the_digest_of_an_archive_is_that_of_its_contents(tmp_path: Path, folder: Path) -> None:
    first = read_dataset(packed(folder, tmp_path / "a.zip")).digest
    assert read_dataset(packed(folder, tmp_path / "b.zip", zipfile.ZIP_STORED)).digest == first
    draw(folder / "tank/1.png", 3)
    assert read_dataset(packed(folder, tmp_path / "c.zip")).digest != first


def test_what_comes_before_the_archive_does_not_matter(tmp_path: Path, folder: Path) -> None:
    archive = packed(folder, tmp_path / "a.zip")
    archive.write_bytes(b"#!/bin/sh\n" + archive.read_bytes())
    dataset = read_dataset(archive)
    assert dataset.picture(dataset.examples[0]).width == 6


def test_tables_and_coco_files_in_archives(tmp_path: Path) -> None:
    for name in ("set/images/1.png", "set/images/2.png"):
        draw(tmp_path / "csv" / name)
        draw(tmp_path / "coco" / name)
    table(tmp_path / "csv/set/labels.csv", "file,label\nimages/1.png,tank\n2.png,decoy\n../../2.png,x\n/etc/passwd,x\n")
    coco(tmp_path / "coco/set/annotations/all.json", [image(1, "1.png")], [thing(1, 7, [0, 0, 1, 1])])
    dataset = read_dataset(packed(tmp_path / "csv", tmp_path / "csv.zip"))
    assert [(e.name, e.label) for e in dataset.examples] == [("images/1.png", "tank"), ("2.png", "decoy")]
    assert {one.name for one in dataset.skipped} == {"../../2.png", "/etc/passwd"}
    assert all(dataset.picture(example).width == 6 for example in dataset.examples)
    dataset = read_dataset(packed(tmp_path / "coco", tmp_path / "coco.zip"))
    assert [(e.name, e.label) for e in dataset.examples] == [("1.png", "tank")]


def test_masks_may_lie_in_an_archive(tmp_path: Path, folder: Path) -> None:
    mask(tmp_path / "m/2.png", (0, 0, 6, 4))
    archive = packed(tmp_path / "m", tmp_path / "m.zip")
    assert masked(read_dataset(folder, masks=archive), "decoy/2.png").all()


def test_names_that_lead_out_and_bombs_are_left_out(tmp_path: Path, folder: Path) -> None:
    archive = packed(folder, tmp_path / "set.zip")
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as more:
        for name in ("../tank/3.png", "/tank/4.png", "tank/../../5.png", "C:\\tank\\6.png"):
            more.writestr(name, b"x")
        more.writestr("tank/7.png", bytes(2**25))
        more.writestr("__MACOSX/tank/1.png", b"x")
        more.writestr("tank/._1.png", b"x")
    dataset = read_dataset(archive)
    assert {e.name for e in dataset.examples} == {"tank/1.png", "decoy/2.png"}
    out = "Its name leads out of the archive."
    assert {(one.name, one.reason) for one in dataset.skipped} == {
        ("../tank/3.png", out),
        ("/tank/4.png", out),
        ("tank/../../5.png", out),
        ("C:/tank/6.png", out),
        ("tank/7.png", "It unpacks to more than 200 times its size."),
    }


def test_a_member_that_lies_about_its_size_is_not_unpacked_further(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tank/1.png", bytes(2**27))
    data = bytearray(path.read_bytes())
    in_table = data.index(b"PK\x01\x02") + 24
    assert int.from_bytes(data[in_table : in_table + 4], "little") == 2**27
    data[in_table : in_table + 4] = (5000).to_bytes(4, "little")
    path.write_bytes(data)
    dataset = read_dataset(path)
    with pytest.raises(PictureError, match=r"tank/1\.png holds more than 64 MB"):
        dataset.read(dataset.examples[0])


def test_an_encrypted_archive_is_refused(tmp_path: Path, folder: Path) -> None:
    path = packed(folder, tmp_path / "set.zip")
    data = bytearray(path.read_bytes())
    for found in re.finditer(b"PK\x01\x02", bytes(data)):
        data[found.start() + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"set\.zip is encrypted\. Make it anew without a password"):
        read_dataset(path)


def test_damage_is_found_when_the_picture_is_asked_for(tmp_path: Path, folder: Path) -> None:
    path = packed(folder, tmp_path / "set.zip", zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 6] ^= 255
    path.write_bytes(data)
    dataset = read_dataset(path)
    with pytest.raises(PictureError, match=r"is damaged: its contents are not those that were packed"):
        [dataset.read(example) for example in dataset.examples]
    path.unlink()
    with pytest.raises(PictureError, match=r"cannot be unpacked"):
        dataset.read(dataset.examples[0])


def test_an_unknown_packing_is_said(tmp_path: Path, folder: Path) -> None:
    dataset = read_dataset(packed(folder, tmp_path / "set.zip", zipfile.ZIP_LZMA))
    with pytest.raises(PictureError, match=r"it is packed by method 14, which is not read"):
        dataset.read(dataset.examples[0])


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18), b"no archive", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "set.zip"
    path.write_bytes(data)
    with pytest.raises(DatasetError):
        read_dataset(path)


@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_an_archive_with_any_bytes_changed_is_read_or_refused(
    changes: list[tuple[float, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    draw(folder / "set/tank/1.png", 1)
    path = packed(folder / "set", folder / "set.zip")
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[int(place * len(content))] = value
    path.write_bytes(content)
    with contextlib.suppress(DatasetError, PictureError):
        dataset = read_dataset(path)
        assert [dataset.picture(example).width for example in dataset.examples] == [6]
