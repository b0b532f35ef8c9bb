"""Pictures deeper than eight bits: their own values beside the 8-bit pixels that people see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import PictureError

Array = NDArray[np.float32]
CheckSize = Callable[[int, int, int], None]
"""Called with width, height and channels before anything is allocated; raises PictureError where they are too many."""
_TAIL = 0.005
"""Share of the values that a stretched picture shows as plain black, and as plain white: outliers hide nothing."""
_COUNTED = 1_000_000
"""So many values are looked at to find the tails."""


@dataclass(frozen=True, eq=False)
class Deep:
    """What a reader of deep pictures found.

    Args:
        values: (height, width, channels), of the file's own type and in its own units.
        notes: What was done while reading, one sentence each.
        pixels: uint8 (height, width, 3) where the file says how its values are shown; else they are found here.
        inverted: Whether the smallest value is white.
    """

    values: NDArray[Any]
    notes: tuple[str, ...] = ()
    pixels: NDArray[np.uint8] | None = None
    inverted: bool = False


def split(deep: Deep) -> tuple[NDArray[np.uint8], Array | None, tuple[str, ...]]:
    """Return the pixels that people see, the values (None where the pixels are all there is), and the notes.

    Raises:
        PictureError: A value is NaN or infinite.
    """
    values = deep.values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise PictureError("The picture holds NaN or infinite values.")
    pixels, notes = (deep.pixels, ()) if deep.pixels is not None else eight_bits(values)
    if deep.inverted:
        pixels, notes = 255 - pixels, (*notes, "Its smallest value is white.")
    plain = values.dtype in (np.uint8, np.bool_) and values.shape[2] in (1, 3) and deep.pixels is None
    with np.errstate(over="ignore"):
        kept = None if plain else np.ascontiguousarray(values, dtype=np.float32)
    if kept is not None and not np.isfinite(kept).all():
        raise PictureError("The picture holds values beyond the range of 32-bit floating point.")
    return np.ascontiguousarray(pixels), kept, deep.notes + notes


def eight_bits(values: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Reduce values (height, width, channels), all finite, to what people see: uint8 (height, width, 3), and say how.

    Unsigned 16 bits are divided by 257 and floating point in 0..1 is multiplied by 255, so that two pictures of one
    series stay comparable; what has no such range is stretched.
    """
    channels = values.shape[2]
    notes: tuple[str, ...] = ()
    if channels not in (1, 3):
        shown = "the first is shown" if channels == 2 else "the first three are shown as red, green and blue"
        notes = (f"It has {channels} channels; {shown}.",)
        values = values[..., : 1 if channels == 2 else 3]
    low, high = values.min().item(), values.max().item()
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "b":
        pixels = values * np.uint8(255)
    elif kind in "ui" and low >= 0 and high <= 255 and not (kind == "u" and size == 2):
        pixels = values
    elif kind == "u" and size == 2 and channels in (1, 3):
        pixels = np.round(values / np.float32(257))
        dark = f" The largest of its values is {high} of 65535, so that it looks dark." if high < 8192 else ""
        notes += (f"Reduced from 16 to 8 bits.{dark}",)
    elif kind == "f" and low >= 0 and high <= 1:
        pixels = np.round(values * 255.0)
        notes += ("Reduced to 8 bits: 0 became black, 1 white.",)
    else:
        pixels, note = stretched(values)
        notes += (note,)
    return np.repeat(pixels, 3 // pixels.shape[2], axis=2).astype(np.uint8), notes


def stretched(values: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Stretch values to 0..255, a share of them beyond either end, and say how."""
    flat = values.reshape(-1)
    ordered = np.sort(flat[:: max(1, flat.size // _COUNTED)])
    low, high = (float(ordered[round(end * (ordered.size - 1))]) for end in (_TAIL, 1 - _TAIL))
    if low == high:
        low, high = float(flat.min()), float(flat.max())
    grey = (values.astype(np.float64) - low) * (255.0 / (high - low or 1.0))
    return np.round(np.clip(grey, 0, 255)), f"Reduced to 8 bits: {low:g} became black, {high:g} white."


def upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn an array (height, width, ...) of an EXIF orientation upright."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values
