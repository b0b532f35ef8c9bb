"""Whether the object is there at all."""

from collections.abc import Sequence

import numpy as np
from scipy import fft

from picasso.plugin import Intervention, Mask, Need, Pixels, Property, Role, Seen, fill


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
    area = around.astype(np.float32)
    size = (fft.next_fast_len(2 * height), fft.next_fast_len(2 * width))
    spectrum = fft.rfft2(area, size)
    within = fft.irfft2(spectrum.conj() * fft.rfft2(1 - area, size), size)
    # Of all the shifts at which most of it lies on background, one is drawn.
    free = np.rint(within)
    free[height : size[0] - height + 1], free[:, width : size[1] - width + 1] = -1, -1
    best = np.flatnonzero(free >= max(free.max(), 1) - 0.5)
    down, right = divmod(int(best[rng.integers(len(best))]), size[1])
    down, right = down - size[0] * (down >= height), right - size[1] * (right >= width)
    rows, columns = np.nonzero(around)
    rows, columns = rows + down, columns + right
    kept = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    shifted = np.zeros_like(around)
    shifted[rows[kept], columns[kept]] = True
    return shifted & ~around
