"""A folder for each class: what is found, what is skipped, and which mask belongs to which picture."""

from __future__ import annotations

import os
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from picasso.core.dataset import Dataset, Example, read_dataset
from picasso.core.errors import DatasetError, PictureError


def draw(path: Path, color: int = 0, size: tuple[int, int] = (6, 4), **options: object) -> Path:
    """Write a picture of (width, height), all of one color."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (color, 10, 200)).save(path, **options)
    return path


def mask(path: Path, box: tuple[int, int, int, int] = (1, 1, 3, 2), size: tuple[int, int] = (6, 4)) -> Path:
    """Write a mask of (width, height) that is white in left, top, right, bottom."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size)
    image.paste(255, box)
    image.save(path)
    return path


def named(dataset: Dataset, name: str) -> Example:
    return next(example for example in dataset.examples if example.name == name)


def masked(dataset: Dataset, name: str) -> np.ndarray | None:
    example = named(dataset, name)
    return dataset.object_mask(example, dataset.picture(example))


def test_every_folder_is_a_class_however_deep_its_pictures_lie(tmp_path: Path) -> None:
    for name in ("tank/2.png", "tank/10.png", "tank/far/below/1.JPG", "decoy/1.webp"):
        draw(tmp_path / name)
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("decoy", "tank")
    assert dict(dataset.counts) == {"decoy": 1, "tank": 3}
    # Digits sort as numbers.
    assert [e.name for e in dataset.examples] == ["decoy/1.webp", "tank/2.png", "tank/10.png", "tank/far/below/1.JPG"]
    assert {e.label for e in dataset.examples if e.name.startswith("tank/")} == {"tank"}
    assert (dataset.name, dataset.skipped, dataset.notes) == (tmp_path.name, (), ())
    picture = dataset.picture(dataset.examples[1])
    assert (picture.name, picture.pixels.shape) == ("tank/2.png", (4, 6, 3))
    assert dataset.read(dataset.examples[1]) == (tmp_path / "tank/2.png").read_bytes()
    assert masked(dataset, "tank/2.png") is None


def test_a_data_set_travels_to_another_process(tmp_path: Path) -> None:
    draw(tmp_path / "a/1.png")
    mask(tmp_path / "masks/1.png")
    dataset = pickle.loads(pickle.dumps(read_dataset(tmp_path)))
    assert dataset == read_dataset(tmp_path)
    assert len({*dataset.examples}) == 1
    assert masked(dataset, "a/1.png") is not None


@pytest.mark.parametrize("place", ["masks/object/tank/1.png", "masks/object/1.png", "masks/1.bmp", "Masks/tank/1.gif"])
def test_masks_beside_the_classes_belong_to_the_pictures_of_their_names(tmp_path: Path, place: str) -> None:
    for name in ("tank/1.png", "decoy/2.png"):
        draw(tmp_path / name)
    mask(tmp_path / place)
    mask(tmp_path / "masks/sky/2.png")
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("decoy", "tank")
    expected = np.zeros((4, 6), bool)
    expected[1:2, 1:3] = True
    assert np.array_equal(masked(dataset, "tank/1.png"), expected)


def test_where_masks_have_parts_only_those_of_the_object_count(tmp_path: Path) -> None:
    for name in ("tank/1.png", "decoy/2.png"):
        draw(tmp_path / name)
    mask(tmp_path / "masks/object/1.png")
    mask(tmp_path / "masks/sky/2.png")
    assert masked(read_dataset(tmp_path), "decoy/2.png") is None


def test_pictures_of_one_name_share_no_mask(tmp_path: Path) -> None:
    for name in ("tank/1.png", "decoy/1.png", "decoy/2.png"):
        draw(tmp_path / name)
    mask(tmp_path / "masks/1.png")
    mask(tmp_path / "masks/2.png")
    dataset = read_dataset(tmp_path)
    assert [example.name for example in dataset.examples if example.mask] == ["decoy/2.png"]
    mask(tmp_path / "masks/tank/1.png", (0, 0, 6, 4))
    assert masked(read_dataset(tmp_path), "tank/1.png").all()
    assert masked(read_dataset(tmp_path), "decoy/1.png") is None


