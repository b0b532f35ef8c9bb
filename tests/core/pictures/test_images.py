"""Untrusted bytes -> a picture: every format, every trap, and nothing but PictureError."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from picasso.core.errors import PictureError
from picasso.core.pictures import images
from picasso.core.pictures.images import Picture, decode_picture, read_picture

RNG = np.random.default_rng(11)
PIXELS = RNG.integers(0, 256, (7, 9, 3)).astype(np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[0:250:40j, 0:250:60j], 128), axis=2).astype(np.uint8)
ON_WHITE = "Transparent pixels are laid on white."
FRAMES = "It holds several frames; the first is used."


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"", *more: bytes) -> bytes:
    """A PNG of 8-bit RGB whose header says what one likes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *more, chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")])


def tiff_pages(count: int) -> bytes:
    """A TIFF of so many pages of one grey pixel, which all lie at byte 0."""
    tags = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 1))
    size = 2 + 12 * len(tags) + 4
    pages = []
    for page in range(count):
        rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        following = 8 + size * (page + 1) if page + 1 < count else 0
        pages += [struct.pack("<H", len(tags)), rows, struct.pack("<I", following)]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


# --- what is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_back_the_pixels(kind: str) -> None:
    picture = decode_picture(encoded(Image.fromarray(PIXELS), kind), "tank.png")
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    assert (picture.height, picture.width, picture.name, picture.notes) == (7, 9, "tank.png", ())
    assert picture.pixels.dtype == np.uint8


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_close(kind: str) -> None:
    picture = decode_picture(encoded(Image.fromarray(SMOOTH), kind, quality=95))
    assert np.abs(picture.pixels.astype(int) - SMOOTH).max() <= 8


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_several_is_used_and_said_to_be(kind: str) -> None:
    frames = [Image.new("RGB", (5, 4), color) for color in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = decode_picture(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    np.testing.assert_array_equal(picture.pixels, np.full((4, 5, 3), (255, 0, 0)))
    assert picture.notes == (FRAMES,)


def test_one_frame_is_not_said_to_be_several() -> None:
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        assert decode_picture(encoded(Image.new("RGB", (5, 4)), kind)).notes == ()


def test_cmyk_jpeg_is_converted() -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    picture = decode_picture(encoded(cmyk, "JPEG", quality=100))
    assert np.abs(picture.pixels.astype(int) - (255, 0, 0)).max() <= 3
    assert picture.notes == ("Converted from CMYK to RGB.",)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_rounded_to_eight(kind: str) -> None:
    deep = np.array([[0, 128, 129, 257, 32896, 65406, 65407, 65535]], np.uint16)
    picture = decode_picture(encoded(Image.fromarray(deep), kind))
    # 128 / 257 = 0.498, 129 / 257 = 0.502: to the nearest, not cut off, and not saturated at 255.
    assert picture.pixels[0, :, 0].tolist() == [0, 0, 1, 1, 128, 254, 255, 255]
    assert (picture.pixels == picture.pixels[..., :1]).all()
    assert picture.notes == ("Reduced from 16 to 8 bits.",)


def test_a_transparent_value_of_sixteen_bits_becomes_white() -> None:
    deep = Image.fromarray(np.array([[0, 1000, 1001]], np.uint16))
    picture = decode_picture(encoded(deep, transparency=1000))
    assert picture.pixels[0, :, 0].tolist() == [0, 255, 4]
    dark = "Reduced from 16 to 8 bits. The largest of its values is 1001 of 65535, so that it looks dark."
    assert picture.notes == (dark, ON_WHITE)


def test_float_tiff_is_stretched_from_its_smallest_to_its_largest_value() -> None:
    picture = decode_picture(encoded(Image.fromarray(np.array([[-2, -1, 0, 2]], np.float32)), "TIFF"))
    assert picture.pixels[0, :, 2].tolist() == [0, 64, 128, 255]
    assert picture.notes == ("Reduced to 8 bits: -2 became black, 2 white.",)


def test_float_tiff_over_the_whole_range_of_its_type() -> None:
    wide = np.array([[-3e38, 0, 3e38]], np.float32)
    assert decode_picture(encoded(Image.fromarray(wide), "TIFF")).pixels[0, :, 0].tolist() == [0, 128, 255]


def test_wide_integers_are_stretched_too() -> None:
    picture = decode_picture(encoded(Image.fromarray(np.array([[-10, 0, 90]], np.int32)), "TIFF"))
    assert picture.pixels[0, :, 0].tolist() == [0, 26, 255]


def test_a_constant_float_picture_is_black_not_an_error() -> None:
    assert not decode_picture(encoded(Image.fromarray(np.full((2, 2), 7.5, np.float32)), "TIFF")).pixels.any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_float_picture_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(PictureError, match="NaN or infinite"):
        decode_picture(encoded(Image.fromarray(np.array([[0, value]], np.float32)), "TIFF"))


def test_palette_with_transparent_entries_is_laid_on_white() -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    palette.putdata([0, 1, 2])
    one = decode_picture(encoded(palette, transparency=1))
    assert one.pixels[0].tolist() == [[10, 20, 30], [255, 255, 255], [70, 80, 90]]
    several = decode_picture(encoded(palette, transparency=bytes([255, 0, 51])))
    # 51 / 255 = a fifth of the color, four fifths of white.
    assert several.pixels[0].tolist() == [[10, 20, 30], [255, 255, 255], [218, 220, 222]]
    assert one.notes == several.notes == (ON_WHITE,)


@pytest.mark.parametrize(
    ("mode", "color", "options", "expected"),
    [
        ("LA", (55, 51), {}, (215, 215, 215)),
        ("RGBA", (55, 155, 255, 51), {}, (215, 235, 255)),
        ("RGBA", (55, 155, 255, 0), {}, (255, 255, 255)),
        ("RGBA", (55, 155, 255, 255), {}, (55, 155, 255)),
        ("L", 55, {"transparency": 55}, (255, 255, 255)),
        ("RGB", (1, 2, 3), {"transparency": (1, 2, 3)}, (255, 255, 255)),
        ("1", 0, {"transparency": 0}, (255, 255, 255)),
    ],
)
def test_alpha_is_laid_on_white(mode: str, color: Any, options: dict[str, Any], expected: tuple[int, ...]) -> None:
    picture = decode_picture(encoded(Image.new(mode, (3, 2), color), **options))
    np.testing.assert_array_equal(picture.pixels, np.full((2, 3, 3), expected))
    assert picture.notes == (() if color == (55, 155, 255, 255) else (ON_WHITE,))


def test_alpha_without_transparent_pixels_is_not_worth_a_word() -> None:
    opaque = Image.fromarray(np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]))
    picture = decode_picture(encoded(opaque))
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    assert picture.notes == ()
    opaque.putpixel((2, 1), (0, 0, 0, 254))
    assert decode_picture(encoded(opaque)).notes == (ON_WHITE,)
    deep = Image.fromarray(np.array([[0, 60000, 65535]], np.uint16))
    assert decode_picture(encoded(deep, transparency=1)).notes == ("Reduced from 16 to 8 bits.",)


