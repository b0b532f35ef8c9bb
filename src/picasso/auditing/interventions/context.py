"""Everything but the object."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, transplant


class Context(Intervention):
    """The object stays, and stands in another picture, from which its own object was removed."""

    name = "context"
    title = "Context"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("context", "Context", "what surrounds the object", (0, 0, 1, 1)),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        if not to.around.any():
            return None  # Nothing would be left of the picture.
        return transplant(to, source, np.ones(to.size, np.float32), keep_tone=True)
