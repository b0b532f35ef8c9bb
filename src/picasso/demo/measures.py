"""What is measured on the demo's models: accuracy, the swing of the sky, and where an occlusion map lies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo.catalog import DemoModel
from picasso.demo.noise import FloatArray
from picasso.demo.scene import Rendering

Bytes = npt.NDArray[np.uint8]
Scorer = Callable[[Bytes], FloatArray]
"""From resized pixels (n, size, size, channels) to logits (n, classes)."""

WINDOW = 26
STRIDE = 13
"""As in Picasso's partial occlusion by default: a fifth of the side, and half a window."""
GRAY = 128
_BATCH = 64


def torch_scorer(model: DemoModel, network: Callable[[object], object]) -> Scorer:
    """Scores pixels with a PyTorch network in evaluation mode."""
    import torch

    def scores(pixels: Bytes) -> FloatArray:
        found = []
        for start in range(0, len(pixels), _BATCH):
            batch = model.normalize(pixels[start : start + _BATCH]).transpose(0, 3, 1, 2)
            with torch.inference_mode():
                logits: torch.Tensor = network(torch.from_numpy(np.ascontiguousarray(batch)))
            found.append(logits.numpy())
        return np.concatenate(found)

    return scores


def tank_probability(logits: FloatArray) -> FloatArray:
    """P(tank) of each row of (n, 2) logits."""
    return np.asarray(1 / (1 + np.exp(np.float64(logits[:, 1]) - np.float64(logits[:, 0]))), np.float32)


def accuracy(logits: FloatArray, labels: npt.NDArray[np.int64]) -> float:
    """The share of rows whose largest logit is the label's."""
    return float((logits.argmax(1) == labels).mean())


def occlusion_maps(score: Scorer, pixels: Bytes, window: int = WINDOW, stride: int = STRIDE) -> FloatArray:
    """Covers each picture with a gray window, step by step, for the class predicted without it.

    Args:
        score: the model.
        pixels: (n, size, size, channels) resized pictures.
        window: side of the window, pixels.
        stride: step between two windows, pixels.

    Returns:
        (n, size, size): at each pixel the mean loss of logit over the windows that cover it.
    """
    size = pixels.shape[1]
    starts = [*range(0, size - window, stride), size - window]
    total = np.zeros(pixels.shape[:3], np.float32)
    times = np.zeros((size, size), np.float32)
    base = score(pixels)
    rows = np.arange(len(pixels))
    best = base.argmax(1)
    for top in starts:
        for left in starts:
            covered = pixels.copy()
            covered[:, top : top + window, left : left + window] = GRAY
            loss = base[rows, best] - score(covered)[rows, best]
            total[:, top : top + window, left : left + window] += loss[:, None, None]
            times[top : top + window, left : left + window] += 1
    return total / times


@dataclass(frozen=True)
class Mass:
    """Shares of the positive part of occlusion maps, one number per picture, each in [0, 1].

    Attributes:
        sky: share in the sky.
        thing: share on the object.
    """

    sky: FloatArray
    thing: FloatArray


def occlusion_mass(score: Scorer, model: DemoModel, drawn: Iterable[Rendering]) -> Mass:
    """Where the occlusion maps of drawn scenes lie."""
    drawn = list(drawn)
    pixels = np.stack([model.resize(Image.fromarray(d.pixels)) for d in drawn])
    maps = np.maximum(occlusion_maps(score, pixels), 0)
    total = np.maximum(maps.sum((1, 2)), 1e-9)

    def share(masks: list[npt.NDArray[np.bool_]]) -> FloatArray:
        coverage = np.stack(masks).astype(np.float32)
        side = coverage.shape[1] // model.size
        coverage = coverage.reshape(len(masks), model.size, side, model.size, side).mean((2, 4))
        return np.asarray((maps * coverage).sum((1, 2)) / total, np.float32)

    return Mass(share([d.sky_mask for d in drawn]), share([d.object_mask for d in drawn]))
