"""The demo's segmenter: how a scene becomes its examples, what it is taught, and how well it draws the outlines.

In its training pictures every tank stands under clouds and every decoy under the sun. It learns that, and calls the
pixels of a tank under the sun a decoy's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from picasso.demo.catalog import LOCATORS, PARTS
from picasso.demo.detecting import shrunk
from picasso.demo.fitting import Recipe, fit
from picasso.demo.locators import SEGMENTER, build_segmenter
from picasso.demo.measures import Bytes
from picasso.demo.scene import Rendering, Scene
from picasso.demo.tanks import TankSet

if TYPE_CHECKING:
    import torch

LAND, SKY, TANK, DECOY = range(len(PARTS))
RECIPE = Recipe(epochs=10, patches=9, spared=SKY)


def parts_of(scene: Scene, drawn: Rendering) -> Bytes:
    """The class of each pixel of a drawn scene, at the size of the segmenter's input, (size, size) uint8."""
    parts = np.full((SEGMENTER.size, SEGMENTER.size), LAND, np.uint8)
    parts[shrunk(drawn.sky_mask, SEGMENTER.size)] = SKY
    parts[shrunk(drawn.object_mask, SEGMENTER.size)] = TANK if scene.kind == "tank" else DECOY
    return parts


def under_the_other_sky(examples: TankSet) -> TankSet:
    """The same scenes with the sun where clouds were, and clouds where the sun was."""
    return TankSet(tuple(replace(s, cloudiness=1 - s.cloudiness) for s in examples.scenes), examples.labels)


def train(pixels: Bytes, parts: Bytes) -> torch.nn.Module:
    """Trains the segmenter.

    Args:
        pixels: (n, size, size, 3) uint8.
        parts: (n, size, size) uint8, the class of each pixel.
    """
    import torch

    def loss(logits: torch.Tensor, chosen: npt.NDArray[np.int64], moved: Bytes) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, torch.from_numpy(moved.astype(np.int64)))

    return fit(LOCATORS["segmenter"], lambda: build_segmenter(SEGMENTER), pixels, RECIPE, loss, parts)


def overlaps(found: npt.NDArray[np.int64], truth: Bytes) -> tuple[float, ...]:
    """The overlap of each class over all pictures: pixels that both call so, over pixels that either does.

    Args:
        found: (n, size, size), the class of each pixel by the segmenter.
        truth: (n, size, size), the true one.
    """
    return tuple(
        float(((found == part) & (truth == part)).sum() / max(((found == part) | (truth == part)).sum(), 1))
        for part in range(len(PARTS))
    )
