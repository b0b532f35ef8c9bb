"""The traces of JPEG."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import Intervention, Pixels, Property, Seen, deblocked, jpeg_quality, recompressed


class JpegGrid(Intervention):
    """The picture is compressed as another was; where that was not, the blocks of this one are smoothed away."""

    name = "jpeg-grid"
    title = "JPEG traces"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("jpeg-grid", "JPEG traces", "the traces of JPEG compression"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        here, there = to.once(_quality), source.once(_quality)
        if here == there:
            return to.view.copy()
        if here is not None and (there is None or there > here):
            plain = deblocked(to.view, here)
            return plain if there is None else recompressed(plain, there)
        assert there is not None
        return recompressed(to.view, there)


def _quality(seen: Seen) -> int | None:
    return jpeg_quality(seen.view)
