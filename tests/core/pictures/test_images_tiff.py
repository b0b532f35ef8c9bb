"""Deep TIFF and PNG, written by tifffile and Pillow: every value comes back exactly, and hostile files are refused."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from picasso.core.errors import PictureError
from picasso.core.pictures import images
from picasso.core.pictures.depth import upright
from picasso.core.pictures.images import decode_picture

RNG = np.random.default_rng(5)
TYPES = ("uint16", "int16", "uint32", "int32", "float16", "float32", "float64", "int8")


def written(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **{"photometric": "minisblack", "metadata": None} | options)
    return buffer.getvalue()


def noise(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype.startswith("float"):
        return (RNG.normal(size=shape) * 1000).astype(dtype)
    info = np.iinfo(dtype)
    return RNG.integers(max(info.min, -(2**23)), min(info.max, 2**23), shape).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("shape", [(37, 41), (37, 41, 3), (37, 41, 2), (37, 41, 5)])
def test_every_type_order_and_number_of_channels(dtype: str, order: str, shape: tuple[int, ...]) -> None:
    array = noise(shape, dtype)
    kind = {"photometric": "rgb"} if shape[2:] == (3,) else {}
    layout = {"planarconfig": "contig"} if len(shape) == 3 else {}
    picture = decode_picture(written(array, byteorder=order, **kind, **layout))
    assert picture.values is not None
    assert picture.values.dtype == np.float32
    np.testing.assert_array_equal(picture.values, array.reshape(37, 41, -1).astype(np.float32))
    assert picture.pixels.shape == (37, 41, 3)
    assert picture.pixels.dtype == np.uint8


LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "deflate": {"compression": "zlib", "rowsperstrip": 10},
    "deflate tiles": {"compression": "zlib", "tile": (32, 16)},
    "differences": {"compression": "zlib", "predictor": True},
    "differences in tiles": {"compression": "zlib", "predictor": True, "tile": (16, 16)},
    "zstandard": {"compression": "zstd", "predictor": True, "rowsperstrip": 10},
    "lzma tiles": {"compression": "lzma", "tile": (16, 16)},
    "big": {"bigtiff": True, "rowsperstrip": 9},
    "big tiles": {"bigtiff": True, "tile": (16, 16), "byteorder": ">"},
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_every_layout(name: str, planes: str) -> None:
    array = noise((37, 41, 5), "uint16")
    options = LAYOUTS[name]
    given_ = array if planes == "contig" else np.ascontiguousarray(np.moveaxis(array, 2, 0))
    data = written(given_, planarconfig=planes, **options)
    values = decode_picture(data).values
    np.testing.assert_array_equal(values, array)


def packed(array: np.ndarray, compression: int, predictor: int, order: str) -> bytes:
    """A TIFF in libtiff's other codings, packed by Pillow, so that tifffile does not read what it wrote itself."""
    height, width, channels = array.shape
    size = array.dtype.itemsize
    steps: np.ndarray
    if predictor == 3:
        planes = array.astype(f">f{size}").view(np.uint8).reshape(height, width * channels, size).transpose(0, 2, 1)
        steps = planes.reshape(height, width * size, channels).copy()
        steps[:, 1:] -= steps[:, :-1].copy()
    elif predictor == 2:
        whole = array.view(f"u{size}").copy()
        whole[:, 1:] -= whole[:, :-1].copy()
        steps = whole.astype(f"{order}u{size}")
    else:
        steps = array.astype(array.dtype.newbyteorder(order))
    raw = np.frombuffer(steps.tobytes(), np.uint8).reshape(height, -1)
    names = {5: "tiff_lzw", 8: "tiff_adobe_deflate", 32773: "packbits"}
    buffer = io.BytesIO()
    Image.fromarray(raw).save(buffer, "TIFF", compression=names[compression], tiffinfo={278: height})
    with tifffile.TiffFile(io.BytesIO(buffer.getvalue())) as file:
        (start,), (count,) = file.pages[0].dataoffsets, file.pages[0].databytecounts
    body = buffer.getvalue()[start : start + count]
    kind = {"f": 3, "u": 1, "i": 2}[array.dtype.kind]
    shorts = b"".join(struct.pack(f"{order}{channels}H", *[value] * channels) for value in (size * 8, kind))
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, 8 + len(body)), (259, 4, 1, compression)]
    tags += [(262, 4, 1, 1), (273, 4, 1, 8), (277, 4, 1, channels), (278, 4, 1, height), (279, 4, 1, len(body))]
    tags += [(317, 4, 1, predictor), (339, 3, channels, 8 + len(body) + 2 * channels)]
    if channels == 1:  # one value lies in the tag itself
        tags = [(258, 4, 1, size * 8) if tag[0] == 258 else (339, 4, 1, kind) if tag[0] == 339 else tag for tag in tags]
    rows = b"".join(struct.pack(f"{order}HHII", *tag) for tag in tags)
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(body) + len(shorts))
    return head + body + shorts + struct.pack(f"{order}H", len(tags)) + rows + bytes(4)


