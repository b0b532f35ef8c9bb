"""Whether the object is there at all."""

from collections.abc import Sequence

import numpy as np
from scipy import signal

from picasso.plugin import Intervention, Mask, Need, Pixels, Property, Role, Seen, blend, fill, matte

_SIDE = 56
"""Side of the reduced mask in which a place for the sham is sought, about."""
_FITS = 0.5
"""Share of the object's area that must find a place beside it."""


class Erasure(Intervention):
    """The object is removed. The sham removes background in the object's shape, or only what lies around the object."""

    name = "erasure"
    title = "Erasure of the object"
    role = Role.ERASURE
    on_object = True
    needs = frozenset({Need.OBJECT})

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("erasure", "Erasure of the object", "the object being there"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        """Return `to` without its object; nothing is taken from `source`."""
        return to.plate.copy() if to.around.any() and to.plate is not None else None

    def pair(self, what: Property, seen: Seen, same: Seen, other: Seen, seed: int) -> tuple[Pixels, Pixels] | None:
        alpha, plate = matte(seen), seen.plate
        if alpha is None or plate is None:
            return None
        beside = _elsewhere(seen.around, np.random.default_rng(seed))
        known = seen.context & ~beside
        if beside.sum() < _FITS * seen.around.sum() or not known.any():
            return blend(plate, seen.view, alpha), plate.copy()
        return fill(seen.view, beside, known), plate.copy()


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