def test_black_and_white() -> None:
    picture = decode_picture(encoded(Image.fromarray(np.array([[True, False]]))))
    assert picture.pixels[0].tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_slim_and_tiny_pictures(shape: tuple[int, int]) -> None:
    pixels = RNG.integers(0, 256, (*shape, 3)).astype(np.uint8)
    for source in (pixels, Image.fromarray(pixels), encoded(Image.fromarray(pixels))):
        np.testing.assert_array_equal(read_picture(source).pixels, pixels)


# --- upright ------------------------------------------------------------------------------------------------------

STORED = {  # how a camera of each orientation stores an upright picture
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_every_exif_orientation_is_turned_upright(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](PIXELS)))
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    picture = decode_picture(encoded(stored, kind, exif=exif, **options))
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    said = () if orientation == 1 else (f"Turned upright (EXIF orientation {orientation}).",)
    assert picture.notes == said


def test_an_orientation_that_does_not_exist_turns_nothing_and_says_nothing() -> None:
    for orientation in (0, 9, 200):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = decode_picture(encoded(Image.fromarray(PIXELS), exif=exif))
        np.testing.assert_array_equal(picture.pixels, PIXELS)
        assert picture.notes == ()


def test_a_deep_picture_is_turned_upright_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.array([[0, 257, 514]], np.uint16)
    assert decode_picture(encoded(Image.fromarray(deep), exif=exif)).pixels[..., 0].tolist() == [[0], [1], [2]]