CODINGS = [(5, 1, "float32"), (8, 1, "int16"), (32773, 1, "float32"), (5, 2, "uint16"), (8, 2, "uint16")]
CODINGS += [(5, 3, "float32"), (8, 3, "float32")]


@pytest.mark.parametrize(("compression", "predictor", "dtype"), [*CODINGS, (5, 2, "uint32"), (8, 3, "float16")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_lzw_deflate_and_packbits_with_every_predictor(
    compression: int, predictor: int, dtype: str, order: str
) -> None:
    array = noise((21, 33, 4), dtype)
    data = packed(array, compression, predictor, order)
    np.testing.assert_array_equal(decode_picture(data).values, array.astype(np.float32))


@pytest.mark.parametrize(("compression", "predictor", "dtype"), CODINGS)
def test_libtiff_reads_the_same_from_these_files(compression: int, predictor: int, dtype: str) -> None:
    array = noise((21, 33, 1), dtype)
    data = packed(array, compression, predictor, "<")
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), array[..., 0])
    np.testing.assert_array_equal(decode_picture(data).values, array.astype(np.float32))


def test_a_predictor_without_a_compression_that_has_one_means_nothing() -> None:
    array = noise((21, 33, 1), "uint16")
    data = packed(array, 32773, 1, "<").replace(struct.pack("<HHII", 317, 4, 1, 1), struct.pack("<HHII", 317, 4, 1, 2))
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), array[..., 0])
    np.testing.assert_array_equal(decode_picture(data).values, array)


def test_pillows_own_deep_files_agree_with_pillow() -> None:
    for array in (noise((20, 30), "uint16"), noise((20, 30), "float32"), noise((20, 30), "int32")):
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            buffer = io.BytesIO()
            Image.fromarray(array).save(buffer, "TIFF", compression=compression)
            values = decode_picture(buffer.getvalue()).values
            assert values is not None
            np.testing.assert_array_equal(values[..., 0], array.astype(np.float32))


def test_ordinary_tiffs_stay_with_pillow_and_have_no_values() -> None:
    array = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    for one, options in (
        (array, {"photometric": "rgb"}),
        (array[..., 0], {}),
        (array, {"photometric": "rgb", "tile": (16, 16)}),
    ):
        picture = decode_picture(written(one, **options))
        assert picture.values is None
        np.testing.assert_array_equal(picture.pixels, one if one.ndim == 3 else np.repeat(one[..., None], 3, 2))


def test_integers_of_32_bits_that_hold_bytes_are_bytes() -> None:
    array = RNG.integers(0, 256, (20, 30)).astype(np.int32)
    picture = decode_picture(written(array))
    np.testing.assert_array_equal(picture.pixels[..., 0], array)
    assert picture.notes == ()


def test_channels_that_are_no_colors() -> None:
    array = RNG.integers(0, 256, (20, 30, 6)).astype(np.uint8)
    picture = decode_picture(written(array, planarconfig="contig"))
    np.testing.assert_array_equal(picture.values, array)
    np.testing.assert_array_equal(picture.pixels, array[..., :3])
    assert picture.notes == ("It has 6 channels; the first three are shown as red, green and blue.",)
    two = decode_picture(written(array[..., :2], planarconfig="contig"))
    np.testing.assert_array_equal(two.pixels[..., 2], array[..., 0])


