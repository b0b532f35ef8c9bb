"""Short real trainings: a tiny network learns to tell red squares from green ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.training import save_checkpoint

SIDE, LABELS = 16, ("red", "green")


def drawn(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pictures (n, SIDE, SIDE, 3) and their classes, alternating."""
    random = np.random.default_rng(seed)
    pictures = random.integers(60, 120, (count, SIDE, SIDE, 3))
    classes = np.arange(count) % 2
    for picture, place in zip(pictures, classes, strict=True):
        top, left = random.integers(0, SIDE - 7, 2)
        picture[top : top + 7, left : left + 7, place] += 120
    return pictures.astype(np.uint8), classes


def album(folder: Path, count: int = 12) -> Path:
    """Write pictures as a data set, a folder for each class."""
    for number, (pixels, place) in enumerate(zip(*drawn(count, 5), strict=True)):
        (folder / LABELS[place]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / LABELS[place] / f"{number:02}.png")
    return folder


def torch_network(seed: int = 0) -> Any:
    import torch

    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 5),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 2),
    )


def torch_run(folder: Path, epochs: int = 4) -> Any:
    """Train a network, saving it before the first step and after each epoch; return it."""
    import torch

    network = torch_network()
    pictures, classes = drawn(32, 1)
    x, y = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(classes)
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)
    save_checkpoint(network, folder, epoch=0)
    for epoch in range(1, epochs + 1):
        for _ in range(4):
            loss = torch.nn.functional.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        save_checkpoint(network, folder, epoch=epoch, metrics={"loss": loss.item()})
    return network.eval()


def keras_network() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            keras.layers.Conv2D(6, 5, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(name="relu"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dense(2, name="scores"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-2), loss, metrics=["accuracy"], run_eagerly=True)
    return model
