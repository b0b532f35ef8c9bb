"""Color maps, computed in OKLab so that equal steps look equal (Ottosson 2020, a perceptual color space)."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Sign = Literal["signed", "unsigned"]
_SEQUENTIAL = (
    (0.16, 0.045, 285.0),
    (0.42, 0.13, 305.0),
    (0.63, 0.17, 20.0),
    (0.82, 0.14, 65.0),
    (0.97, 0.06, 105.0),
)
_NEGATIVE = ((0.36, 0.12, 262.0), (0.55, 0.125, 252.0), (0.78, 0.075, 240.0), (0.965, 0.004, 240.0))
_POSITIVE = ((0.36, 0.12, 22.0), (0.55, 0.165, 27.0), (0.78, 0.095, 38.0), (0.965, 0.004, 60.0))
_TO_LMS = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_TO_LINEAR = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)


@cache
def color_map(sign: Sign) -> NDArray[np.uint8]:
    """Return 256 colors, uint8 (256, 3): diverging blue-white-red for signed values, else dark to light."""
    if sign == "unsigned":
        return _curve(_SEQUENTIAL, 256)
    negative, positive = _curve(_NEGATIVE, 128), _curve(_POSITIVE, 128)
    return np.concatenate([negative, positive[::-1]])


def class_colors(count: int) -> NDArray[np.uint8]:
    """Return a color for each class, uint8 (count, 3): neighbors differ in hue by the golden angle, and in light."""
    index = np.arange(count)
    hue = np.radians(25 + index * 137.508)
    lightness = np.array([0.72, 0.58, 0.82])[index % 3]
    return _srgb(np.stack([lightness, 0.15 * np.cos(hue), 0.15 * np.sin(hue)]))


def _curve(points: tuple[tuple[float, float, float], ...], count: int) -> NDArray[np.uint8]:
    """Interpolate (lightness, chroma, hue in degrees) in OKLab and convert to sRGB."""
    lightness, chroma, hue = np.array(points).T
    lab = np.stack([lightness, chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))])
    # Equal steps of lightness, the quantity that the eye compares in a map.
    wanted = np.linspace(lightness[0], lightness[-1], count)
    channels = np.stack([np.interp(wanted, lightness, channel) for channel in lab])
    return _srgb(channels)


def _srgb(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Convert OKLab, (3, n), to sRGB, uint8 (n, 3)."""
    linear = np.array(_TO_LINEAR) @ (np.array(_TO_LMS) @ lab) ** 3
    linear = np.clip(linear, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(srgb.T * 255), dtype=np.uint8)
