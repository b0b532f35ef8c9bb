"""Interventions whose properties are kinds of regions: one for each kind."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from picasso.core.interventions.intervention import Intervention, Mask, Need, Pixels, Property, Seen

LEAST_SHARE = 0.005
"""Share of a picture's background below which it does not have a kind of region."""


def region_of(seen: Seen, kind: int) -> Mask | None:
    """Return where a picture's background is of a kind, bool (h, w); None where it hardly is, or nothing is known."""
    if seen.regions is None:
        return None
    found: Mask = (seen.regions == kind) & seen.context
    return found if found.mean() >= LEAST_SHARE else None


class Kinds(Intervention):
    """Does something with each kind of region.

    Class attributes:
        phrased: Completes "The model relies on ..."; "{region}" stands for the region's name.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.REGIONS})
    phrased: ClassVar[str] = "{region}"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return tuple(
            Property(
                f"{self.name}-{kind + 1}", f"{self.title}: {region}", self.phrased.format(region=region), region=kind
            )
            for kind, region in enumerate(regions)
        )

    @abstractmethod
    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        """See `Intervention.take`; `what.region` is the kind."""
