"""Deep TIFF: 16, 32 and 64 bits, integers and floating point, any number of channels; BigTIFF, tiles and strips.

Written for untrusted bytes: every size is checked before it is allocated, and nothing is unpacked beyond it.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.depth import CheckSize, Deep, upright
from picasso.core.errors import PictureError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
FRAMES = "It holds several frames; the first is used."
_PREDICTED = (5, 8, 32946, 34925, 50000)
"""LZW, deflate (twice), LZMA and Zstandard: with these a predictor means something, as in libtiff."""
_COMPRESSIONS = (1, 32773, *_PREDICTED)
"""What is unpacked here: nothing, PackBits, and those."""
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8"}
"""NumPy's types of TIFF's types of whole numbers."""
_MOST_PARTS = 200_000
"""Strips or tiles of one page at most."""
_MOST_PAGES = 64
"""Pages that are read as channels at most."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2


class _DamagedError(ValueError):
    """What the file says about itself cannot be."""


@dataclass(frozen=True)
class _Page:
    """The first page's geometry and coding."""

    width: int
    height: int
    channels: int
    dtype: np.dtype[Any]
    compression: int
    predictor: int
    planar: bool
    photometric: int
    alpha: bool
    orientation: int
    part: tuple[int, int]
    tiled: bool
    offsets: tuple[int, ...]
    counts: tuple[int, ...]


def read_tiff(data: bytes, check: CheckSize) -> Deep | None:
    """Read the first page of a TIFF, or the pages that hold its channels.

    Args:
        data: The whole file.
        check: Called with width, height and channels before they are allocated.

    Returns:
        The values; None for a TIFF of eight bits or fewer that Pillow reads, and for what is no TIFF.

    Raises:
        PictureError: It is too large, or coded in a way that is not read.
        ValueError: It is damaged.
    """
    try:
        order, big, first = _header(data)
        tags, following = _tags(data, order, big, first)
        page = _page(tags, order)
    except (struct.error, _DamagedError):
        return None  # Pillow says what is wrong with it
    if page is None:
        return None
    count = _pages_of_channels(tags) if following and page.channels == 1 else 1
    check(page.width, page.height, page.channels * count)
    if page.compression not in _COMPRESSIONS:
        raise PictureError(
            f"The TIFF is compressed in a way (number {page.compression}) that is not read at this depth.",
            "Save it with LZW, deflate or without compression.",
        )
    bands = [_values(data, page)]
    while len(bands) < count and following:
        tags, following = _tags(data, order, big, following)
        other = _page(tags, order)
        if other is None or (other.width, other.height, other.channels, other.dtype) != (
            page.width, page.height, 1, page.dtype
        ):  # fmt: skip
            raise ValueError("its pages are not of one size")
        bands.append(_values(data, other))
    values = np.concatenate(bands, axis=2) if len(bands) > 1 else bands[0]
    notes = [f"Its {count} pages are read as channels."] if count > 1 else [FRAMES] if following else []
    if page.alpha:
        values = values[..., :-1]
        notes.append("Its transparency is left out.")
    if page.orientation in range(2, 9):
        values = upright(values, page.orientation)
        notes.append(f"Turned upright (EXIF orientation {page.orientation}).")
    return Deep(values, tuple(notes), inverted=page.photometric == _WHITE_IS_ZERO)


def _header(data: bytes) -> tuple[str, bool, int]:
    """Return the byte order, whether it is a BigTIFF, and where the first page lies."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    return order, big, struct.unpack_from(f"{order}Q" if big else f"{order}I", data, 8 if big else 4)[0]


def _tags(data: bytes, order: str, big: bool, at: int) -> tuple[dict[int, Any], int]:
    """Return the tags of a page, whole numbers as arrays and text as bytes, and where the next page lies."""
    count = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, at)[0]
    at += 8 if big else 2
    entry, room = ("HHQ8s", 8) if big else ("HHI4s", 4)
    size = struct.calcsize(f"={entry}")
    if count * size > len(data) - at:
        raise _DamagedError
    found: dict[int, Any] = {}
    for index in range(count):
        tag, kind, number, inline = struct.unpack_from(f"{order}{entry}", data, at + index * size)
        dtype = _INTEGERS.get(kind, "u1" if kind == 2 else "")
        if not dtype:
            continue
        length = number * np.dtype(dtype).itemsize
        where = struct.unpack(f"{order}Q" if big else f"{order}I", inline)[0]
        raw = inline[:length] if length <= room else data[where : where + length]
        if not number or len(raw) < length:
            raise _DamagedError
        found[tag] = raw if kind == 2 else np.frombuffer(raw, order + dtype)
    return found, struct.unpack_from(f"{order}Q" if big else f"{order}I", data, at + count * size)[0]


def _page(tags: dict[int, Any], order: str) -> _Page | None:
    """Return a page's geometry, or None where Pillow reads it: eight bits or fewer, palettes, odd color spaces."""

    def one(tag: int, default: int) -> int:
        return int(tags[tag][0]) if tag in tags else default

    def same(tag: int, default: int) -> int:
        several = {int(value) for value in tags.get(tag, (default,))}
        return several.pop() if len(several) == 1 else -1

    width, height, channels = one(256, 0), one(257, 0), one(277, 1)
    bits, kind, photometric = same(258, 1), same(339, 1), one(262, _BLACK_IS_ZERO)
    extra = [int(value) for value in tags.get(338, ())]
    color = 3 if photometric == _RGB else 1
    alpha = channels == color + 1 and extra[:1] in ([1], [2])
    plain = bits == 8 and kind == 1 and (channels == color or alpha)
    letter = {1: "u", 2: "i", 3: "f"}.get(kind, "")
    known = bits in ((16, 32, 64) if letter == "f" else (8, 16, 32, 64))
    colors = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
    if plain or not letter or not known or photometric not in colors or one(266, 1) != 1 or not channels:
        return None
    tiled = 322 in tags
    part = (one(323, 0), one(322, 0)) if tiled else (min(one(278, height), height), width)
    offsets = tags.get(324 if tiled else 273)
    counts = tags.get(325 if tiled else 279)
    if offsets is None or counts is None or len(offsets) != len(counts) or 0 in (*part, width, height):
        raise _DamagedError
    if len(offsets) > _MOST_PARTS:
        raise PictureError(
            f"The TIFF is cut into {len(offsets)} parts; at most {_MOST_PARTS} are read.", "Save it again."
        )
    return _Page(
        width, height, channels, np.dtype(f"{order}{letter}{bits // 8}"), one(259, 1), one(317, 1), one(284, 1) == 2,
        photometric, alpha, one(274, 1), part, tiled, tuple(offsets.tolist()), tuple(counts.tolist()),
    )  # fmt: skip


