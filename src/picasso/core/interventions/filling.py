"""A hole in a picture filled with what lies elsewhere in it, as one does with a clone stamp."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from picasso.core.interventions.intervention import Mask, Pixels
from picasso.core.interventions.pasting import grown, seam, softened
from picasso.core.interventions.tones import Plane, to_pixels

_COARSE = 56
"""Side of the reduced picture in which offsets are sought, about; they are then refined on pixels."""
_ROUNDS = 8
"""Pieces at most: what one offset leaves open, the next fills."""
_OPEN = 60.0**2
"""What a pixel that stays open costs beside the mismatch at the seam, in squared tones: rather fill than match."""
_LEAST = 0.3
"""Share of the hole that a piece must fill, where anything fills so much."""
_RIGHT = 6.0**2
"""What an offset sideways costs, in squares of the picture's width: of two that match alike, the near one."""
_DOWN = 150.0**2
"""What an offset up or down costs, in squares of its height: in most pictures what lies at one height is alike."""
_DRIFT = 30
"""Tones that a piece is made lighter or darker at most: beyond, something else lies there, not another light."""
_RING = 300
"""Pixels of the seam that are compared when an offset is refined."""


def fill(view: Pixels, hole: Mask, known: Mask | None = None) -> Pixels:
    """Return a picture whose hole shows what its surroundings look like, copied from elsewhere in it.

    The piece is taken at the offset at which what lies around the hole agrees best; the slow difference that
    is left along the seam is spread over the piece, so its texture stays and its tone fits. What cannot be taken
    from one place is taken from several.

    Args:
        view: uint8 (h, w, 3).
        hole: What is filled, bool (h, w).
        known: What may be copied, bool (h, w); by default everything outside the hole.

    Returns:
        uint8 (h, w, 3), equal to `view` outside the hole.

    Raises:
        ValueError: Nothing may be copied.
    """
    from scipy import ndimage

    hole = np.asarray(hole, np.bool_)
    usable = ~hole if known is None else known & ~hole
    if not hole.any():
        return view.copy()
    if not usable.any():
        raise ValueError("Nothing of the picture is left to fill the hole with.")
    canvas = view.astype(np.float32)
    left = hole.copy()
    settled = usable.copy()
    source = _Source(canvas, usable)
    for _ in range(_ROUNDS):
        offset = source.offset(canvas, left, settled)
        piece = None if offset is None else left & _shifted(usable, offset)
        if piece is None or offset is None or not piece.any():
            break
        _stamp(canvas, piece, offset, settled, hole & ~left & _shifted(usable, offset))
        left &= ~piece
        settled |= piece
        if not left.any():
            break
    if left.any():
        rows, columns = ndimage.distance_transform_edt(~settled, return_distances=False, return_indices=True)
        canvas[left] = canvas[rows[left], columns[left]]
    # A soft seam: what is near the edge is mixed with the mean of what lies beyond it, never with what was in the hole.
    by = 2 * seam((hole.shape[0], hole.shape[1])) + 1
    near = np.dstack([view * ~hole[..., None], ~hole]).astype(np.float32)
    near = ndimage.uniform_filter(near, (by, by, 1), mode="nearest")
    share = np.where(near[..., 3:] > 1e-4, near[..., 3:], 0)
    canvas += share * (near[..., :3] / np.maximum(near[..., 3:], 1e-4) - canvas)
    return np.where(hole[..., None], to_pixels(canvas), view)


