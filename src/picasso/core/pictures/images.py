"""Untrusted bytes -> a decoded picture: sniffed, bounded, upright, RGB. A file's name is never believed."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from picasso.core.errors import PicassoError, PictureError
from picasso.core.pictures import dicom, npy, tiff
from picasso.core.pictures.depth import Array, Deep, split, upright
from picasso.core.pictures.tiff import FRAMES

MAX_BYTES = 64 * 2**20
"""Larger files are refused before they are decoded."""
MAX_PIXELS = 80_000_000
"""Pictures with more pixels are refused from their header, before they are decoded (a decompression bomb)."""
MAX_VALUES = 100_000_000
"""Deep pictures with more values, over all channels, are refused from their header: each takes four bytes."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What Pillow decodes; everything else that it knows is not needed and would widen the attack surface."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".npy", ".dcm")
"""How the names of pictures end where they are looked for; a file that is named itself may be called as it likes."""
_READ = ", ".join((*FORMATS, "DICOM", "NPY"))
_MAX_CHUNKS = 50_000
"""A PNG in more chunks is refused: to skip millions of empty ones takes a minute."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of each EXIF orientation upright."""
ON_WHITE = "Transparent pixels are laid on white."
_TALKATIVE = ("pydicom", "tifffile")
"""Decoders that write to their logs."""
_WARNINGS = threading.Lock()
"""The filters of warnings belong to the whole process: one thread at a time changes them."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    Args:
        pixels: uint8 (height, width, 3), RGB, upright.
        digest: SHA-256 of the bytes that it came from (of pixels and shape for an array), in hex.
        name: What to call it; the file's name where there is one.
        notes: What was done to it while reading, one sentence each.
        values: float32 (height, width, channels), upright: the original values in the file's own units, before they
            were reduced to pixels; None where the pixels are all there is.
        x: float32 (h, w, c), of a clip (frames, h, w, c): the network's own input, where that was given in a
            picture's place.
        clip: Of a clip, whose first frame the pixels are, all frames: the bytes of the file that holds them, which are
            decoded once a network reads clips, or uint8 (frames, height, width, 3). None for a still picture.
    """

    pixels: NDArray[np.uint8]
    digest: str
    name: str = "picture"
    notes: tuple[str, ...] = ()
    values: Array | None = None
    x: Array | None = None
    clip: bytes | NDArray[np.uint8] | None = None

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


