"""What a kind of region looks like."""

import numpy as np

from picasso.plugin import Kinds, Pixels, Property, Seen, blend, fill, grown, outside, region_of, seam, softened


class Region(Kinds):
    """All of one kind of region shows what another picture shows there."""

    name = "region"
    title = "Region"

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        assert what.region is not None
        own, other = region_of(to, what.region), region_of(source, what.region)
        if own is None or other is None or source.plate is None:
            return None
        # Where the other picture shows something else, more of its region is laid; what lies along its edges is
        # mixed with what is beside it.
        hole = own & grown(own & ~other, 3 * seam(to.size))
        inner = other & ~grown(~other, 2 * seam(to.size)) & ~hole
        shown = fill(source.plate, hole, inner) if inner.any() else fill(source.plate, own & ~other, other)
        return blend(to.view, shown, softened(own) * outside(to))
