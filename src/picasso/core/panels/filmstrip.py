"""The maps of a clip, frame by frame, as pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.attribution import Attribution
from picasso.core.panels.images import Images
from picasso.core.pictures import render
from picasso.core.pictures.clips import chosen

SIDE = 128
"""Longer side of each picture, in pixels."""
MOST = 64
"""Pictures of one strip; of a longer clip so many are shown, at even distances."""


def filmstrips(attributions: Sequence[Attribution], views: NDArray[np.uint8], clip: float) -> list[Images]:
    """Return one strip for each target, all on one color scale.

    Args:
        attributions: One for each target, with values (frames, h, w).
        views: What the model saw in each frame, uint8 (frames, h, w, 3).
        clip: Share of all values that may lie beyond the color scale, 0..1.
    """
    flat = [attribution.flat() for attribution in attributions]
    sign = attributions[0].sign
    limits = render.shared_limits(flat, sign, clip)
    places = chosen(len(views), min(len(views), MOST))
    scale = f"{render.format_value(limits[0])} to {render.format_value(limits[1])}"
    strips = []
    for rank, (attribution, values) in enumerate(zip(attributions, flat, strict=True)):
        drawn = [render.overlay(views[place], values[place], sign, limits) for place in places]
        strips.append(
            Images(
                id=f"frames-{rank}",
                title=f"{attribution.target.label}, frame by frame",
                caption=f"All maps are on one color scale, {scale} ({attribution.units}).",
                pictures=tuple(_small(picture) for picture in drawn),
                captions=tuple(f"frame {place + 1}" for place in places),
            )
        )
    return strips


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring the longer side to `SIDE`: sharply where that enlarges, as the values are what was measured."""
    height, width = picture.shape[:2]
    factor = SIDE / max(height, width)
    how = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(picture).resize(size, how))
