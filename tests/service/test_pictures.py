"""Pictures that are taken in."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from picasso.core.errors import PictureError
from picasso.core.pictures.images import decode_picture
from picasso.service.jobs import JobRequest
from picasso.service.pictures import clean_name, rendition, thumbnail
from picasso.service.service import Service

from .conftest import picture


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("tank.jpg", "tank.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\tank.jpg", "tank.jpg"),
        ("a\x00b\n.png", "ab.png"),
        ("", "picture"),
        ("/", "picture"),
        ("x" * 300 + ".png", "x" * 116 + ".png"),
    ],
)
def test_a_name_is_only_a_name(given: str, kept: str) -> None:
    assert clean_name(given) == kept


def test_a_deep_picture_is_kept_whole_and_shown_in_eight_bits(service: Service) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(0).normal(size=(20, 30, 5)))
    record = service.pictures.adopt(buffer.getvalue(), "scan.jpg")
    assert (record.width, record.height) == (30, 20)
    assert record.notes[0] == "It has 5 channels; the first three are shown as red, green and blue."
    again = decode_picture(service.artifacts.get(record.digest))
    assert again.values is not None
    assert again.values.shape == (20, 30, 5)
    with Image.open(io.BytesIO(service.artifacts.get(record.file))) as shown:
        np.testing.assert_array_equal(np.asarray(shown), again.pixels)


def test_what_nobody_brought_is_listed_once_it_is_brought_or_explained(service: Service) -> None:
    before = set(service.store.pictures(99))
    first, second = picture(1), picture(2)
    shown = service.pictures.adopt(first, "shown.png", brought=False)
    service.pictures.adopt(second, "shown-too.png", brought=False)
    assert set(service.store.pictures(99)) == before
    assert service.store.picture(shown.digest) == shown
    mine = service.pictures.adopt(second, "mine.png")
    service.pictures.adopt(second, "shown-too.png", brought=False)
    assert set(service.store.pictures(99)) == {*before, mine}
    service.jobs.submit(JobRequest("Toy", "saliency-map", (shown.digest,)))
    assert set(service.store.pictures(99)) == {*before, mine, shown}


def test_a_rendition_is_upright_and_forgets_what_the_file_said() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(
        buffer, "PNG", exif=exif
    )
    decoded = decode_picture(buffer.getvalue())
    data, kind = rendition(decoded)
    with Image.open(io.BytesIO(data)) as shown:
        assert kind == "image/png"
        assert shown.size == (20, 30)
        assert not shown.getexif()
        assert (np.asarray(shown) == decoded.pixels).all()


def test_a_large_picture_is_shown_as_jpeg_with_a_small_thumbnail() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 1500), (90, 120, 60)).save(buffer, "JPEG")
    decoded = decode_picture(buffer.getvalue())
    assert rendition(decoded)[1] == "image/jpeg"
    with Image.open(io.BytesIO(thumbnail(decoded))) as small:
        assert small.size == (320, 240)


def test_the_same_picture_twice_is_one(service: Service, tmp_path: Path) -> None:
    first = service.pictures.adopt(picture(7), "a.png")
    second = service.pictures.adopt(picture(7), "b.png")
    assert first.digest == second.digest
    assert service.store.picture(first.digest).name == "b.png"
    assert service.artifacts.get(first.digest) == picture(7)
    with pytest.raises(PictureError):
        service.pictures.adopt(b"no picture", "c.png")
