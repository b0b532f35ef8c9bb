"""The border of a picture: rows and columns of one color along its edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.interventions.intervention import Mask, Pixels

_EVEN = 4.0
"""A row is of one color where its values differ from their median by at most this much on average."""
_MOST = 0.2
"""A border is at most this share of the side wide; what is wider is a plain background."""
_MIXED = 0.75
"""A row behind a border belongs to it where it is less than this share of the next row's distance from its color."""


@dataclass(frozen=True)
class Frame:
    """How many pixels wide the border is at each edge; 0 where there is none."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def none(self) -> bool:
        """Whether there is no border at all."""
        return not (self.top or self.bottom or self.left or self.right)

    def inside(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Return what the border surrounds, a view of the picture (h, w, ...)."""
        height, width = picture.shape[:2]
        return picture[self.top : height - self.bottom, self.left : width - self.right]

    def mask(self, size: tuple[int, int]) -> Mask:
        """Return where the border is, bool (h, w)."""
        mask = np.ones(size, np.bool_)
        self.inside(mask)[...] = False
        return mask


def frame_of(view: Pixels) -> Frame:
    """Find the border of a picture: two opposite edges, or all four, that end sharply in a band of one color.

    A plain background that goes on into the picture is no border.

    Args:
        view: uint8 (h, w, 3).
    """
    values = view.astype(np.float32)
    top, bottom = _pair(values)
    left, right = _pair(np.swapaxes(values, 0, 1))
    return Frame(top, bottom, left, right)


def _pair(values: NDArray[np.float32]) -> tuple[int, int]:
    """Return how wide the border is at the first and at the last row; 0, 0 unless both have one of the same color."""
    first, last = _depth(values), _depth(values[::-1])
    if not first or not last:
        return 0, 0
    apart = np.abs(np.median(values[0], axis=0) - np.median(values[-1], axis=0)).max()
    return (first, last) if apart <= 2 * _EVEN else (0, 0)


def _depth(values: NDArray[np.float32]) -> int:
    """Return how many rows from the first one are of its color, with one that resizing has mixed with what follows.

    0 where what follows is not sharply different.
    """
    most = int(_MOST * len(values))
    color = np.median(values[0], axis=0)
    apart = np.abs(values[: most + 1] - color).max(axis=2)
    even = apart.mean(axis=1) <= _EVEN
    depth = int(np.argmin(even)) if not even.all() else 0
    if not depth:
        return 0
    # Just inside, a border gives way to something else nearly everywhere; a plain background only where a thing begins.
    beyond = apart[min(depth + 1, most)]
    if (beyond > 3 * _EVEN).mean() < 0.6:
        return 0
    return depth + int(apart[depth].mean() < _MIXED * beyond.mean())
