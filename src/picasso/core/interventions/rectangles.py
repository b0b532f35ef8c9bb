"""Interventions whose properties are what lies in a rectangle."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from picasso.core.interventions.intervention import Intervention, Pixels, Property, Seen
from picasso.core.interventions.pasting import seam, transplant
from picasso.core.interventions.tones import Plane


def rectangle(size: tuple[int, int], box: tuple[float, float, float, float]) -> Plane:
    """Return 1 in a rectangle, falling to 0 across a seam at its sides, float32 (h, w).

    Args:
        size: (height, width), pixels.
        box: (top, left, height, width) as shares of the picture. Sides at its edges have no seam.
    """
    by = seam(size)
    down = _ramp(size[0], box[0], box[0] + box[2], by)
    right = _ramp(size[1], box[1], box[1] + box[3], by)
    return np.outer(down, right).astype(np.float32)


def _ramp(length: int, first: float, last: float, by: int) -> Plane:
    middle = np.arange(length) + 0.5
    start, end = round(first * length), round(last * length)
    rise = np.ones(length) if start <= 0 else np.clip((middle - start) / (2 * by) + 0.5, 0, 1)
    fall = np.ones(length) if end >= length else np.clip((end - middle) / (2 * by) + 0.5, 0, 1)
    return np.minimum(rise, fall).astype(np.float32)


class Rectangles(Intervention):
    """What lies in a rectangle of the background comes from another picture, its brightness fitted to this one."""

    @abstractmethod
    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        """Return the rectangles; each has a box."""

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        assert what.box is not None
        return transplant(to, source, rectangle(to.size, what.box))
