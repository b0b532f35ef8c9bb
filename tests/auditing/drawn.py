"""Small drawn data sets of which everything is known, and models that rely on one thing by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from picasso import Preprocessing, load_model
from picasso.core.model import Model

SIDE = 48
CLASSES = ("cross", "disc")
Floats = NDArray[np.float64]


def draw(label: int, bright_top: bool, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a cross (0) or a disc (1) of one area on a noisy ground, with a bright or a dark strip at the top."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(110, 8, (SIDE, SIDE, 3))
    pixels[:12] = rng.normal(150 if bright_top else 70, 8, (12, SIDE, 3))
    top, left = rng.integers(16, SIDE - 18), rng.integers(2, SIDE - 18)
    rows, columns = np.mgrid[0:16, 0:16] - 7.5
    shape = np.hypot(rows, columns) <= 6.2 if label else (np.abs(rows) <= 2.4) | (np.abs(columns) <= 2.4)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[top : top + 16, left : left + 16] = shape
    pixels[mask] = rng.normal(215, 8, (int(mask.sum()), 3))
    return pixels.clip(0, 255).astype(np.uint8), mask


def write(folder: Path, count: int, tied: float, masks: bool = True) -> Path:
    """Write a data set; the top is bright in a share `tied` of the discs and dark in as many of the crosses."""
    for number in range(count):
        label = number % 2
        agrees = (number // 2) * 61 % 100 < round(100 * tied)
        pixels, mask = draw(label, bool(label) == agrees, number)
        for place, picture in ((CLASSES[label], pixels), ("masks", mask.astype(np.uint8) * 255)):
            if place != "masks" or masks:
                (folder / place).mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(folder / place / f"{number:04d}.png")
    return folder


def by_the_top(x: Floats) -> Floats:
    """Score a disc by how bright the top is, and nothing else."""
    light = x[:, :10].mean(axis=(1, 2, 3)) - 0.43
    return np.stack([-40 * light, 40 * light], axis=1)


def by_the_object(x: Floats) -> Floats:
    """Score a disc by how much of the bright thing below lies in the corners of its box: of a cross nothing does.

    Whatever the light: the thing is what is far brighter than most of what is below.
    """
    score = []
    for one in x[:, 14:].mean(axis=3):
        shown = ndimage.binary_opening(one > np.median(one) * 1.5)
        parts, count = ndimage.label(shown)
        sizes = ndimage.sum_labels(shown, parts, range(1, count + 1)) if count else [0]
        if max(sizes) < 30:
            score.append(0.0)
            continue
        rows, columns = np.nonzero(parts == 1 + int(np.argmax(sizes)))
        score.append(len(rows) / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1)) - 0.66)
    return 10 * np.stack([-np.array(score), np.array(score)], axis=1)


def by_both(x: Floats) -> Floats:
    """Score by the object where the lower left corner is darker than the lower right one, else by the top."""
    left, right = x[:, -6:, :24].mean(axis=(1, 2, 3)), x[:, -6:, 24:].mean(axis=(1, 2, 3))
    return np.where((left < right)[:, None], by_the_object(x), by_the_top(x))


def by_nothing(x: Floats) -> Floats:
    """Score by the last digits of the picture, as good as at random."""
    drawn = np.sin(1e5 * x.mean(axis=(1, 2, 3)))
    return np.stack([-drawn, drawn], axis=1)


def model(function: object, labels: tuple[str, ...] = CLASSES) -> Model:
    """Open a function of pictures (n, h, w, 3) in 0..1 as a model."""
    return load_model(function, preprocessing=Preprocessing(size=SIDE), labels=labels, head="none")
