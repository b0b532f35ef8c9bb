"""Flat pictures whose parts are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 96
BLUE, GREY, GREEN, RED = (70, 130, 220), (150, 150, 155), (70, 140, 60), (200, 40, 40)


@dataclass(frozen=True)
class Drawn:
    """Pictures (n, side, side, 3), classes (n,), and where sky and object are, (n, side, side)."""

    views: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sky: NDArray[np.bool_]
    thing: NDArray[np.bool_]


def draw(n: int = 64, *, tied: bool = False, square: bool = True, side: int = SIDE, seed: int = 0) -> Drawn:
    """Draw a sky over ground, and a red square somewhere in front of them.

    Args:
        n: Pictures; the classes alternate.
        tied: Whether the sky is blue in one class and grey in the other; else it is either at random.
        square: Whether there is a square.
        side: Pixels a side.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    views, skies, things = [], [], []
    labels = np.arange(n) % 2
    for label in labels:
        horizon = round(rng.uniform(0.4, 0.55) * side)
        blue = bool(label) if tied else rng.random() < 0.5
        sky = np.zeros((side, side), bool)
        sky[:horizon] = True
        thing = np.zeros((side, side), bool)
        if square:
            long = round(rng.uniform(0.16, 0.22) * side)
            top, left = rng.integers(side // 12, side - long - side // 12, 2)
            thing[top : top + long, left : left + long] = True
        view = np.where(sky[..., None], BLUE if blue else GREY, GREEN)
        view = np.where(thing[..., None], RED, view) + rng.normal(0, 3, (side, side, 1))
        views.append(np.clip(view, 0, 255).astype(np.uint8))
        skies.append(sky & ~thing)
        things.append(thing)
    return Drawn(np.stack(views), labels.astype(np.int64), np.stack(skies), np.stack(things))


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((a & b).sum() / max(1, (a | b).sum()))
