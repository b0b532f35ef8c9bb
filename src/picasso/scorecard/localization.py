"""Against a mask of the object: does the map point at it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from picasso.core.preprocessing import Array
from picasso.scorecard.fills import Mask


@dataclass(frozen=True)
class Located:
    """How a map lies to a mask.

    A map that misses the mask may be right: the model may look elsewhere. That is what such a map is for.

    Args:
        pointing: Whether the largest value lies in the mask, 1 or 0; where several are largest, their share that does.
            Zhang et al. 2016, arXiv:1608.00507.
        mass: The mask's share of the sum of all positive values, 0..1.
        overlap: Intersection over union of the mask and as many of the largest values, 0..1.
        area: The mask's share of the picture, which is what a map without any aim reaches of the first two.
    """

    pointing: float
    mass: float
    overlap: float
    area: float


def located(values: Array, mask: Mask, seed: int = 0) -> Located:
    """Compare a map (h, w) with a mask bool (h, w) of at least one pixel.

    Args:
        values: The map; what is not known counts as 0.
        mask: Where the object is.
        seed: Draws the order of equal values.
    """
    known = np.nan_to_num(np.asarray(values, np.float64))
    positive = np.maximum(known, 0)
    total = float(positive.sum())
    drawn = np.random.default_rng(seed).permutation(known.size)
    largest = np.lexsort((drawn, -known.reshape(-1)))[: int(mask.sum())]
    shared = int(mask.reshape(-1)[largest].sum())
    return Located(
        pointing=float(mask[known == known.max()].mean()),
        mass=float(positive[mask].sum()) / total if total else 0.0,
        overlap=shared / (2 * int(mask.sum()) - shared),
        area=float(mask.mean()),
    )
