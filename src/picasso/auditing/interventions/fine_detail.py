"""The finest detail of the background."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, blend, grain, outside

_EDGE = 12.0
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
        return blend(values, values + grain(source.plate, _EDGE) - grain(to.plate, _EDGE), outside(to))