def test_masks_may_lie_elsewhere(tmp_path: Path) -> None:
    draw(tmp_path / "set/tank/1.png")
    mask(tmp_path / "set/masks/1.png")
    mask(tmp_path / "mine/1.png", (0, 0, 6, 4))
    mask(tmp_path / "others/7.png")
    assert masked(read_dataset(tmp_path / "set", masks=tmp_path / "mine"), "tank/1.png").all()
    with pytest.raises(DatasetError, match="others holds no mask of these pictures"):
        read_dataset(tmp_path / "set", masks=tmp_path / "others")
    with pytest.raises(DatasetError, match="nowhere cannot be read"):
        read_dataset(tmp_path / "set", masks=tmp_path / "nowhere")


def test_a_mask_of_another_size_is_refused_and_never_stretched(tmp_path: Path) -> None:
    draw(tmp_path / "tank/1.png")
    mask(tmp_path / "masks/1.png", size=(12, 8))
    with pytest.raises(PictureError, match=r"The mask of tank/1.png has 12 x 8 pixels, its picture 6 x 4\."):
        masked(read_dataset(tmp_path), "tank/1.png")


def test_a_mask_that_is_no_picture_says_whose_it_is(tmp_path: Path) -> None:
    draw(tmp_path / "tank/1.png")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/1.png").write_bytes(b"no")
    with pytest.raises(PictureError, match=r"The mask of tank/1\.png is not a picture"):
        masked(read_dataset(tmp_path), "tank/1.png")


def test_an_empty_mask_says_that_no_object_is_there(tmp_path: Path) -> None:
    draw(tmp_path / "tank/1.png")
    mask(tmp_path / "masks/1.png", (0, 0, 0, 0))
    found = masked(read_dataset(tmp_path), "tank/1.png")
    assert found.shape == (4, 6)
    assert not found.any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_mask_of_a_turned_picture_is_turned_alike_or_fits_the_upright_one(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    draw(tmp_path / "tank/1.jpg", exif=exif)
    draw(tmp_path / "tank/2.jpg", exif=exif)
    draw(tmp_path / "tank/3.jpg", exif=exif)
    upright = (4, 6) if orientation < 5 else (6, 4)
    # As the picture is stored; as it is seen; and with an orientation of its own.
    mask(tmp_path / "masks/1.png")
    mask(tmp_path / "masks/2.png", (0, 0, 2, 1), upright[::-1])
    stored = Image.open(tmp_path / "masks/1.png")
    stored.save(tmp_path / "masks/3.png", exif=exif)
    dataset = read_dataset(tmp_path)
    seen = masked(dataset, "tank/2.jpg")
    assert seen.shape == upright
    assert seen[0, 0]
    assert seen.sum() == 2
    expected = np.zeros((4, 6), bool)
    expected[1:2, 1:3] = True
    turned = np.asarray(Image.fromarray(expected)).copy()
    moves = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    if orientation > 1:
        turned = np.asarray(Image.fromarray(expected.astype(np.uint8)).transpose(moves[orientation])) > 0
    assert np.array_equal(masked(dataset, "tank/3.jpg"), turned)
    # Without an orientation only a mask on its side gives away that the picture was turned under it.
    assert np.array_equal(masked(dataset, "tank/1.jpg"), turned if orientation > 4 else expected)


def test_parts_of_a_data_set_are_all_used_and_named(tmp_path: Path) -> None:
    for name in ("train/tank/1.png", "train/decoy/1.png", "Val/tank/2.png", "test/decoy/3.png"):
        draw(tmp_path / name)
    mask(tmp_path / "train/masks/tank/1.png", (0, 0, 6, 4))
    mask(tmp_path / "masks/Val/tank/2.png", (0, 0, 6, 4))
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("decoy", "tank")
    assert [(e.name, e.label, dict(e.columns)) for e in dataset.examples] == [
        ("test/decoy/3.png", "decoy", {"split": "test"}),
        ("train/decoy/1.png", "decoy", {"split": "train"}),
        ("train/tank/1.png", "tank", {"split": "train"}),
        ("Val/tank/2.png", "tank", {"split": "Val"}),
    ]
    assert dataset.notes == ("The data set is split into test, train, Val: all of it is used.",)
    assert {e.name for e in dataset.examples if e.mask} == {"train/tank/1.png", "Val/tank/2.png"}


def test_a_folder_around_everything_is_looked_into(tmp_path: Path) -> None:
    for name in ("set/images/tank/1.png", "set/images/decoy/2.png"):
        draw(tmp_path / name)
    mask(tmp_path / "set/masks/tank/1.png")
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("decoy", "tank")
    assert dataset.notes == ("All pictures lie in 'set/images': the folders in it are the classes.",)
    assert masked(dataset, "set/images/tank/1.png") is not None


def test_masks_are_found_whichever_way_accents_are_written(tmp_path: Path) -> None:
    apart, composed = (unicodedata.normalize(form, "äü") for form in ("NFD", "NFC"))
    draw(tmp_path / apart / f"{composed}1.png")
    draw(tmp_path / apart / f"{apart}2.png")
    mask(tmp_path / "masks" / composed / f"{apart}1.png")
    mask(tmp_path / "masks" / f"{composed}2.png")
    dataset = read_dataset(tmp_path)
    assert all(example.mask is not None for example in dataset.examples)
    assert dataset.notes == ()


def test_masks_of_no_picture_are_said(tmp_path: Path) -> None:
    folder, given = tmp_path / "set", tmp_path / "given"
    for name in ("tank/1.png", "tank/2.png", "tank/3.png"):
        draw(folder / name)
    mask(folder / "masks/1.png")
    mask(folder / "masks/2_mask.png")
    said = "mask {} no picture, or several of one name; the first: {}."
    assert read_dataset(folder).notes == ("1 " + said.format("file fits", "masks/2_mask.png"),)
    mask(folder / "masks/10.png")
    assert read_dataset(folder).notes == ("2 " + said.format("files fit", "masks/2_mask.png"),)
    mask(given / "3.png")
    mask(given / "4.png")
    assert read_dataset(folder, masks=given).notes == ("1 " + said.format("file fits", "4.png"),)


def test_what_is_no_example_is_listed(tmp_path: Path) -> None:
    draw(tmp_path / "tank/1.png")
    draw(tmp_path / "loose.png")
    (tmp_path / "tank/2.png").touch()
    (tmp_path / "tank/readme.txt").write_text("hello")
    (tmp_path / "tank/.hidden.png").write_bytes(b"x")
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "empty").mkdir()
    with (tmp_path / "tank/huge.png").open("wb") as file:
        file.truncate(2**27)
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("tank",)
    assert {(one.name, one.reason) for one in dataset.skipped} == {
        ("tank/readme.txt", "Its name does not end as a picture's does."),
        ("loose.png", "It lies in no class's folder."),
        ("tank/2.png", "It is empty: it holds 0 bytes."),
        ("tank/huge.png", "It holds more than 64 MB, the most that is read."),
    }
    assert {one.name for one in dataset.skipped if one.label == "tank"} == {"tank/2.png", "tank/huge.png"}
    assert dataset.notes == ("No pictures lie in: empty.",)


