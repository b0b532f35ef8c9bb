"""Parts of one picture laid into another, with soft seams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from picasso.core.interventions.intervention import Mask, Pixels, Seen
from picasso.core.interventions.tones import Plane, bounded, luminance, moments, to_pixels

_SEAM = 256
"""Longer side of a picture in which a seam is soft over two pixels; in larger ones over more."""


def grown(mask: Mask, by: int) -> Mask:
    """Return a mask grown by so many pixels, in squares."""
    from scipy import ndimage

    found: Mask = ndimage.maximum_filter(mask, 2 * by + 1, mode="constant") if by else mask
    return found


def seam(size: tuple[int, int]) -> int:
    """Return half the width of a soft seam in a picture of (height, width), pixels."""
    return max(1, round(max(size) / _SEAM))


def softened(mask: Mask) -> Plane:
    """Return 1 where a mask holds, falling to 0 over a seam around it, float32 (h, w)."""
    from scipy import ndimage

    by = seam((mask.shape[0], mask.shape[1]))
    wide = grown(mask, by).astype(np.float32)
    soft: Plane = np.clip(ndimage.uniform_filter(wide, 2 * by + 1, mode="nearest"), 0, 1)
    soft[soft < 1e-4] = 0
    return soft


def blend(to: Pixels | Plane, source: Pixels | Plane, alpha: Plane) -> Pixels:
    """Return `to` where alpha (h, w) is 0, `source` where it is 1, and a mixture between."""
    below = to.astype(np.float32)
    return to_pixels(below + alpha[..., None] * (source.astype(np.float32) - below))


def outside(seen: Seen) -> Plane:
    """Return 1 where a picture may be changed, falling to 0 where its object shows, float32 (h, w), to be read only."""
    return seen.once(_outside)


def _outside(seen: Seen) -> Plane:
    found: Plane = 1 - softened(seen.around)
    return found


def matte(seen: Seen) -> Plane | None:
    """Return 1 on the object, falling to 0 within its margin, float32 (h, w); None where no object is known."""
    if seen.object is None or not seen.object.any():
        return None
    found: Plane = softened(seen.object) * seen.around
    return found


def surface(seen: Seen) -> Plane | None:
    """Return 1 inside an object, falling to 0 at its edge, float32 (h, w); None where no object is known.

    The pixels of an edge are mixed with what is beside it: what is done to them as if they were the object draws a rim
    around it.
    """
    from scipy import ndimage

    if seen.object is None or not seen.object.any():
        return None
    reach = 2 * seam(seen.size) + 1
    filled = ndimage.uniform_filter(seen.object.astype(np.float32), reach, mode="nearest")
    found: Plane = np.clip((filled - 1 / 3) * 1.5, 0, 1) * seen.object
    return found


def transplant(to: Seen, source: Seen, alpha: Plane, keep_tone: bool = False) -> Pixels | None:
    """Return `to` with a part of its background taken from another picture.

    Args:
        to: The picture that is changed; its object stays.
        source: The picture that the part is taken from, its object filled.
        alpha: Which part, 0..1, float32 (h, w).
        keep_tone: Whether the part comes as bright as it is. Otherwise it gets the gain between the mean luminances
            of the two backgrounds, so that a difference of the whole is not taken for one of the part.

    Returns:
        uint8 (h, w, 3); None where the source's object cannot be filled, or this picture is nothing but object.
    """
    plate = source.plate
    if plate is None or not to.context.any():
        return None
    values = plate.astype(np.float32)
    if not keep_tone:
        here, there = to.once(_brightness), source.once(_brightness)
        values = values * np.float32(bounded((here + 1) / (there + 1)))
    return blend(to.view, values, alpha * outside(to))


def _brightness(seen: Seen) -> float:
    """Return the mean luminance of a picture's background."""
    return moments(luminance(seen.view), seen.context)[0]


@dataclass(frozen=True, eq=False)
class Cutout:
    """An object without its background.

    Args:
        view: uint8 (h, w, 3): the box around it.
        alpha: 1 on the object, falling to 0 around it, float32 (h, w).
        top, left: Where the box lies in the picture, pixels.
        foot: (row, column) of the middle of the object's lowest edge in the picture, where it stands.
        area: Pixels of the object.
    """

    view: Pixels
    alpha: Plane
    top: int
    left: int
    foot: tuple[float, float]
    area: int


def cut_out(seen: Seen) -> Cutout | None:
    """Return the object of a picture, to be read only; None where it has none."""
    return seen.once(_cut_out)


def _cut_out(seen: Seen) -> Cutout | None:
    alpha = matte(seen)
    if seen.object is None or alpha is None:
        return None
    y, x = np.nonzero(alpha)
    top, bottom, left, right = y.min(), y.max() + 1, x.min(), x.max() + 1
    rows, columns = np.nonzero(seen.object)
    foot = float(rows.max() + 1), float(columns.min() + columns.max() + 1) / 2
    box = np.s_[top:bottom, left:right]
    return Cutout(seen.view[box], alpha[box], int(top), int(left), foot, int(seen.object.sum()))


def scaled(cutout: Cutout, area: float) -> Cutout:
    """Return an object resized about its foot so that it has an area, pixels."""
    factor = float(np.sqrt(area / cutout.area))
    height, width = cutout.alpha.shape
    size = max(1, round(height * factor)), max(1, round(width * factor))
    if size == (height, width):
        return cutout
    # Colors times alpha, so that what lies beside the object does not come along.
    values = np.dstack([cutout.view * cutout.alpha[..., None], cutout.alpha]).astype(np.float32)
    planes = [
        np.asarray(Image.fromarray(values[..., k]).resize(size[::-1], Image.Resampling.BICUBIC)) for k in range(4)
    ]
    alpha = np.clip(planes[3], 0, 1)
    view = to_pixels(np.dstack(planes[:3]) / np.maximum(alpha, 1e-3)[..., None])
    top = cutout.foot[0] - (cutout.foot[0] - cutout.top) * size[0] / height
    left = cutout.foot[1] - (cutout.foot[1] - cutout.left) * size[1] / width
    return Cutout(view, alpha, round(top), round(left), cutout.foot, round(area))


def stand(plate: Pixels, cutout: Cutout, foot: tuple[float, float]) -> Pixels:
    """Return a background with an object whose foot is at (row, column), moved inside as far as it fits."""
    height, width = plate.shape[:2]
    high, wide = cutout.alpha.shape
    top = cutout.top + round(foot[0] - cutout.foot[0])
    left = cutout.left + round(foot[1] - cutout.foot[1])
    top = min(max(top, min(0, height - high)), max(0, height - high))
    left = min(max(left, min(0, width - wide)), max(0, width - wide))
    to = np.s_[max(0, top) : top + high, max(0, left) : left + wide]
    result = plate.copy()
    part = result[to]
    own = np.s_[max(0, -top) : max(0, -top) + part.shape[0], max(0, -left) : max(0, -left) + part.shape[1]]
    result[to] = blend(part, cutout.view[own], cutout.alpha[own])
    return result
