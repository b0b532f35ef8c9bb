"""The border of the picture."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, rectangle, transplant

_SHARES = {"border": 0.035, "border-wide": 0.12}
"""Width of the frame, as a share of the picture's shorter side."""


class Border(Intervention):
    """A frame, narrow or wide, comes from another picture: where scanners, films and software leave their edges."""

    name = "border"
    title = "Border"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (
            Property("border", "Border", "the border of the picture"),
            Property("border-wide", "Wide border", "the wide border of the picture"),
        )

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        height, width = to.size
        frame = max(1, round(_SHARES[what.name] * min(height, width)))
        down, right = frame / height, frame / width
        inner = rectangle(to.size, (down, right, 1 - 2 * down, 1 - 2 * right))
        return transplant(to, source, 1 - inner)
