"""How sharp the picture is."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from picasso.plugin import Intervention, Pixels, Property, Seen, smoothed, spectrum, to_pixels

_FINE = 0.22
"""Cycles per pixel from which on power is sharpness; between `_COARSE` and this it is what sharpness is measured by."""
_COARSE = 0.06
_MOST_SIGMA = 4.0
"""Of the Gaussian that blurs, pixels."""
_MOST_AMOUNT = 3.0
"""Of the detail that is added to sharpen: more turns rounding into texture."""


class Blur(Intervention):
    """The picture is blurred, or sharpened, until fine and coarser detail stand to each other as in another."""

    name = "blur"
    title = "Sharpness"
    version = 2

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("blur", "Sharpness", "how sharp the picture is"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        here, there = spectrum(to), spectrum(source)
        if here is None or there is None:
            return None
        frequencies, power = here
        wanted, present = _ratio(*there), _ratio(*here)
        if not present > 0:
            return None
        bell = -2 * (np.pi * frequencies) ** 2
        values = to.view.astype(np.float32)
        if wanted < present:
            sigma = _solved(lambda s: -_ratio(frequencies, power * np.exp(2 * bell * s**2)), -wanted, _MOST_SIGMA)
            return to_pixels(smoothed(values, sigma)) if sigma > 0.05 else to.view.copy()
        amount = _solved(lambda a: _ratio(frequencies, power * (1 + a * (1 - np.exp(bell))) ** 2), wanted, _MOST_AMOUNT)
        return to_pixels(values + np.float32(amount) * (values - smoothed(values, 1.0)))


def _ratio(frequencies: NDArray[np.float64], power: NDArray[np.float64]) -> float:
    """Return the power of fine detail as a multiple of that of coarser detail."""
    fine = power[frequencies > _FINE].sum()
    return float(fine / (power[(frequencies > _COARSE) & (frequencies <= _FINE)].sum() + 1e-9))


def _solved(rising: Callable[[float], float], wanted: float, most: float) -> float:
    """Return where in 0..most a rising function reaches a value, by halving."""
    low, high = 0.0, most
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2
