"""A hole in a picture filled with what lies elsewhere in it, as one does with a clone stamp."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from picasso.core.intervention import Mask, Pixels
from picasso.core.pasting import blend, grown, softened
from picasso.core.tones import Plane

_COARSE = 56
"""Side of the reduced picture in which offsets are sought, about; they are then refined on pixels."""
_ROUNDS = 8
"""Pieces at most: what one offset leaves open, the next fills."""
_OPEN = 60.0**2
"""What a pixel that stays open costs beside the mismatch at the seam, in squared tones: rather fill than match."""
_FAR = 8.0**2
"""What an offset over the whole picture costs: of two that match alike, the near one."""
_RING = 600
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
    hole = np.asarray(hole, np.bool_)
    usable = ~hole if known is None else known & ~hole
    if not hole.any():
        return view.copy()
    if not usable.any():
        raise ValueError("Nothing of the picture is left to fill the hole with.")
    canvas = view.astype(np.float32)
    left = hole.copy()
    settled = usable.copy()
    for _ in range(_ROUNDS):
        offset = _offset(canvas, left, settled, usable)
        piece = None if offset is None else left & _shifted(usable, offset)
        if piece is None or offset is None or piece.sum() < max(1, 0.02 * left.sum()):
            break
        _stamp(canvas, piece, offset, settled)
        left &= ~piece
        settled |= piece
        if not left.any():
            break
    if left.any():
        rows, columns = ndimage.distance_transform_edt(~usable, return_distances=False, return_indices=True)
        canvas[left] = canvas[rows[left], columns[left]]
    # Inside of the hole, since what lies outside of it must stay as it is.
    alpha = 1 - softened(~hole)
    return blend(view, canvas, np.where(hole, np.maximum(alpha, 1 / 3), 0).astype(np.float32))


def _offset(canvas: Plane, hole: Mask, settled: Mask, usable: Mask) -> tuple[int, int] | None:
    """Return how far below and to the right of the hole the best piece lies; None where none reaches it."""
    height, width = hole.shape
    factor = max(1, -(-max(height, width) // _COARSE))
    rows, columns = -(-height // factor), -(-width // factor)
    small = _reduced(np.dstack([canvas * settled[..., None], settled]), factor)
    weight = small[..., 3]
    picture = small[..., :3] / np.maximum(weight, 1e-6)[..., None]
    holed, source = _reduced(hole[..., None], factor)[..., 0], _reduced(usable[..., None], factor)[..., 0]
    ring = (grown(holed > 0, 2) & (weight > 0.99)).astype(np.float32)
    sure = (source > 0.99).astype(np.float32)

    size = (fft.next_fast_len(2 * rows), fft.next_fast_len(2 * columns))
    planes = np.concatenate(
        [
            (picture * ring[..., None]).transpose(2, 0, 1),
            np.stack([ring, holed]),
            (picture * sure[..., None]).transpose(2, 0, 1),
            np.stack([((picture**2).sum(-1) * sure), sure]),
        ]
    )
    spectra = fft.rfft2(planes, size)
    a, b = spectra[:5], spectra[5:]
    products = np.stack(
        [
            (a[:3].conj() * b[:3]).sum(0),  # ring picture . picture
            a[3].conj() * b[3],  # ring . squares
            a[3].conj() * b[4],  # how much of the ring meets what may be copied
            a[4].conj() * b[4],  # how much of the hole
        ]
    )
    cross, squares, met, covered = fft.irfft2(products, size)
    own = fft.irfft2(fft.rfft2((picture**2).sum(-1) * ring, size).conj() * spectra[9], size)
    total = max(float(holed.sum()), 1e-6)
    mismatch = np.maximum(own + squares - 2 * cross, 0) / np.maximum(met, 1e-3)
    open_share = 1 - covered / total
    down = np.fft.fftfreq(size[0], 1 / size[0])[:, None]
    right = np.fft.fftfreq(size[1], 1 / size[1])[None]
    away = np.hypot(down / rows, right / columns)
    # A seam that meets little of what may be copied says little about how well the piece fits.
    unseen = 1 - met / max(float(ring.sum()), 1e-6)
    cost = mismatch + _OPEN * (open_share + 0.3 * unseen) + _FAR * away
    cost[(covered < 0.02 * total) | (np.abs(down) >= rows) | (np.abs(right) >= columns)] = np.inf
    best = int(np.argmin(cost))
    if not np.isfinite(cost.flat[best]):
        return None
    top, side = divmod(best, size[1])
    coarse = int(down[top, 0]) * factor, int(right[0, side]) * factor
    return coarse if factor == 1 else _refined(canvas, hole, settled, usable, coarse, factor)


def _refined(
    canvas: Plane, hole: Mask, settled: Mask, usable: Mask, coarse: tuple[int, int], reach: int
) -> tuple[int, int]:
    """Return the offset near a coarse one at which the pixels around the hole agree best."""
    height, width = hole.shape
    y, x = np.nonzero(grown(hole, 2) & settled)
    step = max(1, len(y) // _RING)
    y, x = y[::step], x[::step]
    inside, columns = np.nonzero(hole)
    step = max(1, len(inside) // _RING)
    inside, columns = inside[::step], columns[::step]
    own = canvas[y, x]
    best, least = coarse, np.inf
    for down in range(coarse[0] - reach, coarse[0] + reach + 1):
        for right in range(coarse[1] - reach, coarse[1] + reach + 1):
            if not (down or right):
                continue
            covered = _at(usable, inside + down, columns + right).mean()
            seen = _at(usable, y + down, x + right)
            if not covered:
                continue
            there = canvas[np.clip(y + down, 0, height - 1)[seen], np.clip(x + right, 0, width - 1)[seen]]
            apart = float(np.square(there - own[seen]).sum() / max(int(seen.sum()), 1))
            cost = apart + _OPEN * (1 - covered) + _OPEN * 0.3 * (1 - float(seen.mean()) if len(seen) else 0.0)
            if cost < least:
                best, least = (down, right), cost
    return best


def _stamp(canvas: Plane, piece: Mask, offset: tuple[int, int], settled: Mask) -> None:
    """Copy a piece into the canvas, and spread the difference along its seam over it."""
    y, x = np.nonzero(piece)
    box = np.s_[max(0, y.min() - 4) : y.max() + 5, max(0, x.min() - 4) : x.max() + 5]
    copied = _moved(canvas, offset)[box]
    inside = piece[box]
    seam = (grown(inside, 3) & settled[box] & _shifted(settled, offset)[box]).astype(np.float32)
    apart = (canvas[box] - copied) * seam[..., None]
    # Three running means are a smooth bell, however wide.
    radius = max(3, int(np.sqrt(inside.sum()) / 3))
    spread = np.dstack([apart, seam])
    for _ in range(3):
        spread = ndimage.uniform_filter(spread, (2 * radius + 1, 2 * radius + 1, 1), mode="constant")
    slow = spread[..., :3] / np.maximum(spread[..., 3:], 1e-4)
    canvas[box][inside] = np.clip(copied + slow, 0, 255)[inside]


def _reduced(planes: NDArray[np.bool_] | Plane, factor: int) -> Plane:
    """Return the means over squares of a side, (rows, columns, k); those at the far edges count what they have."""
    height, width, _ = planes.shape
    pad = ((0, -height % factor), (0, -width % factor), (0, 0))
    wide = np.pad(planes.astype(np.float32), pad, mode="edge")
    rows, columns = wide.shape[0] // factor, wide.shape[1] // factor
    means: Plane = wide.reshape(rows, factor, columns, factor, -1).mean((1, 3))
    return means


def _at(mask: Mask, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Mask:
    """Return a mask at places, False beyond its edges."""
    height, width = mask.shape
    within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    found: Mask = within & mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return found


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
