"""Untrusted bytes -> a decoded picture: sniffed, bounded, upright, RGB. A file's name is never believed."""

from __future__ import annotations

import hashlib
import io
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

from picasso.core.errors import PictureError

MAX_BYTES = 64 * 2**20
"""Larger files are refused before they are decoded."""
MAX_PIXELS = 80_000_000
"""Pictures with more pixels are refused from their header, before they are decoded (a decompression bomb)."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What is decoded; everything else Pillow knows is not needed and would widen the attack surface."""
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
    """

    pixels: NDArray[np.uint8]
    digest: str
    name: str = "picture"
    notes: tuple[str, ...] = ()

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
            (height, width, 3 or 4): uint8 in 0..255, uint16 in 0..65535, bool, or float in 0..1.
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
        with _decoding(name):
            _check_size(source, name)
            pixels, notes = _to_rgb(source)
        return Picture(pixels, _digest_pixels(pixels), name, notes)
    if hasattr(source, "__array__"):
        try:
            array = np.asarray(source)
        except Exception as error:  # a tensor on a device, or one that needs gradients
            raise PictureError(f"The {type(source).__name__} cannot be read as an array: {error}") from None
        pixels, notes = _array_to_rgb(array)
        return Picture(pixels, _digest_pixels(pixels), name or "array", notes)
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
    notes: tuple[str, ...] = ()
    with _decoding(name):
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, name)
            image.verify()  # else a PNG's wrong check sums pass, and its wrong pixels with them
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            # Not n_frames: counting the pages of a hostile TIFF takes hours.
            if getattr(image, "is_animated", False):
                image.seek(0)
                notes = ("It holds several frames; the first is used.",)
            pixels, more = _to_rgb(image)
    return Picture(pixels, hashlib.sha256(data).hexdigest(), name, notes + more)


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
def _decoding(name: str) -> Iterator[None]:
    """Turn what decoders raise into a PictureError; their warnings tell the user nothing."""
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture that can be read.", f"Use one of {', '.join(FORMATS)}.") from None
    except Image.DecompressionBombError:
        raise PictureError(
            f"{name} has too many pixels; at most {MAX_PIXELS // 10**6} million are read.", "Save it smaller."
        ) from None
    except PictureError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise PictureError(
            f"{name} is damaged: its picture data could not be decoded ({error}).",
            "Open and save it again in an image editor.",
        ) from None


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {image.width} x {image.height} pixels; at most {MAX_PIXELS // 10**6} million are read.",
            "Save it smaller.",
        )
    if image.width * image.height == 0:
        raise PictureError(f"{name} has no pixels: it is {image.width} x {image.height}.")


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF data says nothing about the pixels
        return 1
    return int(value) if value in _UPRIGHT else 1


def _to_rgb(image: Image.Image) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
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
        notes.append("Transparent pixels are laid on white.")
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba)
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        notes.append(f"Converted from {image.mode} to RGB.")
    return np.array(image.convert("RGB"), dtype=np.uint8), tuple(notes)


def _deep_to_rgb(image: Image.Image, notes: list[str]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Reduce a 16-bit, 32-bit or floating-point grey picture to 8 bits."""
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise PictureError("The picture holds NaN or infinite values.")
    low, high = float(values.min()), float(values.max())
    if image.mode != "F" and low >= 0 and high <= 65535:
        grey = np.round(values / 257.0)
        notes.append("Reduced from 16 to 8 bits.")
    else:
        grey = np.round((values - low) * (255.0 / (high - low or 1.0)))
        notes.append(f"Reduced to 8 bits: {low:g} became black, {high:g} white.")
    if isinstance(transparent := image.info.get("transparency"), int):
        notes.append("Transparent pixels are laid on white.")
        grey[values == transparent] = 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2), tuple(notes)


def _array_to_rgb(array: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise PictureError(
            f"An array must be (height, width), or (height, width, 1, 3 or 4). Got shape {array.shape}.",
            "Move the channels last; give several pictures as a list.",
        )
    notes: tuple[str, ...] = ()
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
                "Give uint8 for 0..255.",
            )
        array = np.round(array * 255)
    elif array.dtype != np.uint8:
        raise PictureError(
            f"An array must be uint8, uint16, bool or floating point. Got {array.dtype}.",
            "Convert 0..255 with .astype('uint8').",
        )
    values = np.ascontiguousarray(array).astype(np.uint8)
    if values.shape[2] == 4:
        rgb, more = _to_rgb(Image.fromarray(values))
        return rgb, notes + more
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3))), notes


def _digest_pixels(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
