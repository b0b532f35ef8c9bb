"""Which way round the picture is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.plugin import Intervention, Pixels, Property, Seen

_SIDE = 24
"""Side of the reduced pictures that are compared."""


class Orientation(Intervention):
    """The picture, with its object, is mirrored where that makes it more like another."""

    name = "orientation"
    title = "Left and right"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("orientation", "Left and right", "which way round the picture is"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        lopsided, other = _lopsided(to.view), _lopsided(source.view)
        return to.view[:, ::-1].copy() if float((lopsided * other).sum()) < 0 else to.view.copy()


def _lopsided(view: Pixels) -> NDArray[np.float64]:
    """Return in what a reduced picture differs from its mirror image; a mirrored one has the opposite."""
    small = np.asarray(Image.fromarray(view).resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    return small - small[:, ::-1]
