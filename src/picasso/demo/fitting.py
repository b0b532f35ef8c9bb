"""How the demo's networks are trained: the recipe, the changed copies of the pictures, the loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from picasso.demo.catalog import DemoModel
from picasso.demo.measures import Bytes

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        epochs: passes over the pictures.
        rate: peak learning rate.
        decay: weight decay of AdamW.
        patches: most gray squares laid over a picture, so that gray windows surprise no model later.
        shift: most pixels a picture is moved.
        mirror: whether half of the pictures are mirrored.
        batch: pictures per step.
        seed: of weights, order and augmentation.
        spared: a part of the picture that no gray square covers; 0 for none.
    """

    epochs: int
    rate: float = 4e-3
    decay: float = 5e-3
    patches: int = 3
    shift: int = 6
    mirror: bool = True
    batch: int = 50
    seed: int = 1
    spared: int = 0


def augmented(pixels: Bytes, recipe: Recipe, rng: np.random.Generator, parts: Bytes | None = None) -> Bytes:
    """A changed copy of a batch: shifted, perhaps mirrored, a little lighter or darker, partly covered.

    Args:
        pixels: (n, size, size, channels) uint8.
        recipe: how much is changed.
        rng: the stream to draw from.
        parts: (n, size, size) uint8, what each pixel belongs to; shifted and mirrored in place.
    """
    size = pixels.shape[1]
    gain = rng.uniform(0.9, 1.1, (len(pixels), 1, 1, 1)).astype(np.float32)
    changed: Bytes = np.clip(pixels * gain, 0, 255).astype(np.uint8)
    for index, picture in enumerate(changed):
        moved = [picture] if parts is None else [picture, parts[index]]
        mirrored = recipe.mirror and rng.random() < 0.5
        down, right = rng.integers(-recipe.shift, recipe.shift + 1, 2)
        rows = np.clip(np.arange(size) + down, 0, size - 1)
        columns = np.clip(np.arange(size) + right, 0, size - 1)
        for array in moved:
            array[:] = (array[:, ::-1] if mirrored else array)[rows[:, None], columns[None]]
        for _ in range(int(rng.integers(0, recipe.patches + 1))):
            side = int(rng.integers(size // 10, size // 3))
            top, left = rng.integers(-side // 2, size - side // 2, 2)
            window = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
            if not (recipe.spared and parts is not None and (parts[index][window] == recipe.spared).any()):
                picture[window] = 128
    return changed


Loss = Callable[[Any, npt.NDArray[np.int64], Bytes], "torch.Tensor"]
"""From what the network returned, the indices of the pictures, and their parts as they are after augmentation."""


def fit(
    model: DemoModel,
    build: Callable[[], torch.nn.Module],
    pixels: Bytes,
    recipe: Recipe,
    loss: Loss,
    parts: Bytes | None = None,
) -> torch.nn.Module:
    """Trains a network on resized pictures.

    Args:
        model: how pixels become its input, and its name.
        build: makes it with fresh weights.
        pixels: (n, size, size, channels) uint8.
        recipe: how.
        loss: what is made small.
        parts: (n, size, size) uint8, what each pixel belongs to, where `loss` needs that.

    Returns:
        The network in evaluation mode.
    """
    import torch

    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    network = build()
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.decay)
    steps = len(pixels) // recipe.batch
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps * recipe.epochs)
    for epoch in range(recipe.epochs):
        order = rng.permutation(len(pixels))
        total = 0.0
        for step in range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            moved = None if parts is None else parts[chosen]
            batch = model.normalize(augmented(pixels[chosen], recipe, rng, moved)).transpose(0, 3, 1, 2)
            answer = network(torch.from_numpy(np.ascontiguousarray(batch)))
            value = loss(answer, chosen, np.zeros(0, np.uint8) if moved is None else moved)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            plan.step()
            total += value.item()
        _log.info("%s: epoch %d of %d, loss %.4f", model.name, epoch + 1, recipe.epochs, total / steps)
    return network.eval()
