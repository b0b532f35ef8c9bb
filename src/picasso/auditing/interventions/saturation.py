"""How strong the colors are."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Mask, Pixels, Property, Seen, luminance, to_pixels

_MOST = 6.0
"""Colors become stronger and weaker by this factor at most: more turns rounding into color."""


class Saturation(Intervention):
    """Colors move away from gray, or towards it, until the background's are as strong as another's.

    Gray pictures have no colors to make stronger, so where a class is gray only the others are asked.
    """

    name = "saturation"
    title = "Saturation"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("saturation", "Saturation", "how strong the colors of the picture are"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        own, wanted = _strength(to.view, to.middle), _strength(source.view, source.middle)
        if own < 1 or not source.middle.any():
            return None
        gray = luminance(to.view)[..., None]
        factor = np.float32(min(max(wanted / own, 1 / _MOST), _MOST))
        return to_pixels(gray + factor * (to.view - gray))


def _strength(view: Pixels, mask: Mask) -> float:
    """Return the root mean square distance of colors from gray, in tones; 0 where the mask holds nowhere."""
    values = view[mask].astype(np.float32)
    return float(np.sqrt(np.square(values - luminance(values)[:, None]).mean())) if len(values) else 0.0
