"""Clips: the frames of an animation, of a stack of pages or of an array, and those of them that a network reads."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.attribution import nearest
from picasso.core.errors import PictureError
from picasso.core.pictures import npy
from picasso.core.pictures.images import FORMATS, MAX_PIXELS, Picture, decoding, to_rgb
from picasso.core.pictures.tiff import FRAMES

Frames = NDArray[np.uint8]
"""The frames of a clip, uint8 (frames, height, width, 3)."""
STRETCHES = 4
MAX_FRAMES = 10_000
"""Of longer clips the beginning is read."""


def frames_of(picture: Picture) -> tuple[Frames, tuple[str, ...]]:
    """Return all frames of a clip, or the one of a still picture, and notes on what was left out.

    Raises:
        PictureError: The clip is damaged, or its frames are not of one size.
    """
    clip = picture.clip
    if clip is None:
        return picture.pixels[None], ()
    if not isinstance(clip, bytes):
        return clip, ()
    with decoding(picture.name):
        if clip.startswith(npy.MAGIC):
            return npy.read_clip(clip), ()
        return _decoded(clip, picture.name)


def stretches(frames: int) -> NDArray[np.intp]:
    """Return for each frame the number of its stretch, (frames,): four of like length, or as many as there are frames.

    What is taken away of a clip is taken away for so long, since one frame looks like the next.
    """
    return nearest(min(STRETCHES, frames), frames)


def chosen(total: int, wanted: int) -> list[int]:
    """Return which of `total` frames make a clip of `wanted`: at even distances, the first and the last among them."""
    return [round(place) for place in np.linspace(0, total - 1, wanted)]


def noted(picture: Picture, total: int, wanted: int) -> Picture:
    """Return the picture with a note on how its frames became those of the network."""
    kept = tuple(note for note in picture.notes if note != FRAMES)
    if picture.clip is None:
        return replace(picture, notes=(*picture.notes, f"A still picture: it is repeated to make {wanted} frames."))
    if total < wanted:
        return replace(picture, notes=(*kept, f"Its {total} frames are repeated to make {wanted}."))
    if total > wanted:
        return replace(picture, notes=(*kept, f"{wanted} of its {total} frames are read, at even distances."))
    return replace(picture, notes=kept)


def place_of(box: NDArray[np.int64]) -> tuple[Any, ...]:
    """Return where a box lies in a picture (h, w, c) or clip (frames, h, w, c), to index with.

    Args:
        box: top, left, height, width; or first frame, number of frames and these four.
    """
    sides = [int(value) for value in box]
    starts, lengths = (sides[:2], sides[2:]) if len(sides) == 4 else ((sides[0], *sides[2:4]), (sides[1], *sides[4:]))
    return (..., *(slice(start, start + length) for start, length in zip(starts, lengths, strict=True)), slice(None))


def _decoded(data: bytes, name: str) -> tuple[Frames, tuple[str, ...]]:
    """Decode the frames of a GIF, WebP, PNG or TIFF one after another; they are never counted beforehand."""
    frames: list[Frames] = []
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        size = image.size
        most = max(1, min(MAX_FRAMES, MAX_PIXELS // (size[0] * size[1])))
        for place in range(most):
            try:
                image.seek(place)
            except EOFError:
                return np.stack(frames), ()
            if image.size != size:  # pages of a TIFF have sizes of their own
                raise PictureError(f"The frames of {name} are not of one size.", "Choose another clip.")
            frames.append(to_rgb(image)[0])
    return np.stack(frames), (f"Only its first {len(frames)} frames are read.",)
