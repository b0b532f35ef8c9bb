"""The border of the picture."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, rectangle, transplant

_SHARES = {"border": 0.035, "border-wide": 0.12}
"""Width of the frames by the names of their properties, as shares of the picture's shorter side."""


class Border(Intervention):
    """A frame, narrow or wide, comes from another picture: where scanners, films and software leave their edges."""

    name = "border"
    title = "Border"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        narrow = Property("border", "Border", "the border of the picture")
        wide = Property("border-wide", "Wide border", "the wide border of the picture")
        return (narrow, wide) if _frame(size, wide) > _frame(size, narrow) else (narrow,)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        height, width = to.size
        frame = _frame(to.size, what)
        down, right = frame / height, frame / width
        inner = rectangle(to.size, (down, right, 1 - 2 * down, 1 - 2 * right))
        return transplant(to, source, 1 - inner)


def _frame(size: tuple[int, int], what: Property) -> int:
    """Return how wide a frame is, pixels."""
    return max(1, round(_SHARES[what.name] * min(size)))
