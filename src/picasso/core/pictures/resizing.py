"""Pictures of numbers in another size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Numbers = NDArray[np.float64]


def resized(picture: NDArray[Any], height: int, width: int) -> Numbers:
    """Return a picture (h, w, c) in another size, without aliases."""
    if picture.shape[:2] == (height, width):
        return picture.astype(np.float64)
    channels = [Image.fromarray(np.float32(picture[..., c])) for c in range(picture.shape[2])]
    made = [np.asarray(one.resize((width, height), Image.Resampling.BILINEAR)) for one in channels]
    return np.stack(made, axis=-1).astype(np.float64)
