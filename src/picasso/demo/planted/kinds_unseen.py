"""The second half of the kinds of proxies, written after the audit's thresholds were written down.

The rule: whoever changes the audit's battery or its thresholds looks at results on the first half alone. Results on
this half are for the report; it says so where a threshold that decides was changed since. Stripes and JPEG were moved
to the first half when the exchanges of an object's texture and of JPEG's traces were written anew with results on them
in view; they stay in this file, since the order of the kinds decides the design.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo.noise import FloatArray
from picasso.demo.planted.kind import Kind, Mask, Shown, Traits, where


class Ground(Kind):
    """A meadow, or a field in furrows."""

    name, title, seen = "background-texture", "Texture of the background", False

    def plan(self, traits: Traits, value: int, rng: np.random.Generator) -> Traits:
        return replace(traits, furrows=value * rng.uniform(0.7, 1.1))

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return where(shown, Shown.GROUND)


class Position(Kind):
    """An object on the left, or on the right."""

    name, title, seen = "object-position", "Position of the object", False

    def plan(self, traits: Traits, value: int, rng: np.random.Generator) -> Traits:
        return replace(traits, x=0.32 + 0.11 * rng.random() + 0.25 * value)

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return where(shown, Shown.OBJECT | Shown.SHADOW)


class Companion(Kind):
    """A barrel in a corner of the foreground, or none."""

    name, title, seen = "co-occurring-object", "Co-occurring object", False

    def plan(self, traits: Traits, value: int, rng: np.random.Generator) -> Traits:
        return replace(traits, companion=bool(value))

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return where(shown, Shown.COMPANION)


class Stripes(Kind):
    """An object in plain paint, or in stripes."""

    name, title, on_object, seen = "object-texture", "Texture of the object", True, True

    def plan(self, traits: Traits, value: int, rng: np.random.Generator) -> Traits:
        return replace(traits, stripes=value * rng.uniform(0.7, 1.1))

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return where(shown, Shown.OBJECT)


class Noise(Kind):
    """A clean sensor, or a noisy one."""

    name, title, seen = "high-frequency-noise", "High-frequency noise", False

    def finish(self, pixels: FloatArray, value: int, rng: np.random.Generator) -> FloatArray:
        field = rng.normal(0, rng.uniform(6, 9), pixels.shape)
        return np.asarray(pixels + value * field, np.float32)

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return np.ones(shown.shape, np.bool_)


class Jpeg(Kind):
    """As it was drawn, or as a JPEG file of low quality gives it back."""

    name, title, seen = "jpeg", "JPEG", True

    def finish(self, pixels: FloatArray, value: int, rng: np.random.Generator) -> FloatArray:
        if not value:
            return pixels
        file = io.BytesIO()
        # 4:4:4, so that what changes in a block stays in that block.
        drawn = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
        drawn.save(file, "JPEG", quality=int(rng.integers(26, 41)), subsampling=0)
        return np.asarray(Image.open(file), np.float32)

    def spread(self, changed: Mask) -> Mask:
        n, height, width = changed.shape
        blocks = changed.reshape(n, height // 8, 8, width // 8, 8).any((2, 4))
        return np.asarray(blocks.repeat(8, 1).repeat(8, 2))

    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        return np.ones(shown.shape, np.bool_)


UNSEEN: tuple[Kind, ...] = (Ground(), Position(), Companion(), Stripes(), Noise(), Jpeg())
