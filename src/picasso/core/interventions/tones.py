"""Light and color of a part of a picture, measured, and given to another picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from picasso.core.interventions.intervention import Mask, Pixels

Plane = NDArray[np.float32]
"""Values of pixels, float32, 0..255 where they are tones."""

WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
"""What red, green and blue add to the luminance (ITU-R BT.601)."""
OFFSET = 4.0
"""Added before logarithms and gains of color, so that the rounding of dark pixels does not become a color."""


def luminance(view: NDArray[np.uint8] | Plane) -> Plane:
    """Return the luminance, float32 (..., ) in 0..255, of RGB (..., 3) in 0..255."""
    found: Plane = view.astype(np.float32, copy=False) @ WEIGHTS
    return found


def to_pixels(values: Plane) -> Pixels:
    """Return values in 0..255 as uint8, rounded and clipped."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def moments(values: Plane, mask: Mask) -> tuple[float, float]:
    """Return mean and standard deviation of values (h, w) where a mask holds; (0, 0) where it holds nowhere."""
    chosen = values[mask]
    return (float(chosen.mean(dtype=np.float64)), float(chosen.std(dtype=np.float64))) if chosen.size else (0.0, 0.0)


def log_chroma(view: Pixels, mask: Mask) -> NDArray[np.float64]:
    """Return the means of log(red / green) and log(blue / green) where a mask holds, float64 (2,).

    A color cast multiplies the channels, so it adds to these whatever the picture shows.
    """
    logs = np.log(view[mask].astype(np.float32) + OFFSET).mean(0, dtype=np.float64)
    return np.array([logs[0] - logs[1], logs[2] - logs[1]])


MOST_GAIN = 4.0
"""A picture is made brighter or darker by this factor at most: beyond, what it shows is lost in black or white, and the
change, not the brightness, decides."""


def bounded(gain: float) -> float:
    """Return a gain within what leaves a picture to be seen."""
    return min(max(gain, 1 / MOST_GAIN), MOST_GAIN)


def with_luminance(values: Plane, mask: Mask, mean: float) -> Pixels:
    """Return a picture times the gain that gives a part of it a mean luminance, as near as clipping lets it.

    Args:
        values: RGB, float32 (h, w, 3), not negative.
        mask: The part, bool (h, w), somewhere true.
        mean: What its mean luminance becomes, 0..255.
    """
    part = values[mask]

    def missed(gain: float) -> float:
        return float(luminance(np.minimum(part * np.float32(gain), 255)).mean(dtype=np.float64)) - mean

    # Clipping makes it less than a gain says; a few secants suffice.
    before, gain = 1.0, (mean + 1e-3) / (missed(1.0) + mean + 1e-3)
    off = missed(before)
    for _ in range(8):
        now = missed(gain)
        if abs(now) < 0.01 or now == off:
            break
        before, gain, off = gain, min(max(gain - now * (gain - before) / (now - off), 0.0), 64.0), now
    return to_pixels(values * np.float32(bounded(gain)))


def relit(view: Pixels, logs: NDArray[np.float64] | Plane, mask: Mask) -> Pixels:
    """Return a picture under another light, as bright as it was.

    Args:
        view: uint8 (h, w, 3).
        logs: What is added to the logarithms of its channels, (3,), (h, w, 1) or (h, w, 3).
        mask: The part whose mean luminance is kept, bool (h, w), somewhere true.
    """
    changed = (view.astype(np.float32) + np.float32(OFFSET)) * np.exp(np.float32(logs))
    before = luminance(view[mask]).mean(dtype=np.float64) + OFFSET
    changed *= np.float32(before / luminance(changed[mask]).mean(dtype=np.float64))
    return to_pixels(changed - np.float32(OFFSET))
