"""Whether the object is there at all."""

from collections.abc import Sequence

import numpy as np
from scipy import signal

from picasso.plugin import Intervention, Mask, Need, Pixels, Property, Role, Seen, fill

_SIDE = 56
"""Side of the reduced mask in which a place for the sham is sought, about."""


class Erasure(Intervention):
    """The object is removed. The sham removes as much of the background, in the object's shape."""

    name = "erasure"
    title = "Erasure of the object"
    role = Role.ERASURE
    needs = frozenset({Need.OBJECT})

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("erasure", "Erasure of the object", "the object being there"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        """Return `to` without its object; nothing is taken from `source`."""
        return to.plate.copy() if to.around.any() and to.plate is not None else None

    def pair(self, what: Property, seen: Seen, same: Seen, other: Seen, seed: int) -> tuple[Pixels, Pixels] | None:
        rng = np.random.default_rng(seed)
        treatment = self.take(what, seen, other, rng)
        if treatment is None:
            return None
        beside = _elsewhere(seen.around, rng)
        return fill(seen.view, beside, ~(beside | seen.around)), treatment


def _elsewhere(around: Mask, rng: np.random.Generator) -> Mask:
    """Return the object's area shifted to where it meets neither the object nor, as far as it fits, the edge."""
    height, width = around.shape
    step = max(1, max(height, width) // _SIDE)
    area = around[::step, ::step].astype(np.float32)
    free = np.rint(signal.correlate(1 - area, area, "full", "fft")) / area.sum()
    # At the object's own height, rather than in the sky above it.
    down = np.abs(np.arange(len(free)) - len(area) + 1)[:, None] / len(area)
    worth = np.where(free > 0, free - down, -1)
    best = np.argwhere(worth >= worth.max() - 1e-6)
    down, right = (best[rng.integers(len(best))] - np.array(area.shape) + 1) * step
    rows, columns = np.nonzero(around)
    rows, columns = rows + down, columns + right
    kept = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    shifted = np.zeros_like(around)
    shifted[rows[kept], columns[kept]] = True
    return shifted & ~around
