"""Declared preprocessing: from a picture to the numbers that the network reads, and back to the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Array = NDArray[np.float32]
Side = Annotated[int, Field(ge=1, le=8192)]
Number = Annotated[float, Field(allow_inf_nan=False)]
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_MAX_RESIZED = 2**26
"""Pixels to which a whole picture is enlarged at most: 1 x 5000 with a short side of 224 would take 250 million."""


@dataclass(frozen=True)
class Frame:
    """Which part of the picture the model saw.

    Args:
        top, left, height, width: That part in pixels of the picture; it may reach beyond the picture where
            the picture was padded.
    """

    top: float
    left: float
    height: float
    width: float


class Preprocessing(BaseModel):
    """How a picture becomes the network's input: `(pixels * scale - mean) / std`.

    Example:
        >>> p = Preprocessing(size=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
        >>> p.apply(np.zeros((480, 640, 3), np.uint8)).shape
        (224, 224, 3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Side | tuple[Side, Side] = Field(
        224, description="Side of the network's input in pixels, or (height, width)."
    )
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="stretch: the whole picture, its aspect not kept. crop: the short side to `short_side`, then "
        "the center. pad: the whole picture, its aspect kept, the rest black.",
    )
    short_side: Side | None = Field(None, description="For crop: the short side before it; by default the input's.")
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    color: Literal["rgb", "bgr", "grey"] = Field("rgb", description="Order of the network's channels.")
    scale: Number = Field(1 / 255, gt=0, description="Pixels of 0..255 are multiplied by it first.")
    mean: tuple[Number, ...] = Field((0.0,), description="Subtracted; one for each of the network's channels, or one.")
    std: tuple[Number, ...] = Field((1.0,), description="Divided by; one for each of the network's channels, or one.")

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _one_for_all(cls, value: object) -> object:
        return (value,) if isinstance(value, int | float) else value

    @field_validator("color", mode="before")
    @classmethod
    def _one_spelling(cls, value: object) -> object:
        return "grey" if value == "gray" else value

    @model_validator(mode="after")
    def _fits(self) -> Preprocessing:
        for name in ("mean", "std"):
            count = len(getattr(self, name))
            if count not in (1, self.channels):
                allowed = "1 value" if self.channels == 1 else f"1 or {self.channels} values"
                raise ValueError(f"{name} must have {allowed} for color={self.color}. Got {count}.")
        if any(value <= 0 for value in self.std):
            raise ValueError(f"std must be positive. Got {self.std}.")
        if self.short_side is not None and self.resize != "crop":
            raise ValueError(f"short_side belongs to resize=crop. Got resize={self.resize}.")
        if self.short_side is not None and self.short_side < max(self.shape[:2]):
            raise ValueError(f"short_side must be at least the input's {max(self.shape[:2])}. Got {self.short_side}.")
        return self

    @property
    def channels(self) -> int:
        return 1 if self.color == "grey" else 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the network's input: (height, width, channels)."""
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        return height, width, self.channels

    def view(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Frame]:
        """Return the pixels that the model sees, as a picture, and where they lie in the original.

        Args:
            pixels: uint8 (h, w, 3), RGB.

        Returns:
            uint8 RGB of the input's height and width (grey models: three equal channels), and the frame.
        """
        image = Image.fromarray(pixels)
        if self.color == "grey":
            image = image.convert("L")
        height, width, _ = self.shape
        how = _FILTERS[self.interpolation]
        if self.resize == "stretch":
            frame = Frame(0, 0, image.height, image.width)
            seen = image.resize((width, height), how)
        elif self.resize == "crop":
            seen, frame = self._crop(image, height, width, how)
        else:
            seen, frame = self._pad(image, height, width, how)
        return np.array(seen.convert("RGB"), dtype=np.uint8), frame

    def normalize(self, view: NDArray[np.uint8]) -> Array:
        """Turn pixels of the input's size, uint8 RGB (..., 3), into the numbers that the network reads."""
        channels = {"rgb": slice(None), "bgr": slice(None, None, -1), "grey": slice(0, 1)}[self.color]
        values = view[..., channels].astype(np.float32) * np.float32(self.scale)
        result = (values - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(result, dtype=np.float32)

    def apply(self, pixels: NDArray[np.uint8]) -> Array:
        """Turn a picture, uint8 (h, w, 3) RGB, into the network's input, float32 (height, width, channels)."""
        return self.normalize(self.view(pixels)[0])

    def apply_all(self, pictures: Sequence[NDArray[np.uint8]]) -> Array:
        """Turn several pictures into one batch, float32 (n, height, width, channels)."""
        return np.stack([self.apply(pixels) for pixels in pictures])

    def _crop(self, image: Image.Image, height: int, width: int, how: Image.Resampling) -> tuple[Image.Image, Frame]:
        short = self.short_side or max(height, width)
        large_w = max(short, short * image.width // image.height)
        large_h = max(short, short * image.height // image.width)
        left, top = round((large_w - width) / 2), round((large_h - height) / 2)
        per_x, per_y = image.width / large_w, image.height / large_h
        frame = Frame(top * per_y, left * per_x, height * per_y, width * per_x)
        if large_w * large_h <= _MAX_RESIZED:
            return image.resize((large_w, large_h), how).crop((left, top, left + width, top + height)), frame
        # A slim picture: what is seen of it, alone. Not always so, since Pillow rounds differently then.
        right, bottom = min(frame.left + frame.width, image.width), min(frame.top + frame.height, image.height)
        return image.resize((width, height), how, box=(frame.left, frame.top, right, bottom)), frame

    @staticmethod
    def _pad(image: Image.Image, height: int, width: int, how: Image.Resampling) -> tuple[Image.Image, Frame]:
        factor = min(width / image.width, height / image.height)
        inner_w, inner_h = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        left, top = (width - inner_w) // 2, (height - inner_h) // 2
        seen = Image.new(image.mode, (width, height))
        seen.paste(image.resize((inner_w, inner_h), how), (left, top))
        per_x, per_y = image.width / inner_w, image.height / inner_h
        return seen, Frame(-top * per_y, -left * per_x, height * per_y, width * per_x)
