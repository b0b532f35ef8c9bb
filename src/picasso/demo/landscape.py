"""The land under the sky: ridges in the haze, a meadow, trees, and what stands before the object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from picasso.demo.noise import Color, FloatArray, blend, fractal, mix, sample, scaled, smoothstep, stream
from picasso.demo.plants import Brush, broadleaf, bush, conifer, grass

_HAZE: Color = (188, 206, 214)


@dataclass(frozen=True)
class Light:
    """The light on the land; it does not depend on the sky.

    Attributes:
        side: -1 from the left, 1 from the right.
        level: brightness, about 1.
        tint: factor for each channel, about 1.
    """

    side: float
    level: float
    tint: Color


@dataclass(frozen=True)
class Layer:
    """A picture with coverage.

    Attributes:
        color: (h, w, 3) float32 in [0, 255].
        alpha: (h, w) float32 in [0, 1].
    """

    color: FloatArray
    alpha: FloatArray


def light_of(seed: int) -> Light:
    """Draws the light of a scene."""
    rng = stream(seed, "light")
    warmth = rng.uniform(-0.05, 0.07)
    side = -1.0 if rng.random() < 0.5 else 1.0
    return Light(side, float(rng.uniform(0.88, 1.1)), (1 + warmth, 1.0, 1 - warmth))


def canvas(size: int, factor: int) -> Image.Image:
    """A transparent canvas, `factor` times as large as the picture, for antialiasing."""
    return Image.new("RGBA", (size * factor, size * factor))


def shrink(picture: Image.Image, factor: int) -> Layer:
    """Averages an oversized canvas down to a layer of the picture's size."""
    pixels = np.asarray(picture.reduce(factor), np.float32)
    return Layer(pixels[..., :3], pixels[..., 3] / np.float32(255))


def paint_land(seed: int, size: int, horizon: float) -> Layer:
    """Ridges and meadow; transparent where the sky is seen.

    Args:
        seed: the scene's seed.
        size: width and height of the picture, pixels.
        horizon: row where the meadow begins, pixels.
    """
    rng = stream(seed, "terrain")
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    color = np.empty((size, size, 3), np.float32)
    color[:] = _HAZE
    alpha = np.zeros((size, size), np.float32)
    green = mix((96, 128, 72), (128, 138, 78), rng.uniform(0, 1))
    grain = fractal(rng, (size, size), (24, 16), 3)
    ridges = int(rng.integers(2, 4))
    for index in range(ridges):
        near = (index + 1) / (ridges + 1)
        rise = (46 - 34 * near) * rng.uniform(0.7, 1.15)
        line = fractal(rng, (1, size), (1, 2 + index), 5 - index, 0.42)[0]
        top = horizon - 3 - rise * (0.25 + 0.95 * line)
        tone = mix(mix((118, 142, 168), _HAZE, 0.3), mix(green, (92, 126, 104), 0.5), near**1.2)
        cover = np.clip(y - top[None] + 0.5, 0, 1)
        depth = np.clip((y - top[None]) / (rise + 8), 0, 1)
        shade = 0.93 + 0.3 * (grain - 0.5) * (0.3 + near)
        body = np.asarray(tone, np.float32) * shade[..., None]
        body = blend(body, _HAZE, depth * np.float32(0.55 * (1 - 0.6 * near)))
        color = blend(color, body, cover)
        alpha = np.maximum(alpha, cover)
    meadow = _meadow(rng, x, y, horizon, green)
    cover = np.clip(y - horizon - (grain[:1] - 0.5) * 6 + 0.5, 0, 1)
    return Layer(blend(color, meadow, cover), np.asarray(np.maximum(alpha, cover), np.float32))


def _meadow(rng: np.random.Generator, x: FloatArray, y: FloatArray, horizon: float, green: Color) -> FloatArray:
    """Ground seen in perspective: patches of two greens, bare earth, and a worn track."""
    size = x.shape[1]
    nearness = np.clip((y - horizon) / (size - horizon), 0, 1)
    depth = 1 / (nearness + 0.12)
    texture = fractal(rng, (256, 256), (6, 6), 5, 0.62)
    patch = sample(texture, depth * 60, (x - size / 2) * depth * 0.5)
    fine = sample(texture, depth * 190 + 31, (x - size / 2) * depth * 1.9 + 57)
    lush = mix(green, (86, 118, 54), 0.45)
    dry = mix(green, (176, 162, 96), 0.6)
    earth = mix((146, 122, 88), green, 0.25)
    color = np.empty((*y.shape, 3), np.float32)
    color[:] = lush
    color = blend(color, dry, smoothstep(0.4, 0.75, patch) * np.float32(0.85))
    bend, where = rng.uniform(-0.8, 0.8), rng.uniform(0.15, 0.85) * size
    path = where + (size / 2 - where) * (1 - nearness) + bend * 60 * (1 - nearness) ** 2
    width = 2 + 26 * nearness
    away = np.abs(np.abs(x - path) - width * 0.62) / (width * 0.42) + (patch - 0.5) * 1.6
    color = blend(color, earth, (1 - smoothstep(0.35, 1.0, np.asarray(away, np.float32))) * np.float32(0.8))
    color = color * (0.84 + 0.34 * fine)[..., None]
    color = color * (1.08 - 0.2 * nearness)[..., None]
    return blend(np.asarray(color, np.float32), _HAZE, np.asarray(0.5 * (1 - nearness) ** 5, np.float32))


