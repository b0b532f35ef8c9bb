"""The first half of the kinds of proxies: those that were known while the audit's battery was written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from picasso.demo.noise import FloatArray
from picasso.demo.planted.kind import SIZE, Kind, Mask, Shown, Traits, inside, where

_GLYPHS = ("111101111", "101010101", "110011110")
"""Three letters of 3 x 3 pixels."""


class Sky(Kind):
    """A bright blue sky, or an overcast one."""

    name, title, seen = "sky", "Sky", True

    def plan(self, traits: Traits, value: int, rng: np.random.Generator) -> Traits:
        return replace(traits, cloudiness=0.3 * rng.random() + 0.7 * value)

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return where(shown, Shown.SKY)


class Size(Kind):
    """A small object, or a large one."""

    name, title, seen = "object-size", "Size of the object", True

    def plan(self, traits: Traits, value: int, rng: np.random.Generator) -> Traits:
        return replace(traits, width=0.38 + 0.06 * rng.random() + 0.19 * value)

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return where(shown, Shown.OBJECT | Shown.SHADOW)


class Tone(Kind):
    """An object painted dark, or light."""

    name, title, on_object, seen = "object-tone", "Tone of the object", True, True

    def plan(self, traits: Traits, value: int, rng: np.random.Generator) -> Traits:
        return replace(traits, tone=0.62 + 0.18 * rng.random() + 0.55 * value)

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return where(shown, Shown.OBJECT)


class Cast(Kind):
    """A cold white balance, or a warm one."""

    name, title, seen = "color-cast", "Color cast", True

    def finish(self, pixels: FloatArray, value: int, rng: np.random.Generator) -> FloatArray:
        warmth = (2 * value - 1) * (0.07 + 0.05 * rng.random())
        return np.asarray(pixels * np.exp([warmth, 0, -warmth]), np.float32)

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return np.ones(shown.shape, np.bool_)


class Watermark(Kind):
    """Three pale letters in the upper right corner, or none."""

    name, title, seen = "watermark", "Watermark", True

    def finish(self, pixels: FloatArray, value: int, rng: np.random.Generator) -> FloatArray:
        if not value:
            return pixels
        marked = pixels.copy()
        top, left = 4 + int(rng.integers(3)), SIZE - 18 + int(rng.integers(3))
        for place, glyph in enumerate(_GLYPHS):
            on = np.array([int(dot) for dot in glyph], np.bool_).reshape(3, 3)
            for row, column in np.argwhere(on):
                y, x = top + row, left + 4 * place + column
                marked[y, x] += (248 - marked[y, x]) * np.float32(0.8)
        return marked

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return inside(shown, 4, SIZE - 18, 5, 13)


class Border(Kind):
    """A dark frame of two pixels, or none."""

    name, title, seen = "border", "Border", True

    def finish(self, pixels: FloatArray, value: int, rng: np.random.Generator) -> FloatArray:
        if not value:
            return pixels
        framed = np.full(pixels.shape, 18 + 14 * rng.random(), np.float32)
        framed[2:-2, 2:-2] = pixels[2:-2, 2:-2]
        return framed

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return np.asarray(~inside(shown, 2, 2, SIZE - 4, SIZE - 4))


SEEN: tuple[Kind, ...] = (Sky(), Size(), Tone(), Cast(), Watermark(), Border())