def test_an_unreadable_picture_is_found_when_it_is_asked_for(tmp_path: Path) -> None:
    draw(tmp_path / "tank/1.png")
    (tmp_path / "tank/2.png").write_bytes(b"no picture")
    (tmp_path / "tank/3.png").write_bytes((tmp_path / "tank/1.png").read_bytes()[:-30])
    dataset = read_dataset(tmp_path)
    assert len(dataset) == 3
    assert dataset.picture(named(dataset, "tank/1.png"))
    for name in ("tank/2.png", "tank/3.png"):
        with pytest.raises(PictureError, match=name):
            dataset.picture(named(dataset, name))
    (tmp_path / "tank/1.png").unlink()
    with pytest.raises(PictureError, match=r"1\.png cannot be read: No such file"):
        dataset.picture(named(dataset, "tank/1.png"))


def test_pictures_that_are_the_same_are_found_also_in_two_classes(tmp_path: Path) -> None:
    draw(tmp_path / "tank/1.png", 1)
    draw(tmp_path / "tank/2.png", 2)
    (tmp_path / "decoy").mkdir()
    (tmp_path / "decoy/3.png").write_bytes((tmp_path / "tank/2.png").read_bytes())
    told: list[tuple[int, int]] = []
    dataset = read_dataset(tmp_path)
    groups = dataset.duplicates(lambda done, total: told.append((done, total)))
    assert [[e.name for e in group] for group in groups] == [["decoy/3.png", "tank/2.png"]]
    assert told[-1] == (3, 3)
    (tmp_path / "decoy/3.png").unlink()
    assert dataset.duplicates() == ()