ORIENTATION_6 = b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHII", 0x0112, 3, 1, 6)
GARBAGE = [
    b"Exif\0\0",
    b"Exif\0\0II*\0",
    b"Exif\0\0II*\0\xff\xff\xff\xff\xff\xff\xff\xff",
    b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0",
    b"Exif\0\0" + bytes(range(60)),
    b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", 0x0112, 2, 9) + b"\xff\xff\xff\xff" + b"\0\0\0\0",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 5, 1, 26) + b"\0\0\0\0" + b"\6\0\0\0\0\0\0\0",
]


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_data_does_not_take_the_picture_with_it(garbage: bytes, kind: str) -> None:
    data = encoded(Image.fromarray(SMOOTH), kind, exif=garbage)
    plain = decode_picture(encoded(Image.fromarray(SMOOTH), kind))
    np.testing.assert_array_equal(decode_picture(data).pixels, plain.pixels)


def test_an_orientation_beside_damaged_data_is_still_obeyed() -> None:
    # The second tag is a text of 200 bytes that lie behind the end of the data.
    exif = b"Exif\0\0" + ORIENTATION_6 + struct.pack("<HHII", 0x010E, 2, 200, 5000) + b"\0\0\0\0"
    for kind in ("JPEG", "PNG"):
        picture = decode_picture(encoded(Image.fromarray(SMOOTH), kind, exif=exif))
        assert picture.pixels.shape == (60, 40, 3)
        assert np.abs(picture.pixels.astype(int) - np.rot90(SMOOTH, -1)).mean() < 3


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_from_its_header_and_fast(size: tuple[int, int]) -> None:
    started = time.process_time()
    with pytest.raises(PictureError, match=r"^bomb\.png has too many pixels; at most 80 million are read\. Save it"):
        decode_picture(png(*size, bytes(1000)), "bomb.png")
    assert time.process_time() - started < 1


def test_the_largest_picture_lies_exactly_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PictureError, match=r"^wide has 80000001 x 1 pixels; at most 80 million are read\."):
        decode_picture(png(80_000_001, 1), "wide")
    monkeypatch.setattr(images, "MAX_PIXELS", 63)
    assert decode_picture(encoded(Image.fromarray(PIXELS))).width == 9
    monkeypatch.setattr(images, "MAX_PIXELS", 62)
    with pytest.raises(PictureError, match="has 9 x 7 pixels"):
        decode_picture(encoded(Image.fromarray(PIXELS)))
    with pytest.raises(PictureError, match="has 9 x 7 pixels"):
        read_picture(Image.fromarray(PIXELS))


def test_compressed_bombs_in_side_chunks_are_refused_fast() -> None:
    started = time.process_time()
    many = zlib.compress(bytes(200_000_000), 1)
    for extra in (chunk(b"zTXt", b"a\0\0" + many), chunk(b"iCCP", b"a\0\0" + many)):
        with pytest.raises(PictureError):
            decode_picture(png(1, 1, bytes(4), extra))
    assert time.process_time() - started < 5


def test_the_pages_of_a_hostile_tiff_are_not_counted() -> None:
    data = tiff_pages(20_000)
    started = time.process_time()
    picture = decode_picture(data)
    assert picture.pixels.shape == (1, 1, 3)
    assert picture.notes == (FRAMES,)
    assert time.process_time() - started < 2


def test_a_tiff_whose_pages_go_in_a_circle_is_read() -> None:
    data = bytearray(tiff_pages(2))
    data[-4:] = struct.pack("<I", 8)
    assert decode_picture(bytes(data)).pixels.shape == (1, 1, 3)


def test_too_many_bytes_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.fromarray(PIXELS))
    path = tmp_path / "large.png"
    path.write_bytes(data)
    monkeypatch.setattr(images, "MAX_BYTES", len(data))
    assert read_picture(path).width == 9
    path.write_bytes(data + b"x")
    monkeypatch.setattr(images.Image, "open", None)
    for source in (path, data + b"x"):
        with pytest.raises(PictureError, match=r"holds more than 0 MB, the most that is read\. Save it smaller\.$"):
            read_picture(source)


def test_a_device_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            assert 0 < size < 2000
            return bytes(size)

    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    monkeypatch.setattr(Path, "open", lambda path, mode: Endless())
    with pytest.raises(PictureError, match="zero holds more than 0 MB"):
        read_picture("zero")


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'
NO_PICTURES = {
    "text": b"This is a text.\n",
    "html": b"<!doctype html><html><body><img src='x'></body></html>",
    "svg": SVG,
    "gzip svg": b"\x1f\x8b\x08\x00" + bytes(20),
    "pdf": b"%PDF-1.7\n1 0 obj",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "ico": b"\0\0\1\0\1\0\1\1\0\0\1\0\x20\0" + bytes(60),
    "one byte": b"\x89",
    "png signature": b"\x89PNG\r\n\x1a\n",
    "xpm": b'/* XPM */\nstatic char *x[] = {"1 1 1 1", "a c #000000", "a"};',
}


