"""How bright the object is, and of what color."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import (
    OFFSET,
    Intervention,
    Need,
    Pixels,
    Property,
    Seen,
    blend,
    log_chroma,
    luminance,
    moments,
    surface,
    with_luminance,
)

_LEAST = 0.3
"""Share of an object that lies inside its edge at least: of a wire nothing would be changed, and it would seem that
nothing hangs on its tone."""


class ObjectTone(Intervention):
    """The object gets the mean brightness and the mean color of another."""

    name = "object-tone"
    title = "Tone of the object"
    on_object = True
    needs = frozenset({Need.OBJECT})
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("object-tone", "Tone of the object", "how bright the object is, and its color"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        alpha = surface(to)
        if alpha is None or to.object is None or source.object is None or not source.object.any():
            return None
        if alpha[to.object].mean() < _LEAST:
            return None
        red, blue = log_chroma(source.view, source.object) - log_chroma(to.view, to.object)
        gains = np.exp(np.array([red, 0, blue], np.float32))
        colored = np.maximum((to.view + np.float32(OFFSET)) * gains - np.float32(OFFSET), 0)
        mean, _ = moments(luminance(source.view), source.object)
        return blend(to.view, with_luminance(colored, to.object, mean), alpha)
