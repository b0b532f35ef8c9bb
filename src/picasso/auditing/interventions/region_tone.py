"""The tone of a kind of region."""

import numpy as np

from picasso.plugin import Kinds, Pixels, Property, Seen, blend, grown, outside, region_of, seam, softened

_MOST = 4.0
"""Spreads of tones are raised and lowered by this factor at most: more turns rounding into texture."""


class RegionTone(Kinds):
    """One kind of region gets the mean and the spread of another's colors, and keeps what it shows."""

    name = "region-tone"
    title = "Tone of a region"
    phrased = "the tone of {region}"

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        assert what.region is not None
        own, other = region_of(to, what.region), region_of(source, what.region)
        if own is None or other is None:
            return None
        here, there = to.view[own].astype(np.float64), source.view[other].astype(np.float64)
        factor = np.clip((there.std(0) + 1) / (here.std(0) + 1), 1 / _MOST, _MOST)
        values = (to.view - here.mean(0)) * factor + there.mean(0)
        # The seam lies inside: what is mixed with the neighbors at the edge has no tone of its own.
        inner = own & ~grown(~own, seam(to.size))
        return blend(to.view, np.clip(values, 0, 255).astype(np.float32), softened(inner) * outside(to))
