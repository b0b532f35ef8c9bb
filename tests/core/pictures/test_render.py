"""Numbers -> pictures: limits, colors, hatching, overlays and bars. The data stay as they are."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image, ImageChops, ImageDraw, ImageFont

from picasso.core.attribution import Attribution
from picasso.core.panels.heatmap import Heatmap, heatmaps
from picasso.core.pictures import render
from picasso.core.pictures.colors import color_map
from picasso.core.pictures.render import (
    HATCH,
    colorize,
    edged,
    format_value,
    overlay,
    overlay_with_bar,
    shared_limits,
    to_image,
)
from picasso.core.targets import Target

RNG = np.random.default_rng(51)
GREY_128 = np.full((6, 8, 3), 128, np.uint8)


def floats(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


# --- limits -------------------------------------------------------------------------------------------------------


def test_maps_that_are_compared_share_symmetric_limits() -> None:
    maps = [floats(-1, 2), floats(-3.5, 0), floats(0.5)]
    assert shared_limits(maps, "signed") == (-3.5, 3.5)
    assert shared_limits(maps, "unsigned") == (0, 3.5)


@given(st.lists(st_numpy.arrays(np.float32, (3, 4), elements=st.floats(width=32)), max_size=4), st.floats(0, 0.9))
@settings(deadline=None)
def test_limits_are_finite_ordered_and_hold_what_is_not_clipped(maps: list[np.ndarray], clip: float) -> None:
    low, high = shared_limits(maps, "signed", clip)
    assert np.isfinite([low, high]).all()
    assert -low == high > 0
    assert shared_limits(maps, "unsigned", clip) == (0, high)
    finite = np.abs(np.concatenate([m[np.isfinite(m)] for m in maps])) if maps else np.zeros(0)
    if finite.size:
        assert (finite > high).sum() <= clip * (finite.size - 1) + 1  # a quantile lies between two values
        assert high <= (finite.max() or 1)


def test_a_share_of_extreme_values_may_lie_beyond() -> None:
    values = np.arange(1, 101, dtype=np.float32).reshape(10, 10)
    assert shared_limits([values], "unsigned", 0.0) == (0, 100)
    assert shared_limits([values], "unsigned", 0.1)[1] == pytest.approx(90.1)
    assert shared_limits([values[:5], values[5:]], "signed", 0.1)[1] == pytest.approx(90.1)


def test_one_extreme_value_among_zeros_is_not_clipped_away() -> None:
    values = np.zeros((10, 10), np.float32)
    values[3, 3] = 7
    assert shared_limits([values], "unsigned", 0.5) == (0, 7)


@pytest.mark.parametrize("maps", [[], [np.zeros((2, 2), np.float32)], [np.full((2, 2), np.nan, np.float32)]])
def test_nothing_all_zero_and_all_unknown_have_limits_too(maps: list[np.ndarray]) -> None:
    assert shared_limits(maps, "signed") == (-1, 1)
    assert shared_limits(maps, "unsigned", 0.01) == (0, 1)


def test_infinite_and_unknown_values_do_not_count() -> None:
    assert shared_limits([floats(np.inf, -2, np.nan, -np.inf, 1)], "signed") == (-2, 2)


# --- colors -------------------------------------------------------------------------------------------------------


@given(st.floats(2.0**-140, 2.0**120, width=32))
@settings(deadline=None)
def test_zero_has_exactly_the_neutral_color_whatever_the_limits(top: float) -> None:
    limits = shared_limits([floats(top)], "signed")
    neutral = color_map("signed")[128].tolist()
    assert colorize(floats(0, -0.0), "signed", limits)[0].tolist() == [neutral, neutral]
    assert colorize(floats(0), "unsigned", shared_limits([floats(top)], "unsigned"))[0, 0].tolist() == (
        color_map("unsigned")[0].tolist()
    )


def test_the_ends_have_the_end_colors_and_what_lies_beyond_too() -> None:
    shown = colorize(floats(-9, -2, 2, 9), "signed", (-2, 2))[0]
    ends = color_map("signed")
    np.testing.assert_array_equal(shown, [ends[0], ends[0], ends[255], ends[255]])
    shown = colorize(floats(-1, 0, 2, 9), "unsigned", (0, 2))[0]
    ends = color_map("unsigned")
    np.testing.assert_array_equal(shown, [ends[0], ends[0], ends[255], ends[255]])


def test_positive_is_red_and_negative_blue() -> None:
    negative, positive = colorize(floats(-1, 1), "signed", (-1, 1))[0].astype(int)
    assert positive[0] > positive[2] + 50
    assert negative[2] > negative[0] + 50


def test_places_between_are_reckoned_to_the_nearest_color() -> None:
    values = np.linspace(-3, 3, 97, dtype=np.float32)[None]
    expected = color_map("signed")[[round((float(v) + 3) / 6 * 255) for v in values[0]]]
    assert np.abs(colorize(values, "signed", (-3, 3))[0].astype(int) - expected).max() <= 3


@pytest.mark.parametrize("top", [1e-45, 1e-38, 3.4e38])
def test_the_smallest_and_the_largest_numbers_are_colored(top: float) -> None:
    values = floats(-top, 0, top)
    shown = colorize(values, "signed", shared_limits([values], "signed"))[0]
    np.testing.assert_array_equal(shown, color_map("signed")[[0, 128, 255]])


def test_limits_that_coincide_do_not_divide_by_zero() -> None:
    assert colorize(floats(5), "unsigned", (5, 5)).tolist() == [[color_map("unsigned")[0].tolist()]]


def test_what_is_unknown_is_hatched_in_two_greys() -> None:
    values = np.zeros((16, 16), np.float32)
    values[:, 8:] = np.nan
    values[0, 0], values[1, 0] = np.inf, -np.inf
    shown = colorize(values, "signed", (-1, 1))
    for y in range(16):
        for x in range(8, 16):
            assert tuple(shown[y, x]) == HATCH[((x + y) // 4) % 2]
    assert tuple(shown[0, 0]) == tuple(shown[1, 0]) == HATCH[0]
    assert {tuple(c) for c in shown[2:, :8].reshape(-1, 3)} == {tuple(color_map("signed")[128])}
    # Both greys are there, and neither is a color of a map.
    assert len({tuple(c) for c in shown[:, 8:].reshape(-1, 3)}) == 2
    for sign in ("signed", "unsigned"):
        assert not {tuple(c) for c in color_map(sign)} & set(HATCH)  # type: ignore[arg-type]


def test_coloring_leaves_the_map_and_the_color_map_alone() -> None:
    values = np.array([[np.nan, 1], [0, -1]], np.float32)
    before, colors = values.copy(), color_map("signed").copy()
    colorize(values, "signed", (-1, 1))
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(color_map("signed"), colors)


# --- overlays -----------------------------------------------------------------------------------------------------


def test_an_overlay_mixes_the_map_with_the_grey_of_the_picture() -> None:
    picture = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    values = RNG.normal(size=(6, 8)).astype(np.float32)
    luma = picture.astype(float) @ [0.299, 0.587, 0.114]
    colors = colorize(values, "signed", (-2, 2))
    mixed = overlay(picture, values, "signed", (-2, 2), opacity=0.25)
    assert np.abs(mixed - (luma[..., None] * 0.75 + colors * 0.25)).max() <= 0.51
    np.testing.assert_array_equal(overlay(picture, values, "signed", (-2, 2), opacity=1), colors)
    bare = overlay(picture, values, "signed", (-2, 2), opacity=0)
    assert (bare == bare[..., :1]).all()
    assert np.abs(bare[..., 0] - luma).max() <= 0.51


@pytest.mark.parametrize("width", [1, 3])
def test_an_edge_is_white_within_and_black_around(width: int) -> None:
    random = np.random.default_rng(width)
    pixels = random.integers(1, 255, (20, 24, 3)).astype(np.uint8)
    inside = np.zeros((20, 24), bool)
    inside[6:15, 4:] = True  # it touches the right side, where it has no edge
    drawn = edged(pixels, inside, width)
    for row, column in np.ndindex(inside.shape):
        other = np.argwhere(inside != inside[row, column])
        near = np.abs(other - (row, column)).sum(axis=1).min() <= width
        expected = pixels[row, column] if not near else 255 if inside[row, column] else 0
        np.testing.assert_array_equal(drawn[row, column], np.broadcast_to(expected, 3))
    np.testing.assert_array_equal(edged(pixels, ~np.zeros_like(inside)), pixels)


def test_an_enlarged_overlay_keeps_the_cells_of_the_map() -> None:
    values = RNG.normal(size=(6, 8)).astype(np.float32)
    large = overlay(GREY_128, values, "signed", (-2, 2), min_side=20)
    assert large.shape == (24, 32, 3)
    small = overlay(GREY_128, values, "signed", (-2, 2))
    np.testing.assert_array_equal(large, small.repeat(4, axis=0).repeat(4, axis=1))
    assert overlay(GREY_128, values, "signed", (-2, 2), min_side=6).shape == (6, 8, 3)


@pytest.mark.parametrize(("shape", "expected"), [((1, 1), (448, 448)), ((2, 5000), (2, 5000)), ((1, 300), (27, 8100))])
def test_slim_inputs_are_enlarged_within_reason(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 128, np.uint8)
    drawn = overlay(picture, np.zeros(shape, np.float32), "signed", (-1, 1), min_side=render.MIN_SIDE)
    assert drawn.shape[:2] == expected
    bar = overlay_with_bar(picture, np.zeros(shape, np.float32), "signed", (-1, 1), "change in logit")
    assert bar.height == expected[0]


# --- color bars ---------------------------------------------------------------------------------------------------


def bar_of(limits: tuple[float, float], sign: Any = "signed", units: str = "change in logit") -> Image.Image:
    return overlay_with_bar(GREY_128, np.zeros((6, 8), np.float32), sign, limits, units)


def has_text(image: Image.Image, text: str, place: tuple[int, int], anchor: str) -> bool:
    """Whether the bar's own font, drawn there, gives exactly these pixels."""
    font = ImageFont.load_default(15)
    alone = Image.new("RGB", image.size, (255, 255, 255))
    ImageDraw.Draw(alone).text(place, text, (30, 30, 34), font, anchor)
    box = ImageChops.invert(alone).getbbox()
    return ImageChops.difference(alone.crop(box), image.crop(box)).getbbox() is None


