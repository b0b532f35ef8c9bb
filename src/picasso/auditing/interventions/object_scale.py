"""How large the object is."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Need, Pixels, Property, Role, Seen, cut_out, scaled, stand

_MOST = 0.6
"""Share of the picture that an object may cover after it was resized."""


class ObjectScale(Intervention):
    """The object is resized where it stands until it covers as much as another's."""

    name = "object-scale"
    title = "Size of the object"
    role = Role.SIZE
    on_object = True
    needs = frozenset({Need.OBJECT, Need.OUTLINE})

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("object-scale", "Size of the object", "how large the object is"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        own, other = cut_out(to), cut_out(source)
        if own is None or other is None or to.plate is None:
            return None
        resized = scaled(own, min(other.area, _MOST * to.view.shape[0] * to.view.shape[1]))
        return stand(to.plate, resized, own.foot)
