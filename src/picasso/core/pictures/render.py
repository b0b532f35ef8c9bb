"""Arrays -> pictures: colors, limits, overlays, color bars. Nothing here changes the data."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from picasso.core.pictures.colors import Sign, color_map
from picasso.core.preprocessing import Array

Pixels = NDArray[np.uint8]
HATCH = ((150, 150, 150), (205, 205, 205))
"""Two greys of the hatching where nothing is known."""
_TEXT, _PAPER = (30, 30, 34), (255, 255, 255)
MIN_SIDE = 448
"""Exported pictures are enlarged to at least this side."""
MAX_SIDE = 8192
"""No picture is enlarged beyond this side, as one of 2 x 5000 pixels otherwise would be by far."""


def shared_limits(maps: Sequence[Array], sign: Sign, clip: float = 0.0) -> tuple[float, float]:
    """Return the two ends of the color scale that all maps share.

    Args:
        maps: The maps that are compared.
        sign: Signed maps get symmetric limits, unsigned ones start at zero.
        clip: Share of the values that may lie beyond, 0..1: a few extreme pixels must not darken the rest.
    """
    values = np.concatenate([np.abs(one[np.isfinite(one)]).ravel() for one in maps]) if maps else np.zeros(0)
    top = float(np.quantile(values, 1 - clip)) if values.size else 0.0
    if top == 0.0 and values.size:
        top = float(values.max())
    top = top or 1.0
    return (-top, top) if sign == "signed" else (0.0, top)


def colorize(values: Array, sign: Sign, limits: tuple[float, float]) -> Pixels:
    """Color a map, (h, w) -> uint8 (h, w, 3); NaN is hatched, values beyond the limits get the end colors."""
    low, high = limits
    unknown = ~np.isfinite(values)
    known = np.where(unknown, 0, values).astype(np.float64)  # the limits may span more than float32 holds
    place = np.clip((known - low) / ((high - low) or 1.0), 0, 1)
    colors = color_map(sign)[np.round(place * 255).astype(np.intp)]
    if unknown.any():
        rows, columns = np.indices(values.shape)
        stripes = np.asarray(HATCH, np.uint8)[((rows + columns) // 4) % 2]
        colors[unknown] = stripes[unknown]
    return np.asarray(colors, dtype=np.uint8)


def in_colors(values: Array, limits: tuple[float, float]) -> Pixels:
    """Show three numbers at each place as red, green and blue, (h, w, 3) -> uint8: dark at the low limit."""
    low, high = limits
    place = np.clip((values.astype(np.float64) - low) / ((high - low) or 1.0), 0, 1)
    return np.asarray(np.round(place * 255), dtype=np.uint8)


def overlay(
    picture: Pixels,
    values: Array,
    sign: Sign,
    limits: tuple[float, float],
    opacity: float = 0.65,
    min_side: int = 0,
) -> Pixels:
    """Lay a map over a picture of the same size; the picture turns grey, so that every color belongs to the map.

    Args:
        picture: uint8 (h, w, 3).
        values: (h, w).
        sign, limits: Of the color scale.
        opacity: Of the map, 0..1.
        min_side: Both are enlarged by a whole factor to at least this side: the picture smoothly, the map not,
            since its values are what was measured.
    """
    shape = picture.shape[:2]
    factor = max(1, min(-(-min_side // min(shape)), MAX_SIDE // max(shape)))
    size = picture.shape[1] * factor, picture.shape[0] * factor
    large = np.asarray(to_image(picture).resize(size, Image.Resampling.BICUBIC))
    colors = colorize(values, sign, limits).repeat(factor, axis=0).repeat(factor, axis=1)
    grey = large @ np.array([0.299, 0.587, 0.114])
    mixed = grey[..., None] * (1 - opacity) + colors * opacity
    return np.asarray(np.round(mixed), dtype=np.uint8)


def edged(pixels: Pixels, inside: NDArray[np.bool_], width: int = 1) -> Pixels:
    """Draw the edge of a mask into a picture: white within it and black around it, so that it is seen on any ground.

    Args:
        pixels: uint8 (h, w, 3).
        inside: The mask, bool (h, w).
        width: Of each of the two lines, in pixels.
    """
    within, around = inside, inside
    for _ in range(width):
        within, around = ~_grown(~within), _grown(around)
    drawn = pixels.copy()
    drawn[inside & ~within] = 255
    drawn[around & ~inside] = 0
    return drawn


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask with the pixels beside, above and below it."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def to_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return uint8 (h, w, 3) or (h, w) as a PIL image."""
    return Image.fromarray(np.ascontiguousarray(pixels))


def overlay_with_bar(
    picture: Pixels, values: Array, sign: Sign, limits: tuple[float, float], units: str, opacity: float = 0.65
) -> Image.Image:
    """Return the overlay with a color bar on its right that carries the limits, zero and the units."""
    body = to_image(overlay(picture, values, sign, limits, opacity, MIN_SIDE))
    font = ImageFont.load_default(15)
    ticks = [limits[1], (limits[0] + limits[1]) / 2, limits[0]]
    texts = [format_value(tick) for tick in ticks]
    wide = max(int(font.getlength(text)) for text in texts)
    bar_width, gap, line = 18, 14, 24
    canvas = Image.new("RGB", (body.width + gap * 3 + bar_width + wide + line, body.height), _PAPER)
    canvas.paste(body, (0, 0))
    ramp = np.linspace(limits[1], limits[0], body.height, dtype=np.float32)[:, None].repeat(bar_width, 1)
    left = body.width + gap
    canvas.paste(Image.fromarray(colorize(ramp, sign, limits)), (left, 0))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((left, 0, left + bar_width - 1, body.height - 1), outline=_TEXT)
    for text, y, anchor in zip(texts, (0, body.height // 2, body.height - 1), ("la", "lm", "ld"), strict=True):
        draw.text((left + bar_width + 6, y), text, _TEXT, font, anchor)
    label = Image.new("RGB", (body.height, line), _PAPER)
    ImageDraw.Draw(label).text((body.height // 2, line // 2), units, _TEXT, font, "mm")
    canvas.paste(label.rotate(90, expand=True), (canvas.width - line, 0))
    return canvas


def captioned(image: Image.Image, text: str) -> Image.Image:
    """Return a picture with a sentence below it, broken at words."""
    font, pad, height = ImageFont.load_default(15), 10, 20
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > image.width - 2 * pad:
            lines.append(word)
        else:
            lines[-1] = longer
    canvas = Image.new("RGB", (image.width, image.height + height * len(lines) + 2 * pad), _PAPER)
    canvas.paste(image, (0, 0))
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        draw.text((pad, image.height + pad + number * height), line, _TEXT, font)
    return canvas


def format_value(value: float) -> str:
    """Write a value with three significant digits; the hyphen is the only minus that the built-in font has."""
    return "0" if value == 0 else f"{value:.3g}"


def png(image: Image.Image) -> bytes:
    """Encode a picture as PNG, in a third of the time that the usual level takes, a tenth larger."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def data_url(image: Image.Image) -> str:
    """Encode a picture as a data: URL."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()
