"""Masks that people draw: a picture of the picture's size in which everything but black is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from picasso.core.pictures.images import read_picture

Mask = NDArray[np.bool_]
_JPEG = b"\xff\xd8"
_HALF = 128


def read_mask(source: str | Path | bytes, name: str | None = None) -> Mask:
    """Read a mask.

    Args:
        source: The path of a picture, or its bytes. Everything but black is meant, so pictures of indices are read as
            well, whatever their depth. JPEG leaves specks around edges: of it, what is brighter than middle gray.
        name: What to call it in messages.

    Returns:
        bool (height, width), turned upright where the file says how.

    Raises:
        PictureError: It is no picture, damaged, or too large.
    """
    picture = read_picture(source, name)
    if picture.values is not None:
        return np.asarray((picture.values != 0).any(axis=2))
    start = source[:2] if isinstance(source, bytes) else _start(Path(source))
    return np.asarray(picture.pixels.max(axis=2) >= (_HALF if start == _JPEG else 1))


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)
