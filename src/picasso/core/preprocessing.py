"""Declared preprocessing: from a picture to the numbers that the network reads, and back to the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from picasso.core.errors import PictureError

if TYPE_CHECKING:
    from picasso.core.pictures.images import Picture

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

    With `color="values"` the network reads the file's own channels in the file's own units instead of 8-bit colors:
    `(values * scale - mean) / std`.

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
        "the center. pad: the whole picture, its aspect kept, the rest black (values: 0).",
    )
    short_side: Side | None = Field(
        None,
        description="For crop: the short side before it; by default the input's. Where the picture would then not "
        "cover the input, it is enlarged until it does.",
    )
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    color: Literal["rgb", "bgr", "grey", "values"] = Field(
        "rgb",
        description="Order of the network's channels; values: the file's own channels, any number, in its own units.",
    )
    bands: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="For values: how many channels; by default as many as mean or std has."
    )
    scale: Number = Field(
        1 / 255, gt=0, description="Pixels of 0..255 are multiplied by it first; for values it is 1 where not given."
    )
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

    @model_validator(mode="before")
    @classmethod
    def _values_as_they_are(cls, fields: Any) -> Any:
        unscaled = isinstance(fields, dict) and fields.get("color") == "values" and "scale" not in fields
        return fields | {"scale": 1.0} if unscaled else fields

    @model_validator(mode="after")
    def _fits(self) -> Preprocessing:
        if self.bands is not None and self.color != "values":
            raise ValueError(f"bands belongs to color=values. Got color={self.color}.")
        for name in ("mean", "std"):
            count = len(getattr(self, name))
            if count not in (1, self.channels):
                allowed = "1 value" if self.channels == 1 else f"1 or {self.channels} values"
                raise ValueError(f"{name} must have {allowed} for color={self.color}. Got {count}.")
        if any(value <= 0 for value in self.std):
            raise ValueError(f"std must be positive. Got {self.std}.")
        if self.short_side is not None and self.resize != "crop":
            raise ValueError(f"short_side belongs to resize=crop. Got resize={self.resize}.")
        if self.short_side is not None and self.short_side < min(self.shape[:2]):
            raise ValueError(f"short_side must be at least the input's {min(self.shape[:2])}. Got {self.short_side}.")
        return self

    @property
    def channels(self) -> int:
        if self.color == "values":
            return self.bands or max(len(self.mean), len(self.std))
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
        seen, frame = self._seen(image)
        return np.array(seen.convert("RGB"), dtype=np.uint8), frame

    def _seen(self, image: Image.Image) -> tuple[Image.Image, Frame]:
        """Bring an image of any mode to the input's size; also return the part of it that is left."""
        height, width, _ = self.shape
        how = _FILTERS[self.interpolation]
        if self.resize == "stretch":
            return image.resize((width, height), how), Frame(0, 0, image.height, image.width)
        if self.resize == "crop":
            return self._crop(image, height, width, how)
        return self._pad(image, height, width, how)

    def normalize(self, view: NDArray[np.uint8]) -> Array:
        """Turn pixels of the input's size, uint8 RGB (..., 3), into the numbers that the network reads."""
        return self.scaled(_colors(view, self.color))

    def scaled(self, values: NDArray[Any]) -> Array:
        """Scale numbers that have the network's channels already, (..., channels)."""
        values = values.astype(np.float32) * np.float32(self.scale)
        result = (values - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(result, dtype=np.float32)

    def undo(self, x: Array) -> NDArray[np.uint8] | None:
        """Return the pixels, uint8 RGB (..., h, w, 3), of which an input (..., h, w, c) was made.

        Returns:
            None where this preprocessing cannot have made it of pixels: they would lie outside 0..255.
        """
        if self.color == "values":
            return None
        pixels = (x.astype(np.float64) * self.std + self.mean) / self.scale
        if pixels.min() < -0.5 or pixels.max() > 255.5:
            return None
        rgb = np.round(pixels).clip(0, 255).astype(np.uint8)[..., :: -1 if self.color == "bgr" else 1]
        return np.ascontiguousarray(np.broadcast_to(rgb, (*rgb.shape[:-1], 3)))

    def read(self, picture: Picture) -> tuple[Array, NDArray[np.uint8], Frame]:
        """Return the network's input (h, w, c), what it sees as a picture, and where that lies in the original.

        Raises:
            PictureError: The picture has not as many channels as the network reads.
        """
        view, frame = self.view(picture.pixels)
        values = picture.pixels if picture.values is None else picture.values
        if self.color != "values":
            if values.shape[2] not in (1, 3):
                raise PictureError(
                    f"{picture.name} has {_count(values.shape[2])}; the model reads {self._colors()}.",
                    "Choose a picture of 1 or 3 channels, or a model that reads values.",
                )
            return self.normalize(view), view, frame
        return self._read_values(values, picture.name), view, frame

    def _colors(self) -> str:
        return "grey" if self.color == "grey" else "colors"

    def apply(self, pixels: NDArray[Any]) -> Array:
        """Turn a picture into the network's input, float32 (height, width, channels).

        Args:
            pixels: uint8 (h, w, 3) RGB; for color="values" also numbers of any type, (h, w, channels).
        """
        if self.color == "values":
            return self._read_values(pixels, "The picture")
        return self.normalize(self.view(pixels)[0])

    def _read_values(self, values: NDArray[Any], name: str) -> Array:
        """Bring each channel to the input's size, without rounding, and scale it."""
        if values.dtype == np.uint8 and values.shape[2] == 3 and self.channels == 1:
            values = np.asarray(Image.fromarray(values).convert("L"))[..., None]
        if values.shape[2] != self.channels:
            raise PictureError(
                f"{name} has {_count(values.shape[2])}; the model reads {self.channels}.",
                "Choose a picture with the model's channels.",
            )
        floats = values.astype(np.float32, copy=False)
        bands = [self._seen(Image.fromarray(np.ascontiguousarray(band)))[0] for band in np.moveaxis(floats, 2, 0)]
        return self.scaled(np.stack([np.asarray(band) for band in bands], axis=2))

    def apply_all(self, pictures: Sequence[NDArray[Any]]) -> Array:
        """Turn several pictures into one batch, float32 (n, height, width, channels)."""
        return np.stack([self.apply(pixels) for pixels in pictures])

    def _crop(self, image: Image.Image, height: int, width: int, how: Image.Resampling) -> tuple[Image.Image, Frame]:
        short = self.short_side or min(height, width)
        large_w = max(short, short * image.width // image.height)
        large_h = max(short, short * image.height // image.width)
        if large_w < width or large_h < height:
            factor = max(width / image.width, height / image.height)
            large_w, large_h = (max(1, round(side * factor)) for side in image.size)
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


def _colors(view: NDArray[np.uint8], color: str) -> NDArray[np.uint8]:
    """Return the channels of pixels (..., 3) in the network's order."""
    return view[..., {"rgb": slice(None), "bgr": slice(None, None, -1), "grey": slice(0, 1)}[color]]


def _count(channels: int) -> str:
    return "1 channel" if channels == 1 else f"{channels} channels"
