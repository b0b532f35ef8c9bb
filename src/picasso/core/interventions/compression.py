"""Traces that JPEG leaves in a picture: found, put in, and taken out."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.interventions.intervention import Pixels
from picasso.core.interventions.tones import Plane, luminance, to_pixels

_QUALITIES = range(3, 96)
_LEAST_STEP = 3
"""Coefficients quantized more finely than this are multiples of their step by chance."""
_BLOCKS = 300
"""Blocks that are looked at."""
_LEAST = 12
"""Coefficients beside zero that must be seen before they say anything."""
_FEW = np.array([0, 1, 7, 8, 15])
"""The coefficients that are largest in most pictures, of the 63 beside the mean."""
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
    from scipy import fft

    height, width = (side - side % 8 for side in view.shape[:2])
    if not height or not width:
        return None
    tones = luminance(view[:height, :width]) - 128
    blocks = tones.reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    blocks = blocks[:: max(1, len(blocks) // _BLOCKS)]
    found = np.abs(fft.dctn(blocks, axes=(1, 2), norm="ortho").reshape(-1, 64)[:, 1:])
    best, least = None, _NEAR
    for quality in _likely(found):
        if (apart := _apart(found, _table(quality)[1:])) is not None and apart < least:
            best, least = quality, apart
    return best


def _likely(found: Plane) -> list[int]:
    """Return the qualities that few coefficients do not rule out; most are ruled out at once."""
    few = found[:, _FEW]
    judged = ((quality, _apart(few, _table(quality)[1:][_FEW])) for quality in _QUALITIES)
    return [quality for quality, apart in judged if apart is None or apart < 1.5 * _NEAR]


def _apart(found: Plane, steps: NDArray[np.float64]) -> float | None:
    """Return how far coefficients, (blocks, k), lie from multiples of their steps, in steps; None where few tell."""
    coarse = steps >= _LEAST_STEP
    parts = found[:, coarse] / steps[coarse].astype(np.float32)
    # Zeros are multiples of everything.
    seen = parts[parts > 0.6]
    return float(np.abs(seen - np.rint(seen)).mean()) if len(seen) >= _LEAST else None


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
    total /= len(_SHIFTS)
    return to_pixels(total)
