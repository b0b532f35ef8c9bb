"""Networks that read a file's own channels in its own units: no rounding, any number, and the frames of all others."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from picasso.core.errors import PictureError, SettingsError
from picasso.core.explaining import explain
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import Picture, decode_picture, read_picture
from picasso.core.preprocessing import Preprocessing
from picasso.models.opened import assumed_preprocessing

RNG = np.random.default_rng(31)


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def deep(height: int, width: int, channels: int) -> Picture:
    values = (RNG.normal(size=(height, width, channels)) * 1000).astype(np.float32)
    return decode_picture(saved(values), "scan.npy")


def test_the_scale_is_one_where_it_is_not_given() -> None:
    assert Preprocessing(color="values").scale == 1
    assert Preprocessing(color="values", scale=0.5).scale == 0.5
    assert Preprocessing().scale == 1 / 255
    again = Preprocessing.model_validate(Preprocessing(color="values", bands=4).model_dump(mode="json"))
    assert again == Preprocessing(color="values", bands=4)


def test_channels_are_declared_or_those_of_mean_and_std() -> None:
    assert Preprocessing(color="values").channels == 1
    assert Preprocessing(color="values", bands=5).channels == 5
    assert Preprocessing(color="values", mean=(1, 2, 3, 4)).shape == (224, 224, 4)
    assert Preprocessing(color="values", std=(1, 2)).channels == 2
    for choices in ({"bands": 3}, {"color": "values", "bands": 3, "mean": (1, 2)}, {"color": "values", "bands": 0}):
        with pytest.raises(ValidationError):
            Preprocessing(**choices)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2, 4, 13])
def test_at_its_own_size_the_arithmetic_is_all_there_is(channels: int) -> None:
    picture = deep(20, 30, channels)
    mean = tuple(float(i) for i in range(channels))
    std = tuple(float(i + 1) for i in range(channels))
    p = Preprocessing(size=(20, 30), color="values", scale=0.25, mean=mean, std=std)
    x, view, _ = p.read(picture)
    assert picture.values is not None
    np.testing.assert_allclose(x, (picture.values * 0.25 - np.array(mean)) / np.array(std), rtol=1e-6, atol=1e-5)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(view, picture.pixels)
    np.testing.assert_array_equal(p.apply(picture.values), x)
    np.testing.assert_array_equal(p.apply_all([picture.values] * 2)[1], x)


@pytest.mark.parametrize("how", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize(("height", "width"), [(50, 70), (70, 50), (9, 11), (1, 40)])
def test_values_are_resized_as_pixels_are_but_for_the_rounding(how: Any, resize: Any, height: int, width: int) -> None:
    # What a cubic adds stays within bytes; Pillow rounds them twice, once after each axis.
    pixels = RNG.integers(90, 166, (height, width, 3)).astype(np.uint8)
    picture = replace(read_picture(pixels), values=pixels.astype(np.float32))
    size: dict[str, Any] = {"size": (24, 31), "resize": resize, "interpolation": how}
    x, view, frame = Preprocessing(color="values", bands=3, **size).read(picture)
    expected, seen, same = Preprocessing(color="rgb", scale=1, **size).read(picture)
    assert np.abs(x - expected).max() <= (2 if how == "bicubic" else 1.01)
    np.testing.assert_array_equal(view, seen)
    assert frame == same


def test_padding_is_zero_in_the_files_units() -> None:
    picture = decode_picture(saved(np.full((10, 20, 2), 700, np.float32)))
    x, _, frame = Preprocessing(size=20, resize="pad", color="values", bands=2, mean=(100, 0)).read(picture)
    assert (x[:5] == (-100, 0)).all()
    assert (x[5:15] == (600, 700)).all()
    assert (frame.top, frame.height) == (-5, 20)


def test_pictures_of_eight_bits_are_their_own_values() -> None:
    pixels = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    picture = read_picture(pixels)
    p = Preprocessing(size=(20, 30), color="values", bands=3)
    np.testing.assert_array_equal(p.read(picture)[0], pixels)
    grey = Preprocessing(size=(20, 30), color="values").read(picture)[0]
    np.testing.assert_array_equal(grey[..., 0], np.asarray(Image.fromarray(pixels).convert("L")))


def test_sixteen_bits_keep_their_precision() -> None:
    array = RNG.integers(0, 65536, (20, 30)).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    x = Preprocessing(size=(20, 30), color="values", scale=1 / 65535).read(decode_picture(buffer.getvalue()))[0]
    np.testing.assert_allclose(x[..., 0], array / 65535, rtol=1e-6)


@pytest.mark.parametrize(
    ("has", "reads", "said"), [(2, 5, "has 2 channels; the model reads 5"), (1, 3, "has 1 channel; ")]
)
def test_the_wrong_number_of_channels_is_refused_in_one_sentence(has: int, reads: int, said: str) -> None:
    with pytest.raises(PictureError, match=rf"^scan\.npy {said}.*\. Choose a picture with the model's channels\.$"):
        Preprocessing(size=8, color="values", bands=reads).read(deep(9, 9, has))
    with pytest.raises(PictureError, match="has 3 channels; the model reads 5"):
        Preprocessing(size=8, color="values", bands=5).read(read_picture(np.zeros((4, 4, 3), np.uint8)))


def test_channels_that_are_no_colors_are_not_taken_for_some() -> None:
    for channels in (2, 4, 13):
        with pytest.raises(
            PictureError, match=rf"^scan\.npy has {channels} channels; the model reads colors\. Choose a"
        ):
            Preprocessing(size=8).read(deep(20, 30, channels))
    with pytest.raises(PictureError, match="the model reads grey"):
        Preprocessing(size=8, color="grey").read(deep(20, 30, 2))
    for channels in (1, 3):
        assert Preprocessing(size=8).read(deep(20, 30, channels))[0].shape == (8, 8, 3)


@pytest.mark.parametrize("choices", [{}, {"color": "bgr", "mean": (0.4, 0.5, 0.6), "std": 0.25}, {"color": "grey"}])
def test_undo_gives_back_the_pixels(choices: dict[str, Any]) -> None:
    p = Preprocessing(size=(20, 30), **choices)
    view = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    view = np.repeat(view[..., :1], 3, axis=2) if choices.get("color") == "grey" else view
    np.testing.assert_array_equal(p.undo(p.normalize(view)), view)
    assert p.undo(p.normalize(view) + 0.1) is None
    assert Preprocessing(color="values").undo(np.zeros((4, 4, 1), np.float32)) is None


def test_what_is_assumed_for_other_than_grey_and_color() -> None:
    assert assumed_preprocessing(32, 1)[0].color == "grey"
    assert assumed_preprocessing(32, 3)[0].color == "rgb"
    found, note = assumed_preprocessing((20, 30), 6)
    assert found.shape == (20, 30, 6)
    assert "the file's own 6 channels" in note


# --- explained ----------------------------------------------------------------------------------------------------


def brightness(channels: int) -> Model:
    """Class i watches channel i; a black box."""
    labels = [f"band {i}" for i in range(channels)]
    declared = Preprocessing(size=(12, 16), color="values", bands=channels)
    return load_model(lambda x: x.mean(axis=(1, 2)) / 100, preprocessing=declared, labels=labels, head="softmax")


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize(("fill", "level"), [("black", 0), ("grey", 128 / 255), ("white", 1), ("mean", None)])
def test_occlusion_covers_with_the_files_own_values(channels: int, fill: str, level: float | None) -> None:
    picture, model = deep(12, 16, channels), brightness(channels)
    assert picture.values is not None
    result = explain(model, picture, fill=fill, window=4, stride=4, target=1)
    band = picture.values[..., 1]
    low, high = band.min(), band.max()
    cover = band.mean() if level is None else low + (high - low) * level
    blocks = band.reshape(3, 4, 4, 4).transpose(0, 2, 1, 3).sum(axis=(2, 3))
    wanted = (blocks - 16 * cover) / (12 * 16) / 100  # what the class loses, by arithmetic alone
    np.testing.assert_allclose(result.attributions[0].native, wanted, rtol=1e-3, atol=1e-4)


def test_blur_runs_and_covering_before_preprocessing_is_refused() -> None:
    picture, model = deep(12, 16, 5), brightness(5)
    assert np.isfinite(explain(model, picture, fill="blur", window=4, target=0).attributions[0].values).all()
    with pytest.raises(SettingsError, match=r"space must be input: the network reads no 8-bit colors"):
        explain(model, picture, space="image", target=0)
