"""Maps that know nothing of the model: whoever does not beat an edge filter has explained no model."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from picasso.core.preprocessing import Array

Control = Literal["sobel", "gaussian", "noise"]
CONTROLS: tuple[Control, ...] = get_args(Control)
TITLES: dict[Control, str] = {"sobel": "Edges (Sobel)", "gaussian": "Center (Gaussian)", "noise": "Noise"}
WIDTH = 0.25
"""Standard deviation of the centered Gaussian as a share of each side."""


def control_map(kind: Control, view: NDArray[np.uint8], seed: int) -> Array:
    """Return a map that no model had a part in, float32 (h, w).

    Args:
        kind: sobel: how steep the picture's brightness is, arXiv:1810.03292 has it as a control. gaussian: near the
            middle is much. noise: drawn.
        view: What the model sees, uint8 (h, w, 3).
        seed: Of the noise.
    """
    height, width = view.shape[:2]
    if kind == "noise":
        drawn: Array = np.random.default_rng(seed).random((height, width), np.float32)
        return drawn
    if kind == "gaussian":
        down, across = (((np.arange(side) + 0.5) / side - 0.5) / WIDTH for side in (height, width))
        return np.asarray(np.exp(-0.5 * (down[:, None] ** 2 + across[None] ** 2)), np.float32)
    grey = np.pad(view @ np.array([0.299, 0.587, 0.114]), 1, mode="edge")
    return np.asarray(np.hypot(_slope(grey), _slope(grey.T).T), np.float32)


def _slope(grey: Array) -> Array:
    """Return Sobel's slope from left to right: differences over two columns, weighted 1, 2, 1 over three rows."""
    steps = grey[:, 2:] - grey[:, :-2]
    return np.asarray((steps[:-2] + 2 * steps[1:-1] + steps[2:]) / 8)
