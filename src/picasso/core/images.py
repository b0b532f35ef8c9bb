"""Untrusted bytes -> a decoded picture: sniffed, bounded, upright, RGB. A file's name is never believed."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from picasso.core.errors import PictureError

MAX_BYTES = 64 * 2**20
"""Larger files are refused before they are decoded."""
MAX_PIXELS = 80_000_000
"""Pictures with more pixels are refused from their header, before they are decoded (a decompression bomb)."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What is decoded; everything else Pillow knows is not needed and would widen the attack surface."""


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
        pixels, notes = _to_rgb(source)
        return Picture(pixels, _digest_pixels(pixels), name or "picture", notes)
    if hasattr(source, "__array__"):
        pixels, notes = _array_to_rgb(np.asarray(source))
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
            f"{name} holds {len(data) / 2**20:.0f} MB; at most {MAX_BYTES // 2**20} MB are read.",
            "Save it smaller.",
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, name)
            pixels, notes = _to_rgb(image)
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture that can be read.", f"Use one of {', '.join(FORMATS)}.") from None
    except PictureError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise PictureError(
            f"{name} is damaged: its picture data could not be decoded ({error}).",
            "Open and save it again in an image editor.",
        ) from None
    return Picture(pixels, hashlib.sha256(data).hexdigest(), name, notes)


def _read_file(path: Path, name: str | None) -> Picture:
    if path.is_dir():
        raise PictureError(f"{path} is a folder, not a picture.", "Give the pictures in it.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PictureError(
                f"{path.name} holds {path.stat().st_size / 2**20:.0f} MB; at most {MAX_BYTES // 2**20} MB are read.",
                "Save it smaller.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    return decode_picture(data, name or path.name)


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {image.width} x {image.height} pixels; at most {MAX_PIXELS // 10**6} million are read.",
            "Save it smaller.",
        )


def _to_rgb(image: Image.Image) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    notes: list[str] = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"Animated: the first of {frames} frames is used.")
        image.seek(0)
    orientation = image.getexif().get(0x0112, 1)
    image.load()
    if orientation not in (0, 1):
        turned = ImageOps.exif_transpose(image)
        image = image if turned is None else turned
        notes.append(f"Turned upright (EXIF orientation {orientation}).")
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_to_rgb(np.asarray(image), image.mode, notes)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        notes.append("Transparent pixels are laid on white.")
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba)
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        notes.append(f"Converted from {image.mode} to RGB.")
    return np.array(image.convert("RGB"), dtype=np.uint8), tuple(notes)


def _deep_to_rgb(values: NDArray[Any], mode: str, notes: list[str]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Reduce a 16-bit, 32-bit or floating-point grey picture to 8 bits."""
    if not np.isfinite(values).all():
        raise PictureError("The picture holds NaN or infinite values.")
    low, high = float(values.min()), float(values.max())
    if mode != "F" and low >= 0 and high <= 65535:
        grey = np.round(values / 257.0)
        notes.append("Reduced from 16 to 8 bits.")
    else:
        grey = np.round((values - low) * (255.0 / (high - low or 1.0)))
        notes.append(f"Reduced to 8 bits: {low:g} became black, {high:g} white.")
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
    if array.dtype == np.uint16:
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
