"""The traces of JPEG."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, blend, deblocked, jpeg_quality, outside, recompressed

_NEVER = 101
"""Stands for the quality of a picture without such traces: better than any."""


class JpegGrid(Intervention):
    """The picture is compressed as another was, or as little.

    Where that was less, the blocks of this one are smoothed away, and its background gets what such compression takes
    from the other's: what it took from this one is not in the picture any more.
    """

    name = "jpeg-grid"
    title = "JPEG traces"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("jpeg-grid", "JPEG traces", "the traces of JPEG compression"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        here, there = to.once(_quality), source.once(_quality)
        if here == there:
            return to.view.copy()
        if there < here:
            return recompressed(to.view, there)
        if source.plate is None:
            return None
        lost = source.plate.astype(np.float32) - recompressed(source.plate, here)
        plain = deblocked(to.view, here)
        plain = blend(plain, plain + lost, outside(to))
        return plain if there == _NEVER else recompressed(plain, there)


def _quality(seen: Seen) -> int:
    quality = jpeg_quality(seen.view)
    return _NEVER if quality is None else quality
