"""The six objects of the planted scenes: a few polygons each, for a picture of 64 pixels.

Units are their own: 100 wide, x to the front, y up, the foot at y = 0. A part is a polygon and how light it is; 1 is
the plain paint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from picasso.demo.noise import FloatArray

FACTOR = 3
Points = list[tuple[float, float]]
Part = tuple[Points, float]


@dataclass(frozen=True)
class Stand:
    """Where an object stands.

    Attributes:
        x: column of its middle, pixels.
        foot: row of its foot, pixels.
        width: pixels that 100 of its units cover.
        flip: whether its front points to the left.
        tilt: radians, counterclockwise.
    """

    x: float
    foot: float
    width: float
    flip: bool = False
    tilt: float = 0.0


def draw(parts: list[Part], stand: Stand, size: int) -> tuple[FloatArray, FloatArray]:
    """Draws parts, the last on top, antialiased.

    Args:
        parts: the polygons.
        stand: where.
        size: width and height of the picture, pixels.

    Returns:
        How light each pixel's share of the object is, and how much of the pixel it covers, (size, size) each.
    """
    canvas = Image.new("RGB", (size * FACTOR, size * FACTOR))
    pen = ImageDraw.Draw(canvas)
    scale = stand.width / 100
    cosine, sine, side = math.cos(stand.tilt), math.sin(stand.tilt), -1 if stand.flip else 1
    for points, light in parts:
        corners = []
        for x, y in points:
            u, v = side * x * scale, y * scale
            corners.append(((stand.x + u * cosine - v * sine) * FACTOR, (stand.foot - u * sine - v * cosine) * FACTOR))
        pen.polygon(corners, fill=(min(round(light * 128), 255), 255, 0))
    planes = np.asarray(canvas.reduce(FACTOR), np.float32)
    covered = planes[..., 1]
    shade = np.asarray(planes[..., 0] / np.maximum(covered, 1) * (255 / 128), np.float32)
    return shade, np.asarray(covered / 255, np.float32)


def disc(x: float, y: float, radius: float, light: float) -> Part:
    """A circle."""
    turns = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    return [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns], light


def _box(left: float, low: float, right: float, high: float, light: float) -> Part:
    return [(left, low), (right, low), (right, high), (left, high)], light


def _tank(rng: np.random.Generator) -> list[Part]:
    """Tracks, a sloped hull, a turret, a long barrel."""
    shift, raised, reach = rng.uniform(-8, 4), math.radians(rng.uniform(0, 11)), rng.uniform(38, 50)
    root = (shift + 16, 38)
    tip = (root[0] + reach * math.cos(raised), root[1] + reach * math.sin(raised))
    wheels = [disc(float(x), 8, 6, 0.8) for x in np.linspace(-34, 34, int(rng.integers(4, 6)))]
    return [
        ([(-40, 0), (40, 0), (49, 10), (44, 18), (-44, 18), (-49, 10)], 0.36),
        *wheels,
        ([(-52, 16), (-46, 30), (30, 30), (52, 17)], 1.0),
        ([(-46, 27), (-46, 30), (30, 30), (36, 27)], 1.3),
        ([root, (root[0], root[1] + 5), (tip[0], tip[1] + 4), tip], 0.7),
        ([(shift - 26, 30), (shift + 22, 30), (shift + 14, 46), (shift - 18, 46)], 0.88),
        ([(shift - 21, 42), (shift + 16, 42), (shift + 14, 46), (shift - 18, 46)], 1.25),
        _box(shift - 8, 46, shift + 4, 50, 0.8),
    ]


def _truck(rng: np.random.Generator) -> list[Part]:
    """Wheels, a bed under its canvas, a cab with a window."""
    roof, cab = rng.uniform(44, 54), rng.uniform(38, 44)
    return [
        _box(-46, 8, 46, 14, 0.35),
        ([(-50, 16), (12, 16), (12, roof - 5), (7, roof), (-45, roof), (-50, roof - 5)], 1.0),
        ([(-50, roof - 7), (12, roof - 7), (12, roof - 5), (7, roof), (-45, roof), (-50, roof - 5)], 1.28),
        _box(-50, 13, 12, 19, 0.7),
        ([(15, 12), (50, 12), (50, 25), (38, 28), (33, cab), (15, cab)], 0.92),
        ([(20, 28), (34, 28), (30, cab - 4), (20, cab - 4)], 0.35),
        *(disc(x, 8, 8.5, 0.3) for x in (-36.0, -16.0, 36.0)),
        *(disc(x, 8, 4, 0.9) for x in (-36.0, -16.0, 36.0)),
    ]


def _shed(rng: np.random.Generator) -> list[Part]:
    """Walls, a door, a window, an overhanging roof."""
    wall = rng.uniform(26, 32)
    ridge, door = wall + rng.uniform(14, 20), rng.uniform(-30, -20)
    return [
        ([(-38, 0), (20, 0), (20, wall), (-9, ridge - 2), (-38, wall)], 1.0),
        _box(20, 0, 40, wall, 0.7),
        _box(door, 0, door + 15, 20, 0.45),
        _box(0, 10, 13, 20, 0.32),
        ([(-9, ridge), (16, ridge), (44, wall - 3), (24, wall - 3)], 0.6),
        ([(-44, wall - 4), (-9, ridge), (24, wall - 4), (20, wall - 7), (-9, ridge - 6), (-40, wall - 7)], 1.28),
    ]


def _boulder(rng: np.random.Generator) -> list[Part]:
    """A rock of facets, lit from above."""
    count = int(rng.integers(7, 10))
    angles = np.linspace(0, math.pi, count)
    tall = rng.uniform(0.7, 0.95)
    rim = [
        (44 * math.cos(a) * rng.uniform(0.88, 1.08), 44 * tall * math.sin(a) * rng.uniform(0.88, 1.08)) for a in angles
    ]
    middle = (rng.uniform(-12, 12), 22 * tall)
    parts: list[Part] = [(rim, 0.7)]
    for first, second in pairwise(rim):
        up = (first[1] + second[1]) / 2 / 44
        parts.append(([first, second, middle], 0.55 + 0.75 * up + rng.normal(0, 0.08)))
    return parts


def _tent(rng: np.random.Generator) -> list[Part]:
    """A ridge tent with its opening in front."""
    tall, open_by = rng.uniform(38, 48), rng.uniform(5, 11)
    return [
        ([(-48, 0), (10, 0), (-4, tall), (-36, tall - 2)], 0.78),
        ([(-48, 0), (-36, tall - 2), (-30, tall - 2), (-38, 0)], 1.2),
        ([(-14, 0), (46, 0), (14, tall)], 1.08),
        ([(-36, tall - 2), (14, tall), (10, tall - 6), (-34, tall - 7)], 1.3),
        ([(16 - open_by, 0), (16 + open_by, 0), (14, tall * 0.8)], 0.3),
    ]


def _silo(rng: np.random.Generator) -> list[Part]:
    """Two upright tanks of metal on a low base, bound with hoops."""
    tall = rng.uniform(46, 56)
    parts: list[Part] = [_box(-38, 0, 38, 7, 0.45)]
    for left, right, top in ((-34.0, -4.0, tall), (4.0, 32.0, tall - rng.uniform(6, 16))):
        middle, dome = (left + right) / 2, top + 8
        parts.append(([(left, 6), (right, 6), (right, top), (middle, dome), (left, top)], 1.0))
        parts.append(_box(left, 6, left + 8, top, 1.28))
        parts.append(_box(right - 8, 6, right, top, 0.66))
        parts += [_box(left, y, right, y + 2.6, 0.55) for y in np.linspace(16, top - 6, 3)]
    return parts


THINGS: Mapping[str, Callable[[np.random.Generator], list[Part]]] = MappingProxyType(
    {"tank": _tank, "truck": _truck, "shed": _shed, "boulder": _boulder, "tent": _tent, "silo": _silo}
)
"""What can stand in a scene; the first k are the classes where there are k."""
