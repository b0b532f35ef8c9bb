"""Folders of drawn pictures, and models whose answers to them are plain to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.preprocessing import Preprocessing

SIZE = (12, 16)
"""Height and width of the pictures, which are what the models read."""


def draw(folder: Path, names: list[str], seed: int = 0) -> list[NDArray[np.uint8]]:
    """Write noise of different brightness under names: "tank/1.png"."""
    random = np.random.default_rng(seed)
    pictures = []
    for number, name in enumerate(names):
        high = 40 + (number * 37) % 200
        pictures.append(random.integers(0, high, (*SIZE, 3)).astype(np.uint8))
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures[-1]).save(path)
    return pictures


def is_picture(x: torch.Tensor) -> bool:
    """Say whether an input came from a file: by noise and zeros Picasso only finds out what a network is."""
    levels = 255 * x
    return bool(x.any()) and bool((levels - levels.round()).abs().max() < 1e-3)


class Counting(torch.nn.Module):
    """A classifier of three classes, the brightness of three stripes, that counts the pictures it is asked about.

    Attributes:
        sound: Whether it fails at what is brighter than 0.99.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.pictures = 0
        self.sound = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        real = [one for one in x if is_picture(one)]
        if not self.sound and any(bool((one > 0.99).any()) for one in real):
            raise ValueError("too bright")
        self.pictures += len(real)
        return torch.stack([part.mean(dim=(1, 2, 3)) for part in x.tensor_split(3, dim=3)], dim=1) * self.scale


def counted(batch_size: int = 4) -> tuple[Model, Counting]:
    """Return a model and what counts for it."""
    network = Counting()
    model = load_model(
        network, preprocessing=Preprocessing(size=SIZE), labels=("a", "b", "c"), name="counted", batch_size=batch_size
    )
    return model, network
