"""How light changes over a picture: from side to side, from top to bottom, from the middle outward."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.interventions.intervention import Pixels, Seen
from picasso.core.interventions.tones import OFFSET, Plane, luminance, relit

Way = Literal["across", "down", "outward"]
_PLACES: Final = {"across": 1, "down": 2, "outward": 3}
_STEP = 2
"""Every other pixel in either direction is enough for four numbers."""
_MOST = 1.5
"""Most that a slope changes, in natural logarithms from the middle to the edge: a factor of 4.5."""


def light_of(seen: Seen) -> NDArray[np.float64] | None:
    """Return how the light of a background changes away from its edges, float64 (4,).

    Fits log luminance by a constant, a slope to the right, a slope downward and a square outward; places run from -1
    to 1. None where too little background is left to fit.
    """
    here = seen.middle[::_STEP, ::_STEP]
    if here.sum() < 16:
        return None
    shapes = _shapes(seen.size)[:, ::_STEP, ::_STEP][:, here]
    logs = np.log(luminance(seen.view[::_STEP, ::_STEP][here]) + OFFSET)
    gram, right = (shapes @ shapes.T).astype(np.float64), (shapes @ logs).astype(np.float64)
    # A little of nothing keeps a background of one row or column from a slope that it cannot know.
    found: NDArray[np.float64] = np.linalg.solve(gram + 1e-3 * np.eye(4), right)
    return found


def lit(to: Seen, source: Seen, way: Way) -> Pixels | None:
    """Return a picture whose light changes one way as another's does; its background stays as bright."""
    here, there = to.once(light_of), source.once(light_of)
    if here is None or there is None:
        return None
    place = _PLACES[way]
    slope = float(np.clip(there[place] - here[place], -_MOST, _MOST))
    return relit(to.view, (slope * _shapes(to.size)[place])[..., None], to.middle)


def _shapes(size: tuple[int, int]) -> Plane:
    """Return 1, across, down and outward, float32 (4, h, w)."""
    down, across = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in size), indexing="ij")
    return np.stack([np.ones_like(down), across, down, (across**2 + down**2) / 2])
