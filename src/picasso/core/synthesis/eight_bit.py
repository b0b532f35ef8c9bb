"""The network's input in the units of an 8-bit picture: 0 is black, 255 white, and how it is shown again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotSupportedError
from picasso.core.facts import Sample
from picasso.core.model import Model
from picasso.core.preprocessing import Array

Wide = NDArray[np.floating[Any]]
_NEAR = 1e-3
"""What lies so near to a whole level was one, and lost it to single precision on the way through the scaling."""


@dataclass(frozen=True, eq=False)
class EightBit:
    """How the numbers that the network reads and the levels 0..255 of a picture belong together.

    Args:
        x: What the network reads of the picture, float32 (h, w, c).
        black, white: What it reads of a black and of a white picture, (h, w, c).
        colors: Whether these are colors; else black and white are the smallest and the largest value that the picture
            has in each channel, and the levels lie evenly between them.
        reverse: Whether the channels are blue, green, red.
    """

    x: Array
    black: Wide
    white: Wide
    colors: bool
    reverse: bool = False

    @cached_property
    def unit(self) -> Wide:
        """What one level is in the network's numbers, (h, w, c); 0 where it reads the same of black and of white."""
        return (self.white - self.black) / 255

    @cached_property
    def movable(self) -> NDArray[np.bool_]:
        """Which of the numbers depend on the picture at all, (h, w, c): bars that padding adds do not."""
        return np.asarray(self.unit != 0)

    @property
    def levels(self) -> NDArray[np.float64]:
        """The picture in 0..255, (h, w, c); 0 where nothing can move."""
        unit, movable = self.unit, self.movable
        found = np.where(movable, (self.x - self.black) / np.where(movable, unit, 1), 0)
        whole = np.round(found) if self.colors else found
        return np.asarray(np.clip(np.where(np.abs(found - whole) < _NEAR, whole, found), 0, 255), np.float64)

    def read(self, levels: Wide) -> Array:
        """Return what the network reads of levels (..., h, w, c) in 0..255; never beyond black and white.

        Levels in single precision are reckoned with in single precision.
        """
        black, unit = self._single if levels.dtype == np.float32 else (self.black, self.unit)
        return np.where(self.movable, np.clip(np.float32(black + levels * unit), *self._ends), self.x)

    @cached_property
    def _single(self) -> tuple[Array, Array]:
        """Black and one level in single precision."""
        return self.black.astype(np.float32), self.unit.astype(np.float32)

    @cached_property
    def _ends(self) -> tuple[Array, Array]:
        """The smallest and the largest number that the network reads at each place."""
        return np.minimum(self.black, self.white).astype(np.float32), np.maximum(self.black, self.white).astype(
            np.float32
        )

    def shown(self, levels: Wide) -> NDArray[np.uint8]:
        """Return levels (h, w, c) as a picture, uint8 (h, w, 3): one channel as grey, of many the first three."""
        colors = levels[..., :3] if levels.shape[-1] >= 3 else np.repeat(levels[..., :1], 3, axis=-1)
        pixels = np.round(colors).clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(pixels[..., ::-1] if self.reverse else pixels)


def eight_bit(model: Model, sample: Sample) -> EightBit:
    """Find what the levels 0..255 of a picture are to the network.

    Args:
        model: The model.
        sample: A picture, as it reads it.

    Raises:
        NotSupportedError: Its preprocessing does not tell black from white, or what it made of the picture lies beyond
            both: then no level has one number.
    """
    black, white = (model.plain(sample, shade).astype(np.float64) for shade in (0, 255))
    found = EightBit(sample.x[0], black, white, sample.colors, sample.colors and _turned(model, sample, black))
    movable = found.movable
    hint = "Declare a preprocessing of (pixels * scale - mean) / std, or choose another visualization."
    if not movable.any():
        raise NotSupportedError("The preprocessing makes the same of a black and of a white picture.", hint)
    levels = (found.x - black)[movable] / found.unit[movable]
    if levels.min() < -0.5 or levels.max() > 255.5:
        raise NotSupportedError(
            "The preprocessing gives numbers beyond those of black and of white, so that one level of 255 has no "
            "fixed size in them.",
            hint,
        )
    return found


def _turned(model: Model, sample: Sample, black: Wide) -> bool:
    """Say whether the network reads blue first: of a red picture its last channel differs most from black."""
    if black.shape[-1] != 3:
        return False
    red = np.zeros_like(sample.picture.pixels)
    red[..., 0] = 255
    moved = np.abs(model.preprocess([red])[0].astype(np.float64) - black).mean(axis=(0, 1))
    return int(moved.argmax()) == 2
