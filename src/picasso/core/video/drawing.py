"""One frame of a film: the frame in grey, the map over the part that the model saw, the classes and the scale below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from picasso.core.glance import Glance
from picasso.core.pictures import render
from picasso.core.preprocessing import Frame

Pixels = NDArray[np.uint8]
_PAPER, _INK, _SOFT = (18, 19, 16), (245, 245, 240), (190, 190, 180)
_LEAST_TEXT = 9
"""Height of the letters in pixels; smaller ones cannot be read."""


def draw_frame(pixels: Pixels, glance: Glance, limits: tuple[float, float], title: str, opacity: float) -> Pixels:
    """Draw a map and what the model says over a frame of the same size.

    Args:
        pixels: The frame, uint8 (height, width, 3).
        glance: What was found.
        limits: Of the color scale that all frames share.
        title: What made the map.
        opacity: Of the map, 0..1.
    """
    drawn = overlaid(pixels, glance, limits, opacity)
    return _captioned(drawn, glance, limits, title)


def overlaid(pixels: Pixels, glance: Glance, limits: tuple[float, float], opacity: float) -> Pixels:
    """Lay a map over the part of a frame that the model saw; the frame turns grey, so that colors belong to the map."""
    height, width = pixels.shape[:2]
    part = glance.frame or Frame(0, 0, height, width)
    grey = np.repeat((pixels @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)
    colors = render.colorize(glance.values, glance.sign, limits)
    rows, inner_rows = _cells(colors.shape[0], part.top, part.height, height)
    columns, inner_columns = _cells(colors.shape[1], part.left, part.width, width)
    # One value for each pixel and none between: values are what was measured.
    laid = colors[rows][:, columns]
    region = grey[inner_rows, inner_columns]
    grey[inner_rows, inner_columns] = region * (1 - opacity) + laid * opacity
    return np.asarray(np.round(grey), dtype=np.uint8)


def _cells(count: int, start: float, length: float, side: int) -> tuple[NDArray[np.intp], slice]:
    """Return which of so many cells of a part covers each pixel of a frame within it, and where these pixels lie."""
    first, last = max(0, round(start)), min(side, round(start + length))
    places = (np.arange(first, last) + 0.5 - start) * count / length
    return np.clip(np.floor(places), 0, count - 1).astype(np.intp), slice(first, last)


def _captioned(pixels: Pixels, glance: Glance, limits: tuple[float, float], title: str) -> Pixels:
    """Write the classes and draw the color scale into the lower edge of a frame."""
    height, width = pixels.shape[:2]
    size = max(_LEAST_TEXT, min(height, width) // 26)
    font, gap = ImageFont.load_default(size), size // 2
    image = Image.fromarray(pixels)
    tall = 2 * (size + gap) + gap
    if tall > height // 2:  # a stamp has no room for words
        return pixels
    strip = Image.new("RGB", (width, tall), _PAPER)
    image.paste(Image.blend(image.crop((0, height - tall, width, height)), strip, 0.78), (0, height - tall))
    pen, first, second = ImageDraw.Draw(image), height - tall + gap, height - gap - size
    place = gap
    for rank, one in enumerate(glance.classes):
        number = render.format_value(one.probability) if glance.certainty == "score" else f"{one.probability:.0%}"
        text = f"{one.label} {number}"
        if place + font.getlength(text) > width - gap:
            break
        pen.text((place, first), text, _INK if rank == 0 else _SOFT, font)
        place += int(font.getlength(text)) + 2 * gap
    _scale(image, pen, glance, limits, (gap, second, width - gap, second + size), f"{title}: {glance.subject}", font)
    return np.asarray(image)


def _scale(
    image: Image.Image,
    pen: ImageDraw.ImageDraw,
    glance: Glance,
    limits: tuple[float, float],
    box: tuple[int, int, int, int],
    words: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    """Draw what the map is of, then the scale with its two ends and its units, as far as there is room."""
    left, top, right, bottom = box
    low, high = (render.format_value(limit) for limit in limits)
    bar = max(24, (right - left) // 6)
    wide = int(font.getlength(words))
    ends = f"{high} {glance.units}"
    needed = wide + font.getlength(low) + bar + font.getlength(ends) + 4 * (bottom - top)
    if needed > right - left:
        ends = high
    pen.text((left, top), words, _SOFT, font)
    start = left + wide + (bottom - top)
    pen.text((start, top), low, _SOFT, font)
    start += int(font.getlength(low)) + 4
    if start + bar + font.getlength(ends) > right:
        return
    ramp = np.linspace(*limits, bar, dtype=np.float32)[None].repeat(bottom - top, 0)
    image.paste(Image.fromarray(render.colorize(ramp, glance.sign, limits)), (start, top))
    pen.text((start + bar + 4, top), ends, _SOFT, font)
