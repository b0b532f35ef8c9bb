"""What an attribution method returns: numbers with their meaning, never a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.maps.extraction import Box, Extraction, Mask, extract
from picasso.core.preprocessing import Array
from picasso.core.targets import Target


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each pixel of the network's input counts for one target. Positive = the target needs it.

    Args:
        values: float32 (height, width), or (height, width, channels), on the pixels of the network's input; NaN
            where nothing is known. Of a clip (frames, height, width), or (frames, height, width, channels).
        target: What is explained.
        units: What a value is, for the color bar: "change in logit", "gradient per unit".
        sign: "signed", or "unsigned" where only the size is meaningful.
        score: The target's unperturbed score (a probability where the method explains that).
        baseline: What stands for "absent", in words; None where the method has none.
        native: The map at the method's own resolution, (rows, columns), where that is coarser; else None. Of a clip
            (steps, rows, columns).
        laid: How `native` is laid over the pixels, in words.
        convergence_error: Where the method knows it: how far the attributions are from adding up.
        change: To what they add up but for that error, in the units of the score that is explained: the change from
            the baseline to the picture; None where the method does not promise it.
        notes: What the reader must know of this map, one sentence each.
        drops: Whether "score - value" is what is left of the score, as in occlusion.
        picture: What the map is laid over, uint8 (height, width, 3), where that is not the model's view.
        in_frames: Whether this is the attribution of a clip; set by the runner.
    """

    values: Array
    target: Target
    units: str
    sign: Literal["signed", "unsigned"]
    score: float
    baseline: str | None = None
    native: Array | None = None
    laid: str = ""
    convergence_error: float | None = None
    change: float | None = None
    notes: tuple[str, ...] = ()
    drops: bool = False
    picture: NDArray[np.uint8] | None = None
    in_frames: bool = False

    def flat(self) -> Array:
        """Return one value for each pixel, (height, width): over the channels the one of the largest size.

        Of a clip (frames, height, width).
        """
        if self.values.ndim == (3 if self.in_frames else 2):
            return self.values
        largest = np.abs(np.nan_to_num(self.values)).argmax(axis=-1)
        return np.take_along_axis(self.values, largest[..., None], axis=-1)[..., 0]

    def extract(self, **choices: Any) -> Extraction:
        """Find the pixels that count and the box around them, in pixels of the network's input.

        Args:
            choices: As for `picasso.core.maps.extraction.extract`: `part`, `threshold`, `smooth`, `largest`.

        Returns:
            Of a clip those of its strongest frame. `Result.box` and `Result.mask` have pixels of the picture.
        """
        values = self.flat()
        return extract(values[strongest_frame(values)[0]] if self.in_frames else values, **choices)

    def mask(self, **choices: Any) -> Mask:
        """Return the pixels that count, bool (height, width); all False where there are none. See `extract`."""
        return self.extract(**choices).mask

    def box(self, **choices: Any) -> Box | None:
        """Return the box around what counts: left, top, width, height; None where nothing does. See `extract`."""
        return self.extract(**choices).box


def strongest_frame(values: Array) -> tuple[int, float]:
    """Return the frame of a map (frames, h, w) with the largest sum of sizes, and its share of all, 0..1."""
    sums = np.abs(np.nan_to_num(values)).sum(axis=(1, 2), dtype=np.float64)
    if not sums.any():
        return len(values) // 2, 0.0
    return int(sums.argmax()), float(sums.max() / sums.sum())


def nearest(cells: int, frames: int) -> NDArray[np.intp]:
    """Return for each frame of a clip which of so many steps of a coarser map covers it, (frames,)."""
    return np.floor((np.arange(frames) + 0.5) * cells / frames).astype(np.intp)


def enlarge(native: Array, height: int, width: int) -> Array:
    """Lay a coarse map over pixels: bilinear between the cells' centers, constant beyond the outermost.

    Args:
        native: (rows, columns).
        height, width: Size of the result in pixels.

    Returns:
        float32 (height, width).
    """
    rows, row_part = _between(native.shape[0], height)
    columns, column_part = _between(native.shape[1], width)
    wide = native.astype(np.float64)
    upper = wide[rows][:, columns] * (1 - column_part) + wide[rows][:, columns + _step(native.shape[1])] * column_part
    below = rows + _step(native.shape[0])
    lower = wide[below][:, columns] * (1 - column_part) + wide[below][:, columns + _step(native.shape[1])] * column_part
    return (upper * (1 - row_part[:, None]) + lower * row_part[:, None]).astype(np.float32)


def _step(cells: int) -> int:
    return 1 if cells > 1 else 0


def _between(cells: int, pixels: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Array]:
    """For each pixel the cell before it and how far it lies towards the next, 0..1."""
    place = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    first = np.minimum(np.floor(place), max(cells - 2, 0)).astype(np.intp)
    return first, (place - first).astype(np.float64)
