"""What the pages of an audit draw: one axis for all intervals, and what changed between two pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from picasso.auditing.findings import Interval
from picasso.core.interventions.intervention import Pixels
from picasso.core.pictures import render

LEAST_END = 0.1
"""The axis reaches at least this far, so that the threshold of 5 points does not lie at its end."""
STEPS = (0.05, 0.1, 0.2, 0.25, 0.5)
MOST_TICKS = 7
LARGEST = 448
"""Pixels of a picture's longer side in a page; larger ones are made smaller."""
LEAST_SIDE = 160
FAINTEST = 16
"""Levels of 255 that count as a full change where nothing changes more, so that rounding does not glow."""
GLOW = (255, 45, 120)


@dataclass(frozen=True)
class Axis:
    """An axis of drops in accuracy.

    Args:
        low, high: Its ends, shares.
        ticks: Shares with a label.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, share: float) -> str:
        """Return where a share lies, as percent of the width from the left, held inside the axis."""
        return f"{min(max((share - self.low) / (self.high - self.low), 0.0), 1.0) * 100:.2f}%"

    def width(self, start: float, end: float) -> str:
        """Return how wide the way between two shares is, as percent of the width."""
        return f"{(end - start) / (self.high - self.low) * 100:.2f}%"


def axis(intervals: Iterable[Interval]) -> Axis:
    """Return the axis on which all of these have room, with 0 on it."""
    known = list(intervals)
    low = min([0.0, *(one.low for one in known), *(one.value for one in known)])
    high = max([LEAST_END, *(one.high for one in known), *(one.value for one in known)])
    step = next((s for s in STEPS if (high - low) / s <= MOST_TICKS), STEPS[-1])
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(number * step, 2) for number in range(first, last + 1))
    room = (ticks[-1] - ticks[0]) * 0.03
    return Axis(ticks[0] - room, ticks[-1] + room, ticks)


def share(value: float) -> str:
    """Return a share of a width as percent."""
    return f"{min(max(value, 0.0), 1.0) * 100:.2f}%"


def half(auc: float) -> str:
    """Return where an area under a curve lies on an axis from 0.4 to 1, as percent."""
    return share((auc - 0.4) / 0.6)


def shown(pixels: Pixels) -> str:
    """Return a picture as a data: URL, no larger than a page needs."""
    return render.data_url(_small(render.to_image(pixels)))


def changed(before: Pixels, after: Pixels) -> str:
    """Draw where two pictures of one size differ, glowing over the first in grey, as a data: URL."""
    difference = np.abs(before.astype(np.float32) - after.astype(np.float32)).max(-1)
    strength = (difference / max(float(difference.max()), FAINTEST))[..., None] ** 0.6
    grey = before.astype(np.float32).mean(-1, keepdims=True) * 0.45
    drawn = grey * (1 - strength) + np.array(GLOW, np.float32) * strength
    return render.data_url(_small(render.to_image(np.rint(drawn).astype(np.uint8))))


def enlarged(pixels: Pixels) -> str:
    """Return a coarse map as a data: URL with every value as a square, at least `LEAST_SIDE` wide."""
    factor = max(1, -(-LEAST_SIDE // max(pixels.shape[:2])))
    return render.data_url(render.to_image(pixels.repeat(factor, 0).repeat(factor, 1)))


def _small(image: Image.Image) -> Image.Image:
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return image
