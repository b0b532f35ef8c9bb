"""How the light falls off toward the corners."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, lit


class Vignette(Intervention):
    """The fall of the light from the middle to the corners, as lenses have it, becomes another's."""

    name = "vignette"
    title = "Vignette"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("vignette", "Vignette", "how the light falls off toward the corners"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        return lit(to, source, "outward")