class _Source:
    """What may be copied, made ready to be searched for one piece after another.

    Args:
        canvas: The picture, float32 (h, w, 3).
        usable: What may be copied, bool (h, w).
    """

    def __init__(self, canvas: Plane, usable: Mask) -> None:
        from scipy import fft

        height, width = usable.shape
        self._factor = max(1, -(-max(height, width) // _COARSE))
        self._rows, self._columns = -(-height // self._factor), -(-width // self._factor)
        self._size = fft.next_fast_len(2 * self._rows), fft.next_fast_len(2 * self._columns)
        small = _reduced(np.dstack([canvas, usable]), self._factor)
        sure = (small[..., 3] > 0.99).astype(np.float32)
        picture = small[..., :3] * sure[..., None]
        planes = [*picture.transpose(2, 0, 1), (picture**2).sum(-1), sure]
        self._spectra = fft.rfft2(np.stack(planes), self._size)
        self._pad = 2 * self._factor + 1
        edge = (self._pad, self._pad)
        self._tones = np.pad(canvas, (edge, edge, (0, 0))).reshape(-1, 3)
        self._usable = np.pad(usable, self._pad)

    def offset(self, canvas: Plane, hole: Mask, settled: Mask) -> tuple[int, int] | None:
        """Return how far below and to the right of a hole the best piece lies; None where none reaches it.

        Args:
            canvas: The picture as far as it is filled, float32 (h, w, 3).
            hole: What is left to fill, bool (h, w).
            settled: Where the canvas is as it will be, bool (h, w).
        """
        from scipy import fft

        small = _reduced(np.dstack([canvas * settled[..., None], settled, hole]), self._factor)
        holed = small[..., 4]
        ring = (grown(holed > 0, 2) & (small[..., 3] > 0.99)).astype(np.float32)
        picture = small[..., :3] * ring[..., None]
        around = fft.rfft2(
            np.stack([*picture.transpose(2, 0, 1), ring, (picture**2).sum(-1), holed]), self._size
        ).conj()
        there = self._spectra
        products = np.stack(
            [
                around[3] * there[3] + around[4] * there[4] - 2 * (around[:3] * there[:3]).sum(0),
                around[3] * there[4],  # how much of the ring meets what may be copied
                around[5] * there[4],  # how much of the hole
            ]
        )
        apart, met, covered = fft.irfft2(products, self._size)
        down = np.fft.fftfreq(self._size[0], 1 / self._size[0])[:, None]
        right = np.fft.fftfreq(self._size[1], 1 / self._size[1])[None]
        covered[(np.abs(down) >= self._rows) | (np.abs(right) >= self._columns)] = 0
        most, total = float(covered.max()), float(holed.sum())
        if most < 0.5:
            return None
        # A seam that meets little of what may be copied says little about how well the piece fits.
        unseen = 1 - met / max(float(ring.sum()), 1e-6)
        cost = np.maximum(apart, 0) / np.maximum(met, 1e-3) + _OPEN * (1 - covered / total + 0.3 * unseen)
        cost += _DOWN * (down / self._rows) ** 2 + _RIGHT * (right / self._columns) ** 2
        cost[covered < min(_LEAST * total, 0.9 * most)] = np.inf
        top, side = divmod(int(np.argmin(cost)), self._size[1])
        coarse = int(down[top, 0]) * self._factor, int(right[0, side]) * self._factor
        return coarse if self._factor == 1 else self._refined(canvas, hole, settled, coarse)

    def _refined(self, canvas: Plane, hole: Mask, settled: Mask, coarse: tuple[int, int]) -> tuple[int, int]:
        """Return the offset near a coarse one at which the pixels around the hole agree best."""
        reach, wide = self._factor, self._usable.shape[1]
        steps = np.arange(-reach, reach + 1)
        tried = (steps[:, None] * wide + steps).reshape(-1, 1)

        def places(mask: Mask) -> tuple[Plane, NDArray[np.int64]]:
            """Return the tones of some of a mask's pixels, and where they come from: places of the padded planes."""
            y, x = np.nonzero(mask)
            every = max(1, len(y) // _RING)
            y, x = y[::every], x[::every]
            # What comes from far beyond an edge stays beyond it at every step.
            down = np.clip(y + coarse[0], -reach - 1, hole.shape[0] + reach) + self._pad
            right = np.clip(x + coarse[1], -reach - 1, hole.shape[1] + reach) + self._pad
            return canvas[y, x], down * wide + right + tried

        usable = self._usable.reshape(-1)
        covered = usable[places(hole)[1]].mean(1)
        tones, around = places(grown(hole, 2) & settled)
        seen = usable[around].astype(np.float32)
        gaps = self._tones[around] - tones
        met = seen.sum(1)
        apart = np.einsum("opc,opc,op->o", gaps, gaps, seen) / np.maximum(met, 1)
        unseen = 1 - met / max(len(tones), 1)
        best = int(np.argmin(apart + _OPEN * (1 - covered + 0.3 * unseen)))
        down, right = divmod(best, len(steps))
        return coarse[0] + int(steps[down]), coarse[1] + int(steps[right])


def _stamp(canvas: Plane, piece: Mask, offset: tuple[int, int], settled: Mask, earlier: Mask) -> None:
    """Copy a piece into the canvas, and spread the difference along its seam over it."""
    from scipy import ndimage

    y, x = np.nonzero(piece)
    box = np.s_[max(0, y.min() - 4) : y.max() + 5, max(0, x.min() - 4) : x.max() + 5]
    copied = _moved(canvas, offset)[box]
    inside = piece[box]
    edge = (grown(inside, 3) & settled[box] & _shifted(settled, offset)[box]).astype(np.float32)
    apart = (canvas[box] - copied) * edge[..., None]
    # Three running means are a smooth bell, however wide.
    radius = max(3, int(np.sqrt(inside.sum()) / 3))
    spread = np.dstack([apart, edge])
    for _ in range(3):
        spread = ndimage.uniform_filter(spread, (2 * radius + 1, 2 * radius + 1, 1), mode="constant")
    slow = np.clip(spread[..., :3] / np.maximum(spread[..., 3:], 1e-4), -_DRIFT, _DRIFT)
    # The seam with an earlier piece is soft; what was there before is left as it is.
    alpha = np.where(inside, 1, softened(inside) * earlier[box])[..., None]
    canvas[box] += alpha * (np.clip(copied + slow, 0, 255) - canvas[box])


def _reduced(planes: NDArray[np.bool_] | Plane, factor: int) -> Plane:
    """Return the means over squares of a side, (rows, columns, k); those at the far edges count what they have."""
    height, width, _ = planes.shape
    pad = ((0, -height % factor), (0, -width % factor), (0, 0))
    wide = np.pad(planes.astype(np.float32), pad, mode="edge")
    # Adding slices is several times faster than a mean over two axes.
    total = np.zeros((wide.shape[0] // factor, wide.shape[1] // factor, wide.shape[2]), np.float32)
    for down in range(factor):
        for right in range(factor):
            total += wide[down::factor, right::factor]
    total /= factor**2
    return total


def _shifted(mask: Mask, offset: tuple[int, int]) -> Mask:
    """Return a mask as seen from an offset: at each pixel what lies so far below and to the right; False beyond."""
    height, width = mask.shape
    down, right = offset
    found = np.zeros_like(mask)
    to_rows, of_rows = _overlap(height, down)
    to_columns, of_columns = _overlap(width, right)
    found[to_rows, to_columns] = mask[of_rows, of_columns]
    return found


def _moved(canvas: Plane, offset: tuple[int, int]) -> Plane:
    """Return at each pixel what lies so far below and to the right; 0 beyond."""
    height, width = canvas.shape[:2]
    found = np.zeros_like(canvas)
    to_rows, of_rows = _overlap(height, offset[0])
    to_columns, of_columns = _overlap(width, offset[1])
    found[to_rows, to_columns] = canvas[of_rows, of_columns]
    return found


def _overlap(length: int, shift: int) -> tuple[slice, slice]:
    first, last = max(0, -shift), max(max(0, -shift), min(length, length - shift))
    return slice(first, last), slice(first + shift, last + shift)