def test_the_digest_changes_with_names_labels_files_and_masks(tmp_path: Path) -> None:
    first = draw(tmp_path / "tank/1.png")
    digests = [read_dataset(tmp_path).digest]
    assert read_dataset(tmp_path).digest == digests[0]
    os.utime(first, ns=(0, 12))
    digests.append(read_dataset(tmp_path).digest)
    mask(tmp_path / "masks/1.png")
    digests.append(read_dataset(tmp_path).digest)
    (tmp_path / "tank").rename(tmp_path / "decoy")
    digests.append(read_dataset(tmp_path).digest)
    assert len(set(digests)) == 4
    # It does not depend on where the folder lies.
    (tmp_path / "decoy").rename(tmp_path / "tank")
    tmp_path.rename(tmp_path.with_name("moved"))
    assert read_dataset(tmp_path.with_name("moved")).digest == digests[2]
    tmp_path.with_name("moved").rename(tmp_path)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere/1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/tank").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/up").symlink_to(tmp_path / "set")
    (tmp_path / "elsewhere/gone.png").symlink_to(tmp_path / "gone")
    assert [e.name for e in read_dataset(tmp_path / "set").examples] == ["tank/1.png"]


def test_a_folder_that_cannot_be_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "tank/1.png")
    draw(tmp_path / "closed/1.png")
    scan = os.scandir

    def refuse(path: Path) -> object:  # root, as which tests may run, is refused nothing
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    dataset = read_dataset(tmp_path)
    assert [(one.name, one.reason) for one in dataset.skipped] == [
        ("closed/", "The folder cannot be read: Permission denied.")
    ]
    assert dataset.classes == ("tank",)


def test_long_numbers_sort_as_numbers(tmp_path: Path) -> None:
    names = ["1.png", "02.png", "10.png", f"{'9' * 200}.png", f"1{'0' * 200}.png", "a.png"]
    for name in names:
        draw(tmp_path / "tank" / name)
    assert [e.name for e in read_dataset(tmp_path).examples] == [f"tank/{name}" for name in names]


def test_names_that_are_no_unicode_stay_different(tmp_path: Path) -> None:
    folder = draw(tmp_path / "tank/1.png").parent
    data = (folder / "1.png").read_bytes()
    for name in (b"\xff.png", b"\xfe.png"):
        (folder / os.fsdecode(name)).write_bytes(data)
    dataset = read_dataset(tmp_path)
    names = [e.name for e in dataset.examples]
    assert len(set(names)) == 3
    assert "".join(names).encode()
    assert all(dataset.picture(e).pixels.size for e in dataset.examples)


def test_what_holds_no_labelled_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no pictures in folders of classes"):
        read_dataset(tmp_path)
    draw(tmp_path / "1.png")
    with pytest.raises(DatasetError, match=r"Give a folder with one folder for each class, or a CSV file"):
        read_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"There is no data set .*nowhere"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"1\.png is no data set"):
        read_dataset(tmp_path / "1.png")
    with pytest.raises(DatasetError, match="File name too long"):
        read_dataset("x" * 9000)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DatasetError, match=r"pipe\.csv is no file"):
        read_dataset(tmp_path / "pipe.csv")


def test_real_photographs_by_class(shared_data: Path) -> None:
    dataset = read_dataset(shared_data / "clothing")
    assert len(dataset) == 120
    assert set(dataset.counts.values()) == {12}
    assert dataset.picture(dataset.examples[7]).pixels.ndim == 3


def test_real_masks_of_indices(shared_data: Path, tmp_path: Path) -> None:
    for animal in ("bird", "dog"):
        (tmp_path / animal).mkdir()
        (tmp_path / "masks").mkdir(exist_ok=True)
        photo = shared_data / f"photos/{animal}_segmentation.jpg"
        (tmp_path / animal / photo.name).write_bytes(photo.read_bytes())
        drawn = (shared_data / f"photos/{animal}_segmentation_mask.png").read_bytes()
        (tmp_path / f"masks/{animal}_segmentation.png").write_bytes(drawn)
    dataset = read_dataset(tmp_path)
    for example in dataset.examples:
        found = dataset.object_mask(example, dataset.picture(example))
        assert 0.05 < found.mean() < 0.7
