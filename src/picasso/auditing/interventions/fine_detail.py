"""The finest detail of the background."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from picasso.plugin import Intervention, Pixels, Plane, Property, Seen, blend, luminance, outside, smoothed

_SIGMA = 1.5
"""Of the Gaussian that takes the detail away, pixels."""
_EDGE = np.float32(12)
"""Standard deviation of detail, in tones, from which on it is an edge."""


class FineDetail(Intervention):
    """The grain of the background, pixel by pixel, is another's: patterns too fine and too weak to be seen."""

    name = "fine-detail"
    title = "Fine detail"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("fine-detail", "Fine detail", "the finest detail of the background"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        if source.plate is None or to.plate is None:
            return None
        values = to.view.astype(np.float32)
        return blend(values, values + _grain(source.plate) - _grain(to.plate), outside(to))


def _grain(view: Pixels) -> Plane:
    """Return fine detail without edges: those are what the picture shows, and would appear as outlines."""
    values = view.astype(np.float32)
    rest = values - smoothed(values, _SIGMA)
    power = ndimage.uniform_filter(np.square(luminance(rest)), 5) / _EDGE**2
    found: Plane = rest / (1 + np.square(power))[..., None]
    return found
