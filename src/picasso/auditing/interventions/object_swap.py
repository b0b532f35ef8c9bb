"""The object itself."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Need, Pixels, Property, Role, Seen, cut_out, scaled, stand


class ObjectSwap(Intervention):
    """Another object stands where this one stood, as large as it: what a model should rely on."""

    name = "object-swap"
    title = "The object"
    role = Role.OBJECT
    on_object = True
    needs = frozenset({Need.OBJECT})

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("object-swap", "The object", "the object itself"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        own, other = cut_out(to), cut_out(source)
        if own is None or other is None or to.plate is None:
            return None
        return stand(to.plate, scaled(other, own.area), own.foot)