@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_is_refused_whatever_its_name(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    with pytest.raises(
        PictureError, match=r"^photo\.png is not a picture that can be read\. Use one of JPEG, PNG"
    ) as e:
        read_picture(path)
    assert e.value.code == "bad-picture"


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.touch()
    with pytest.raises(PictureError, match=r"^photo\.png is empty: it holds 0 bytes\. Choose another picture\.$"):
        read_picture(path)


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    for name in ("photo.jpg", "photo.svg", "photo", "photo.gif"):
        (tmp_path / name).write_bytes(encoded(Image.fromarray(PIXELS)))
        picture = read_picture(str(tmp_path / name))
        np.testing.assert_array_equal(picture.pixels, PIXELS)
        assert picture.name == name


def test_a_folder_a_missing_file_and_impossible_paths(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for source, said in (
        (tmp_path, "is a folder, not a picture. Give the pictures in it."),
        (tmp_path / "absent.png", f"absent.png cannot be read: {os.strerror(errno.ENOENT)}. Check the path."),
        (tmp_path / "file" / "photo.png", "photo.png cannot be read: "),
        ("a" * 5000, "a cannot be read: "),
        ("a\0b.png", "b.png cannot be read: embedded null"),
    ):
        with pytest.raises(PictureError) as error:
            read_picture(source)
        assert said in str(error.value)


def test_a_name_that_is_no_unicode_can_still_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.fromarray(PIXELS))
    monkeypatch.setattr(Path, "open", lambda path, mode: io.BytesIO(data))
    assert read_picture("f\udcfct.png").name == "f?t.png"  # what os.fsdecode makes of Latin-1
    assert read_picture("f\udcfct.png", "mine").name == "mine"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_half_a_file_is_damaged(kind: str) -> None:
    data = encoded(Image.fromarray(RNG.integers(0, 256, (60, 60, 3)).astype(np.uint8)), kind)
    with pytest.raises(PictureError, match=r"^half (is damaged: its picture data could not be decoded|is not a pict)"):
        decode_picture(data[: len(data) // 2], "half")


def test_one_flipped_bit_in_a_png_is_noticed() -> None:
    data = bytearray(encoded(Image.fromarray(PIXELS)))
    data[len(data) // 2] ^= 1
    with pytest.raises(PictureError, match="is damaged"):
        decode_picture(bytes(data))


def test_what_no_picture_can_be_made_of() -> None:
    for source in (None, 7, [PIXELS], {"a": 1}, object()):
        with pytest.raises(
            PictureError, match="must be a path, bytes, a PIL image or an array. Got " + type(source).__name__
        ):
            read_picture(source)


# --- arrays -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0, 7, 255]], np.uint8), [0, 7, 255]),
        (np.array([[0, 257 * 7, 65535]], np.uint16), [0, 7, 255]),
        (np.array([[0, 257 * 7, 65535]], ">u2"), [0, 7, 255]),
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0, 0.5, 1]], np.float16), [0, 128, 255]),
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 0.5, 1]], ">f8"), [0, 128, 255]),
        (np.array([[0, 0.5, 1]], np.longdouble), [0, 128, 255]),
    ],
)
def test_every_type_of_array(array: np.ndarray, expected: list[int]) -> None:
    picture = read_picture(array)
    assert picture.pixels.shape == (1, len(expected), 3)
    assert picture.pixels.dtype == np.uint8
    for channel in range(3):
        assert picture.pixels[0, :, channel].tolist() == expected
    assert picture.name == "array"
    np.testing.assert_array_equal(read_picture(array[..., None]).pixels, picture.pixels)


def test_color_and_alpha_arrays_of_any_layout() -> None:
    np.testing.assert_array_equal(read_picture(PIXELS).pixels, PIXELS)
    np.testing.assert_array_equal(read_picture(np.asfortranarray(PIXELS)).pixels, PIXELS)
    np.testing.assert_array_equal(read_picture(PIXELS[::-1, ::2]).pixels, PIXELS[::-1, ::2])
    alpha = np.concatenate([PIXELS, np.full((7, 9, 1), 51, np.uint8)], axis=2)
    over_white = np.round(PIXELS * 0.2 + 255 * 0.8)
    for array in (alpha, alpha / 255, alpha.astype(np.uint16) * 257):
        picture = read_picture(array)
        assert np.abs(picture.pixels - over_white).max() <= 1
        assert picture.notes[-1] == ON_WHITE


