"""The four corners of the picture."""

from collections.abc import Sequence

from picasso.plugin import Property, Rectangles

_SIDE = 0.3
"""Side of a corner, as a share of the picture's: a stamp or a logo lies inside as a whole, which a cell of the grid may
cut in two."""


class Corners(Rectangles):
    """A corner of the background comes from another picture: where stamps, logos and markers are."""

    name = "corners"
    title = "Corners"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return tuple(
            Property(
                f"corner-{down}-{right}",
                f"{down.capitalize()} {right} corner",
                f"the {down} {right} corner",
                (0.0 if down == "top" else 1 - _SIDE, 0.0 if right == "left" else 1 - _SIDE, _SIDE, _SIDE),
            )
            for down in ("top", "bottom")
            for right in ("left", "right")
        )
