"""A blur that keeps edges: each pixel becomes the mean of those around it that are of nearly its color.

References:
    Tomasi and Manduchi 1998, doi:10.1109/ICCV.1998.710815; for pictures that are searched for: Tyka 2016, "Class
    visualization with bilateral filters".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.floating[Any]]


def bilateral(picture: Wide, reach: int = 2, near: float = 1.5, alike: float = 0.15) -> Wide:
    """Blur a picture, but not across its edges.

    Args:
        picture: (h, w, c) in 0..1.
        reach: How many pixels away a pixel may still count.
        near: Standard deviation of the weight by distance, in pixels.
        alike: Standard deviation of the weight by the distance of the colors, in 0..1.

    Returns:
        The blurred picture; beyond its edge it goes on mirrored.
    """
    height, width = picture.shape[:2]
    wide = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    total = np.zeros_like(picture)
    weights = np.zeros((height, width, 1), picture.dtype)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            other = wide[down : down + height, right : right + width]
            apart = np.square(other - picture).sum(axis=-1, keepdims=True)
            away = (down - reach) ** 2 + (right - reach) ** 2
            weight = np.exp(-apart / (2 * alike**2) - away / (2 * near**2))
            total += weight * other
            weights += weight
    return np.asarray(total / weights)
