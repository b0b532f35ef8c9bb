"""How strong light and dark differ."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Plane, Property, Seen, luminance, moments, smoothed, to_pixels

_AROUND = 0.04
"""Of the Gaussian that says what lies around, a share of the longer side: where sky meets land only the line counts."""
_MOST = 6.0
"""Contrast is raised and lowered by this factor at most: more turns rounding into texture."""


class Contrast(Intervention):
    """Light and dark are spread about the mean until places side by side differ as much as another's; colors stay."""

    name = "contrast"
    title = "Contrast"
    version = 3

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("contrast", "Contrast", "the contrast of the picture"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        spread, wanted = to.once(_spread), source.once(_spread)
        if spread < 1 or not source.middle.any():
            return None
        tones = luminance(to.view)
        mean, _ = moments(tones, to.middle)
        factor = min(max(wanted / spread, 1 / _MOST), _MOST)
        return to_pixels(to.view + (np.float32(factor - 1) * (tones - np.float32(mean)))[..., None])


def _spread(seen: Seen) -> float:
    """Return how much the tones of a background differ from those around them, as their standard deviation."""
    tones, here = luminance(seen.view), seen.middle.astype(np.float32)
    sigma = _AROUND * max(seen.size)
    around: Plane = smoothed(tones * here, sigma) / (smoothed(here, sigma) + np.float32(1e-6))
    return moments(tones - around, seen.middle)[1]