def test_outliers_do_not_hide_the_rest_and_the_stretch_is_said() -> None:
    array = np.linspace(100, 200, 10_000, dtype=np.float32).reshape(100, 100)
    array[0, 0] = -9999
    picture = decode_picture(written(array))
    assert picture.values is not None
    assert picture.values.min() == -9999
    assert picture.notes[0].startswith("Reduced to 8 bits: 100.")
    assert 125 < picture.pixels[50, 50, 0] < 131


def test_transparency_is_no_channel_and_white_may_be_zero() -> None:
    array = noise((20, 30, 4), "uint16")
    picture = decode_picture(written(array, photometric="rgb", extrasamples=["unassalpha"]))
    np.testing.assert_array_equal(picture.values, array[..., :3])
    assert picture.notes[0] == "Its transparency is left out."
    grey = noise((20, 30), "uint16")
    white = decode_picture(written(grey, photometric="miniswhite"))
    np.testing.assert_array_equal(white.values[..., 0], grey)  # type: ignore[index]
    np.testing.assert_array_equal(white.pixels[..., 0], 255 - np.round(grey / np.float32(257)).astype(np.uint8))


def test_frames_and_pages_that_are_channels() -> None:
    array = noise((3, 20, 30), "uint16")
    first = decode_picture(written(array))
    assert "It holds several frames; the first is used." in first.notes
    np.testing.assert_array_equal(first.values[..., 0], array[0])  # type: ignore[index]
    for options in ({"imagej": True}, {"ome": True}):
        data = written(array, metadata={"axes": "CYX"}, **options)
        channels = decode_picture(data)
        np.testing.assert_array_equal(channels.values, np.moveaxis(array, 0, 2))
        assert "Its 3 pages are read as channels." in channels.notes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_values_and_pixels_are_turned_upright_together(orientation: int) -> None:
    array = noise((5, 7), "uint16")
    data = written(array, extratags=[(274, "H", 1, orientation, True)])
    picture = decode_picture(data)
    eight = Image.fromarray((array >> 8).astype(np.uint8))
    turn = images._UPRIGHT.get(orientation)
    expected = np.asarray(eight.transpose(turn) if turn is not None else eight)
    np.testing.assert_array_equal(upright(np.asarray(eight), orientation), expected)
    np.testing.assert_array_equal(picture.values[..., 0] // 256, expected)  # type: ignore[index]
    assert np.abs(picture.pixels[..., 0].astype(int) - expected).max() <= 1


# --- PNG ----------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(array: np.ndarray) -> bytes:
    """A PNG of three colors of 16 bits, whose rows go through each of the five filters in turn."""
    height, width, channels = array.shape
    rows = np.frombuffer(array.astype(">u2").tobytes(), np.uint8).reshape(height, -1).astype(int)
    step, above, lines = 2 * channels, np.zeros_like(rows[0]), []
    for index, row in enumerate(rows):
        left, corner = np.roll(row, step), np.roll(above, step)
        left[:step] = corner[:step] = 0
        guess = left + above - corner
        far = [np.abs(guess - one) for one in (left, above, corner)]
        paeth = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], above, corner))
        kind = index % 5
        taken = (0, left, above, (left + above) // 2, paeth)[kind]
        lines.append(bytes([kind]) + ((row - taken) % 256).astype(np.uint8).tobytes())
        above = row
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = zlib.compress(b"".join(lines))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_png_of_three_colors_of_sixteen_bits() -> None:
    array = noise((23, 31, 3), "uint16")
    picture = decode_picture(png(array))
    np.testing.assert_array_equal(picture.values, array)
    np.testing.assert_array_equal(picture.pixels, array >> 8)
    assert picture.notes == ("Reduced from 16 to 8 bits.",)
    with pytest.raises(PictureError, match="is damaged"):
        decode_picture(png(array)[:-2000])


def test_grey_png_of_sixteen_bits() -> None:
    array = noise((23, 31), "uint16")
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    np.testing.assert_array_equal(decode_picture(buffer.getvalue()).values[..., 0], array)  # type: ignore[index]


def test_a_png_of_millions_of_chunks_is_refused_fast() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"abCd", b"") * 2_000_000
    started = time.process_time()
    with pytest.raises(PictureError, match=r"^many is cut into more than 50000 chunks\. Open and save it again\.$"):
        decode_picture(data, "many")
    assert time.process_time() - started < 1


