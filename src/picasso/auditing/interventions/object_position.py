"""Where the object stands."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Need, Pixels, Property, Seen, cut_out, stand


class ObjectPosition(Intervention):
    """The object is moved to where another's stands."""

    name = "object-position"
    title = "Position of the object"
    on_object = True
    needs = frozenset({Need.OBJECT})

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("object-position", "Position of the object", "where the object stands"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        own, other = cut_out(to), cut_out(source)
        if own is None or other is None or to.plate is None:
            return None
        return stand(to.plate, own, other.foot)
