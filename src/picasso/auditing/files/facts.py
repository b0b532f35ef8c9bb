"""What a picture's file says without any model: its size, its format, how it was saved, its mean color."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from picasso.core.errors import PictureError
from picasso.core.interventions.intervention import Pixels
from picasso.core.pictures import dicom
from picasso.core.pictures.images import FORMATS, MAX_BYTES, MAX_PIXELS, decode_picture, decoding, to_rgb

SIDE = 256
"""A JPEG is decoded at a lower resolution, as long as both sides keep so many pixels."""
ALIKE = 12
"""By how much (0..255) a border's luminance may differ from its own: JPEG leaves ripples, larger ones in the colors."""
THUMBNAIL = 16
"""Side of the small picture by which near duplicates are confirmed, in cells; of its colors half as many."""
_CAMERA, _SOFTWARE, _ORIENTATION, _DATE, _DETAILS, _TAKEN = 0x0110, 0x0131, 0x0112, 0x0132, 0x8769, 0x9003
"""Tags of EXIF data."""
_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).reshape(-1)
"""Quantization of luminance at quality 50: ITU-T T.81 (the JPEG standard), table K.1."""


@dataclass(frozen=True)
class FileFacts:
    """What a picture's file says. A small record: ten thousand of them take a few megabytes.

    Args:
        size: Of the file, bytes.
        width, height: Of the picture, upright, pixels.
        format: "JPEG", "PNG", ...; what lies in the bytes, whatever the file's name.
        mode: Channels and their depth as the file stores them: "RGB", "L", "RGBA", "I;16".
        quality: With which a JPEG was saved, 1..100: of all standard tables the one nearest to its own. None for other
            formats.
        exif: Whether it holds EXIF data.
        camera, software, date: What these say, "" where they do not; the date as the camera writes it,
            "2026:01:31 12:00:00".
        orientation: How the stored picture has to be turned, 1..8; 1 is upright.
        borders: Width of the constant rows and columns at the (top, bottom, left, right), as shares 0..1 of the
            height and the width; 1 where the whole picture has one color.
        color: Mean red, green and blue, 0..255.
        luminance: Mean of the luminance (ITU-R BT.601), 0..255.
        contrast: Standard deviation of the luminance, 0..127.5.
        digest: SHA-256 of the file, hex.
        pixels: SHA-256 of the decoded picture, hex; of a large JPEG decoded at a lower resolution.
        hash: 64-bit difference hash of the picture: of 8 rows of 9 cells, whether each is brighter than its right
            neighbor.
        thumbnail: The picture in 16 x 16 grey cells, and in 8 x 8 cells how much bluer and how much redder than grey it
            is (Cb and Cr of ITU-R BT.601), 384 bytes.
    """

    size: int
    width: int
    height: int
    format: str
    mode: str
    quality: int | None
    exif: bool
    camera: str
    software: str
    date: str
    orientation: int
    borders: tuple[float, float, float, float]
    color: tuple[float, float, float]
    luminance: float
    contrast: float
    digest: str
    pixels: str
    hash: int
    thumbnail: bytes

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    @property
    def bits(self) -> float:
        """Bits of the file for each pixel."""
        return 8 * self.size / (self.width * self.height)