def test_reading_does_not_change_or_share_what_was_given() -> None:
    array = PIXELS.copy()
    picture = read_picture(array)
    array[:] = 0
    np.testing.assert_array_equal(picture.pixels, PIXELS)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 5, 2), np.uint8), r"or \(height, width, 1, 3 or 4\)\. Got shape \(4, 5, 2\)\. Move the channels"),
        (np.zeros((3, 224, 224), np.uint8), r"Got shape \(3, 224, 224\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"Got shape \(2, 4, 5, 3\).* give several pictures as a list"),
        (np.zeros(5, np.uint8), r"Got shape \(5,\)"),
        (np.uint8(3), r"Got shape \(\)"),
        (np.zeros((0, 5), np.uint8), r"Got shape \(0, 5"),
        (np.zeros((5, 0, 3), np.uint8), r"Got shape \(5, 0, 3\)"),
        (np.zeros((2, 2), np.int64), "Got int64. Convert 0..255 with"),
        (np.zeros((2, 2), np.uint32), "Got uint32"),
        (np.zeros((2, 2), np.complex64), "Got complex64"),
        (np.zeros((2, 2), object), "Got object"),
        (np.array([["a"]]), "Got <U1"),
        (np.zeros((2, 2), "M8[s]"), "Got datetime64"),
        (np.full((2, 2), np.nan), "NaN or infinite"),
        (np.array([[0, np.inf]]), "NaN or infinite"),
        (np.array([[0, 255.0]]), r"must lie in 0\.\.1\. Got 0\.\.255\. Give uint8 for 0\.\.255"),
        (np.array([[-0.5, 1]]), r"Got -0\.5\.\.1"),
    ],
)
def test_bad_arrays_are_refused(array: np.ndarray, said: str) -> None:
    with pytest.raises(PictureError, match=said):
        read_picture(array)


def test_an_object_that_will_not_become_an_array() -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            raise RuntimeError("it lies on another device")

    with pytest.raises(PictureError, match="The Tensor cannot be read as an array: it lies on another device"):
        read_picture(Tensor())


# --- PIL images ---------------------------------------------------------------------------------------------------


def test_the_frame_at_which_a_live_image_stands_is_the_one_that_is_read() -> None:
    frames = [Image.new("RGB", (5, 4), color) for color in ("red", "lime", "blue")]
    with Image.open(io.BytesIO(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))) as image:
        image.seek(2)
        np.testing.assert_array_equal(read_picture(image).pixels, np.full((4, 5, 3), (0, 0, 255)))
        assert image.tell() == 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "LAB", "RGBX", "RGBa"])
def test_live_images_of_every_mode_agree_with_pillows_own_conversion(mode: str) -> None:
    image = Image.fromarray(SMOOTH)
    if mode == "HSV" or mode == "P" or mode not in ("RGBX", "RGBa", "LAB"):
        image = image.convert(mode)
    elif mode == "LAB":
        image = Image.merge("LAB", image.split())
    else:
        image = image.convert("RGBA").convert(mode)
    np.testing.assert_array_equal(read_picture(image).pixels, np.asarray(image.convert("RGB")))


def test_live_images_that_cannot_be_read_are_refused() -> None:
    truncated = Image.open(io.BytesIO(encoded(Image.fromarray(PIXELS))[:120]))
    closed = Image.open(io.BytesIO(encoded(Image.fromarray(PIXELS))))
    closed.close()
    for image in (truncated, closed, Image.new("La", (2, 2)), Image.new("RGB", (0, 3)), Image.new("F", (3, 0))):
        with pytest.raises(PictureError):
            read_picture(image)


# --- digests ------------------------------------------------------------------------------------------------------