# --- hostile ------------------------------------------------------------------------------------------------------


def test_too_many_pixels_or_values_are_refused_from_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(noise((20, 30, 5), "uint16"), planarconfig="contig")
    monkeypatch.setattr(images, "MAX_PIXELS", 599)
    with pytest.raises(PictureError, match="has 30 x 20 pixels"):
        decode_picture(data)
    monkeypatch.setattr(images, "MAX_PIXELS", 600)
    monkeypatch.setattr(images, "MAX_VALUES", 2999)
    with pytest.raises(PictureError, match="holds 30 x 20 x 5 values; at most 0 million are read"):
        decode_picture(data)
    monkeypatch.setattr(images, "MAX_VALUES", 3000)
    assert decode_picture(data).values is not None


def test_a_deflate_bomb_gives_no_more_than_its_pixels() -> None:
    bomb = zlib.compress(bytes(300_000_000), 9)
    tags = [(256, 8), (257, 8), (258, 16), (259, 8), (262, 1), (273, 8), (277, 1), (278, 8), (279, len(bomb))]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = struct.pack("<2sHI", b"II", 42, 8 + len(bomb)) + bomb + struct.pack("<H", len(tags)) + rows + bytes(4)
    started = time.process_time()
    with contextlib.suppress(PictureError):
        assert not decode_picture(data).pixels.any()
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({256: 2**32 - 1, 257: 2**32 - 1}, "at most 80 million are read"),
        ({277: 60_000, 258: 16}, "at most 100 million are read"),
        ({322: 2**31, 323: 2**31, 324: 8, 325: 100}, "larger than the picture"),
        ({273: 2**32 - 5}, "failed to read 16200 bytes"),
        ({279: 3}, "too short"),
        ({259: 34712}, r"compressed in a way \(number 34712\)"),
        ({257: 0}, "not a picture|damaged|has no pixels"),
        ({278: 1}, "parts of it are missing"),
    ],
)
def test_what_a_header_promises_falsely(change: dict[int, int], said: str) -> None:
    tags = {256: 90, 257: 90, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2**31, 279: 16200} | change
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    body = bytes(16200)
    data = struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body + struct.pack("<H", len(tags)) + rows + bytes(4)
    started = time.process_time()
    with pytest.raises(PictureError, match=said):
        decode_picture(data)
    assert time.process_time() - started < 1


def tiff(body: bytes, *pages: dict[int, tuple[int, int, int]], more: int = 0) -> bytes:
    """A TIFF of pages of 90 x 90 values of 16 bits, after bytes from byte 8 on; tags are (type, count, value)."""
    usual = {256: 90, 257: 90, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 90, 279: 16200}
    whole, place = [], 8 + len(body)
    for index, page in enumerate(pages):
        tags = {tag: (4, 1, value) for tag, value in usual.items()} | page
        rows = [struct.pack("<HHII", tag, *said) for tag, said in sorted(tags.items())]
        rows += [struct.pack("<HHII", 60_000, 4, 1, 1)] * more
        place += 6 + 12 * len(rows)
        following = struct.pack("<I", place if index + 1 < len(pages) else 0)
        whole.append(struct.pack("<H", len(rows)) + b"".join(rows) + following)
    return struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body + b"".join(whole)


