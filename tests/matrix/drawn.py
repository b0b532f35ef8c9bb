"""Numbers for the weights of networks that nobody trained: the picture is heard through all of their layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Draw = Callable[[str, tuple[int, ...], int], Any]


def drawing() -> Draw:
    """Return what draws a weight from its name, its shape, and how many numbers each of its outputs is a sum of."""
    rng = np.random.default_rng(7)

    def uniform(low: float, high: float, shape: tuple[int, ...]) -> Any:
        return (low + (high - low) * rng.random(shape, np.float32)).astype(np.float32)

    def draw(name: str, shape: tuple[int, ...], inputs: int) -> Any:
        if "var" in name:
            return uniform(0.6, 1.6, shape)
        if any(word in name for word in ("mean", "bias", "beta")):
            return uniform(-0.3, 0.3, shape)
        if len(shape) < 2:
            return uniform(0.7, 1.4, shape)
        return rng.standard_normal(shape, np.float32) * np.float32(math.sqrt(1.5 / inputs))

    return draw