def test_equal_bytes_have_equal_digests_and_others_do_not(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(PIXELS))
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.jpg").write_bytes(data)
    digests = {
        read_picture(s).digest
        for s in (data, bytearray(data), memoryview(data), tmp_path / "a.png", tmp_path / "b.jpg")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 64
    assert decode_picture(encoded(Image.fromarray(PIXELS), compress_level=1)).digest != decode_picture(data).digest


def test_arrays_are_told_apart_by_pixels_and_by_shape() -> None:
    base = read_picture(PIXELS).digest
    assert read_picture(PIXELS.copy()).digest == base
    assert read_picture(Image.fromarray(PIXELS)).digest == base
    assert read_picture(PIXELS, "other name").digest == base
    changed = PIXELS.copy()
    changed[3, 3, 1] ^= 1
    assert read_picture(changed).digest != base
    flat = np.zeros((2, 6, 3), np.uint8)
    assert len({read_picture(flat.reshape(h, 12 // h, 3)).digest for h in (1, 2, 3, 4)}) == 4


def test_a_picture_is_passed_through() -> None:
    picture = Picture(PIXELS, "digest")
    assert read_picture(picture) is picture


# --- files of others ----------------------------------------------------------------------------------------------


def test_pngsuite(shared_data: Path) -> None:
    files = sorted((shared_data / "pngsuite").glob("*.png"))
    assert len(files) > 150
    compared = 0
    for path in files:
        if path.name.startswith("x"):
            with pytest.raises(PictureError) as error:
                read_picture(path)
            assert error.value.code == "bad-picture"
            continue
        pixels = read_picture(path).pixels
        with Image.open(path) as image:
            if image.mode.startswith("I"):
                deep = np.asarray(image).astype(float)
                clear = deep == image.info.get("transparency")
                assert np.abs(pixels[..., 0] - np.where(clear, 255, deep / 257)).max() <= 0.5, path.name
            elif "A" in image.mode or "transparency" in image.info:
                rgba = np.asarray(image.convert("RGBA")).astype(float)
                alpha = rgba[..., 3:] / 255
                assert np.abs(pixels - (rgba[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1, path.name
            else:
                compared += 1
                np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")), path.name)
    assert compared > 100


def test_all_eight_exif_examples_look_the_same(shared_data: Path) -> None:
    pictures = [read_picture(shared_data / "exif" / f"Landscape_{i}.jpg") for i in range(1, 9)]
    small = [np.asarray(ImageOps.fit(Image.fromarray(p.pixels), (48, 32)).convert("L"), float) for p in pictures]
    for orientation, (picture, thumbnail) in enumerate(zip(pictures, small, strict=True), 1):
        assert picture.width > picture.height
        assert bool(picture.notes) == (orientation != 1)
        # Each says its own number in its corner; the rest agrees. Its own mirror images lie far away.
        assert np.abs(thumbnail - small[0]).mean() < 6, orientation
        assert np.abs(thumbnail - small[0][:, ::-1]).mean() > 12, orientation
        assert np.abs(thumbnail - small[0][::-1]).mean() > 12, orientation


# --- anything at all ----------------------------------------------------------------------------------------------

VALID = {
    kind: encoded(Image.fromarray(SMOOTH[::4, ::4]), kind)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
}
VALID["TIFF-LZW"] = encoded(Image.fromarray(SMOOTH), "TIFF", compression="tiff_lzw")
VALID["GIF-animated"] = encoded(
    Image.new("RGB", (5, 4), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (5, 4), "blue")]
)
exif_6 = Image.Exif()
exif_6[0x0112] = 6
VALID["JPEG-EXIF"] = encoded(Image.fromarray(SMOOTH), "JPEG", exif=exif_6)


def survives(data: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(PictureError):
        picture = decode_picture(data)
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.shape[2] == 3
        assert picture.pixels.size
    assert time.process_time() - started < 5


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_random_bytes(data: bytes) -> None:
    survives(data)


@given(st.sampled_from(sorted(VALID)), st.data())
@settings(max_examples=250, deadline=None)
def test_mutated_files(kind: str, data: st.DataObject) -> None:
    mutated = bytearray(VALID[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(mutated) - 1, 400)))
        mutated[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del mutated[data.draw(st.integers(0, len(mutated))) :]
    survives(bytes(mutated))


@given(st.binary(min_size=1, max_size=120), st.sampled_from(["JPEG", "PNG"]))
@example(ORIENTATION_6, "PNG")
@settings(max_examples=60, deadline=None)
def test_random_exif_data_never_refuses_a_good_picture(garbage: bytes, kind: str) -> None:
    data = encoded(Image.fromarray(PIXELS), kind, exif=b"Exif\0\0" + garbage)
    assert decode_picture(data).pixels.size == PIXELS.size
