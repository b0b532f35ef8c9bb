"""The top, the middle and the bottom of the picture."""

from collections.abc import Sequence

from picasso.plugin import Property, Rectangles


class Bands(Rectangles):
    """A third of the background comes from another picture: the sky, the horizon, the ground."""

    name = "bands"
    title = "Bands"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        third = 1 / 3
        return (
            Property("band-top", "Top third", "the top of the picture", (0, 0, third, 1)),
            Property("band-middle", "Middle third", "the middle of the picture", (third, 0, third, 1)),
            Property("band-bottom", "Bottom third", "the bottom of the picture", (2 * third, 0, third, 1)),
        )
