"""What the scorecard's tests share: a linear model, a small network that was trained, pictures, plug-in methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import Picture, read_picture
from picasso.core.preprocessing import Preprocessing

SIDE = 16
WEIGHTS = np.random.default_rng(5).normal(size=(SIDE, SIDE, 3)).astype(np.float32)
EDGES = """
class Edges(AttributionMethod[Settings]):
    '''Show the picture's edges.'''

    name, title = "edges", "Edges only"

    def attribute(self, ctx, sample, targets, settings):
        grey = sample.view.mean(axis=2).astype(np.float32)
        down, across = np.gradient(grey)
        values = np.hypot(down, across).astype(np.float32)
        return [Attribution(values, t, "steepness", "unsigned", float(t.of_classes(ctx.scores))) for t in targets]
"""
RANDOM = """
class Dice(AttributionMethod[Settings]):
    '''Show another thing each time.'''

    name, title = "dice", "Dice"

    def attribute(self, ctx, sample, targets, settings):
        values = np.random.default_rng().random(sample.x.shape[1:3], np.float32)
        return [Attribution(values, t, "luck", "unsigned", float(t.of_classes(ctx.scores))) for t in targets]
"""


def linear(weights: np.ndarray[Any, Any] = WEIGHTS) -> Model:
    """Return a model whose first score is a sum of weighted pixels, and its second the negative."""

    def scores(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        total = (x.astype(np.float64) * weights).sum(axis=(1, 2, 3))
        return np.stack([total, -total], axis=1).astype(np.float32)

    height, width = weights.shape[:2]
    return load_model(scores, preprocessing=Preprocessing(size=(height, width)), labels=("yes", "no"), head="softmax")


def network(seed: int = 0) -> Model:
    """Return a small convolutional network."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(8, 8, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(8 * 64, 3),
        )
    return load_model(net.eval(), preprocessing=Preprocessing(size=(SIDE, SIDE)), labels=("a", "b", "c"), name="small")


def picture(seed: int = 0, side: int = SIDE) -> Picture:
    """Return a picture of blocks and noise."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 200, (4, 4, 3)).repeat(side // 4, 0).repeat(side // 4, 1)
    return read_picture((blocks + random.integers(0, 56, (side, side, 3))).astype(np.uint8), f"picture-{seed}")


Shown = Callable[[int, int, str], None]
