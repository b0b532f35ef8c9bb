"""Masks that people draw."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from picasso.core.errors import PictureError
from picasso.core.pictures.mask_files import read_mask

EXPECTED = np.zeros((32, 32), bool)
EXPECTED[5:23, 7:18] = True


def saved(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(EXPECTED),
        Image.fromarray(EXPECTED.astype(np.uint8)),
        Image.fromarray(EXPECTED.astype(np.uint8) * 255),
        Image.fromarray(EXPECTED.astype(np.uint16) * 3),
        Image.fromarray(np.stack([EXPECTED * 0, EXPECTED * 1, EXPECTED * 0], axis=2).astype(np.uint8)),
    ],
    ids=["bits", "indices", "white", "16 bits", "one color"],
)
def test_everything_but_black_is_meant(image: Image.Image, tmp_path: Path) -> None:
    data = saved(image, "PNG")
    assert np.array_equal(read_mask(data), EXPECTED)
    (tmp_path / "mask.png").write_bytes(data)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), EXPECTED)
    assert np.array_equal(read_mask(str(tmp_path / "mask.png")), EXPECTED)


def test_the_specks_of_jpeg_are_not_meant(tmp_path: Path) -> None:
    data = saved(Image.fromarray(EXPECTED.astype(np.uint8) * 255), "JPEG", quality=60)
    assert (np.asarray(Image.open(io.BytesIO(data))) > 0).sum() > EXPECTED.sum()
    assert np.array_equal(read_mask(data), EXPECTED)
    (tmp_path / "mask.png").write_bytes(data)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), EXPECTED)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="Mine is not a picture"):
        read_mask(b"no", "Mine")
    with pytest.raises(PictureError, match="cannot be read"):
        read_mask(tmp_path / "nowhere.png")