def paint_trees(seed: int, size: int, horizon: float, light: Light) -> Layer:
    """The wood at the horizon, single trees before it, and the grass of the meadow."""
    factor = 2
    picture = canvas(size, factor)
    brush = Brush(ImageDraw.Draw(picture), factor, light.side)
    rng = stream(seed, "trees")
    leaf = mix((72, 108, 52), (112, 122, 58), rng.uniform(0, 1))
    fir = mix((48, 84, 62), (66, 96, 58), rng.uniform(0, 1))
    density = rng.uniform(0.25, 1.0)
    x = -4.0
    while x < size + 4:
        if np.sin(x / 37 + seed) * 0.5 + 0.5 < density:
            tall = rng.uniform(7, 15)
            far = mix(leaf, _HAZE, 0.34)
            if rng.random() < 0.5:
                conifer(brush, rng, x, horizon + rng.uniform(0, 3), tall * 1.3, mix(fir, _HAZE, 0.3))
            else:
                bush(brush, rng, x, horizon + rng.uniform(1, 3), tall * 1.2, far)
        x += rng.uniform(3, 11)
    spots = sorted((rng.uniform(3, 22), rng.uniform(-6, size + 6)) for _ in range(int(rng.integers(2, 6))))
    for below, spot in spots:
        tall = (34 + 2.2 * below) * rng.uniform(0.75, 1.3)
        air = 0.24 - 0.009 * below
        if rng.random() < 0.45:
            conifer(brush, rng, spot, horizon + below, tall * 1.1, mix(fir, _HAZE, air))
        else:
            broadleaf(brush, rng, spot, horizon + below, tall, mix(leaf, _HAZE, air))
        foot = horizon + below
        brush.ellipse(spot - light.side * tall * 0.1, foot + 1, tall * 0.2, tall * 0.03, scaled(leaf, 0.55))
    _meadow_grass(brush, stream(seed, "grass"), size, horizon, mix(leaf, (128, 134, 70), 0.55))
    return shrink(picture, factor)


def _meadow_grass(brush: Brush, rng: np.random.Generator, size: int, horizon: float, color: Color) -> None:
    """Strokes that grow toward the viewer, and a few flowers."""
    rows = np.sort(horizon + 4 + (size - horizon - 4) * rng.uniform(0, 1, 420) ** 0.8)
    for row in rows:
        near = (row - horizon) / (size - horizon)
        x, tall = rng.uniform(0, size), 1.5 + 6.5 * near
        tone = scaled(color, rng.uniform(0.72, 1.3))
        brush.line([(x, row), (x + rng.normal(0, 0.3) * tall, row - tall)], 0.5 + 0.4 * near, tone)
    bloom = ((236, 226, 150), (232, 232, 226), (206, 142, 128))[int(rng.integers(3))]
    for _ in range(int(rng.integers(0, 26))):
        near = rng.uniform(0.15, 1)
        radius = 0.5 + 0.7 * near
        brush.ellipse(rng.uniform(0, size), horizon + near * (size - horizon), radius, radius * 0.8, bloom)


@lru_cache(maxsize=1)  # a scene is drawn under many skies, one after the other; nobody writes to it
def paint_foreground(seed: int, size: int, foot: float, light: Light) -> Layer:
    """What stands between the viewer and the object: tufts along its foot, bushes, tall grass.

    Args:
        seed: the scene's seed.
        size: width and height of the picture, pixels.
        foot: row on which the object stands, pixels.
        light: the light of the scene.
    """
    factor = 2
    picture = canvas(size, factor)
    brush = Brush(ImageDraw.Draw(picture), factor, light.side)
    rng = stream(seed, "foreground")
    leaf = mix((84, 118, 54), (116, 124, 60), rng.uniform(0, 1))
    straw = mix(leaf, (158, 156, 88), 0.5)
    for _ in range(int(rng.integers(14, 26))):
        grass(brush, rng, rng.uniform(0, size), foot + rng.uniform(1, 5), rng.uniform(5, 11), straw, 5)
    for _ in range(int(rng.integers(0, 3))):
        spot, below, width = rng.uniform(0, size), foot + rng.uniform(5, 16), rng.uniform(24, 50)
        brush.ellipse(spot, below, width * 0.5, width * 0.07, scaled(leaf, 0.5))
        bush(brush, rng, spot, below, width, leaf)
        for _ in range(6):
            grass(brush, rng, spot + rng.uniform(-0.5, 0.5) * width, below + 2, rng.uniform(5, 9), straw, 4)
    for _ in range(int(rng.integers(10, 22))):
        grass(brush, rng, rng.uniform(0, size), size + 4, rng.uniform(14, 34), scaled(leaf, 0.85), 7)
    return shrink(picture, factor)
