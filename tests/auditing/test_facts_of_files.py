"""What a picture's file says."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from picasso.auditing.files.facts import borders, difference_hash, file_facts, jpeg_quality
from picasso.core.errors import PictureError
from tests.auditing.filing import exif, pixels, saved


@pytest.mark.parametrize("quality", [1, 10, 35, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int) -> None:
    assert file_facts(saved(pixels(0), quality=quality)).quality == quality


def test_a_table_of_nobody_has_the_quality_of_the_nearest() -> None:
    image = Image.open(io.BytesIO(saved(pixels(0), quality=60)))
    table = np.asarray(image.quantization[0])  # type: ignore[attr-defined]
    assert jpeg_quality((table + (np.arange(64) % 2)).tolist()) == pytest.approx(60, abs=2)


def test_the_header_is_read() -> None:
    data = saved(pixels(1)[:48], exif=exif("Canon EOS", "2026:01:31 12:00:00", 6))
    found = file_facts(data)
    assert (found.size, found.format, found.mode, found.exif) == (len(data), "JPEG", "RGB", True)
    assert (found.width, found.height) == (48, 64)  # upright
    assert (found.camera, found.date, found.orientation) == ("Canon EOS", "2026:01:31 12:00:00", 6)
    assert found.aspect == pytest.approx(48 / 64)
    assert found.bits == pytest.approx(8 * len(data) / (48 * 64))
    plain = file_facts(saved(pixels(1), "PNG"))
    assert (plain.format, plain.quality, plain.exif, plain.camera, plain.orientation) == ("PNG", None, False, "", 1)


def test_means_are_those_of_the_pixels() -> None:
    picture = pixels(2)
    found = file_facts(saved(picture, "PNG"))
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float64)
    assert found.color == pytest.approx(picture.reshape(-1, 3).mean(axis=0))
    assert (found.luminance, found.contrast) == pytest.approx((grey.mean(), grey.std()))


def test_the_thumbnail_has_the_light_of_cells_and_the_color_of_wider_ones() -> None:
    picture = pixels(2, 64).astype(np.float64)
    found = np.frombuffer(file_facts(saved(pixels(2), "PNG")).thumbnail, np.uint8).astype(np.float64)
    cells = picture.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    light = cells @ [0.299, 0.587, 0.114]
    blue = (128 + (cells[..., 2] - light) / 1.772).reshape(8, 2, 8, 2).mean(axis=(1, 3))
    red = (128 + (cells[..., 0] - light) / 1.402).reshape(8, 2, 8, 2).mean(axis=(1, 3))
    assert found == pytest.approx(np.concatenate([light.ravel(), blue.ravel(), red.ravel()]), abs=2)


def test_a_large_jpeg_is_decoded_small_and_says_the_same() -> None:
    picture = np.asarray(Image.fromarray(pixels(3, 128)).resize((1600, 1200), Image.Resampling.BICUBIC))
    framed = np.zeros((1200, 2000, 3), np.uint8)
    framed[:, 200:1800] = picture
    small, whole = file_facts(saved(framed, quality=95)), file_facts(saved(framed, "PNG"))
    assert (small.width, small.height) == (whole.width, whole.height) == (2000, 1200)
    assert small.color == pytest.approx(whole.color, abs=1)
    assert small.borders == pytest.approx(whole.borders, abs=0.01)
    assert small.borders == pytest.approx((0, 0, 0.1, 0.1), abs=0.01)
    assert bin(small.hash ^ whole.hash).count("1") <= 3


def test_borders_have_their_width_and_a_tone_of_their_own() -> None:
    picture = pixels(4, 100)
    assert borders(picture[..., 0]) == (0, 0, 0, 0)
    picture[:10] = (3, 2, 1)
    picture[-20:] = (250, 250, 240)
    assert borders(picture[..., 0]) == (0.1, 0.2, 0, 0)
    assert borders(picture[..., 0].T) == (0, 0, 0.1, 0.2)
    assert borders(np.full((8, 9), 77, np.uint8)) == (1, 1, 1, 1)
    # JPEG works in blocks of eight pixels: one that holds a bit of the picture ripples.
    assert file_facts(saved(picture, quality=80)).borders == pytest.approx((0.1, 0.2, 0, 0), abs=0.041)


def test_the_hash_outlives_compression_and_scaling_and_tells_pictures_apart() -> None:
    found = [file_facts(saved(pixels(seed), "PNG")).hash for seed in range(20)]
    for seed, known in enumerate(found):
        image = Image.fromarray(pixels(seed))
        for other in (saved(pixels(seed), quality=70), saved(np.asarray(image.resize((160, 160))), "PNG")):
            assert bin(known ^ file_facts(other).hash).count("1") <= 5
    apart = [bin(a ^ b).count("1") for place, a in enumerate(found) for b in found[:place]]
    assert min(apart) > 10
    falling = np.tile(np.arange(255, 0, -1, np.uint8), (32, 1))
    assert (difference_hash(falling), difference_hash(falling[:, ::-1])) == (2**64 - 1, 0)


def test_what_pillow_does_not_read_is_read_too() -> None:
    file = io.BytesIO()
    np.save(file, pixels(5))
    found = file_facts(file.getvalue())
    assert (found.format, found.width, found.quality, found.exif) == ("NPY", 64, None, False)


@pytest.mark.parametrize("data", [b"", b"no picture", saved(pixels(6))[:700]])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        file_facts(data)
