"""What a kind of proxy is: one thing in a picture that is one of two ways."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntFlag
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from picasso.demo.noise import FloatArray

SIZE = 64
Mask = npt.NDArray[np.bool_]


class Shown(IntFlag):
    """What shows in a pixel, at least in part."""

    SKY = 1
    GROUND = 2
    OBJECT = 4
    SHADOW = 8
    COMPANION = 16


@dataclass(frozen=True)
class Traits:
    """How a scene is drawn; each is for a kind to change before anything is drawn.

    Attributes:
        cloudiness: 0 sunny to 1 overcast.
        furrows: 0 a meadow to 1 a plowed field.
        companion: whether a barrel stands in the foreground.
        x: column of the object's middle, as a share of the width.
        width: of the object, as a share of the width.
        tone: lightness of the object's paint; 1 is plain.
        stripes: how strongly the object's paint is striped, 0 to 1.
    """

    cloudiness: float = 0.3
    furrows: float = 0.0
    companion: bool = False
    x: float = 0.5
    width: float = 0.5
    tone: float = 1.0
    stripes: float = 0.0


class Kind(ABC):
    """One kind of proxy. It is drawn into every scene, one of two ways: 0 or 1.

    Class attributes:
        name: registered with results.
        title: for tables.
        on_object: whether it is something of the object itself.
        seen: whether it was known while the audit's battery was written.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    on_object: ClassVar[bool] = False
    seen: ClassVar[bool]

    def plan(self, traits: Traits, value: int, rng: np.random.Generator) -> Traits:
        """How the scene is drawn under this value; `rng` is this kind's own stream, here and in `finish`."""
        return traits

    def finish(self, pixels: FloatArray, value: int, rng: np.random.Generator) -> FloatArray:
        """What becomes of the drawn picture, (64, 64, 3) in [0, 255], under this value."""
        return pixels

    def spread(self, changed: Mask) -> Mask:
        """Where a change made before `finish` shows after it under value 1, (n, 64, 64)."""
        return changed

    @abstractmethod
    def footprint(self, shown: npt.NDArray[np.uint8]) -> Mask:
        """Where this kind may show, (n, 64, 64); `shown` holds flags of `Shown`, (n, 64, 64)."""


def where(shown: npt.NDArray[np.uint8], flags: Shown) -> Mask:
    """The pixels that show any of `flags`."""
    return np.asarray((shown & np.uint8(flags)) > 0)


def inside(shown: npt.NDArray[np.uint8], top: int, left: int, height: int, width: int) -> Mask:
    """The same rectangle in every picture."""
    mask = np.zeros(shown.shape, np.bool_)
    mask[:, top : top + height, left : left + width] = True
    return mask
