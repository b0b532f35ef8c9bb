"""The thirds of the picture, from top to bottom and from left to right, and the upper and the lower half."""

from collections.abc import Sequence

from picasso.plugin import Property, Rectangles


class Bands(Rectangles):
    """A third or half of the background comes from another picture: the sky, the ground, one side."""

    name = "bands"
    title = "Bands"
    version = 3

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        third = 1 / 3
        return (
            Property("band-top", "Top third", "the top of the picture", (0, 0, third, 1)),
            Property("band-middle", "Middle third", "the middle of the picture", (third, 0, third, 1)),
            Property("band-bottom", "Bottom third", "the bottom of the picture", (2 * third, 0, third, 1)),
            Property("band-upper", "Upper half", "the upper half of the picture", (0, 0, 1 / 2, 1)),
            Property("band-lower", "Lower half", "the lower half of the picture", (1 / 2, 0, 1 / 2, 1)),
            Property("band-left", "Left third", "the left of the picture", (0, 0, 1, third)),
            Property("band-center", "Center third", "the center of the picture", (0, third, 1, third)),
            Property("band-right", "Right third", "the right of the picture", (0, 2 * third, 1, third)),
        )
