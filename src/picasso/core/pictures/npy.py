"""Arrays that NumPy saved (.npy) as pictures; nothing in them is run, and sizes are checked before reading."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from picasso.core.errors import PictureError
from picasso.core.pictures.depth import CheckSize, Deep
from picasso.core.pictures.tiff import FRAMES

MAGIC = b"\x93NUMPY"
_FEW = 4
"""Up to so many, an axis is taken for the channels."""


def read_npy(data: bytes, check: CheckSize) -> Deep:
    """Read an array (height, width), (height, width, channels) or (channels, height, width).

    Of a clip, uint8 (frames, height, width, 1 or 3), the first frame is read; `read_clip` reads all.

    Args:
        data: The whole file.
        check: Called with width, height and channels before they are read.

    Raises:
        PictureError: It holds no numbers, or no picture's shape, or is too large.
        ValueError: It is damaged.
    """
    values = _values(data, check)
    if values.ndim == 4:
        return Deep(values[0], (FRAMES,))
    if values.ndim == 2:
        return Deep(values[..., None])
    if not channels_first(values.shape):
        return Deep(values)
    return Deep(np.moveaxis(values, 0, 2), ("Its channels come first.",))


def read_clip(data: bytes) -> NDArray[np.uint8]:
    """Read the frames of a clip that `read_npy` took: uint8 (frames, height, width, 3)."""
    values = _values(data, lambda *size: None)
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:3], 3)))


def _values(data: bytes, check: CheckSize) -> NDArray[Any]:
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise PictureError(f"The array is written in version {version[0]} of NumPy's format; 1 and 2 are read.")
    shape, by_columns, dtype = readers[version](file)
    if dtype.hasobject or dtype.kind not in "buif" or dtype.itemsize > 8:
        raise PictureError(
            f"The array holds {dtype}; a picture holds plain numbers.", "Save it with .astype('float32')."
        )
    clip = len(shape) == 4 and dtype == np.uint8 and shape[3] in (1, 3)
    if (len(shape) not in (2, 3) and not clip) or any(side < 1 for side in shape):
        raise PictureError(
            f"The array has shape {shape}; a picture is (height, width), with its channels last or first.",
            "Give several pictures as several files, a clip as uint8 (frames, height, width, 3).",
        )
    sides = shape[1:] if clip else shape
    first = channels_first(sides)
    height, width, channels = (sides[1], sides[2], sides[0]) if first else (*sides, 1)[:3]
    check(width, height, channels)
    count = math.prod(shape)
    if len(data) - file.tell() < count * dtype.itemsize:
        raise ValueError(f"it ends before the {count} numbers that it promises")
    flat = np.frombuffer(data, dtype, count, file.tell())
    values: NDArray[Any] = flat.reshape(shape, order="F" if by_columns else "C")
    return values.astype(dtype.newbyteorder("="), copy=False)


def channels_first(shape: tuple[int, ...]) -> bool:
    """Say whether an array of three axes is (channels, height, width): by which end is short enough for channels."""
    if len(shape) != 3 or shape[2] <= _FEW:
        return False
    return shape[0] <= _FEW or shape[0] < shape[2]
