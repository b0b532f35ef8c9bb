"""Traces that JPEG leaves in a picture: found, put in, and taken out."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from picasso.core.intervention import Pixels
from picasso.core.tones import luminance, to_pixels

_QUALITIES = (*range(5, 96, 5),)
_LEAST_STEP = 3
"""Coefficients quantized more finely than this are multiples of their step by chance."""
_BLOCKS = 300
"""Blocks that are looked at."""
_LEAST = 12
"""Coefficients beside zero that must be seen before they say anything."""
_NEAR = 0.11
"""Mean distance from a multiple, in steps, below which a picture has been quantized so; by chance it is 0.25."""
_SHIFTS = ((0, 3), (2, 6), (3, 1), (4, 4), (5, 7), (6, 2), (7, 5), (1, 0))


def recompressed(view: Pixels, quality: int) -> Pixels:
    """Return a picture written as JPEG and read again, uint8 (h, w, 3); quality in 1..95."""
    file = io.BytesIO()
    Image.fromarray(view).save(file, "JPEG", quality=quality)
    with Image.open(file) as read:
        return np.asarray(read.convert("RGB"))


def jpeg_quality(view: Pixels) -> int | None:
    """Return the quality at which a picture was last written as JPEG, with its blocks where they are now.

    None where it was not, or so well that it left no trace, or was resized or shifted since. The coefficients of a
    written picture are multiples of their steps.
    """
    height, width = (side - side % 8 for side in view.shape[:2])
    if not height or not width:
        return None
    tones = luminance(view[:height, :width]) - 128
    blocks = tones.reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    blocks = blocks[:: max(1, len(blocks) // _BLOCKS)]
    found = np.abs(fft.dctn(blocks, axes=(1, 2), norm="ortho").reshape(-1, 64)[:, 1:])
    best, least = None, _NEAR
    for quality in _QUALITIES:
        steps = _table(quality)[1:]
        parts = found[:, steps >= _LEAST_STEP] / steps[steps >= _LEAST_STEP]
        seen = parts[parts > 0.6]
        if len(seen) < _LEAST:
            continue
        apart = float(np.abs(seen - np.rint(seen)).mean())
        # All coefficients tell, the zeros too: at a step too fine they are zero far too often.
        if apart < least:
            best, least = quality, apart
    return best


@cache
def _table(quality: int) -> NDArray[np.float64]:
    """Return the steps of luminance, row by row, float64 (64,), as Pillow writes them."""
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
    with Image.open(file) as read:
        tables: dict[int, list[int]] = read.quantization  # type: ignore[attr-defined]
    return np.asarray(tables[0], np.float64)


def deblocked(view: Pixels, quality: int) -> Pixels:
    """Return a picture without its blocks: the mean of what compression makes of it with the blocks elsewhere.

    Reference: Nosratinia 2001, Enhancement of JPEG-Compressed Images by Re-application of JPEG.
    """
    total = np.zeros(view.shape, np.float32)
    height, width = view.shape[:2]
    for down, right in _SHIFTS:
        moved = np.pad(view, ((down, 0), (right, 0), (0, 0)), mode="edge")
        total += recompressed(moved, quality)[down : down + height, right : right + width]
    return to_pixels(total / len(_SHIFTS))
