"""COCO's outlines: runs of pixels against a slow decoder, and polygons."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from picasso.core.dataset.outlines import Outlines, Runs, fill_runs, unpack_counts
from picasso.core.errors import PictureError

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def lengths(mask: np.ndarray) -> list[int]:
    """Count the runs of a mask one pixel after the other, down the columns."""
    counts, inside = [0], False
    for column in range(mask.shape[1]):
        for row in range(mask.shape[0]):
            if bool(mask[row, column]) != inside:
                counts.append(0)
                inside = not inside
            counts[-1] += 1
    return counts


def packed(counts: list[int]) -> str:
    """Pack lengths into text, as COCO describes it, digit by digit."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            digit, value = value & 31, value >> 5
            last = value == (-1 if digit & 16 else 0)
            text += chr((digit if last else digit | 32) + 48)
            if last:
                break
    return text


@given(MASKS)
def test_runs_give_back_the_mask(mask: np.ndarray) -> None:
    counts = lengths(mask)
    for form in (tuple(counts), packed(counts)):
        assert np.array_equal(fill_runs(Runs(mask.shape, form)), mask)


@given(st.lists(st.integers(0, 80_000_000), min_size=1, max_size=30))
def test_packed_lengths_are_read_whatever_they_are(counts: list[int]) -> None:
    assert unpack_counts(packed(counts)).tolist() == counts


def test_runs_that_coco_wrote() -> None:
    # By hand: 3 outside, 2 inside, 4 outside, then 3 inside, written as the difference 1 to the 2 before.
    assert unpack_counts("3241").tolist() == [3, 2, 4, 3]
    assert fill_runs(Runs((4, 3), "3241")).astype(int).tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    "counts",
    [
        (3,),
        (5,),
        (-1, 5),
        (2**62, 2**62, 2**62, 2**62, 4),
        (),
        "",
        "4 ",
        "P",
        "4ä",
        "3241",
        "o" * 40 + "0",
        "0000000000",
    ],
)
def test_damaged_runs_are_refused(counts: tuple[int, ...] | str) -> None:
    with pytest.raises(PictureError, match="damaged"):
        fill_runs(Runs((2, 2), counts))


@given(st.text(max_size=12))
def test_any_text_is_runs_or_refused(text: str) -> None:
    with contextlib.suppress(PictureError):
        assert fill_runs(Runs((3, 4), text)).shape == (3, 4)


def test_a_polygon_holds_the_pixels_whose_centers_it_holds() -> None:
    square = Outlines((5, 6), ((1, 1, 4, 1, 4, 3, 1, 3),)).draw((0, 0))
    expected = np.zeros((5, 6), bool)
    expected[1:3, 1:4] = True
    assert np.array_equal(square, expected)
    assert Outlines(None, ((-9, -9, 99, -9, 99, 99, -9, 99),)).draw((3, 2)).all()


def test_polygons_and_runs_are_put_together() -> None:
    both = Outlines((2, 3), ((0, 0, 1, 0, 1, 1, 0, 1),), (Runs((2, 3), (5, 1)),)).draw((2, 3))
    assert both.astype(int).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_runs_of_another_size_are_refused() -> None:
    with pytest.raises(PictureError, match="runs are for 2 x 3 pixels, but its picture has 3 x 2"):
        Outlines((2, 3), (), (Runs((3, 2), (6,)),)).draw((2, 3))
