"""The color of the light."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, bounded, log_chroma, relit


class ColorCast(Intervention):
    """The channels get the gains that give the background another's color on average; it stays as bright."""

    name = "color-cast"
    title = "Color cast"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("color-cast", "Color cast", "the color cast of the picture"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        if not to.middle.any() or not source.middle.any():
            return None
        cast = log_chroma(source.view, source.middle) - log_chroma(to.view, to.middle)
        red, blue = np.log([bounded(gain) for gain in np.exp(cast)])
        return relit(to.view, np.array([red, 0.0, blue]), to.middle)
