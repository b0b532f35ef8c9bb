"""How strong light and dark differ."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, luminance, moments, to_pixels

_MOST = 6.0
"""Contrast is raised and lowered by this factor at most: more turns rounding into texture."""


class Contrast(Intervention):
    """Light and dark are spread about the mean until the background's differ as much as another's; colors stay."""

    name = "contrast"
    title = "Contrast"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("contrast", "Contrast", "the contrast of the picture"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        tones = luminance(to.view)
        mean, spread = moments(tones, to.context)
        _, wanted = moments(luminance(source.view), source.context)
        if spread < 1 or not source.context.any():
            return None
        factor = min(max(wanted / spread, 1 / _MOST), _MOST)
        return to_pixels(to.view + (np.float32(factor - 1) * (tones - np.float32(mean)))[..., None])
