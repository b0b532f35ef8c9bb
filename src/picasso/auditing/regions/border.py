"""The border that pictures of a data set have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from picasso.auditing.regions.frame import Frame, frame_of
from picasso.auditing.regions.patches import Patches
from picasso.core.interventions.intervention import Mask, Pixels

_LEAST = 0.05
"""Share of the pictures from which their borders are a kind of region, and no accident."""


@dataclass(frozen=True)
class Border:
    """A border.

    Args:
        usual: How wide it is in the typical picture that has one.
    """

    usual: Frame
    name = "the border around the picture"

    def place(self, patches: Patches) -> Mask:
        """Return where it lies in a picture, or would, bool (h, w)."""
        own: Mask = patches.labels < 0
        return own if own.any() else self.usual.mask(patches.labels.shape)

    def is_on(self, view: Pixels) -> bool:
        """Whether a picture, uint8 (h, w, 3), has one."""
        return not frame_of(view).none


def find_borders(pictures: Sequence[Patches]) -> list[Border]:
    """Return the border of pictures, if at least one in twenty has one: one `Border` or none."""
    frames = [_frame(one) for one in pictures]
    some = [frame for frame in frames if not frame.none]
    if len(some) < _LEAST * len(frames) or not some:
        return []
    sides = np.array([[frame.top, frame.bottom, frame.left, frame.right] for frame in some])
    return [Border(Frame(*(int(side) for side in np.median(sides, axis=0))))]


def _frame(patches: Patches) -> Frame:
    """Return the border of a picture in patches."""
    inside = patches.labels >= 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    height, width = inside.shape
    return Frame(int(rows[0]), height - 1 - int(rows[-1]), int(columns[0]), width - 1 - int(columns[-1]))