def read_picture(source: object, name: str | None = None) -> Picture:
    """Read a picture from a path, bytes, a PIL image or an array.

    Args:
        source: A path, the bytes of a file, a PIL image, or an array (height, width), (height, width, 1) or
            (height, width, 3 or 4): uint8 in 0..255, uint16 in 0..65535, bool, or float in 0..1. Files may be deeper,
            of any number of channels.
        name: What to call the picture; by default the file's name.

    Returns:
        The decoded picture.

    Raises:
        PictureError: What was given is not a picture, is damaged, or is too large.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, str | Path):
        return _read_file(Path(source), name)
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_picture(bytes(source), name or "picture")
    if isinstance(source, Image.Image):
        name = name or "picture"
        with decoding(name):
            _check_size(source.width, source.height, name)
            pixels, values, notes = to_rgb(source)
        return Picture(pixels, digest_arrays(pixels, values), name, notes, values)
    if hasattr(source, "__array__"):
        try:
            array = np.asarray(source)
        except Exception as error:  # a tensor on a device, or one that needs gradients
            raise PictureError(f"The {type(source).__name__} cannot be read as an array: {error}") from None
        pixels, values, notes = _array_to_rgb(array)
        return Picture(pixels, digest_arrays(pixels, values), name or "array", notes, values)
    raise PictureError(
        f"A picture must be a path, bytes, a PIL image or an array. Got {type(source).__name__}.",
    )


def decode_picture(data: bytes, name: str = "picture") -> Picture:
    """Decode the bytes of a picture file.

    Args:
        data: The whole file.
        name: What to call it in messages; never used to guess the format.

    Raises:
        PictureError: The bytes are no picture, damaged, or too large.
    """
    if not data:
        raise PictureError(f"{name} is empty: it holds 0 bytes.", "Choose another picture.")
    if len(data) > MAX_BYTES:
        raise PictureError(
            f"{name} holds more than {MAX_BYTES // 2**20} MB, the most that is read.",
            "Save it smaller.",
        )
    with decoding(name):
        deep = _deep(data, name)
        pixels, values, notes = _with_pillow(data, name) if deep is None else split(deep)
    moves = FRAMES in notes and (deep is None or data.startswith(npy.MAGIC))
    return Picture(pixels, hashlib.sha256(data).hexdigest(), name, notes, values, clip=data if moves else None)


def _deep(data: bytes, name: str) -> Deep | None:
    """Read what is deeper than eight bits, or has channels that are no colors; None for what Pillow reads."""

    def check(width: int, height: int, channels: int) -> None:
        _check_size(width, height, name)
        if width * height * channels > MAX_VALUES:
            raise PictureError(
                f"{name} holds {width} x {height} x {channels} values; at most {MAX_VALUES // 10**6} million are read.",
                "Save it smaller, or fewer of its channels.",
            )

    if dicom.is_dicom(data):
        return dicom.read_dicom(data, check)
    if data.startswith(npy.MAGIC):
        return npy.read_npy(data, check)
    if data.startswith(tiff.MAGIC):
        return tiff.read_tiff(data, check)
    return _deep_png(data, name) if data.startswith(_PNG) else None


def _with_pillow(data: bytes, name: str) -> tuple[NDArray[np.uint8], Array | None, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        _check_size(image.width, image.height, name)
        image.verify()  # else a PNG's wrong check sums pass, and its wrong pixels with them
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        # Not n_frames: counting the pages of a hostile TIFF takes hours.
        if getattr(image, "is_animated", False):
            image.seek(0)
            notes = (FRAMES,)
        pixels, values, more = to_rgb(image)
    return pixels, values, notes + more


_PNG = b"\x89PNG\r\n\x1a\n"


def _deep_png(data: bytes, name: str) -> Deep | None:
    """Read a PNG of three colors of 16 bits, of which Pillow keeps only the upper eight; None for every other one."""
    at, chunks = len(_PNG), 0
    while at + 8 <= len(data):
        at += 12 + int.from_bytes(data[at : at + 4])
        chunks += 1
        if chunks > _MAX_CHUNKS:
            raise PictureError(f"{name} is cut into more than {_MAX_CHUNKS} chunks.", "Open and save it again.")
    if data[24:26] != b"\x10\x02":
        return None
    halves = []
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        _check_size(image.width, image.height, name)
        if getattr(image, "is_animated", False) or "transparency" in image.info:
            return None
        image.verify()
    for half in ("RGB;16B", "RGB;16L"):  # the upper byte, then what Pillow takes for it where the order is reversed
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.tile = [tile._replace(args=half) for tile in image.tile]
            orientation = _orientation(image)
            image.load()
            halves.append(np.asarray(image))
    values = halves[0].astype(np.uint16) << 8 | halves[1]
    notes = [f"Turned upright (EXIF orientation {orientation})."] if orientation != 1 else []
    # The pixels are Pillow's own, the upper bytes: what models that were trained on such files have seen.
    notes.append("Reduced from 16 to 8 bits.")
    return Deep(upright(values, orientation), tuple(notes), upright(halves[0], orientation))


def _read_file(path: Path, name: str | None) -> Picture:
    try:
        if path.is_dir():
            raise PictureError(f"{path} is a folder, not a picture.", "Give the pictures in it.")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # a device has no size that could be asked for
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PictureError(f"{path} cannot be read: {reason}.", "Check the path.") from None
    # A name that is no Unicode could be neither printed nor written as JSON.
    return decode_picture(data, name or path.name.encode(errors="replace").decode())


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn what decoders raise into a PictureError; their warnings tell the user nothing."""
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(PIL|pydicom|tifffile)\.")
            for library in _TALKATIVE:
                logging.getLogger(library).addFilter(_never)
            try:
                yield
            finally:
                for library in _TALKATIVE:
                    logging.getLogger(library).removeFilter(_never)
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture that can be read.", f"Use one of {_READ}.") from None
    except Image.DecompressionBombError:
        raise PictureError(
            f"{name} has too many pixels; at most {MAX_PIXELS // 10**6} million are read.", "Save it smaller."
        ) from None
    except PicassoError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise PictureError(
            f"{name} is damaged: its picture data could not be decoded ({error}).",
            "Open and save it again in an image editor.",
        ) from None


