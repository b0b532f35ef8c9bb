"""Marks that lie in the same place of many pictures, line by line the same: watermarks, stamps, dates, logos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.regions.names import place_name
from picasso.auditing.regions.patches import Patches
from picasso.core.interventions.intervention import Mask, Pixels

_LEAST = 16
"""Pictures of a class from which a mark of that class is looked for: chance repeats no line in as many."""
_SAME = 0.3
"""Share of the strength of lines that is the same in every picture of a class, from which they are a mark's."""
_STRENGTH = 5.0
"""Lines weaker than this, levels of 0 to 255 from pixel to pixel over all colors, are the gradient of a sky."""
_FAINT = 0.1
"""Lines of less than this share of a mark's strongest, in squares, are what lies around it."""
_LONG = 0.5
"""A mark is shorter than this share of the sides; a line that goes through is a horizon or an edge."""
_THERE = 0.5
"""Correlation of a picture's lines with those of the mark from which the picture has it."""
_JOIN = 0.03
"""Lines nearer to each other than this share of the longer side are one mark."""
_MOST = 3


@dataclass(frozen=True, eq=False)
class Mark:
    """A mark.

    Args:
        where: Where it lies, bool (h, w).
        lines: What each color rises by there from row to row and from column to column, (6, pixels).
    """

    where: Mask
    lines: NDArray[np.float32]

    @property
    def name(self) -> str:
        """Completes "The model relies on ..."."""
        rows, columns = (axis / side for axis, side in zip(np.nonzero(self.where), self.where.shape, strict=True))
        middle, still = np.array([rows.mean(), columns.mean()]), np.zeros(2)
        return f"the mark {place_name(middle, still, still)}"

    def place(self, patches: Patches) -> Mask:
        """Return where it lies in a picture, or would, bool (h, w)."""
        return self.where

    def is_on(self, view: Pixels) -> bool:
        """Whether a picture, uint8 (h, w, 3), has it."""
        lines = _lines(view)[:, self.where]
        strength = float(np.linalg.norm(lines) * np.linalg.norm(self.lines))
        return strength > 0 and float((lines * self.lines).sum()) / strength >= _THERE


def find_marks(views: Sequence[Pixels], labels: NDArray[np.int64]) -> list[Mark]:
    """Find the marks of pictures, the largest first.

    They are looked for in each class, since the pictures of one class may be the only ones that have it, and what is
    found is then looked for in all.

    Args:
        views: The pictures, uint8 RGB (h, w, 3), all of one size.
        labels: Class of each, (pictures,).
    """
    found: list[Mark] = []
    for number in np.unique(labels).tolist():
        ours = np.flatnonzero(labels == number)
        if len(ours) >= _LEAST:
            found += _of_class([views[int(place)] for place in ours])
    apart: list[Mark] = []
    for mark in sorted(found, key=lambda mark: -int(mark.where.sum())):
        if not any((mark.where & other.where).any() for other in apart):
            apart.append(mark)
    return apart[:_MOST]


def _of_class(views: Sequence[Pixels]) -> list[Mark]:
    from scipy import ndimage

    total, strength = np.zeros((6, *views[0].shape[:2])), np.zeros(views[0].shape[:2])
    for view in views:
        lines = _lines(view)
        total += lines
        strength += (lines**2).sum(axis=0)
    mean = total / len(views)
    # Of independent lines, one in n remains in the mean of n.
    same = (mean**2).sum(axis=0) - strength / len(views) ** 2
    wide = 0.01 * max(mean.shape[1:])
    around, strength = (ndimage.gaussian_filter(part, wide) for part in (same, strength / len(views)))
    strong = (around > _SAME * strength) & (around > _STRENGTH**2)
    reach = max(1, round(_JOIN * max(strong.shape) / 2))
    parts, _ = ndimage.label(ndimage.binary_dilation(strong, iterations=reach))
    height, width = strong.shape
    marks = []
    for number, place in enumerate(ndimage.find_objects(parts), start=1):
        tall, broad = (side.stop - side.start for side in place)
        inside = (parts == number) & strong
        inside &= same > _FAINT * same[inside].max(initial=0)
        if max(tall / height, broad / width) >= _LONG or inside.sum() < max(12, 2e-4 * strong.size):
            continue
        where = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(inside, reach), iterations=reach))
        where = np.asarray(where[reach:-reach, reach:-reach], np.bool_)
        marks.append(Mark(where, mean[:, where].astype(np.float32)))
    return marks


def _lines(view: Pixels) -> NDArray[np.float32]:
    """Return what each color rises by from row to row and from column to column, (6, h, w)."""
    values = np.moveaxis(view.astype(np.float32), -1, 0)
    down, across = np.diff(values, axis=1, prepend=values[:, :1]), np.diff(values, axis=2, prepend=values[:, :, :1])
    return np.concatenate([down, across])
