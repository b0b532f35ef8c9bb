"""How bright the picture is."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, luminance, moments, with_luminance


class Luminance(Intervention):
    """The picture gets the gain that makes its background as bright as another's."""

    name = "luminance"
    title = "Brightness"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("luminance", "Brightness", "how bright the picture is"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        if not to.middle.any() or not source.middle.any():
            return None
        mean, _ = moments(luminance(source.view), source.middle)
        return with_luminance(to.view.astype(np.float32), to.middle, mean)
