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
        if piece is None or offset is None or not piece.any():
            break
        _stamp(canvas, piece, offset, settled, hole & ~left)
        left &= ~piece
        settled |= piece
        if not left.any():
            break
    if left.any():
        rows, columns = ndimage.distance_transform_edt(~settled, return_distances=False, return_indices=True)
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
    away = _DOWN * (down / rows) ** 2 + _RIGHT * (right / columns) ** 2
    # A seam that meets little of what may be copied says little about how well the piece fits.
    unseen = 1 - met / max(float(ring.sum()), 1e-6)
    cost = mismatch + _OPEN * (open_share + 0.3 * unseen) + away
    covered[(np.abs(down) >= rows) | (np.abs(right) >= columns)] = 0
    most = float(covered.max())
    if most < 0.5:
        return None
    cost[covered < min(_LEAST * total, 0.9 * most)] = np.inf
    best = int(np.argmin(cost))
    top, side = divmod(best, size[1])
    coarse = int(down[top, 0]) * factor, int(right[0, side]) * factor
    return coarse if factor == 1 else _refined(canvas, hole, settled, usable, coarse, factor)


def _refined(
    canvas: Plane, hole: Mask, settled: Mask, usable: Mask, coarse: tuple[int, int], reach: int
) -> tuple[int, int]:
    """Return the offset near a coarse one at which the pixels around the hole agree best."""
    pad = 2 * reach + 1
    tones = np.pad(canvas, ((pad, pad), (pad, pad), (0, 0))).reshape(-1, 3)
    there = np.pad(usable, pad)
    steps = np.arange(-reach, reach + 1)
    tried = (steps[:, None] * there.shape[1] + steps).reshape(-1, 1)

    def places(mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where some of a mask's pixels lie, and where they come from, as indices of the padded planes."""
        y, x = np.nonzero(mask)
        every = max(1, len(y) // _RING)
        y, x = y[::every], x[::every]
        own = (y + pad) * there.shape[1] + x + pad
        # What comes from far beyond an edge stays beyond it at every step.
        y = np.clip(y + coarse[0], -reach - 1, hole.shape[0] + reach) + pad
        x = np.clip(x + coarse[1], -reach - 1, hole.shape[1] + reach) + pad
        return own, y * there.shape[1] + x + tried

    _, inside = places(hole)
    own, around = places(grown(hole, 2) & settled)
    covered = there.reshape(-1)[inside].mean(1)
    seen = there.reshape(-1)[around]
    gaps = tones[around] - tones[own]
    apart = np.einsum("opc,opc,op->o", gaps, gaps, seen.astype(np.float32)) / np.maximum(seen.sum(1), 1)
    unseen = 1 - seen.mean(1) if own.size else 0.0
    best = int(np.argmin(apart + _OPEN * (1 - covered + 0.3 * unseen)))
    down, right = divmod(best, len(steps))
    return coarse[0] + int(steps[down]), coarse[1] + int(steps[right])


def _stamp(canvas: Plane, piece: Mask, offset: tuple[int, int], settled: Mask, made: Mask) -> None:
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
    slow = np.clip(spread[..., :3] / np.maximum(spread[..., 3:], 1e-4), -_DRIFT, _DRIFT)
    # The seam with an earlier piece is soft; what was there before is left as it is.
    alpha = np.where(inside, 1, softened(inside) * made[box])[..., None]
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
    return total / np.float32(factor**2)


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
