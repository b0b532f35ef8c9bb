"""Saved arrays (.npy) as pictures: exact values, layouts told apart by shape, and nothing that is run."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picasso.core.errors import PictureError
from picasso.core.pictures import images
from picasso.core.pictures.images import decode_picture, read_picture

RNG = np.random.default_rng(6)


def saved(array: np.ndarray, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def header(text: str, body: bytes = b"") -> bytes:
    """A file whose header says what one likes."""
    line = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + body


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "i2", "i4", "u4", "i8", "f2", "<f4", ">f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("shape", "first"),
    [((20, 30), False), ((20, 30, 1), False), ((20, 30, 4), False), ((2, 20, 30), True), ((20, 30, 9), False),
     ((9, 20, 30), True), ((1, 20, 30), True), ((3, 30, 3), False), ((9, 9, 9), False)],
)  # fmt: skip
def test_every_type_and_layout(dtype: str, order: str, shape: tuple[int, ...], first: bool) -> None:
    array = np.asarray(RNG.normal(size=shape) * 300).astype(dtype)
    picture = decode_picture(saved(np.asarray(array, order=order)))  # type: ignore[call-overload]
    expected = np.moveaxis(array, 0, 2) if first else array.reshape(*shape[:2], -1)
    np.testing.assert_array_equal(picture.values, expected.astype(np.float32))
    assert picture.pixels.shape == (*expected.shape[:2], 3)
    assert ("Its channels come first." in picture.notes) == first


def test_bytes_are_pixels_and_truth_is_black_and_white() -> None:
    pixels = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    picture = decode_picture(saved(pixels))
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.values is None
    assert picture.notes == ()
    np.testing.assert_array_equal(decode_picture(saved(np.moveaxis(pixels, 2, 0))).pixels, pixels)
    mask = decode_picture(saved(pixels[..., 0] > 127))
    np.testing.assert_array_equal(mask.pixels[..., 1], np.where(pixels[..., 0] > 127, 255, 0))


def test_floating_point_in_0_to_1_is_not_stretched() -> None:
    array = np.array([[0, 0.25, 0.5]], np.float32)
    picture = decode_picture(saved(array))
    assert picture.pixels[0, :, 0].tolist() == [0, 64, 128]
    np.testing.assert_array_equal(picture.values, array[..., None])


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(saved(np.zeros((8, 9, 6), np.float32)))
    picture = read_picture(tmp_path / "photo.jpg")
    assert picture.values is not None
    assert picture.values.shape == (8, 9, 6)


OBJECTS = saved(np.array([[{"a": 1}, None]], object), pickled=True)
REFUSED = {
    "objects": (OBJECTS, "holds object; a picture holds plain numbers"),
    "text": (saved(np.array([["a"]])), "holds <U1; a picture holds plain numbers"),
    "complex": (saved(np.zeros((2, 2), complex)), "holds complex128"),
    "long": (saved(np.zeros((2, 2), np.longdouble)), "plain numbers"),
    "dates": (saved(np.zeros((2, 2), "M8[s]")), "holds datetime64"),
    "fields": (saved(np.zeros((2, 2), [("a", "f4")])), "plain numbers"),
    "batch": (saved(np.zeros((5, 4, 4, 3), np.float32)), r"has shape \(5, 4, 4, 3\)"),
    "vector": (saved(np.zeros(5, np.float32)), r"has shape \(5,\)"),
    "empty": (saved(np.zeros((5, 0, 3), np.float32)), r"has shape \(5, 0, 3\)"),
    "nan": (saved(np.full((2, 2), np.nan)), "NaN or infinite"),
    "beyond": (saved(np.full((2, 2), 1e300)), "beyond the range of 32-bit"),
    "half": (saved(np.zeros((20, 30), np.float32))[:1000], "is damaged"),
    "version": (b"\x93NUMPY\x07\x00" + bytes(200), "version 7"),
    "no header": (b"\x93NUMPY\x01\x00", "is damaged"),
    "huge": (header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999, 3), }"), "at most 80 mill"),
    "many": (header("{'descr': '<f4', 'fortran_order': False, 'shape': (5000, 5000, 5000), }"), "at most 100 million"),
    "short": (header("{'descr': '<f4', 'fortran_order': False, 'shape': (5000, 5000), }"), "ends before the 25000000"),
    "negative": (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-5, 5), }"), r"has shape \(-5, 5\)"),
    "code": (header("__import__('os').abort()"), "is damaged"),
    "long header": (b"\x93NUMPY\x02\x00" + (10**6).to_bytes(4, "little") + b"(" * 10**6, "is damaged"),
}


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@pytest.mark.parametrize("name", REFUSED)
def test_hostile_arrays_are_refused_fast(name: str) -> None:
    data, said = REFUSED[name]
    started = time.process_time()
    with pytest.raises(PictureError, match=said):
        decode_picture(data)
    assert time.process_time() - started < 1


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(np.zeros((10, 10, 7), np.float32))
    monkeypatch.setattr(images, "MAX_VALUES", 699)
    with pytest.raises(PictureError, match="holds 10 x 10 x 7 values"):
        decode_picture(data)
    monkeypatch.setattr(images, "MAX_VALUES", 700)
    assert decode_picture(data).width == 10


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_arrays(data: st.DataObject) -> None:
    mutated = bytearray(saved(np.arange(60, dtype=np.float32).reshape(3, 4, 5)))
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, 140))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PictureError):
        assert decode_picture(bytes(mutated)).pixels.shape[2] == 3
