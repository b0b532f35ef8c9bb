"""The traces of JPEG."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import (
    Intervention,
    Pixels,
    Property,
    Seen,
    blend,
    deblocked,
    grain,
    jpeg_quality,
    outside,
    recompressed,
)

_EDGE = 48.0
"""Standard deviation of detail, in tones, from which on it is an edge that another picture does not get."""


class JpegGrid(Intervention):
    """The picture is compressed as another was, or as little.

    Where that was less, the blocks of this one are smoothed away, and its background gets the other's finest detail:
    what compression took is not in the picture any more.
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
        if here is not None and (there is None or there > here):
            plain = _with_detail(to, deblocked(to.view, here), source)
            return plain if there is None else recompressed(plain, there)
        assert there is not None
        return recompressed(to.view, there)


def _with_detail(to: Seen, plain: Pixels, source: Seen) -> Pixels:
    if source.plate is None:
        return plain
    detail = grain(source.plate, _EDGE) - grain(plain, _EDGE)
    return blend(plain, plain + detail, outside(to))


def _quality(seen: Seen) -> int | None:
    return jpeg_quality(seen.view)
