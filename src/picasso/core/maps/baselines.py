"""What stands for "absent": the network's input with nothing to see."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from picasso.core.facts import Sample
from picasso.core.model import Model
from picasso.core.preprocessing import Array

Baseline = Literal["grey", "black", "white", "mean", "blur", "uniform"]
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
SHADES = {"black": 0, "grey": 128, "white": 255}


def baseline(model: Model, sample: Sample, kind: Baseline, seed: int = 0) -> Array:
    """Return an input with nothing to see, (h, w, c), as the network reads it; of a clip (frames, h, w, c).

    Args:
        model: The model.
        sample: The picture whose place it takes.
        kind: grey, black, white: one shade; where the network reads a file's own values, black is the smallest in each
            channel, white the largest, grey the middle. mean: the picture's mean color. blur: the picture under a
            Gaussian of a tenth of its side. uniform: each number drawn between black and white.
        seed: Of what is drawn.
    """
    x: Array = sample.x[0]
    if kind in SHADES:
        return model.plain(sample, SHADES[kind])
    if kind == "mean":
        shown = x[(..., *sample.shown, slice(None))]
        return np.broadcast_to(shown.mean(axis=tuple(range(x.ndim - 1))), x.shape)
    if kind == "blur":
        return blurred(x)
    black, white = model.plain(sample, SHADES["black"]), model.plain(sample, SHADES["white"])
    drawn = np.random.default_rng(seed).random(x.shape, np.float32)
    return black + (white - black) * drawn


def blurred(x: Array, share: float = 0.1) -> Array:
    """Blur (..., h, w, c) with a Gaussian of a share of each side, edges repeated; every frame for itself."""
    for axis in (x.ndim - 3, x.ndim - 2):
        sigma = x.shape[axis] * share
        reach = int(3 * sigma + 0.5)
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        padding = [(reach, reach) if a == axis else (0, 0) for a in range(x.ndim)]
        padded = np.pad(x.astype(np.float64), padding, mode="edge")
        x = np.apply_along_axis(np.convolve, axis, padded, kernel / kernel.sum(), "valid").astype(np.float32)
    return x
