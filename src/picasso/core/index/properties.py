"""What can be measured of any picture without a model: brightness, contrast, color, sharpness, the object's size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.interventions.tones import luminance


@dataclass(frozen=True)
class PictureProperty:
    """A number that every picture has.

    Args:
        name: What it is called.
        units: Units of a value, and how to read it.
    """

    name: str
    units: str


PROPERTIES = (
    PictureProperty("brightness", "mean luminance, 0..1"),
    PictureProperty("contrast", "standard deviation of luminance, 0..1"),
    PictureProperty("color", "mean difference of the strongest and the weakest color, 0..1"),
    PictureProperty("sharpness", "decibels of the luminance's second differences"),
    PictureProperty("object size", "share of the picture that mask or boxes cover, 0..1"),
)
"""In the order in which `measure` returns them. The last is NaN where nobody says where the object is."""
_LEAST = 1e-6
"""Mean square below which a picture is as smooth as it can be, -60 dB."""


def measure(view: NDArray[np.uint8], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Return a picture's properties, float32 (len(PROPERTIES),).

    Args:
        view: What the model sees, uint8 (h, w, 3).
        mask: Where the object is, bool of the picture's own size; None where that is not known.
    """
    light = luminance(view) / 255
    red, green, blue = (view[..., channel] for channel in range(3))
    colors = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    bends = [
        np.square(np.diff(light, 2, axis=axis)).mean(dtype=np.float64) if light.shape[axis] > 2 else 0.0
        for axis in (0, 1)
    ]
    return np.array(
        [
            light.mean(dtype=np.float64),
            light.std(dtype=np.float64),
            colors.mean() / 255,
            10 * np.log10(max(float(np.mean(bends)), _LEAST)),
            np.nan if mask is None else mask.mean(),
        ],
        np.float32,
    )
