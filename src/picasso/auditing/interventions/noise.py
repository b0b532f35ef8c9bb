"""How noisy the picture is."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import WEIGHTS, Intervention, Pixels, Property, Seen, noise_level, smoothed, to_pixels

_SIGMA = 1.0
"""Of the Gaussian that noise is told from detail by, pixels."""


class Noise(Intervention):
    """Noise is added, or what is as weak as noise is taken away, until the flat parts are as noisy as another's."""

    name = "noise"
    title = "Noise"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("noise", "Noise", "how noisy the picture is"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        here, there = to.once(_level), source.once(_level)
        if here is None or there is None:
            return None
        values = to.view.astype(np.float32)
        if there >= here:
            grain = rng.standard_normal(values.shape, np.float32)
            # The luminance of noise that is drawn for each channel is weaker than the noise.
            amount = np.sqrt(there**2 - here**2) / np.linalg.norm(WEIGHTS)
            return to_pixels(values + np.float32(amount) * grain)
        rest = values - smoothed(values, _SIGMA)
        # What is far stronger than the noise is an edge, and stays.
        share = np.square(rest / np.float32(4 * here))
        return to_pixels(values - np.float32(1 - there / here) * rest / (1 + share * share))


def _level(seen: Seen) -> float | None:
    return noise_level(seen.view, seen.middle)
