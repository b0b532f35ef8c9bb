"""Many small pictures in one file: a sheet of tiles, which a page loads at once and cuts up."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_QUALITY = 85
MOST = 4096
"""Side of a sheet, pixels: the largest picture that every browser shows."""
_AROUND = (128, 128, 128)
"""What lies beside a picture that is not square."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """Square tiles, row by row from the top.

    Args:
        sheet: The bytes of a JPEG file, uint8 (bytes,).
        side: A tile's side, pixels.
        columns: Tiles in a row.
        count: How many tiles there are.
    """

    sheet: NDArray[np.uint8]
    side: int
    columns: int
    count: int

    def image(self) -> Image.Image:
        """Return the whole sheet."""
        return Image.open(io.BytesIO(self.sheet.tobytes())).convert("RGB")

    def tile(self, image: Image.Image, number: int) -> Image.Image:
        """Cut a tile out of the sheet that `image` gave."""
        left, top = number % self.columns * self.side, number // self.columns * self.side
        return image.crop((left, top, left + self.side, top + self.side))


def make_atlas(pictures: Iterable[NDArray[np.uint8]], count: int, side: int) -> Atlas:
    """Put pictures on a sheet, each as large as it fits.

    Args:
        pictures: uint8 (h, w, 3) each.
        count: How many there are.
        side: A tile's side at most, pixels; less where a sheet of so many would be too large.
    """
    columns = max(1, int(np.ceil(np.sqrt(count))))
    side = max(1, min(side, MOST // columns))
    sheet = Image.new("RGB", (columns * side, max(1, -(-count // columns)) * side), _AROUND)
    for number, pixels in enumerate(pictures):
        image = Image.fromarray(pixels)
        scale = side / max(image.size)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.NEAREST if scale >= 4 else Image.Resampling.BICUBIC)
        left = number % columns * side + (side - size[0]) // 2
        sheet.paste(image, (left, number // columns * side + (side - size[1]) // 2))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return Atlas(np.frombuffer(file.getvalue(), np.uint8), side, columns, count)
