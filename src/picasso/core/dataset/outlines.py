"""Outlines of objects as COCO writes them: polygons, and runs of pixels (RLE), plain or packed into text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import PictureError
from picasso.core.pictures.mask_files import Mask

Counts = tuple[int, ...] | str


@dataclass(frozen=True)
class Runs:
    """Pixels in turns: so many outside, so many inside, down one column after the other.

    Args:
        size: (height, width), pixels.
        counts: The lengths, the first outside; or packed into text as COCO does.
    """

    size: tuple[int, int]
    counts: Counts


@dataclass(frozen=True)
class Outlines:
    """The objects of a picture.

    Args:
        size: (height, width) of the picture that they were drawn on, pixels; None where that is not said.
        polygons: (x, y, x, y, ...) of each, in pixels, whose corners are whole numbers.
        runs: Further ones.
    """

    size: tuple[int, int] | None
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[Runs, ...] = ()

    @property
    def stamp(self) -> str:
        """What changes whenever they do."""
        return repr(self)

    def draw(self, size: tuple[int, int]) -> Mask:
        """Fill them.

        Args:
            size: (height, width) where they do not say it themselves.

        Returns:
            bool (height, width): a pixel belongs to a polygon if its center does.

        Raises:
            PictureError: The runs are damaged, or have another size.
        """
        from skimage.draw import polygon2mask

        mask: Mask = np.zeros(self.size or size, np.bool_)
        for corners in self.polygons:
            rows_and_columns = np.reshape(corners, (-1, 2))[:, ::-1] - 0.5
            mask |= polygon2mask(mask.shape, rows_and_columns)
        for runs in self.runs:
            if runs.size != mask.shape:
                raise PictureError(
                    f"A mask's runs are for {runs.size[1]} x {runs.size[0]} pixels, but its picture has "
                    f"{mask.shape[1]} x {mask.shape[0]}."
                )
            mask |= fill_runs(runs)
        return mask


def fill_runs(runs: Runs) -> Mask:
    """Decode runs of pixels: bool (height, width).

    Raises:
        PictureError: They are damaged: they do not fill the picture exactly.

    References:
        The format is COCO's: github.com/cocodataset/cocoapi, common/maskApi.c.

    Example:
        >>> fill_runs(Runs((2, 2), (1, 3))).astype(int).tolist()
        [[0, 1], [1, 1]]
    """
    height, width = runs.size
    counts = unpack_counts(runs.counts) if isinstance(runs.counts, str) else np.asarray(runs.counts, np.int64)
    # Each is bounded before they are added: a sum of huge ones could wrap around.
    if not counts.size or counts.min() < 0 or counts.max() > height * width or counts.sum() != height * width:
        raise PictureError(f"A mask's runs are damaged: they do not fill {width} x {height} pixels.")
    inside = np.arange(counts.size) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, counts).reshape(width, height).T)


def unpack_counts(text: str) -> NDArray[np.int64]:
    """Return the lengths that are packed into text.

    Each is a number in digits of five bits, the lowest first, of which the last has the sign; from the fourth on it is
    the difference to the one two before.

    Raises:
        PictureError: The text is no such thing.
    """
    codes = np.frombuffer(text.encode("ascii", errors="replace"), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero((codes & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    lengths = ends - starts + 1
    # Seven digits are 35 bits: more than the largest picture has pixels.
    if not codes.size or codes.min() < 0 or codes.max() > 63 or ends.size == 0 or ends[-1] != codes.size - 1:
        raise PictureError("A mask's runs are damaged: they are no packed text.")
    if lengths.max() > 7:
        raise PictureError("A mask's runs are damaged: one is too long.")
    places = 5 * (np.arange(codes.size) - np.repeat(starts, lengths))
    counts = np.add.reduceat((codes & 31) << places, starts)
    counts -= np.where(codes[ends] & 16, 1 << (5 * lengths), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts
