"""From which side the light comes."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, lit


class LightGradient(Intervention):
    """The slope of the light over the background, from side to side or from top to bottom, becomes another's."""

    name = "light-gradient"
    title = "Light gradient"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (
            Property(
                "light-gradient-horizontal",
                "Light gradient from side to side",
                "how the light changes from left to right",
            ),
            Property(
                "light-gradient-vertical",
                "Light gradient from top to bottom",
                "how the light changes from top to bottom",
            ),
        )

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        return lit(to, source, "across" if what.name.endswith("horizontal") else "down")
