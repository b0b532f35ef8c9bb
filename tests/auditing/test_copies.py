"""Of pictures that look the same one is audited."""

from __future__ import annotations

import colorsys
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from picasso.auditing.choices import Choices
from picasso.auditing.files.copies import MOST_NOTES, find_copies
from picasso.auditing.files.facts import FileFacts, file_facts
from picasso.auditing.measuring import Measurements, Measuring
from picasso.auditing.running import audit, ignore
from picasso.auditing.shelf import Shelf
from picasso.core.dataset import Example, read_dataset
from picasso.core.dataset.sources import File
from picasso.core.errors import DatasetError
from tests.auditing import drawn
from tests.auditing.filing import pixels, saved


def _found(files: list[bytes], labels: list[int] | None = None, first: int = 0) -> tuple[set[int], list[str]]:
    """Find the copies among files, numbered from `first`, which lies behind pictures that cannot be read."""
    examples = [Example(f"{number}.jpg", "", File(Path("x"), 1, 1)) for number in range(first + len(files))]
    facts: dict[int, FileFacts] = {first + place: file_facts(data) for place, data in enumerate(files)}
    return find_copies(facts, examples, [0] * first + (labels or [0] * len(files)), ("tank", "decoy"))


def _again(data: bytes, quality: int) -> bytes:
    return saved(np.asarray(Image.open(io.BytesIO(data))), quality=quality)


def test_all_but_the_first_of_each_group_are_copies() -> None:
    files = [saved(pixels(seed), quality=90) for seed in range(6)]
    files += [files[1], _again(files[1], 60), files[4], _again(files[5], 60)]
    copies, said = _found(files, [0] * 6 + [0, 0, 1, 0], first=3)
    assert copies == {9, 10, 11, 12}
    assert said[0].startswith("Left out: 4 pictures that are copies or nearly so.")
    assert said[1] == '7.jpg, 11.jpg are the same file, under the classes "tank" and "decoy". 1 of them is left out.'
    assert "4.jpg, 9.jpg are the same file. 1 of them is left out." in said
    assert "4.jpg, 9.jpg, 10.jpg are nearly the same picture. 2 of them are left out." in said


def test_where_all_differ_nothing_is_said() -> None:
    assert _found([saved(pixels(seed)) for seed in range(9)]) == (set(), [])


def test_many_groups_are_counted() -> None:
    files = [saved(pixels(seed), "PNG") for seed in range(MOST_NOTES + 2)]
    copies, said = _found(files + files)
    assert copies == set(range(MOST_NOTES + 2, 2 * MOST_NOTES + 4))
    assert len(said) == 1 + MOST_NOTES + 1
    assert said[-1] == "2 more groups of pictures are there more than once."


def _copied(folder: Path, number: int, name: str, near: bool = False) -> None:
    """Copy a picture of `drawn` with its mask, as it is or with one pixel changed."""
    label = drawn.CLASSES[number % 2]
    picture = np.array(Image.open(folder / label / f"{number:04d}.png"))
    picture[20, 3] ^= np.uint8(1 if near else 0)
    Image.fromarray(picture).save(folder / label / f"{name}.png")
    (folder / "masks" / f"{name}.png").write_bytes((folder / "masks" / f"{number:04d}.png").read_bytes())


def _measured(folder: Path) -> Measurements:
    model = drawn.model(drawn.by_the_top)
    choices = Choices(interventions=("bands",))
    return Measuring(model, ("", {}), read_dataset(folder), choices, Shelf(None), ignore).run()


def test_copies_are_neither_audited_nor_taken_from(tmp_path: Path) -> None:
    folder = drawn.write(tmp_path, 90, 1.0)
    alone = _measured(folder)
    for number in range(12):
        _copied(folder, number, f"same-{number}")
        _copied(folder, number, f"near-{number}", near=True)
    found = _measured(folder)
    assert len(found.files) == 90
    kept = {f"{found.selection.examples[number].name}" for number in found.files}
    for number in range(12):
        label = drawn.CLASSES[number % 2]
        names = {f"{label}/{number:04d}.png", f"{label}/same-{number}.png", f"{label}/near-{number}.png"}
        assert len(names & kept) == 1
    taken = {one for donors in found.donors.values() for one in (*donors.same, *donors.other)}
    assert taken <= set(found.files)
    assert [one.pictures for one in found.effects] == [one.pictures for one in alone.effects]
    assert any(note.startswith("Left out: 24 pictures that are copies") for note in found.notes)


def test_copies_make_no_data_set_large_enough(tmp_path: Path) -> None:
    folder = drawn.write(tmp_path, 60, 1.0)
    for number in range(30):
        _copied(folder, number, f"copy-{number}", near=True)
    with pytest.raises(DatasetError, match="there would be 60 without 30 that are copies"):
        audit(drawn.model(drawn.by_the_top), folder, interventions=("bands",))


def test_copies_make_no_class_large_enough(tmp_path: Path) -> None:
    folder = drawn.write(tmp_path, 140, 1.0)
    for file in sorted((folder / "disc").iterdir())[4:]:
        file.unlink()
    for place in range(8):
        _copied(folder, 1, f"copy-{place}")
    with pytest.raises(DatasetError, match="'disc' only 4 can be read and are no copies of others; 5"):
        audit(drawn.model(drawn.by_the_top), folder, interventions=("bands",))


def test_a_thing_elsewhere_in_a_plain_picture_is_no_copy() -> None:
    rng = np.random.default_rng(0)
    files = []
    for _ in range(40):
        plain = np.full((128, 128, 3), 240, np.uint8)
        top, left = rng.integers(4, 110, 2)
        plain[top : top + 10, left : left + 10] = 40
        files.append(saved(plain, "PNG"))
    assert _found(files)[0] == set()


def test_pictures_that_differ_in_hue_alone_are_no_copies() -> None:
    light = pixels(3).mean(axis=2)
    files = []
    for hue in range(12):
        color = np.array(colorsys.hsv_to_rgb(hue / 12, 0.8, 1.0))
        weight = color / (color @ [0.299, 0.587, 0.114])
        files.append(saved(np.clip((60 + light[..., None] / 4) * weight, 0, 255).astype(np.uint8), "PNG"))
    assert _found(files) == (set(), [])
    assert _found([files[0], _again(files[0], 90)])[0] == {1}


def test_near_copies_are_compared_with_what_is_kept_alone() -> None:
    file = saved(pixels(3), quality=90)
    # 1 is the same file under another class and left out, so that 2 has no kept picture of its class beside it.
    copies, said = _found([file, file, _again(file, 60), _again(file, 70)], [0, 1, 1, 1])
    assert copies == {1, 3}
    assert any("are nearly the same picture" in one and "2 of them are left out." in one for one in said)


def test_of_no_pictures_none_are_copies() -> None:
    assert _found([]) == (set(), [])


def test_near_copies_of_another_class_are_named_and_left_in() -> None:
    file = saved(pixels(3), quality=90)
    copies, said = _found([file, _again(file, 60)], [0, 1])
    assert copies == set()
    assert said == [
        '0.jpg, 1.jpg are nearly the same picture, under the classes "tank" and "decoy". None of them is left out.'
    ]


def test_near_copies_beside_one_of_another_class_are_one_picture() -> None:
    file = saved(pixels(3), quality=90)
    assert _found([file, _again(file, 60), _again(file, 70)], [0, 1, 1])[0] == {2}
