"""What the tests of clues share: pictures and the files that they are saved as."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage


def pixels(seed: int, side: int = 64) -> np.ndarray[Any, Any]:
    """Return a picture of smooth noise, uint8 (side, side, 3)."""
    drawn = np.random.default_rng(seed).normal(size=(side, side, 3))
    smooth = ndimage.gaussian_filter(drawn, (4, 4, 0), mode="wrap")
    return np.clip(128 + 40 * smooth / smooth.std() + 8 * drawn, 0, 255).astype(np.uint8)


def saved(picture: np.ndarray[Any, Any], form: str = "JPEG", **choices: Any) -> bytes:
    """Return the bytes of a file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, form, **choices)
    return file.getvalue()


def exif(camera: str = "", date: str = "", orientation: int = 0) -> bytes:
    """Return EXIF data."""
    made = Image.Exif()
    for tag, value in ((0x0110, camera), (0x0132, date), (0x0112, orientation)):
        if value:
            made[tag] = value
    return made.tobytes()