CHANNELS = b"ImageJ=1\nimages=64\nchannels=64\n".ljust(40)
HOSTILE: dict[str, tuple[Any, str]] = {
    "millions of strips": (lambda: tiff(bytes(60 * 2**20), {273: (4, 15 * 2**20, 8)}), "tags are too large"),
    "millions of depths": (lambda: tiff(bytes(60 * 2**20), {258: (3, 30 * 2**20, 8)}), "tags are too large"),
    "a long text": (lambda: tiff(bytes(60 * 2**20), {270: (2, 60 * 2**20, 8)}), "tags are too large"),
    "a microscope's tables": (
        lambda: tiff(struct.pack("<II", 16, 8) * 2**21, {33628: (4, 2**20, 8), 33629: (5, 2**28, 8)}),
        "tags are too large",
    ),
    "thousands of tags": (lambda: tiff(bytes(16200), {}, more=4000), "more than 500 tags"),
    "thousands of tags on each page": (
        lambda: tiff(CHANNELS + bytes(16200), *[{270: (2, 40, 8)}] * 64, more=4000),
        "more than 500 tags",
    ),
    "too many strips": (
        lambda: tiff(bytes(2**20), {257: (4, 1, 100_001), 278: (4, 1, 1), 273: (4, 100_001, 8), 279: (4, 100_001, 8)}),
        "cut into 100001 parts",
    ),
    "too many strips on all pages": (
        lambda: tiff(
            CHANNELS + bytes(8000),
            *[{270: (2, 40, 8), 257: (4, 1, 2000), 278: (4, 1, 1), 273: (4, 2000, 8), 279: (4, 2000, 8)}] * 64,
        ),
        "cut into 102000 parts",
    ),
    "the same bytes again and again": (
        lambda: tiff(
            struct.pack("<I", 8) * 90 + struct.pack("<I", 5 * 2**20) * 90 + bytes(5 * 2**20),
            {273: (4, 90, 8), 278: (4, 1, 1), 279: (4, 90, 368)},
        ),
        "larger than the file",
    ),
    "tiles far beyond the picture": (
        lambda: tiff(bytes(60_000), {322: (4, 1, 16), 323: (4, 1, 2**24), 324: (4, 6, 8), 325: (4, 6, 8)}),
        "larger than the picture",
    ),
    "a volume": (lambda: tiff(bytes(16200), {32997: (4, 1, 2**31)}), "it is a volume"),
    "a text for a width": (lambda: tiff(bytes(16200), {256: (2, 1, 65)}), "damaged"),
    "places of no whole numbers": (lambda: tiff(bytes(16200), {273: (11, 1, 0x41000000)}), "damaged"),
    "a predictor that is none": (lambda: tiff(bytes(16200), {259: (4, 1, 8), 317: (4, 1, 77)}), "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tiffs_are_refused_fast_and_quietly(name: str, caplog: pytest.LogCaptureFixture) -> None:
    make, said = HOSTILE[name]
    data = make()
    started = time.process_time()
    with pytest.raises(PictureError, match=said):
        decode_picture(data)
    assert time.process_time() - started < 20  # quadratic work would take minutes
    assert not [record for record in caplog.records if record.name == "tifffile"]


def test_what_a_tiff_says_opens_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OME files may name others that hold their planes."""
    array = noise((2, 20, 30), "uint16")
    planes = "".join(
        f'<TiffData FirstC="{channel}" IFD="0"><UUID FileName="other.tif">urn:uuid:{channel}</UUID></TiffData>'
        for channel in range(2)
    )
    sizes = 'DimensionOrder="XYCZT" Type="uint16" SizeX="30" SizeY="20" SizeC="2" SizeZ="1" SizeT="1"'
    text = f'<OME UUID="urn:uuid:9"><Image ID="Image:0"><Pixels ID="Pixels:0" {sizes}>{planes}</Pixels></Image></OME>'
    data = written(array, description=text)
    (tmp_path / "other.tif").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr("io.open", None)
    np.testing.assert_array_equal(decode_picture(data).values, np.moveaxis(array, 0, 2))


VALID = [
    written(noise((16, 20, 5), "uint16"), planarconfig="contig"),
    packed(noise((16, 20, 1), "float32"), 8, 3, "<"),
    written(noise((3, 16, 20), "uint16"), imagej=True, metadata={"axes": "CYX"}),
    written(noise((32, 32), "uint16"), bigtiff=True, tile=(16, 16)),
    packed(noise((9, 9, 3), "uint16"), 5, 2, ">"),
    png(noise((6, 6, 3), "uint16")),
]


@given(st.sampled_from(range(len(VALID))), st.data())
@settings(max_examples=300, deadline=None)
def test_mutated_files(which: int, data: st.DataObject) -> None:
    mutated = bytearray(VALID[which])
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del mutated[data.draw(st.integers(0, len(mutated))) :]
    started = time.process_time()
    with contextlib.suppress(PictureError):
        picture = decode_picture(bytes(mutated))
        assert picture.pixels.shape[2] == 3
        assert picture.values is None or picture.values.shape[:2] == picture.pixels.shape[:2]
    assert time.process_time() - started < 5
