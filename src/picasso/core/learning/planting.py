"""Pictures in which one object was planted, so that what is known of it can be asked of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.errors import NotSupportedError
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.preprocessing import Array

Shape = Literal["bar", "ellipse"]
SMALLEST, LARGEST = 0.08, 0.24
"""Half the length of an object, as a share of the picture's shorter side."""
SLIM = 3
"""By how much an object is longer than wide."""
_CELLS = 5
"""Into how many cells of random color each side of the background is divided, before it is smoothed."""
_GROUND, _OBJECT = (40, 140), (190, 250)
"""Levels between which the colors of the background and of the object lie: the object is always the brighter one."""


@dataclass(frozen=True, eq=False)
class Planted:
    """Pictures, and what is true of the object in each.

    Position, scale and orientation are drawn independently, each evenly: an object's place says nothing of its size.

    Args:
        pixels: uint8 (n, h, w, 3).
        x, y: The object's center, in pixels, (n,).
        scale: Half its length, in pixels, (n,); its logarithm is even.
        angle: How its long side lies, counterclockwise from the horizontal, 0..pi, (n,).
    """

    pixels: NDArray[np.uint8]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    scale: NDArray[np.float64]
    angle: NDArray[np.float64]


def plant_objects(numbers: Sequence[int], size: tuple[int, int], shape: Shape, seed: int) -> Planted:
    """Draw pictures with a bright object on a smooth random ground.

    Args:
        numbers: Which of the seed's pictures; each is the same however many are drawn.
        size: (height, width) of the pictures.
        shape: What is planted.
        seed: Seed of all of them.
    """
    made = [_planted(np.random.default_rng([seed, number]), size, shape) for number in numbers]
    x, y, scale, angle = np.array([facts for _, facts in made], np.float64).reshape(-1, 4).T
    return Planted(np.stack([pixels for pixels, _ in made]), x, y, scale, angle)


def _planted(
    rng: np.random.Generator, size: tuple[int, int], shape: Shape
) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    height, width = size
    short = min(size)
    margin = LARGEST * short  # whatever the object's size: else small ones alone would lie near the edges
    x, y = rng.uniform(margin, width - margin), rng.uniform(margin, height - margin)
    scale = short * math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST)))
    angle = rng.uniform(0, math.pi)
    color = rng.uniform(*_OBJECT, 3)
    cells = rng.uniform(*_GROUND, (_CELLS, _CELLS, 3)).astype(np.uint8)
    ground = np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    right, up = columns - x, y - rows
    along = np.abs(right * math.cos(angle) + up * math.sin(angle))
    across = np.abs(up * math.cos(angle) - right * math.sin(angle))
    if shape == "bar":
        inside = np.minimum(scale - along, scale / SLIM - across)
    else:
        inside = (1 - np.hypot(along / scale, across * SLIM / scale)) * scale / SLIM
    share = np.clip(inside + 0.5, 0, 1)[..., None]  # of each pixel that the object covers, about
    pixels = np.round(ground * (1 - share) + color * share).clip(0, 255).astype(np.uint8)
    return pixels, (x, y, scale, angle)


def read_drawn(model: Model, pixels: NDArray[np.uint8]) -> Array:
    """Return what a network reads of drawn pictures (n, h, w, 3) of its input's own size: nothing is cut off.

    Raises:
        NotSupportedError: It reads a file's own values, and no colors can be drawn for it.
    """
    if type(model.hooks).preprocess is not ModelFile.preprocess:
        return model.preprocess(list(pixels.copy()))
    if model.preprocessing.color == "values":
        raise NotSupportedError("The model reads a file's own values; for it no colors can be drawn.")
    if model.preprocessing.channels == 1:
        grey = np.round(pixels.astype(np.float64).mean(axis=3, keepdims=True)).astype(np.uint8)
        pixels = np.repeat(grey, 3, axis=3)
    return model.preprocessing.normalize(pixels)
