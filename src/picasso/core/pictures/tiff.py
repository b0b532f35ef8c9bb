"""Deep TIFF: 16, 32 and 64 bits, integers and floating point, any number of channels; BigTIFF, tiles and strips.

tifffile reads it. As the bytes are untrusted, this module bounds what the library would do with them: how much it reads
to learn what the file holds, and how much it unpacks.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import PictureError
from picasso.core.pictures.depth import CheckSize, Deep, upright

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
FRAMES = "It holds several frames; the first is used."
_PREDICTED = (5, 8, 32946, 34925, 50000)
"""LZW, deflate (twice), LZMA and Zstandard: with these a predictor means something, as in libtiff."""
_COMPRESSIONS = (1, 32773, *_PREDICTED)
"""What is unpacked here: nothing, PackBits, and those."""
_MOST_PARTS = 100_000
"""Strips or tiles at most, over all pages that are read."""
_MOST_PAGES = 64
"""Pages that are read as channels at most."""
_MOST_TAGS = 500
"""Tags of one page at most."""
_MOST_SAID = 8 * 2**20
"""Bytes that are read at most to learn what the file holds."""
_READ_COST = 100
"""So many bytes of that each reading takes at least: millions of tiny ones take a minute."""
_SPARE = 2**27
"""Bytes that are unpacked at most beyond twice the picture's own: tiles reach over its edge."""
_AT_ONCE = 2**22
"""Bytes that are read before they are unpacked."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2


class _Metered(io.BytesIO):
    """Bytes of which only so many are read, until the meter is taken off."""

    left: float = _MOST_SAID

    def _charge(self, size: int) -> None:
        self.left -= max(size, _READ_COST)
        if self.left < 0:
            raise PictureError("The TIFF's tags are too large.", "Save it again without them.")

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._charge(len(data))
        return data

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        size = super().readinto(buffer)
        self._charge(size)
        return size


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
    from tifffile import TiffFile

    file = _Metered(data)
    try:
        # What these three makers' files say of themselves would have the library look for more.
        tiff = TiffFile(file, is_lsm=False, is_ndpi=False, is_scanimage=False)
        page = tiff.pages.first
        deep = _is_deep(page)
    except (PictureError, MemoryError):
        raise
    except Exception:  # a hostile file makes the library stumble in any way
        return None  # Pillow says what is wrong with it
    if not deep:
        return None
    several = bool(tiff.pages.is_multipage)
    count = _pages_of_channels(page) if several and page.samplesperpixel == 1 else 1
    check(page.imagewidth, page.imagelength, page.samplesperpixel * count)
    pages = [page, *(_like(page, tiff, index) for index in range(1, count))]
    _check_parts(pages, len(data))
    file.left = float("inf")
    bands = [band for one in pages for band in _values(one)]
    values = np.concatenate(bands, axis=2) if len(bands) > 1 else bands[0]
    notes = [f"Its {count} pages are read as channels."] if count > 1 else [FRAMES] if several else []
    if _has_alpha(page):
        values = values[..., :-1]
        notes.append("Its transparency is left out.")
    orientation = page.tags.valueof(274)
    if orientation in range(2, 9):
        values = upright(values, int(orientation))
        notes.append(f"Turned upright (EXIF orientation {int(orientation)}).")
    return Deep(values, tuple(notes), inverted=page.photometric == _WHITE_IS_ZERO)


def _is_deep(page: TiffPage) -> bool:
    """Say whether a page is read here; Pillow reads eight bits or fewer, palettes, odd color spaces.

    Raises:
        ValueError: What should be a number is none.
    """
    _check_tags(page)
    channels, bits, kind = page.samplesperpixel, page.bitspersample, page.sampleformat
    plain = bits == 8 and kind == 1 and (channels == _colors(page) or _has_alpha(page))
    known = bits in {1: (8, 16, 32, 64), 2: (8, 16, 32, 64), 3: (16, 32, 64)}.get(kind, ())
    return known and not plain and page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB) and page.fillorder == 1


def _check_tags(page: TiffPage) -> None:
    """Refuse a page with too many tags, whose reading takes the square of their number, or with wrong ones."""
    if len(page.tags) > _MOST_TAGS:
        raise PictureError(f"A page of the TIFF has more than {_MOST_TAGS} tags.", "Save it again without them.")
    sizes = [page.imagewidth, page.imagelength, page.samplesperpixel]
    sizes += [page.tilewidth, page.tilelength, page.tiledepth] if page.is_tiled else [page.rowsperstrip]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError("it says no size")
    if not all(isinstance(place, int) and place >= 0 for place in (*page.dataoffsets, *page.databytecounts)):
        raise ValueError("it does not say where its parts lie")


def _colors(page: TiffPage) -> int:
    return 3 if page.photometric == _RGB else 1


def _has_alpha(page: TiffPage) -> bool:
    """Say whether the last channel is transparency."""
    return page.samplesperpixel == _colors(page) + 1 and tuple(page.extrasamples[:1]) in ((1,), (2,))


def _pages_of_channels(page: TiffPage) -> int:
    """Return how many pages are the channels of one picture, as ImageJ and OME files say; else 1."""
    # The library's own reading of it would open other files that the text names.
    text = page.description[:100_000]

    def number(pattern: str) -> int:
        match = re.search(pattern, text)
        return int(match[1]) if match else 1

    if text.startswith("ImageJ="):
        count = number(r"channels=(\d{1,3})\b")
        alone = number(r"images=(\d{1,9})\b") == count
    else:
        count = number(r'SizeC="(\d{1,3})"')
        alone = number(r'SizeZ="(\d{1,9})"') == number(r'SizeT="(\d{1,9})"') == 1
    return count if alone and 1 < count <= _MOST_PAGES else 1


def _like(first: TiffPage, tiff: TiffFile, index: int) -> TiffPage:
    """Return another page, which must be like the first."""
    page = tiff.pages[index]
    _check_tags(page)
    if (page.shaped, page.dtype, page.compression) != (first.shaped, first.dtype, first.compression):
        raise ValueError("its pages are not of one kind")
    return page


def _check_parts(pages: list[TiffPage], size: int) -> None:
    """Refuse pages whose strips or tiles are too many, missing, or more than the picture, before one is unpacked.

    A strip or tile is unpacked to no more than its own size: the library gives its decoders a buffer of that size.

    Args:
        pages: All that will be decoded, of one shape.
        size: Bytes of the file.
    """
    picture = unpacked = packed = cuts = 0
    short = False
    for page in pages:
        if page.compression not in _COMPRESSIONS:
            raise PictureError(
                f"The TIFF is compressed in a way (number {int(page.compression)}) that is not read at this depth.",
                "Save it with LZW, deflate or without compression.",
            )
        if page.compression not in _PREDICTED:
            page.predictor = 1  # libtiff takes no notice of it there
        if page.imagedepth != 1 or (page.is_tiled and page.tiledepth != 1):
            raise ValueError("it is a volume")
        across = page.tilewidth if page.is_tiled else page.imagewidth
        down = page.tilelength if page.is_tiled else page.rowsperstrip
        planes, depth = page.shaped[0], page.shaped[-1]
        parts = planes * -(-page.imagelength // down) * -(-page.imagewidth // across)
        cuts += parts
        if cuts > _MOST_PARTS:
            raise PictureError(f"The TIFF is cut into {cuts} parts; at most {_MOST_PARTS} are read.", "Save it again.")
        if min(len(page.dataoffsets), len(page.databytecounts)) < parts:
            raise ValueError("parts of it are missing")
        counts = page.databytecounts[:parts]
        short |= page.compression == 1 and parts == 1 and counts[0] < page.nbytes
        picture += page.nbytes
        unpacked += parts * across * down * depth * page.dtype.itemsize
        packed += sum(counts)
    if unpacked > 2 * picture + _SPARE:
        raise ValueError("its tiles are larger than the picture")
    if packed > 2 * size + picture:  # the same bytes are read again and again
        raise ValueError("its parts are larger than the file")
    if short:  # the library would read on
        raise ValueError("a part of it is too short")


def _values(page: TiffPage) -> NDArray[Any]:
    """Decode a page to (planes, height, width, channels of a plane)."""
    values: NDArray[Any] = page.asarray(squeeze=False, maxworkers=1, buffersize=_AT_ONCE)
    return values[:, 0]
