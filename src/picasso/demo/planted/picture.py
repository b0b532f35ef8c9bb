"""Draws one planted scene, 64 x 64, in a few milliseconds.

Every component draws from a random stream of its own, named in the call of `stream`, so that what one component
does changes no other.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from picasso.demo.noise import Color, FloatArray, blend, fractal, mix, scaled, smoothstep, stream
from picasso.demo.planted.kind import SIZE, Shown, Traits
from picasso.demo.planted.things import THINGS, Stand, disc, draw

_ROWS, _COLUMNS = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
_HAZE: Color = (190, 204, 212)
_PAINTS: tuple[Color, ...] = ((128, 132, 86), (150, 136, 98), (118, 120, 112), (140, 118, 92))


def picture(seed: int, thing: str, traits: Traits) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """Draws a scene.

    Args:
        seed: of all its streams.
        thing: a key of `THINGS`.
        traits: how it is drawn.

    Returns:
        Pixels, (64, 64, 3) float32 in [0, 255], and what shows where, (64, 64) flags of `Shown`.
    """
    stage = stream(seed, "stage")
    horizon, foot = stage.uniform(0.4, 0.48) * SIZE, stage.uniform(0.72, 0.78) * SIZE
    flip, tilt = bool(stage.random() < 0.5), float(stage.normal(0, 0.03))
    stand = Stand(traits.x * SIZE, foot, traits.width * SIZE, flip, tilt)

    pixels = _sky(seed, traits.cloudiness, horizon)
    land, ground = _land(seed, traits.furrows, horizon)
    pixels = blend(pixels, land, ground)
    trees, wood = _trees(seed, horizon)
    pixels = blend(pixels, trees, wood)
    sky = (1 - ground) * (1 - wood)
    ground = ground * (1 - wood)

    shadow = np.clip(1.15 - np.hypot((_COLUMNS - stand.x) / (0.52 * stand.width), (_ROWS - foot) / 2.2), 0, 1)
    pixels = pixels * (1 - np.float32(0.5) * shadow)[..., None]
    light, body = draw(THINGS[thing](stream(seed, "shape")), stand, SIZE)
    pixels = blend(pixels, _painted(seed, traits, light, stand), body)
    sky, ground = sky * (1 - body), ground * (1 - body)

    beside = np.zeros_like(body)
    if traits.companion:
        color, beside = _barrel(seed)
        pixels = blend(pixels, color, beside)
        ground = ground * (1 - beside)
    grain = stream(seed, "grain").normal(0, 1.5, (SIZE, SIZE, 1)).astype(np.float32)
    flags = (
        (Shown.SKY, sky),
        (Shown.GROUND, ground),
        (Shown.OBJECT, body * (1 - beside)),
        (Shown.SHADOW, shadow),
        (Shown.COMPANION, beside),
    )
    shown = np.zeros((SIZE, SIZE), np.uint8)
    for flag, share in flags:
        shown |= np.where(share > 0, np.uint8(flag), np.uint8(0))
    return pixels + grain, shown


def _flat(color: Color, rows: int = SIZE) -> FloatArray:
    return np.broadcast_to(np.asarray(color, np.float32), (rows, SIZE, 3))


def _lit(color: Color, light: FloatArray) -> FloatArray:
    return np.asarray(light[..., None] * np.asarray(color, np.float32), np.float32)


def _sky(seed: int, cloudiness: float, horizon: float) -> FloatArray:
    """A gradient under clouds that close as it becomes cloudy."""
    rng = stream(seed, "sky")
    hue = rng.random()
    top = mix(mix((44, 116, 202), (74, 140, 210), hue), (112, 118, 128), cloudiness)
    low = mix((196, 222, 242), (176, 180, 186), cloudiness)
    rows = int(horizon) + 2
    height = _ROWS[:rows] / np.float32(horizon)
    sky = np.empty((SIZE, SIZE, 3), np.float32)
    sky[:] = low
    sky[:rows] = blend(_flat(top, rows), low, smoothstep(0.0, 1.05, height))
    field = fractal(rng, (rows, SIZE), (4, 4), 3, 0.6)
    edge = 0.72 - 0.5 * cloudiness
    cover = smoothstep(edge, edge + 0.3, field) * np.float32(0.85)
    bright: Color = mix((250, 251, 252), (158, 162, 168), cloudiness)
    shade: Color = mix((206, 216, 228), (112, 117, 126), cloudiness)
    tone = smoothstep(0.3, 0.9, 1.2 - field)[..., None]
    cloud = np.asarray(shade, np.float32) * (1 - tone) + np.asarray(bright, np.float32) * tone
    sky[:rows] = blend(sky[:rows], cloud, cover)
    return sky


def _land(seed: int, furrows: float, horizon: float) -> tuple[FloatArray, FloatArray]:
    """A ridge in the haze and the ground before it: a meadow, or a field in furrows."""
    rng = stream(seed, "land")
    green = mix((96, 126, 68), (134, 138, 80), rng.random())
    line = fractal(rng, (1, SIZE), (1, 3), 3, 0.5)[0]
    ridge = horizon - 1 - 7 * rng.uniform(0.6, 1.2) * line
    alpha = np.clip(_ROWS - ridge[None] + 0.5, 0, 1)
    hill = mix(mix((112, 138, 150), green, 0.35), _HAZE, 0.25)
    near = np.clip((_ROWS - np.float32(horizon)) / np.float32(SIZE - horizon), 0, 1)
    texture = fractal(rng, (SIZE, SIZE), (8, 6), 3, 0.7)
    lush, dry = mix(green, (84, 116, 54), 0.4), mix(green, (172, 158, 98), 0.55)
    ground = blend(_flat(lush), dry, smoothstep(0.35, 0.75, texture))
    ground = ground * (0.88 + 0.26 * texture)[..., None]
    if furrows > 0:
        bend = stream(seed, "furrows").uniform(-0.25, 0.25)
        wave = np.sin(2 * np.pi * (5.5 * np.sqrt(near + 0.02) * 2.2 + bend * _COLUMNS / SIZE * 4))
        ground = ground * (1 + np.float32(0.2 * furrows) * wave)[..., None]
    ground = blend(np.asarray(ground, np.float32), _HAZE, np.asarray(0.45 * (1 - near) ** 4, np.float32))
    front = np.clip(_ROWS - np.float32(horizon) + 0.5, 0, 1)
    return blend(_flat(hill), ground, front), np.asarray(alpha, np.float32)


def _trees(seed: int, horizon: float) -> tuple[FloatArray, FloatArray]:
    """Round trees and bushes at the horizon."""
    rng = stream(seed, "trees")
    canvas = Image.new("RGB", (SIZE * 2, SIZE * 2))
    pen = ImageDraw.Draw(canvas)
    leaf = rng.uniform(0.75, 1.15)
    for _ in range(int(rng.integers(3, 9))):
        x, tall, below = rng.uniform(0, SIZE) * 2, rng.uniform(3, 10) * 2, (horizon + rng.uniform(0, 3)) * 2
        for tone, shrink in ((0.72, 1.0), (1.0, 0.62)):
            half = tall * 0.42 * shrink
            high = below - tall * (0.55 + 0.45 * shrink)
            shade = round(128 * tone * leaf)
            pen.ellipse((x - half, high, x + half, high + tall * shrink), fill=(shade, 255, 0))
    planes = np.asarray(canvas.reduce(2), np.float32)
    light = np.asarray(planes[..., 0] / np.maximum(planes[..., 1], 1) * (255 / 128), np.float32)
    return _lit((84, 110, 66), light), np.asarray(planes[..., 1] / 255, np.float32)


def _painted(seed: int, traits: Traits, light: FloatArray, stand: Stand) -> FloatArray:
    """The object's surface: its parts, under paint that is plain or striped."""
    rng = stream(seed, "surface")
    first, second = rng.choice(len(_PAINTS), 2, replace=False)
    paint = scaled(mix(_PAINTS[first], _PAINTS[second], rng.random()), traits.tone)
    tone = light * (0.92 + 0.16 * fractal(rng, (SIZE, SIZE), (10, 10), 1))
    if traits.stripes > 0:
        slope, phase = stream(seed, "stripes").uniform(0, 1, 2)
        along = (_COLUMNS - np.float32(stand.x)) + (0.4 + 0.5 * slope) * (_ROWS - np.float32(stand.foot))
        tone = tone * (1 + np.float32(0.22 * traits.stripes) * np.sign(np.sin(2 * math.pi * (along / 5.5 + phase))))
    return np.clip(_lit(paint, np.asarray(tone, np.float32)), 0, 255)


def _barrel(seed: int) -> tuple[FloatArray, FloatArray]:
    """A rusty barrel in a corner of the foreground, wherever the object stands."""
    rng = stream(seed, "companion")
    side = 1 if rng.random() < 0.5 else -1
    stand = Stand((0.5 + side * rng.uniform(0.3, 0.42)) * SIZE, rng.uniform(0.94, 0.98) * SIZE, 8)
    body = [(-38.0, 0.0), (38.0, 0.0), (42.0, 45.0), (38.0, 90.0), (-38.0, 90.0), (-42.0, 45.0)]
    bands = [([(-42.0, y), (42.0, y), (42.0, y + 9), (-42.0, y + 9)], 0.6) for y in (24.0, 58.0)]
    lit = [(-30.0, 2.0), (-14.0, 2.0), (-14.0, 88.0), (-30.0, 88.0)]
    light, alpha = draw([(body, 1.0), (lit, 1.35), *bands, disc(0, 86, 20, 0.45)], stand, SIZE)
    return _lit((164, 92, 58), light), alpha