def _pages_of_channels(tags: dict[int, Any]) -> int:
    """Return how many pages are the channels of one picture, as ImageJ and OME files say; else 1."""
    text = bytes(tags[270])[:100_000] if isinstance(tags.get(270), bytes) else b""

    def number(pattern: bytes) -> int:
        match = re.search(pattern, text)
        return int(match[1]) if match else 1

    if text.startswith(b"ImageJ="):
        count = number(rb"channels=(\d{1,3})\b")
        alone = number(rb"images=(\d{1,9})\b") == count
    else:
        count = number(rb'SizeC="(\d{1,3})"')
        alone = number(rb'SizeZ="(\d{1,9})"') == number(rb'SizeT="(\d{1,9})"') == 1
    return count if alone and 1 < count <= _MOST_PAGES else 1


def _values(data: bytes, page: _Page) -> NDArray[Any]:
    """Decode a page to (height, width, channels)."""
    tall, wide = page.part
    rows, columns = -(-page.height // tall), -(-page.width // wide)
    planes = page.channels if page.planar else 1
    depth = page.channels // planes
    if len(page.offsets) < rows * columns * planes:
        raise ValueError("parts of it are missing")
    # Tiles reach beyond the picture: one tile may be much larger than it.
    if tall * wide * depth > 4 * page.height * page.width * page.channels + 2**20:
        raise ValueError("its tiles are larger than the picture")
    values = np.zeros((page.height, page.width, page.channels), page.dtype.newbyteorder("="))
    for index in range(rows * columns * planes):
        plane, place = divmod(index, rows * columns)
        top, left = place // columns * tall, place % columns * wide
        lines = tall if page.tiled else min(tall, page.height - top)
        packed = data[page.offsets[index] : page.offsets[index] + page.counts[index]]
        if not packed and page.tiled:
            continue  # a sparse file leaves empty tiles out
        part = _part(packed, page, (lines, wide, depth))[: page.height - top, : page.width - left]
        bands = slice(plane, plane + 1) if page.planar else slice(None)
        values[top : top + lines, left : left + wide, bands] = part
    return values


def _part(packed: bytes, page: _Page, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Unpack one strip or tile, and undo the differences that its predictor stored."""
    rows, columns, depth = shape
    size = page.dtype.itemsize
    line = columns * depth * size
    predictor = page.predictor if page.compression in _PREDICTED else 1
    raw = packed if page.compression == 1 else unpacked(packed, page.compression, line, rows)
    if len(raw) < rows * line:
        raise ValueError("a part of it is too short")
    if predictor == 3:
        steps = np.frombuffer(raw, np.uint8, rows * line).reshape(rows, columns * size, depth)
        planes = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(rows, size, columns * depth)
        return np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}").reshape(shape)
    values = np.frombuffer(raw, page.dtype, rows * columns * depth).reshape(shape)
    if predictor == 2:
        whole = page.dtype.newbyteorder("=").str.replace("f", "u")
        steps = values.view(page.dtype.str.replace("f", "u"))
        values = np.cumsum(steps, axis=1, dtype=whole).view(page.dtype.newbyteorder("="))
    return values


def unpacked(packed: bytes, compression: int, line: int, rows: int) -> bytes:
    """Unpack bytes as TIFF packs them, never more than `rows` lines of `line` bytes.

    Pillow does it at the speed of C: the bytes are handed to it as a grey picture of eight bits.

    Raises:
        OSError: They are damaged.
    """
    tags = [(256, line), (257, rows), (258, 8), (259, compression), (262, 1), (273, 8), (277, 1), (278, rows)]
    tags.append((279, len(packed)))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = struct.pack("<I", 8 + len(packed))
    file = b"II*\0" + start + packed + struct.pack("<H", len(tags)) + entries + bytes(4)
    with Image.open(io.BytesIO(file), formats=("TIFF",)) as image:
        return image.tobytes()
