"""From maps to masks and boxes: planted rectangles, ties, a slow flood fill, scikit-image, and the picture's pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from picasso.core.attribution import Attribution
from picasso.core.errors import SettingsError
from picasso.core.maps.extraction import (
    BINS,
    box_around,
    box_in_picture,
    extract,
    largest_part,
    mask_in_picture,
    otsu,
    smoothed,
)
from picasso.core.preprocessing import Array, Frame
from picasso.core.targets import Target


def planted(*rectangles: tuple[int, int, int, int, float], shape: tuple[int, int] = (20, 30)) -> Array:
    """A map of zeros with rectangles: left, top, width, height, value."""
    values = np.zeros(shape, np.float32)
    for left, top, width, height, value in rectangles:
        values[top : top + height, left : left + width] = value
    return values


@pytest.mark.parametrize("threshold", [0.2, 1.0, "otsu", "quantile:0.98"])
@pytest.mark.parametrize("part", ["absolute", "positive"])
def test_a_planted_rectangle_gives_exactly_its_box(threshold: float | str, part: Any) -> None:
    found = extract(planted((7, 3, 5, 4, 2.5)), threshold=threshold, part=part)
    assert found.box == (7, 3, 5, 4)
    assert (found.mask == (planted((7, 3, 5, 4, 1)) > 0)).all()
    assert not found.reason


def test_a_rectangle_may_touch_every_edge() -> None:
    assert extract(np.ones((4, 9), np.float32)).box == (0, 0, 9, 4)


def test_only_the_largest_part_counts_or_all() -> None:
    values = planted((1, 1, 3, 3, 1.0), (10, 5, 6, 2, 0.5))
    assert extract(values).box == (10, 5, 6, 2)
    assert extract(values, largest=False).box == (1, 1, 15, 6)


def test_the_threshold_is_a_share_of_the_maximum() -> None:
    values = planted((1, 1, 10, 3, 0.19), (1, 4, 2, 2, 0.2), (3, 4, 1, 1, 1.0)).astype(np.float64)
    found = extract(values)
    assert found.box == (1, 4, 3, 2)
    assert found.threshold == pytest.approx(0.2)
    assert extract(values, threshold=0.1).box == (1, 1, 10, 5)


def test_a_quantile_counts_the_uppermost_pixels() -> None:
    values = np.arange(1, 101, dtype=np.float32).reshape(10, 10)
    assert extract(values, threshold="quantile:0.9").mask.sum() == 10


def test_of_parts_of_equal_size_the_highest_counts_and_then_the_uppermost() -> None:
    assert extract(planted((1, 1, 3, 3, 1.0), (10, 9, 3, 3, 2.0))).box == (10, 9, 3, 3)
    assert extract(planted((10, 1, 3, 3, 1.0), (1, 9, 3, 3, 1.0))).box == (10, 1, 3, 3)


def test_pixels_that_touch_at_a_corner_are_connected() -> None:
    assert extract(np.eye(6, dtype=np.float32)).box == (0, 0, 6, 6)


def test_what_speaks_against_the_target_counts_only_by_its_size() -> None:
    values = planted((1, 1, 2, 2, 1.0), (10, 5, 6, 4, -1.0))
    assert extract(values).box == (1, 1, 2, 2)
    assert extract(values, part="absolute").box == (10, 5, 6, 4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (-np.ones((4, 5), np.float32), "No value is positive: nothing speaks for the target."),
        (np.full((4, 5), np.nan, np.float32), "The map holds no known value."),
        (np.zeros((4, 5), np.float32), "The map is all zero."),
    ],
)
def test_a_map_without_anything_says_so(values: Array, reason: str) -> None:
    found = extract(values)
    assert (found.box, found.reason) == (None, reason)
    assert not found.mask.any()
    assert np.isnan(found.threshold)


def test_an_all_negative_map_has_a_box_by_size() -> None:
    assert extract(-planted((2, 3, 4, 5, 1.0)), part="absolute").box == (2, 3, 4, 5)


def test_what_is_unknown_never_counts_and_stays_unknown() -> None:
    values = planted((5, 5, 6, 6, 1.0))
    values[5] = np.nan
    assert extract(values).box == (5, 6, 6, 5)
    assert extract(values, threshold=0.5, smooth=0.05).mask[5].sum() == 0
    assert (np.isnan(smoothed(values, 0.05)) == np.isnan(values)).all()


def test_smoothing_is_a_gaussian_and_keeps_a_constant() -> None:
    values = np.random.default_rng(0).normal(size=(40, 60)).astype(np.float32)
    ours = smoothed(values, 0.05)  # 2 pixels, cut at 6 as here
    theirs = gaussian_filter(values.astype(np.float64), 2.0, mode="constant", truncate=3.0)
    assert np.abs(ours - theirs)[6:-6, 6:-6].max() < 1e-12
    assert smoothed(np.full((9, 7), 3.0, np.float32), 0.3) == pytest.approx(np.full((9, 7), 3.0))
    assert (smoothed(values, 0) == values).all()


def test_smoothing_joins_speckle_into_one_part() -> None:
    dots = np.zeros((40, 40), np.float32)
    dots[10:30:3, 10:30:3] = 1.0
    dots[2:4, 36:38] = 1.0
    assert extract(dots).mask.sum() == 4
    box = extract(dots, smooth=0.05).box
    assert box is not None
    assert np.abs(np.subtract(box, (9, 9, 21, 21))).max() <= 3


@pytest.mark.parametrize("seed", range(4))
def test_otsu_agrees_with_scikit_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0, 1, 3000), rng.normal(4 + seed, 1 + seed / 3, 700)])
    half = (values.max() - values.min()) / BINS / 2  # it returns the middle of the bin below, we the edge between
    assert otsu(values) == pytest.approx(threshold_otsu(values, BINS) + half)


def test_otsu_of_one_value_is_that_value() -> None:
    assert otsu(np.full(9, 2.0)) == 2.0


def slow_largest_part(mask: np.ndarray[Any, Any], values: Array) -> set[tuple[int, int]]:
    """Flood fill, pixel by pixel."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    parts: list[set[tuple[int, int]]] = []
    for y, x in np.argwhere(mask):
        if (int(y), int(x)) not in left:
            continue
        part, waiting = set(), [(int(y), int(x))]
        left.remove(waiting[0])
        while waiting:
            row, column = waiting.pop()
            part.add((row, column))
            for near in ((row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                if near in left:
                    left.remove(near)
                    waiting.append(near)
        parts.append(part)
    best = parts[0]
    for part in parts[1:]:
        if (len(part), max(values[one] for one in part)) > (len(best), max(values[one] for one in best)):
            best = part
    return best


@given(st.integers(0, 10_000), st.floats(0.1, 0.6))
@settings(max_examples=40, deadline=None)
def test_the_largest_part_is_that_of_a_slow_flood_fill(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 4, (9, 11)).astype(np.float64)
    mask = rng.random((9, 11)) < share
    if mask.any():
        found = {(int(y), int(x)) for y, x in np.argwhere(largest_part(mask, values))}
        assert found == slow_largest_part(mask, values)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda values: extract(values, part="negative"), 'part must be "positive" or "absolute"'),
        (lambda values: extract(values, smooth=0.6), "smooth must be a share of the shorter side, 0 to 0.5. Got 0.6."),
        (lambda values: extract(values, threshold=0), "The threshold was not understood: 0."),
        (lambda values: extract(values, threshold=1.5), "The threshold was not understood: 1.5."),
        (lambda values: extract(values, threshold="quantile:1"), "The threshold was not understood: 'quantile:1'."),
        (lambda values: extract(values, threshold="share:0.2"), "The threshold was not understood: 'share:0.2'."),
        (lambda values: extract(values[None]), r"A map must be \(height, width\)"),
    ],
)
def test_wrong_choices_are_refused_by_name(call: Callable[[Array], object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        call(planted((1, 1, 2, 2, 1.0)))


def test_how_says_what_was_done() -> None:
    assert extract(planted()).how == "The largest connected part of the positive values from 20% of the maximum."
    assert (
        extract(planted(), part="absolute", threshold="otsu", largest=False, smooth=0.02).how
        == "All sizes from Otsu's threshold, under a Gaussian of 2.0% of the shorter side."
    )


def test_boxes_and_masks_are_laid_over_the_picture() -> None:
    mask = planted((2, 1, 4, 3, 1.0), shape=(10, 10)) > 0
    whole = Frame(0.0, 0.0, 50.0, 100.0)
    assert box_in_picture(box_around(mask), (10, 10), whole, 50, 100) == (20, 5, 40, 15)
    laid = mask_in_picture(mask, whole, 50, 100)
    assert laid.shape == (50, 100)
    assert box_around(laid) == (20, 5, 40, 15)
    crop = Frame(top=4.0, left=30.0, height=20.0, width=20.0)
    assert box_in_picture(box_around(mask), (10, 10), crop, 50, 100) == (34, 6, 8, 6)
    assert box_around(mask_in_picture(mask, crop, 50, 100)) == (34, 6, 8, 6)


def test_what_lies_in_the_padding_is_cut_off() -> None:
    frame = Frame(top=-20.0, left=0.0, height=80.0, width=80.0)  # a picture 80 x 40 with bars above and below
    assert box_in_picture((0, 0, 10, 10), (10, 10), frame, 40, 80) == (0, 0, 80, 40)
    assert box_in_picture((0, 0, 10, 2), (10, 10), frame, 40, 80) is None
    assert mask_in_picture(np.ones((10, 10), bool), frame, 40, 80).all()
    assert not mask_in_picture(planted((0, 0, 10, 2, 1.0), shape=(10, 10)) > 0, frame, 40, 80).any()


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_the_box_holds_every_pixel_of_the_mask(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 11)) < 0.2
    frame = Frame(*(float(v) for v in rng.uniform(-3, 3, 2)), *(float(v) for v in rng.uniform(2, 50, 2)))
    laid = mask_in_picture(mask, frame, height, width)
    for _ in range(3):  # one cell after the other
        cell = np.zeros_like(mask)
        cell[int(rng.integers(9)), int(rng.integers(11))] = True
        box = box_in_picture(box_around(cell), mask.shape, frame, height, width)
        one = mask_in_picture(cell, frame, height, width)
        assert box == (box_around(one) if one.any() else None)
        assert (laid[one]).all() or not mask[cell].all()
    if laid.any():
        box = box_in_picture(box_around(mask), mask.shape, frame, height, width)
        assert box is not None
        left, top, wide, tall = box
        assert laid[top : top + tall, left : left + wide].sum() == laid.sum()
        assert min(left, top) >= 0
        assert left + wide <= width
        assert top + tall <= height


def test_a_small_picture_has_a_mask_where_it_has_a_box() -> None:
    """The map is eight times as fine as the picture."""
    mask = planted((5, 5, 5, 5, 1.0), shape=(224, 224)) > 0
    frame = Frame(0.0, 0.0, 28.0, 28.0)
    box = box_in_picture(box_around(mask), mask.shape, frame, 28, 28)
    assert box == box_around(mask_in_picture(mask, frame, 28, 28)) == (0, 0, 2, 2)


def test_otsu_of_one_value_counts_all_of_it_also_after_smoothing() -> None:
    found = extract(np.full((7, 9), 0.3, np.float32), threshold="otsu")
    assert found.mask.all()
    assert extract(np.full((7, 9), 0.3, np.float32), threshold="otsu", smooth=0.2).box is not None


def test_a_map_with_channels_or_frames_is_flattened_first() -> None:
    target = Target(0, "tank", ((0, 1.0),))
    colors = np.stack([planted((1, 1, 2, 2, 0.1)), planted((8, 8, 3, 2, 1.0))], axis=-1)
    assert Attribution(colors, target, "", "signed", 0.0).box() == (8, 8, 3, 2)
    clip = np.stack([planted((1, 1, 2, 2, 0.1)), planted((8, 8, 3, 2, 1.0))])
    attribution = Attribution(clip, target, "", "signed", 0.0, in_frames=True)
    assert attribution.box() == (8, 8, 3, 2)
    assert attribution.mask(threshold="otsu").shape == (20, 30)