def _never(record: logging.LogRecord) -> bool:
    """Keep quiet: what a decoder writes to its log may repeat the file's contents."""
    return False


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million are read.",
            "Save it smaller.",
        )
    if width * height == 0:
        raise PictureError(f"{name} has no pixels: it is {width} x {height}.")


def orientation_of(data: bytes) -> int:
    """Return the EXIF orientation of a picture's file, 1 to 8; 1, which is upright, where it says none."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _orientation(image)
    except Exception:  # what Pillow cannot open has no orientation either
        return 1


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF data says nothing about the pixels
        return 1
    return int(value) if value in _UPRIGHT else 1


def to_rgb(image: Image.Image) -> tuple[NDArray[np.uint8], Array | None, tuple[str, ...]]:
    """Decode an image; return its pixels, uint8 (height, width, 3), its own values where deeper, and notes."""
    notes: list[str] = []
    orientation = _orientation(image)
    image.load()
    if orientation != 1:
        notes.append(f"Turned upright (EXIF orientation {orientation}).")
    if (orientation := _orientation(image)) != 1:  # Pillow itself turns a TIFF while it loads
        image = image.transpose(_UPRIGHT[orientation])
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_to_rgb(image, notes)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema()[0] != 255:
            notes.append(ON_WHITE)
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba)
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        notes.append(f"Converted from {image.mode} to RGB.")
    return np.array(image.convert("RGB"), dtype=np.uint8), None, tuple(notes)


def _deep_to_rgb(image: Image.Image, notes: list[str]) -> tuple[NDArray[np.uint8], Array | None, tuple[str, ...]]:
    """Reduce a 16-bit, 32-bit or floating-point grey picture to 8 bits."""
    values = np.asarray(image)[..., None]
    if image.mode == "I" and values.min() >= 0 and 255 < values.max() <= 65535:  # how Pillow holds 16 bits, too
        values = values.astype(np.uint16)
    pixels, kept, more = split(Deep(values.astype(values.dtype.newbyteorder("="), copy=False)))
    notes += more
    if isinstance(transparent := image.info.get("transparency"), int):
        if (values == transparent).any():
            notes.append(ON_WHITE)
        pixels = np.where(values == transparent, np.uint8(255), pixels)
    return pixels, kept, tuple(notes)


def _array_to_rgb(array: NDArray[Any]) -> tuple[NDArray[np.uint8], Array | None, tuple[str, ...]]:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise PictureError(
            f"An array must be (height, width), or (height, width, 1, 3 or 4). Got shape {array.shape}.",
            "Move the channels last; give several pictures as a list.",
        )
    notes: tuple[str, ...] = ()
    original = array
    if np.issubdtype(array.dtype, np.uint16):  # of either byte order
        array, notes = np.round(array / 257.0), ("Reduced from 16 to 8 bits.",)
    elif array.dtype == np.bool_:
        array = array * 255
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise PictureError("The array holds NaN or infinite values.")
        if array.min() < 0 or array.max() > 1:
            raise PictureError(
                f"A floating-point array must lie in 0..1. Got {array.min():g}..{array.max():g}.",
                "Give uint8 for 0..255; a batch (1, height, width, channels) where it is the network's own input.",
            )
        array = np.round(array * 255)
    elif array.dtype != np.uint8:
        raise PictureError(
            f"An array must be uint8, uint16, bool or floating point. Got {array.dtype}.",
            "Convert 0..255 with .astype('uint8').",
        )
    deep = original.dtype.kind == "f" or original.dtype.itemsize == 2
    kept = np.ascontiguousarray(original, dtype=np.float32) if deep and array.shape[2] != 4 else None
    kept = kept.copy() if kept is original else kept
    values = np.ascontiguousarray(array).astype(np.uint8)
    if values.shape[2] == 4:
        rgb, _, more = to_rgb(Image.fromarray(values))
        return rgb, None, notes + more
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3))), kept, notes


def digest_arrays(*arrays: NDArray[Any] | None) -> str:
    """Return the SHA-256 of arrays' shapes and contents, in hex; those that are None leave no trace."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
