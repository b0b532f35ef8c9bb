"""The border of the picture."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, rectangle, transplant


class Border(Intervention):
    """A frame, narrow or wide, comes from another picture: where scanners, films and software leave their edges."""

    name = "border"
    title = "Border"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        narrow = Property("border", "Border", "the border of the picture", frame=0.035)
        wide = Property("border-wide", "Wide border", "the wide border of the picture", frame=0.12)
        return (narrow, wide) if _width(size, wide) > _width(size, narrow) else (narrow,)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        height, width = to.size
        border = _width(to.size, what)
        down, right = border / height, border / width
        inner = rectangle(to.size, (down, right, 1 - 2 * down, 1 - 2 * right))
        return transplant(to, source, 1 - inner)


def _width(size: tuple[int, int], what: Property) -> int:
    """Return how wide a frame is, pixels."""
    return max(1, round((what.frame or 0) * min(size)))
