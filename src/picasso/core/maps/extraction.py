"""From a map to what it points at: a mask of its pixels, and the box around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import SettingsError
from picasso.core.preprocessing import Array, Frame

Part = Literal["positive", "absolute"]
Box = tuple[int, int, int, int]
"""left, top, width, height in pixels."""
Mask = NDArray[np.bool_]
Wide = NDArray[np.float64]
THRESHOLD = 0.2
"""The share of the maximum from which a class activation map counts: Zhou et al. 2016, arXiv:1512.04150."""
BINS = 256
"""Of the histogram that Otsu's threshold divides."""
HINT = 'Give a share of the maximum, 0.2; or "otsu"; or "quantile:0.9" for the uppermost tenth of the pixels.'


@dataclass(frozen=True, eq=False)
class Extraction:
    """What a map points at.

    Args:
        mask: bool (height, width): the pixels that count.
        box: Around them: left, top, width, height in pixels; None where no pixel counts.
        threshold: The smallest value that counts, in the map's units; NaN where nothing could count.
        how: What was done, in words.
        reason: Why no pixel counts, one sentence; "" where some do.
    """

    mask: Mask
    box: Box | None
    threshold: float
    how: str
    reason: str = ""


def extract(
    values: Array,
    *,
    part: Part = "positive",
    threshold: float | str = THRESHOLD,
    smooth: float = 0.0,
    largest: bool = True,
) -> Extraction:
    """Find the pixels of a map that count, and the box around them.

    Args:
        values: The map, (height, width); NaN where nothing is known. Such pixels never count.
        part: "positive": what speaks for the target. "absolute": the size of the values, whatever their sign.
        threshold: From which value on a pixel counts: a share of the map's maximum, above 0, to 1; "otsu": where the
            two sides differ most from each other; "quantile:0.9": the uppermost tenth of the known pixels. What is
            zero never counts.
        smooth: Standard deviation of a Gaussian that is laid over the map before, as a share of its shorter side,
            0 to 0.5; 0 leaves it as it is.
        largest: Whether only the largest connected part counts (pixels that touch at a corner are connected). Of
            parts of equal size the one with the highest peak, and then the uppermost, is taken.

    Raises:
        SettingsError: A choice is not allowed.

    References:
        Zhou et al. 2016, arXiv:1512.04150 (a fifth of the maximum, the largest part). Otsu 1979, IEEE Transactions on
        Systems, Man, and Cybernetics 9.

    Example:
        >>> extract(np.pad(np.ones((2, 3), np.float32), 4)).box
        (4, 4, 3, 2)
    """
    if np.ndim(values) != 2:
        raise SettingsError(f"A map must be (height, width). Got {np.shape(values)}.")
    if part not in ("positive", "absolute"):
        raise SettingsError(f'part must be "positive" or "absolute". Got {part!r}.')
    kind, level = read_threshold(threshold)
    blurred = smoothed(values, smooth)
    counted = np.abs(blurred) if part == "absolute" else np.maximum(blurred, 0)
    known = counted[np.isfinite(counted)]
    how = _words(part, kind, level, smooth, largest)
    if not known.size or known.max() <= 0:
        return Extraction(np.zeros(counted.shape, bool), None, float("nan"), how, _nothing(blurred))
    least = _least(known, kind, level)
    mask = np.nan_to_num(counted, posinf=0.0) >= least
    mask &= counted > 0
    if not mask.any():
        return Extraction(mask, None, least, how, f"No value reaches the threshold, {least:.3g}.")
    if largest:
        mask = largest_part(mask, counted)
    return Extraction(mask, box_around(mask), least, how)


def read_threshold(said: float | str) -> tuple[str, float]:
    """Return the kind of a threshold ("share", "quantile", "otsu") and its level.

    Raises:
        SettingsError: It is none of these.
    """
    text = str(said).strip().casefold()
    if text == "otsu":
        return "otsu", 0.0
    kind, colon, number = text.rpartition(":")
    try:
        level = float(number)
    except ValueError:
        level = float("nan")
    if not colon and 0 < level <= 1:
        return "share", level
    if kind == "quantile" and 0 <= level < 1:
        return "quantile", level
    raise SettingsError(f"The threshold was not understood: {said!r}.", HINT)


def smoothed(values: Array, share: float) -> Wide:
    """Return a map under a Gaussian of a share of its shorter side, float64; what is unknown stays so.

    At the edges and beside unknown pixels the Gaussian is divided by its sum over the pixels that are known.

    Raises:
        SettingsError: The share is not in 0..0.5.
    """
    if not 0 <= share <= 0.5:
        raise SettingsError(f"smooth must be a share of the shorter side, 0 to 0.5. Got {share}.")
    wide = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    sigma = share * min(wide.shape)
    if sigma == 0:
        return wide
    known = np.isfinite(wide)
    kernel = np.exp(-0.5 * (np.arange(-np.ceil(3 * sigma), np.ceil(3 * sigma) + 1) / sigma) ** 2)
    total = _spread(np.where(known, wide, 0.0), kernel)
    weight = _spread(known.astype(np.float64), kernel)
    return np.where(known, total / np.where(known, weight, 1.0), np.nan)