def file_facts(data: bytes, name: str = "picture") -> FileFacts:
    """Read what a picture's file says: its header, and its pixels at a low resolution.

    Args:
        data: The whole file.
        name: What to call it in messages.

    Raises:
        PictureError: The bytes are no picture, damaged, or too large.
    """
    header = _header(data, name)
    pixels = _small_jpeg(data, name) if header.format == "JPEG" else decode_picture(data, name).pixels
    height, width = pixels.shape[:2]
    if header.size:
        width, height = header.size
    image = Image.fromarray(pixels)
    grey = np.asarray(image.convert("L"))
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    return FileFacts(
        size=len(data),
        width=width,
        height=height,
        format=header.format,
        mode=header.mode,
        quality=header.quality,
        exif=header.exif,
        camera=header.camera,
        software=header.software,
        date=header.date,
        orientation=header.orientation,
        borders=borders(grey),
        color=(float(red), float(green), float(blue)),
        luminance=float(grey.mean(dtype=np.float64)),
        contrast=float(grey.std(dtype=np.float64)),
        digest=hashlib.sha256(data).hexdigest(),
        pixels=hashlib.sha256(repr((width, height)).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest(),
        hash=difference_hash(grey),
        thumbnail=thumbnail(image),
    )


def borders(grey: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return the width of the constant rows and columns at each side of a grey picture (h, w).

    Returns:
        (top, bottom, left, right) as shares of the height and the width; each side has a tone of its own.
    """
    top, bottom, left, right = (_constant_rows(side) / len(side) for side in (grey, grey[::-1], grey.T, grey.T[::-1]))
    return top, bottom, left, right


def thumbnail(image: Image.Image) -> bytes:
    """Return the small picture of an RGB picture: its grey cells, then those of its colors, as `FileFacts` has them.

    Its colors are coarser, as JPEG keeps them: in small pictures what is saved again has finer ones nowhere.
    """
    small = image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).convert("YCbCr")
    grey, blue, red = small.split()
    return grey.tobytes() + blue.reduce(2).tobytes() + red.reduce(2).tobytes()


def difference_hash(grey: NDArray[np.uint8]) -> int:
    """Return the 64-bit difference hash of a grey picture (h, w): it outlives scaling and compression."""
    cells = np.asarray(Image.fromarray(grey).resize((9, 8), Image.Resampling.BOX))
    return int.from_bytes(np.packbits(cells[:, :-1] > cells[:, 1:]).tobytes(), "big")


def jpeg_quality(table: Sequence[int]) -> int:
    """Return the quality 1..100 whose standard table of luminance is nearest to a JPEG's, 64 numbers row by row."""
    return int(np.abs(_TABLES - np.asarray(table)).sum(axis=1).argmin()) + 1


@dataclass(frozen=True)
class _Header:
    format: str
    mode: str = ""
    size: tuple[int, int] | None = None
    quality: int | None = None
    exif: bool = False
    camera: str = ""
    software: str = ""
    date: str = ""
    orientation: int = 1


def _header(data: bytes, name: str) -> _Header:
    """Read what stands before a picture's pixels; (width, height) upright."""
    with decoding(name):
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:  # the pixels say later whether it is a picture at all
            return _Header("DICOM" if dicom.is_dicom(data) else "NPY")
        with image:
            tables = getattr(image, "quantization", None)
            exif = _exif(image)
            turned = exif.get(_ORIENTATION)
            orientation = turned if isinstance(turned, int) and 1 <= turned <= 8 else 1
            return _Header(
                format=str(image.format),
                mode=image.mode,
                size=image.size if orientation < 5 else image.size[::-1],
                quality=jpeg_quality(tables[0]) if image.format == "JPEG" and tables else None,
                exif=bool(exif),
                camera=_text(exif.get(_CAMERA)),
                software=_text(exif.get(_SOFTWARE)),
                date=_text(exif.get(_TAKEN) or exif.get(_DATE)),
                orientation=orientation,
            )


def _exif(image: Image.Image) -> dict[int, object]:
    """Return EXIF data, the details of the shot among them; nothing where there is none or it is damaged."""
    try:
        found = image.getexif() if "exif" in image.info else Image.Exif()
        return {**found, **found.get_ifd(_DETAILS)}
    except Exception:  # Pillow raises whatever the bytes provoke; the picture may be sound
        return {}


def _text(value: object) -> str:
    """Return a line of EXIF data; cameras pad them with spaces and zeros."""
    return str(value).replace("\0", " ").strip() if value is not None else ""


def _small_jpeg(data: bytes, name: str) -> Pixels:
    """Decode a JPEG upright, at a half, a fourth or an eighth of its resolution where it is large."""
    with decoding(name), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if len(data) > MAX_BYTES or image.width * image.height > MAX_PIXELS:
            raise PictureError(f"{name} is too large: {image.width} x {image.height} pixels.", "Save it smaller.")
        image.draft("RGB", (SIDE, SIDE))
        return to_rgb(image)[0]


def _constant_rows(grey: NDArray[np.uint8]) -> int:
    """Count the rows at the top that have one tone."""
    away = np.abs(grey - np.median(grey[0])).max(axis=1) > ALIKE
    return int(away.argmax()) if away.any() else len(grey)


def _standard_tables() -> NDArray[np.int64]:
    """Return the standard table at each quality, (100, 64)."""
    scale = [5000 // quality if quality < 50 else 200 - 2 * quality for quality in range(1, 101)]
    tables: NDArray[np.int64] = np.clip((_TABLE[None] * np.array(scale)[:, None] + 50) // 100, 1, 255)
    return tables


_TABLES = _standard_tables()
