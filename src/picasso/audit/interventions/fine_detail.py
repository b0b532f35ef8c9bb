"""The finest detail of the background."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, blend, outside, smoothed

_SIGMA = 1.5
"""Of the Gaussian that takes the detail away, pixels."""


class FineDetail(Intervention):
    """The grain of the background, pixel by pixel, is another's: patterns too fine to be seen."""

    name = "fine-detail"
    title = "Fine detail"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("fine-detail", "Fine detail", "the finest detail of the background"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        if source.plate is None or not to.context.any():
            return None
        values, other = to.view.astype(np.float32), source.plate.astype(np.float32)
        # One filter for both: it is linear.
        changed = other + smoothed(values - other, _SIGMA)
        return blend(values, changed, outside(to))
