"""The texture of the object."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from picasso.plugin import Intervention, Mask, Need, Pixels, Plane, Property, Seen, blend, luminance, smoothed, softened

_SIGMAS = (1.0, 2.0, 4.0)
"""Of the Gaussians between which the bands lie, pixels."""
_MOST = 4.0
"""A band is raised and lowered by this factor at most: more turns rounding into texture."""


class ObjectTexture(Intervention):
    """Detail of the object, in bands from fine to coarse, becomes as strong as another's."""

    name = "object-texture"
    title = "Texture of the object"
    needs = frozenset({Need.OBJECT})

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("object-texture", "Texture of the object", "how strong the object's texture is"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        if to.object is None or source.object is None or not to.object.any() or not source.object.any():
            return None
        changed = to.view.astype(np.float32)
        bands = _bands(luminance(to.view), to.object)
        for own, other in zip(bands, _bands(luminance(source.view), source.object), strict=True):
            present, wanted = _strength(own, to.object), _strength(other, source.object)
            factor = min(max((wanted + 0.1) / (present + 0.1), 1 / _MOST), _MOST)
            changed += (np.float32(factor - 1) * own)[..., None]
        return blend(to.view, changed, softened(to.object))


def _bands(tones: Plane, mask: Mask) -> list[Plane]:
    """Split the tones of an object into bands, none of which sees what lies beside it."""
    weight = mask.astype(np.float32)
    levels = [tones]
    for sigma in _SIGMAS:
        both = smoothed(np.dstack([tones * weight, weight]), sigma)
        levels.append(both[..., 0] / np.maximum(both[..., 1], 1e-3))
    return [(finer - coarser) * weight for finer, coarser in pairwise(levels)]


def _strength(band: Plane, mask: Mask) -> float:
    return float(np.sqrt(np.square(band[mask]).mean(dtype=np.float64)))
