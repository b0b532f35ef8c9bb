"""Whether a kind of region is there."""

import numpy as np

from picasso.plugin import Kinds, Pixels, Property, Seen, blend, fill, outside, region_of, softened


class CoOccurrence(Kinds):
    """A kind of region is removed where another picture has none, and brought where only the other has it."""

    name = "co-occurrence"
    title = "Presence of a region"
    phrased = "{region} being there"

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        assert what.region is not None
        if to.regions is None or source.regions is None:
            return None
        own, other = region_of(to, what.region), region_of(source, what.region)
        if (own is None) == (other is None):
            return to.view.copy()
        if own is not None:
            known = to.context & ~own
            return fill(to.view, own, known) if known.any() else None
        assert other is not None
        return blend(to.view, source.view, softened(other) * outside(to))
