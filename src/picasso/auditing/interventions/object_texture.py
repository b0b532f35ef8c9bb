"""The texture of the object."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from picasso.plugin import Intervention, Mask, Need, Pixels, Plane, Property, Seen, blend, luminance, matte, smoothed

_SIGMAS = (1.0, 2.0, 4.0)
"""Of the Gaussians between which the bands lie, pixels."""
_MOST = 2.0
"""A band is raised and lowered by this factor at most: more turns rounding and soft edges into texture."""


class ObjectTexture(Intervention):
    """Detail of the object, in bands from fine to coarse, becomes as strong as another's."""

    name = "object-texture"
    title = "Texture of the object"
    needs = frozenset({Need.OBJECT})
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("object-texture", "Texture of the object", "how strong the object's texture is"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        alpha = matte(to)
        if alpha is None or to.object is None or matte(source) is None or source.object is None:
            return None
        box, bands = _bands(to.view, to.object)
        _, wanted = _bands(source.view, source.object)
        changed = to.view.astype(np.float32)
        for own, other in zip(bands, wanted, strict=True):
            factor = min(max((other.std() + 0.1) / (own.std() + 0.1), 1 / _MOST), _MOST)
            changed[box][to.object[box]] += np.float32(factor - 1) * own[:, None]
        return blend(to.view, changed, alpha)


def _bands(view: Pixels, mask: Mask) -> tuple[tuple[slice, slice], list[Plane]]:
    """Split the tones of an object into bands, none of which sees what lies beside it.

    Returns:
        The box around the object, and the values of each band at its pixels.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    tones, weight = luminance(view[box]), mask[box].astype(np.float32)
    levels = [tones]
    for sigma in _SIGMAS:
        level = smoothed(tones * weight, sigma) / np.maximum(smoothed(weight, sigma), np.float32(1e-3))
        levels.append(level.astype(np.float32))
    return box, [(finer - coarser)[mask[box]] for finer, coarser in pairwise(levels)]