def _spread(values: Wide, kernel: Wide) -> Wide:
    """Convolve along both axes; beyond the edges there is nothing."""
    reach = len(kernel) // 2
    for axis in (0, 1):
        padding = [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(values, padding)
        length = values.shape[axis]
        parts = (np.take(padded, range(i, i + length), axis) * weight for i, weight in enumerate(kernel))
        values = sum(parts, np.zeros_like(values))
    return values


def otsu(values: Wide) -> float:
    """Return the edge of the histogram's bins at which the variance between the two sides is largest.

    Args:
        values: Any shape, finite. Those that reach the edge belong to the upper side.

    References:
        Otsu 1979, IEEE Transactions on Systems, Man, and Cybernetics 9.
    """
    if np.ptp(values) <= 1e-9 * np.abs(values).max():  # one value, rounding aside
        return float(values.min())
    counts, edges = np.histogram(values, BINS)
    centers = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts)[:-1], np.cumsum(counts[::-1])[::-1][1:]
    mean_below = np.cumsum(counts * centers)[:-1] / below
    mean_above = np.cumsum((counts * centers)[::-1])[::-1][1:] / above
    return float(edges[1:-1][np.argmax(below * above * (mean_below - mean_above) ** 2)])


def largest_part(mask: Mask, values: Wide) -> Mask:
    """Return the largest connected part of a mask that has at least one pixel.

    Args:
        mask: bool (height, width).
        values: Of the pixels: of parts of equal size the one with the highest is taken, and then the uppermost.
    """
    from scipy import ndimage

    parts, count = ndimage.label(mask, np.ones((3, 3), int))
    numbers = np.arange(1, count + 1)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    peaks = np.asarray(ndimage.maximum(values, parts, numbers))
    best = max(range(count), key=lambda part: (sizes[part], peaks[part], -part))
    return np.asarray(parts == best + 1, bool)


def box_around(mask: Mask) -> Box:
    """Return the box around a mask of at least one pixel: left, top, width, height."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0] + 1),
        int(rows[-1] - rows[0] + 1),
    )


def box_in_picture(box: Box, shape: tuple[int, ...], frame: Frame, height: int, width: int) -> Box | None:
    """Return a box of the map as one of the picture, whole pixels, none of it cut off but what lies outside.

    Args:
        box: In pixels of the map.
        shape: (height, width) of the map.
        frame: Which part of the picture the map shows.
        height, width: Of the picture.

    Returns:
        left, top, width, height in pixels of the picture; None where all of it lies in what padding added.
    """
    left, right = _within(frame.left, frame.width / shape[1], box[0], box[2], width)
    top, bottom = _within(frame.top, frame.height / shape[0], box[1], box[3], height)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _within(start: float, scale: float, first: int, length: int, side: int) -> tuple[int, int]:
    """Return the first pixel of the picture that an interval touches, and the one after the last."""
    low = int(np.floor(round(start + first * scale, 6)))
    high = int(np.ceil(round(start + (first + length) * scale, 6)))
    return min(max(low, 0), side), min(max(high, 0), side)


def mask_in_picture(mask: Mask, frame: Frame, height: int, width: int) -> Mask:
    """Lay a mask of the map over the picture: bool (height, width), each pixel that any of the map's touches."""
    top, bottom = _cells(frame.top, frame.height, mask.shape[0], height)
    left, right = _cells(frame.left, frame.width, mask.shape[1], width)
    # How many pixels of the mask lie above and left of each corner.
    before = np.pad(mask.astype(np.intp), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    within = before[bottom][:, right] - before[top][:, right] - before[bottom][:, left] + before[top][:, left]
    return np.asarray(within > 0, bool)


def _cells(start: float, length: float, cells: int, pixels: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first cell of the map that each pixel of the picture touches, and the one after the last."""
    edges = (np.arange(pixels + 1) - start) * cells / length
    low, high = np.floor(np.round(edges[:-1], 6)), np.ceil(np.round(edges[1:], 6))
    return low.clip(0, cells).astype(np.intp), high.clip(0, cells).astype(np.intp)


def _least(known: Wide, kind: str, level: float) -> float:
    """Return the smallest value that counts."""
    if kind == "otsu":
        return otsu(known)
    return float(level * known.max()) if kind == "share" else float(np.quantile(known, level))


def _nothing(values: Wide) -> str:
    """Say why no pixel of a map can count."""
    known = values[np.isfinite(values)]
    if not known.size:
        return "The map holds no known value."
    return "The map is all zero." if not known.any() else "No value is positive: nothing speaks for the target."


def _words(part: Part, kind: str, level: float, smooth: float, largest: bool) -> str:
    """Say what is done to a map."""
    what = "sizes" if part == "absolute" else "positive values"
    bound = {
        "share": f"from {level:.0%} of the maximum",
        "quantile": f"from the quantile {level:g}",
        "otsu": "from Otsu's threshold",
    }[kind]
    under = f", under a Gaussian of {smooth:.1%} of the shorter side" if smooth else ""
    return f"{'The largest connected part of the' if largest else 'All'} {what} {bound}{under}."