@pytest.mark.parametrize(
    ("limits", "sign", "texts"),
    [((-2.5, 2.5), "signed", ("2.5", "0", "-2.5")), ((0, 0.012345), "unsigned", ("0.0123", "0.00617", "0"))],
)
def test_the_bar_says_both_limits_and_the_middle(
    limits: tuple[float, float], sign: Any, texts: tuple[str, str, str]
) -> None:
    image = bar_of(limits, sign)
    body = 8 * 75
    assert image.height == 6 * 75
    left = body + 14
    for text, y, anchor in zip(texts, (0, image.height // 2, image.height - 1), ("la", "lm", "ld"), strict=True):
        assert has_text(image, text, (left + 24, y), anchor), text
    pixels = np.asarray(image)
    middle = left + 9
    colors = color_map(sign)
    ramp = pixels[1:-1, middle].astype(int)
    rows = np.linspace(255, 0, image.height)[1:-1]
    assert np.abs(ramp - colors[np.round(rows).astype(int)]).max() <= 6


def test_the_bar_says_its_units_upright_along_the_right_edge() -> None:
    image = bar_of((-1, 1), units="gradient per unit")
    strip = image.crop((image.width - 24, 0, image.width, image.height)).rotate(-90, expand=True)
    assert has_text(strip, "gradient per unit", (strip.width // 2, 12), "mm")
    assert not has_text(strip, "change in logit", (strip.width // 2, 12), "mm")


@pytest.mark.parametrize("units", ["", "two\nlines", "<b>", "Δ logit", "x" * 300])
def test_any_units_can_be_drawn(units: str) -> None:
    assert bar_of((-1, 1), units=units).height == 450


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.0, "0"), (1, "1"), (-2.5, "-2.5"), (1234, "1.23e+03"), (0.000123456, "0.000123"), (-1e-9, "-1e-09")],
)
def test_values_have_three_digits(value: float, text: str) -> None:
    assert format_value(value) == text


def test_png_and_data_url_hold_the_picture() -> None:
    picture = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    url = render.data_url(to_image(picture))
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"), validate=True)
    assert data == render.png(to_image(picture))
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), picture)
    assert to_image(picture[..., 0]).mode == "L"


# --- from attributions to panels ----------------------------------------------------------------------------------


def attribution(values: np.ndarray, label: str = "tank", **changes: Any) -> Attribution:
    choices: dict[str, Any] = {"units": "change in logit", "sign": "signed", "score": 1.0} | changes
    return Attribution(values, Target(0, label, ((0, 1.0),)), **choices)


def panels(*values: np.ndarray, clip: float = 0.0, **changes: Any) -> list[Heatmap]:
    made = [attribution(v, f"label {i}", **changes) for i, v in enumerate(values)]
    return heatmaps(made, GREY_128, None, [0.25] * len(made), clip)


def test_panels_of_one_run_share_their_limits_and_state_what_is_clipped() -> None:
    first = np.zeros((6, 8), np.float32)
    second = np.arange(48, dtype=np.float32).reshape(6, 8) + 53  # 53..100
    one, two = panels(first, -second, clip=0.1)
    top = np.quantile(np.concatenate([first, second]), 0.9)
    assert one.limits == two.limits == (pytest.approx(-top), pytest.approx(top))
    assert one.clipped == 0
    assert two.clipped == pytest.approx((second > top).mean())
    assert 0 < two.clipped < 0.5
    assert one.group == two.group != ""
    assert [one.rank, two.rank] == [0, 1]
    assert [one.id, two.id] == ["map-0", "map-1"]


def test_an_all_zero_map_is_said_to_be_all_zero() -> None:
    zero, other = panels(np.zeros((6, 8), np.float32), np.eye(6, 8, dtype=np.float32), notes=("A note.",))
    assert zero.notes == ("The map is all zero.", "A note.")
    assert other.notes == ("A note.",)
    partly = panels(np.where(np.eye(6, 8) > 0, np.nan, 0).astype(np.float32))[0]
    assert partly.notes == ("The map is all zero.",)


def test_channels_are_flattened_to_the_value_of_the_largest_size() -> None:
    values = np.zeros((6, 8, 3), np.float32)
    values[0, 0] = (1, -3, 2)
    values[0, 1] = (np.nan, 0.5, -0.25)
    values[0, 2] = (2, -2, 1)
    panel = panels(values)[0]
    assert panel.values[0, :4].tolist() == [-3, 0.5, 2, 0]
    assert panel.limits == (-3, 3)


def test_what_is_kept_is_offered_for_changes_only_and_another_picture_has_no_frame() -> None:
    values = np.ones((6, 8), np.float32)
    assert panels(values, drops=True)[0].kept is True
    assert panels(values, units="change in logit per unit of input")[0].kept is False
    other = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    panel = panels(values, picture=other)[0]
    assert panel.picture is other
    assert panels(values)[0].picture is GREY_128
    assert panel.frame is None
