"""Declared preprocessing against arithmetic written down independently, and where a pixel comes to lie."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from picasso.core.preprocessing import Frame, Preprocessing

RNG = np.random.default_rng(21)
FILTERS = {"nearest": 0, "bilinear": 2, "bicubic": 3}


def noise(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def seen(pixels: np.ndarray, **choices: Any) -> np.ndarray:
    return Preprocessing(**choices).view(pixels)[0]


# --- the three ways to resize -------------------------------------------------------------------------------------

SIZES = [(50, 70), (70, 50), (33, 33), (24, 24), (7, 9), (1, 1), (1, 40), (40, 1), (101, 37)]


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_stretch_is_pillows_resize(height: int, width: int, how: Any) -> None:
    pixels = noise(height, width)
    view, frame = Preprocessing(size=(24, 31), interpolation=how).view(pixels)
    np.testing.assert_array_equal(view, np.asarray(Image.fromarray(pixels).resize((31, 24), FILTERS[how])))
    assert frame == Frame(0, 0, height, width)


def torchvision_crop(pixels: np.ndarray, short: int, height: int, width: int, how: int) -> np.ndarray:
    """Resize(short) then CenterCrop((height, width)), as torchvision reckons for PIL images."""
    image = Image.fromarray(pixels)
    w, h = image.size
    new = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    image = image.resize(new, how)
    top = round((image.height - height) / 2.0)
    left = round((image.width - width) / 2.0)
    return np.asarray(image)[top : top + height, left : left + width]


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("size", "short"), [((24, 24), None), ((24, 24), 33), ((20, 31), 40)])
def test_crop_is_torchvisions_resize_and_center_crop(
    height: int, width: int, how: Any, size: tuple[int, int], short: int | None
) -> None:
    pixels = noise(height, width)
    expected = torchvision_crop(pixels, short or max(size), *size, FILTERS[how])
    np.testing.assert_array_equal(seen(pixels, size=size, resize="crop", short_side=short, interpolation=how), expected)


def test_crop_of_a_nonsquare_input_without_a_short_side() -> None:
    for height, width, short in ((60, 90, 20), (60, 150, 20), (60, 60, 30), (90, 60, 30)):
        pixels = noise(height, width)
        wanted = torchvision_crop(pixels, short, 20, 30, Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(seen(pixels, size=(20, 30), resize="crop"), wanted)


def test_crop_enlarges_a_picture_that_would_not_cover_the_input() -> None:
    pixels = noise(90, 60)
    wanted = torchvision_crop(pixels, 30, 20, 30, Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(seen(pixels, size=(20, 30), resize="crop", short_side=24), wanted)
    pixels = noise(60, 90)
    wanted = torchvision_crop(pixels, 24, 20, 30, Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(seen(pixels, size=(20, 30), resize="crop", short_side=24), wanted)


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize(
    ("height", "width", "inner"),
    [
        (50, 100, (10, 20, 5, 0)),  # inner height and width, top, left
        (100, 50, (20, 10, 0, 5)),
        (20, 20, (20, 20, 0, 0)),
        (40, 30, (20, 15, 0, 2)),
        (5, 5, (20, 20, 0, 0)),
        (1, 300, (1, 20, 9, 0)),
        (300, 1, (20, 1, 0, 9)),
    ],
)
def test_pad_keeps_the_aspect_and_centers_on_black(
    height: int, width: int, inner: tuple[int, int, int, int], how: Any
) -> None:
    pixels = noise(height, width)
    rows, columns, top, left = inner
    expected = np.zeros((20, 20, 3), np.uint8)
    expected[top : top + rows, left : left + columns] = np.asarray(
        Image.fromarray(pixels).resize((columns, rows), FILTERS[how])
    )
    view, frame = Preprocessing(size=20, resize="pad", interpolation=how).view(pixels)
    np.testing.assert_array_equal(view, expected)
    assert frame == Frame(-top * height / rows, -left * width / columns, 20 * height / rows, 20 * width / columns)


# --- where a pixel lands ------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["stretch", "crop", "pad"]),
    st.sampled_from(["nearest", "bilinear", "bicubic"]),
    st.tuples(st.integers(20, 120), st.integers(20, 120)),
    st.tuples(st.integers(24, 60), st.integers(24, 60)),
    st.integers(0, 40),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@settings(max_examples=300, deadline=None)
def test_a_marked_spot_lands_where_the_frame_says(
    resize: Any,
    how: Any,
    picture: tuple[int, int],
    size: tuple[int, int],
    margin: int,
    place: tuple[float, float],
) -> None:
    short = max(size) + margin if resize == "crop" else None
    preprocessing = Preprocessing(size=size, resize=resize, short_side=short, interpolation=how)
    pixels = np.zeros((*picture, 3), np.uint8)
    frame = preprocessing.view(pixels)[1]
    corners = []
    extents = ((frame.top, frame.height), (frame.left, frame.width))
    for side, room, (start, length), where in zip(picture, size, extents, place, strict=True):
        mark = max(1, round(min(side, length) / 5))
        cell = length / room
        edge = 2 * cell + 2  # of the filter, at the picture's and at the frame's edge
        low, high = max(0, start) + edge, min(side, start + length) - edge - mark
        assume(low <= high)
        corners.append((round(low + where * (high - low)), mark, cell))
    (top, tall, cell_y), (left, wide, cell_x) = corners
    pixels[top : top + tall, left : left + wide] = 255
    view = preprocessing.view(pixels)[0][..., 0].astype(float)
    assert view.sum() > 0
    rows, columns = np.indices(view.shape) + 0.5
    y = frame.top + (view * rows).sum() / view.sum() * cell_y
    x = frame.left + (view * columns).sum() / view.sum() * cell_x
    # Nearest may be wrong by half a pixel of the input, or of the picture, whichever is larger.
    slack = 0.55 if how == "nearest" else 0.2
    assert abs(y - (top + tall / 2)) <= slack * max(cell_y, 1)
    assert abs(x - (left + wide / 2)) <= slack * max(cell_x, 1)


@given(
    st.sampled_from(["stretch", "crop", "pad"]),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
@settings(max_examples=150, deadline=None)
def test_any_size_becomes_the_inputs_size_and_the_frame_keeps_its_sides(
    resize: Any, picture: tuple[int, int], size: tuple[int, int]
) -> None:
    preprocessing = Preprocessing(size=size, resize=resize)
    view, frame = preprocessing.view(np.full((*picture, 3), 200, np.uint8))
    assert view.shape == (*size, 3)
    assert preprocessing.apply(np.zeros((*picture, 3), np.uint8)).shape == (*size, 3)
    height, width = picture
    if resize == "pad":
        assert frame.top <= 0
        assert frame.left <= 0
        assert frame.top + frame.height >= height - 1e-6
        assert frame.left + frame.width >= width - 1e-6
        assert view.max() == 200
    else:
        assert (view == 200).all()
        assert frame.top >= 0
        assert frame.left >= 0
        assert frame.top + frame.height <= height + 1e-6
        assert frame.left + frame.width <= width + 1e-6


@pytest.mark.parametrize("shape", [(1, 200_000), (200_000, 1)])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_a_slim_picture_takes_neither_time_nor_memory(shape: tuple[int, int], resize: Any) -> None:
    preprocessing = Preprocessing(size=224, resize=resize)
    pixels = np.zeros((*shape, 3), np.uint8)
    long = shape.index(200_000)
    middle = pixels.swapaxes(0, long)
    middle[99_999:100_001] = 77
    started = time.process_time()
    view, frame = preprocessing.view(pixels)
    assert time.process_time() - started < 2
    assert view.shape == (224, 224, 3)
    if resize == "crop":
        # A square of one pixel's side, around the middle: it shows nothing but the two middle pixels.
        assert (view == 77).all()
        assert (frame.height, frame.width) == pytest.approx((1, 1))
        assert (frame.top if long == 0 else frame.left) == pytest.approx(99_999.5)


def test_the_slim_way_of_cropping_agrees_with_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.asarray(Image.fromarray(noise(9, 14)).resize((140, 90), Image.Resampling.BICUBIC))
    preprocessing = Preprocessing(size=(31, 44), resize="crop", short_side=60)
    usual, frame = preprocessing.view(pixels)
    monkeypatch.setattr("picasso.core.preprocessing._MAX_RESIZED", 0)
    slim, same = preprocessing.view(pixels)
    assert frame == same
    difference = np.abs(usual.astype(int) - slim)
    assert difference[2:-2, 2:-2].max() <= 2
    assert difference.mean() < 1


# --- from pixels to numbers ---------------------------------------------------------------------------------------


def test_scale_mean_and_std_of_each_channel() -> None:
    pixels = noise(4, 5)
    preprocessing = Preprocessing(size=(4, 5), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    x = preprocessing.apply(pixels)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    for channel, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        np.testing.assert_allclose(x[..., channel], (pixels[..., channel] / 255.0 - mean) / std, atol=1e-6)


def test_bgr_turns_the_channels_before_their_means() -> None:
    pixels = noise(4, 5)
    x = Preprocessing(size=(4, 5), color="bgr", scale=1, mean=(104, 117, 123), std=(1, 2, 4)).apply(pixels)
    np.testing.assert_allclose(x[..., 0], pixels[..., 2] - 104.0)
    np.testing.assert_allclose(x[..., 1], (pixels[..., 1] - 117.0) / 2)
    np.testing.assert_allclose(x[..., 2], (pixels[..., 0] - 123.0) / 4)


@pytest.mark.parametrize("spelling", ["grey", "gray"])
def test_grey_is_one_channel_of_luma_and_three_equal_ones_in_the_view(spelling: Any) -> None:
    pixels = noise(4, 5)
    preprocessing = Preprocessing(size=(4, 5), color=spelling, mean=0.5, std=0.25)
    assert preprocessing.color == "grey"
    assert preprocessing.shape == (4, 5, 1)
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    view = preprocessing.view(pixels)[0]
    assert (view == view[..., :1]).all()
    assert np.abs(view[..., 0] - luma).max() <= 0.51
    np.testing.assert_allclose(preprocessing.apply(pixels)[..., 0], (view[..., 0] / 255.0 - 0.5) / 0.25, atol=1e-6)


def test_one_mean_serves_all_channels() -> None:
    pixels = noise(4, 5)
    one = Preprocessing(size=(4, 5), mean=0.4, std=2)
    assert one.mean == (0.4,)
    np.testing.assert_allclose(one.apply(pixels), (pixels / 255.0 - 0.4) / 2, atol=1e-6)
    np.testing.assert_array_equal(
        one.apply(pixels), Preprocessing(size=(4, 5), mean=(0.4,) * 3, std=(2,) * 3).apply(pixels)
    )


def test_a_batch_is_its_pictures_in_order() -> None:
    preprocessing = Preprocessing(size=16, resize="crop", color="bgr", mean=0.3)
    pictures = [noise(20, 30), noise(50, 16), noise(16, 16)]
    batch = preprocessing.apply_all(pictures)
    assert batch.shape == (3, 16, 16, 3)
    for one, pixels in zip(batch, pictures, strict=True):
        np.testing.assert_array_equal(one, preprocessing.apply(pixels))
    views = np.stack([preprocessing.view(p)[0] for p in pictures])
    np.testing.assert_array_equal(preprocessing.normalize(views), batch)


def test_the_picture_is_left_as_it_was() -> None:
    pixels = noise(20, 30)
    before = pixels.copy()
    for resize in ("stretch", "crop", "pad"):
        for color in ("rgb", "bgr", "grey"):
            Preprocessing(size=(20, 30), resize=resize, color=color).apply(pixels)
    np.testing.assert_array_equal(pixels, before)


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"size": 0}, "greater than or equal to 1"),
        ({"size": (224, 9000)}, "less than or equal to 8192"),
        ({"size": "large"}, "valid integer"),
        ({"resize": "squeeze"}, "'stretch', 'crop' or 'pad'"),
        ({"color": "cmyk"}, "'rgb', 'bgr', 'grey' or 'values'"),
        ({"scale": 0}, "greater than 0"),
        ({"scale": float("inf")}, "finite number"),
        ({"mean": (0.1, 0.2)}, r"mean must have 1 or 3 values for color=rgb\. Got 2\."),
        ({"mean": (0.1, 0.2, 0.3), "color": "grey"}, r"mean must have 1 value for color=grey\. Got 3\."),
        ({"mean": (0.1, 0.2, float("nan"))}, "finite number"),
        ({"std": ()}, r"std must have 1 or 3 values for color=rgb\. Got 0\."),
        ({"std": (1, 0, 1)}, r"std must be positive\. Got \(1\.0, 0\.0, 1\.0\)\."),
        ({"std": float("nan")}, "finite number"),
        ({"std": -1}, "std must be positive"),
        (
            {"size": 224, "resize": "crop", "short_side": 200},
            r"short_side must be at least the input's 224\. Got 200\.",
        ),
        ({"size": 224, "short_side": 256}, r"short_side belongs to resize=crop\. Got resize=stretch\."),
        ({"sise": 3}, "Extra inputs are not permitted"),
    ],
)
def test_mistakes_are_named(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Preprocessing(**choices)


def test_it_comes_back_from_json_and_cannot_be_changed() -> None:
    preprocessing = Preprocessing(size=(10, 20), resize="crop", short_side=30, color="bgr", mean=(1, 2, 3), std=0.7)
    assert Preprocessing.model_validate_json(preprocessing.model_dump_json()) == preprocessing
    with pytest.raises(ValidationError, match="frozen"):
        preprocessing.size = 3
