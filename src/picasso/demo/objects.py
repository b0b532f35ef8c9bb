"""The four objects, drawn from the side in units of their own: x to the front, y up, the foot at y = 0.

Each is drawn into three planes - how light a part is, whether it carries the camouflage, and the gray of
parts that do not - so that all four are painted from the same colors and only the shape tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Pose:
    """How an object stands in the picture.

    Attributes:
        x: column of its middle, pixels.
        foot: row on which it stands, pixels.
        area: pixels its outline covers.
        flip: whether its front points to the left.
        tilt: radians, counterclockwise in the picture.
    """

    x: float
    foot: float
    area: float
    flip: bool
    tilt: float


class Pen:
    """Draws parts, given in an object's own units, into the planes of an oversized canvas."""

    def __init__(self, picture: Image.Image, pose: Pose, scale: float, middle: float, factor: int) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._pose = pose
        self._scale = scale
        self._middle = middle
        self._factor = factor

    def place(self, points: Points) -> Points:
        """The canvas positions of points in the object's units."""
        cosine, sine = math.cos(self._pose.tilt), math.sin(self._pose.tilt)
        side = -1 if self._pose.flip else 1
        placed = []
        for x, y in points:
            u, v = side * (x - self._middle) * self._scale, y * self._scale
            column = self._pose.x + u * cosine - v * sine
            row = self._pose.foot - u * sine - v * cosine
            placed.append((column * self._factor, row * self._factor))
        return placed

    def part(self, points: Points, light: float, gray: float | None = None, edge: float | None = 0.62) -> None:
        """Fills a polygon.

        Args:
            points: corners in the object's units.
            light: 1 is the plain color, 0 black, up to 1.9.
            gray: None for the camouflage; 0 to 1 for a plain gray of that lightness.
            edge: light of the outline relative to the part; None draws none.
        """
        corners = self.place(points)
        self._draw.polygon(corners, fill=self._planes(light, gray))
        if edge is not None:
            width = max(2, round(0.5 * self._factor))
            self._draw.line([*corners, corners[0]], fill=self._planes(light * edge, gray), width=width)

    def disc(
        self, x: float, y: float, radius: float, light: float, gray: float | None = None, edge: float = 0.62
    ) -> None:
        """Fills a circle."""
        turns = np.linspace(0, 2 * math.pi, 28, endpoint=False)
        self.part([(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns], light, gray, edge)

    def stroke(self, points: Points, width: float, light: float, gray: float | None = None) -> None:
        """Draws a line `width` units thick, at least half a picture pixel."""
        thick = max(self._factor * 0.5, width * self._scale * self._factor)
        self._draw.line(self.place(points), fill=self._planes(light, gray), width=round(thick), joint="curve")

    @staticmethod
    def _planes(light: float, gray: float | None) -> tuple[int, int, int, int]:
        shade = min(max(round(light * 128), 0), 255)
        return (shade, 255, 0, 255) if gray is None else (shade, 0, round(gray * 255), 255)


def _arc(x: float, y: float, radius: float, start: float, stop: float, steps: int = 8) -> Points:
    """Points of a circle from `start` to `stop`, degrees."""
    angles = np.radians(np.linspace(start, stop, steps))
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def _wheel(pen: Pen, x: float, y: float, radius: float, gray: float = 0.16) -> None:
    """A tire, a painted disc, a hub."""
    pen.disc(x, y, radius, 1.0, gray)
    pen.disc(x, y, radius * 0.68, 0.9)
    pen.disc(x, y, radius * 0.24, 0.62)


def _tank(pen: Pen, rng: np.random.Generator) -> None:
    """Tracks with road wheels, a sloped hull, a turret with a hatch, a long barrel."""
    wheels = int(rng.integers(5, 7))
    pen.part([(-40, 1), (40, 1), (46, 16), (-46, 16)], 1.0, 0.08, None)
    pen.part([*_arc(-44, 10, 7.5, 95, 235), (-36, 0.4), (36, 0.4), *_arc(44, 10, 7.5, -55, 85)], 1.0, 0.2, 0.4)
    pen.part([*_arc(-43, 9.6, 4.6, 95, 240), (-35, 3), (35, 3), *_arc(43, 9.6, 4.6, -60, 85)], 1.0, 0.09, None)
    for x in np.linspace(-36, 36, 25):
        pen.stroke([(x, 0.2), (x + 1.4, 0.2)], 1.5, 1.0, 0.36)
    for x in (-44.0, 44.0):
        pen.disc(x, 10, 5.0, 0.78)
        pen.disc(x, 10, 1.8, 1.0, 0.16)
    for x in np.linspace(-33, 33, wheels):
        _wheel(pen, float(x), 7.0, 33 / wheels + 0.6, 0.2)
    # Fender and skirts over the upper run of the track.
    pen.part([(-52, 14.5), (-49, 18.5), (50, 18.5), (54, 13), (51, 13), (47, 15.5), (-48, 15.5)], 0.9)
    panels = int(rng.integers(3, 6))
    drop = rng.uniform(10.2, 12.5)
    for i in range(panels):
        left = -40 + 80 * i / panels
        pen.part([(left, 16), (left + 80 / panels, 16), (left + 80 / panels - 0.6, drop), (left + 0.6, drop)], 0.84)
    pen.part([(-50, 18.5), (-46, 30), (31, 30), (52, 18.5)], 1.0)
    pen.part([(31, 30), (52, 18.5), (47, 18.5), (28, 28.5)], 1.2, None, None)
    pen.part([(-46, 30), (31, 30), (27, 32), (-42, 32)], 1.26, None, 0.8)
    pen.part([(-45, 20.5), (-31, 20.5), (-31, 27.6), (-44, 27.6)], 0.78)
    for x in (-41.5, -38.5, -35.5):
        pen.stroke([(x, 21.4), (x, 26.6)], 0.8, 0.45)
    pen.part([(-22, 20.4), (-8, 20.4), (-8, 26), (-22, 26)], 0.88)
    pen.disc(42, 20.6, 1.7, 1.3, 0.8)
    _turret(pen, rng)


def _turret(pen: Pen, rng: np.random.Generator) -> None:
    """The turret and its barrel, turned to the front or half away, the barrel slightly raised."""
    aside = rng.uniform(0.62, 1.0)
    back = -1 if rng.random() < 0.2 else 1
    raised = math.radians(rng.uniform(-1, 9))
    shift = rng.uniform(-7, 3)

    def at(x: float, y: float) -> tuple[float, float]:
        return shift + back * x, 32 + (y - 29.2) * 1.2

    root = at(22 * (0.5 + 0.5 * aside), 35.5)
    reach = 46 * aside
    cosine, sine = math.cos(raised) * back, math.sin(raised)

    def along(distance: float, aside_by: float) -> tuple[float, float]:
        return (
            root[0] + cosine * distance - sine * back * aside_by,
            root[1] + sine * distance + abs(cosine) * aside_by,
        )

    pen.part([along(0, -2.3), along(reach, -1.7), along(reach, 1.7), along(0, 2.3)], 0.92)
    pen.part([along(0, 0.8), along(reach, 0.6), along(reach, 1.7), along(0, 2.3)], 1.28, None, None)
    middle = reach * 0.48
    pen.part([along(middle - 4, -2.9), along(middle + 4, -2.6), along(middle + 4, 2.6), along(middle - 4, 2.9)], 1)
    brake = reach - 6.5
    pen.part([along(brake, -2.8), along(reach + 1, -2.8), along(reach + 1, 2.8), along(brake, 2.8)], 0.85)
    pen.stroke([along(reach - 3, -1.6), along(reach - 3, 1.6)], 1.4, 0.3)
    if rng.random() < 0.7:
        pen.stroke([at(-19, 42), at(-22, rng.uniform(50, 64))], 0.7, 1.0, 0.14)
    pen.part([at(-15, 27.5), at(17, 27.5), at(14, 30.5), at(-12, 30.5)], 0.5)
    front, rear = 25 * (0.6 + 0.4 * aside), -27
    pen.part(
        [
            at(rear + 3, 30),
            at(front - 3, 30),
            at(front, 34),
            at(front - 8, 43.5),
            at(rear + 9, 43.5),
            at(rear, 37),
        ],
        1.0,
    )
    pen.part([at(rear + 3, 30), at(front - 3, 30), at(front, 34), at(rear + 1, 34)], 0.76, None, None)
    pen.part([at(rear + 9, 43.5), at(front - 8, 43.5), at(front - 11, 45.2), at(rear + 12, 45.2)], 1.3, None, 0.8)
    pen.part([at(front - 4.5, 31.5), at(front + 3.5, 32.5), at(front + 3.5, 39), at(front - 6, 40)], 0.86)
    pen.part([at(rear - 5, 33), at(rear + 4, 32.4), at(rear + 5, 39.5), at(rear - 4, 39)], 0.8)
    hatch = rng.uniform(-8, 0)
    pen.part([at(hatch - 6, 45), at(hatch + 6, 45), at(hatch + 5, 49), at(hatch - 5, 49)], 0.94)
    pen.part([at(hatch - 5, 49), at(hatch + 5, 49), at(hatch + 4, 50.4), at(hatch - 4, 50.4)], 1.32)
    if rng.random() < 0.5:
        pen.part([at(hatch - 5.5, 49.5), at(hatch - 3.8, 49.5), at(hatch - 6.5, 57), at(hatch - 8.4, 56.4)], 0.8)
    pen.stroke([at(-16, 38), at(-4, 38.6)], 0.8, 0.62)


def _truck(pen: Pen, rng: np.random.Generator) -> None:
    """Three axles, a cab with windows, a cargo bed with or without its canvas."""
    bed = rng.uniform(15, 19)
    pen.part([(-46, 2.5), (48, 2.5), (44, 17), (-48, 17)], 1.0, 0.1, None)
    pen.part([(-52, 16), (12, 16), (12, 16 + bed * 0.5), (-52, 16 + bed * 0.5)], 0.9)
    top = 16 + bed * 0.5
    for x in np.linspace(-52, 12, 6)[1:-1]:
        pen.stroke([(float(x), 16.6), (float(x), top - 0.6)], 1.0, 0.62)
    pen.stroke([(-51, 16.5 + bed * 0.25), (11, 16.5 + bed * 0.25)], 0.8, 1.2)
    if rng.random() < 0.72:
        roof = top + rng.uniform(21, 27)
        pen.part([(-51, top), (11, top), (11, roof - 4), (7, roof), (-47, roof), (-51, roof - 4)], 1.0)
        pen.part([(-47, roof), (7, roof), (9, roof - 2.6), (-49, roof - 2.6)], 1.28, None, None)
        for x in np.linspace(-51, 11, 5)[1:-1]:
            pen.stroke([(float(x), top + 1), (float(x), roof - 1)], 0.9, 0.74)
            pen.stroke([(float(x) + 1.2, top + 1), (float(x) + 1.2, roof - 1)], 0.8, 1.18)
        pen.part([(-51, top), (11, top), (11, top + 3.4), (-51, top + 3.4)], 0.74, None, None)
    else:
        for left in (-46, -24, -4):
            tall = rng.uniform(9, 20)
            pen.part([(left, top), (left + 17, top), (left + 17, top + tall), (left, top + tall)], 0.94)
            pen.stroke([(left + 1, top + tall * 0.5), (left + 16, top + tall * 0.5)], 1.2, 0.6)
    roof = rng.uniform(43, 49)
    pen.part([(15, 15), (36, 15), (36, 29), (31, roof), (17, roof), (15, roof - 2)], 1.0)
    pen.part([(17, roof), (31, roof), (31.5, roof - 2.4), (16, roof - 2.4)], 1.3, None, None)
    pen.part([(20, 30.5), (33.4, 30.5), (29.6, roof - 4.5), (20, roof - 4.5)], 1.0, 0.22)
    pen.part([(21.4, 32), (25.4, 32), (29, roof - 6), (25, roof - 6)], 1.0, 0.44, None)
    pen.stroke([(18.4, 17), (18.4, roof - 4)], 0.7, 0.6)
    pen.stroke([(21, 26.6), (24, 26.6)], 1.2, 0.4)
    if rng.random() < 0.7:
        pen.stroke([(16, roof - 2), (13, roof + rng.uniform(8, 24))], 0.7, 1.0, 0.14)
    pen.part([(36, 15), (53, 15), (53, 25), (50, 28), (36, 29.5)], 0.94)
    pen.part([(36, 29.5), (50, 28), (51.4, 26.6), (36, 27.6)], 1.28, None, None)
    for x in (39.5, 42, 44.5):
        pen.stroke([(x, 20), (x, 25)], 0.8, 0.5)
    pen.part([(52, 11.5), (56, 11.5), (56, 16.5), (52, 16.5)], 1.0, 0.24)
    pen.disc(51.4, 21.5, 2.2, 1.3, 0.8)
    pen.part([(31, 15), *_arc(42.5, 9.5, 11.5, 150, 15), (54, 12), (53, 16)], 0.84)
    for x in (-39.0, -19.0, 42.5):
        pen.disc(x, 9, 10.4, 1.0, 0.08)
        _wheel(pen, x, 8.8, 8.8)


def _boulder(pen: Pen, rng: np.random.Generator) -> None:
    """A rock of facets, lit from above the front, with dark cracks and a dark foot."""
    count = int(rng.integers(9, 13))
    angles = np.linspace(-0.06, math.pi + 0.06, count) + np.r_[0, rng.normal(0, 0.07, count - 2), 0]
    tall = rng.uniform(0.66, 0.98)
    rim = [
        (
            50 * math.cos(a) * rng.uniform(0.86, 1.06),
            max(0.0, 50 * tall * math.sin(a) * rng.uniform(0.86, 1.06)),
        )
        for a in angles
    ]
    middle = (rng.uniform(-10, 10), 50 * tall * rng.uniform(0.38, 0.52))
    inner = [
        (
            middle[0] + (x - middle[0]) * rng.uniform(0.44, 0.62),
            middle[1] + (y - middle[1]) * rng.uniform(0.5, 0.66),
        )
        for x, y in rim
    ]
    pen.part(rim, 0.8)
    for i in range(count - 1):
        a, b, c, d = rim[i], rim[i + 1], inner[i + 1], inner[i]
        normal = math.atan2((a[1] + b[1]) / 2 - middle[1] * 0.7, (a[0] + b[0]) / 2 - middle[0])
        light = 0.8 + 0.42 * math.cos(normal - 1.2) + rng.normal(0, 0.05)
        pen.part([a, b, c], light, None, 0.92)
        pen.part([a, c, d], light * rng.uniform(0.9, 1.1), None, 0.92)
        pen.part([d, c, middle], 0.62 + 0.45 * light + rng.normal(0, 0.06), None, 0.92)
    if rng.random() < 0.7:
        x = rng.uniform(-18, 18)
        twig = [(x, 40 * tall), (x - 2, 50 * tall + 5), (x + 1, 50 * tall + rng.uniform(9, 20))]
        pen.stroke(twig, 0.8, 1.0, 0.14)
        pen.stroke([twig[1], (x - 7, twig[1][1] + 6)], 0.6, 1.0, 0.14)
    foot = [(float(x), float(y)) for x, y in ((-47, 0), (46, 0), (34, 6), (14, 4), (-6, 8), (-28, 5), (-40, 9))]
    pen.part(foot, 1.0, 0.13, None)
    for _ in range(int(rng.integers(1, 4))):
        _crack(pen, rng, rng.uniform(-32, 30), rng.uniform(0.35, 0.8) * 50 * tall, rng.uniform(-2.6, -0.6))
    for _ in range(3):
        x = rng.uniform(-56, 56)
        pen.part([(x - 6, 0), (x - 4, 5), (x + 2, 6.5), (x + 6, 3), (x + 6.5, 0)], 0.9)


def _crack(pen: Pen, rng: np.random.Generator, x: float, y: float, heading: float) -> None:
    """A crooked crack with a lit lip; it thins out and may fork once."""
    for width in (1.5, 1.2, 0.9, 0.6):
        turn = heading + rng.normal(0, 0.5)
        step = rng.uniform(3, 8)
        end = (x + step * math.cos(turn), max(y + step * math.sin(turn), 2.0))
        pen.stroke([(x + 1.1, y + 0.4), (end[0] + 1.1, end[1] + 0.4)], 0.7, 1.24)
        pen.stroke([(x, y), end], width, 1.0, 0.15)
        x, y = end
        if width == 1.2 and rng.random() < 0.6:
            pen.stroke([(x, y), (x + 5 * math.cos(turn + 1), y + 5 * math.sin(turn + 1))], 0.7, 1.0, 0.15)


def _shed(pen: Pen, rng: np.random.Generator) -> None:
    """Plank walls, a door, a window, and an overhanging roof."""
    wall = rng.uniform(26, 33)
    ridge = wall + rng.uniform(16, 24)
    depth = rng.uniform(14, 22)
    left, right = -42.0, 26.0
    peak = (left + right) / 2
    pen.part([(left, 0), (right, 0), (right, wall), (peak, ridge - 2), (left, wall)], 0.98)
    pen.part([(right, 0), (right + depth, 1), (right + depth, wall - 1), (right, wall)], 0.72)
    for x in np.linspace(left, right, 10)[1:-1]:
        top = wall + (ridge - 2 - wall) * (1 - abs(float(x) - peak) / (peak - left))
        pen.stroke([(float(x), 0.5), (float(x), top - 1)], 0.8, 0.68)
        pen.stroke([(float(x) + 1, 0.5), (float(x) + 1, top - 1)], 0.5, 1.16)
    pen.part(
        [(left, 0), (right, 0), (right + depth, 1), (right + depth, 4), (right, 3.4), (left, 3.4)],
        1,
        0.13,
        None,
    )
    door = rng.uniform(-34, -26)
    pen.part([(door, 0), (door + 18, 0), (door + 18, 23), (door, 23)], 1.0, 0.12)
    pen.part([(door + 1.6, 0), (door + 16.4, 0), (door + 16.4, 21.4), (door + 1.6, 21.4)], 0.8)
    pen.stroke([(door + 2.4, 2), (door + 15.6, 20)], 1.4, 1.14)
    pen.disc(door + 14, 11, 1.0, 1.0, 0.7)
    pen.part([(-2, 11), (16, 11), (16, 23), (-2, 23)], 1.2)
    pen.part([(-0.4, 12.6), (14.4, 12.6), (14.4, 21.4), (-0.4, 21.4)], 1.0, 0.18)
    pen.part([(1, 13.4), (4, 13.4), (8.4, 20.6), (5.4, 20.6)], 1.0, 0.44, None)
    pen.stroke([(7, 12.6), (7, 21.4)], 1.0, 1.15)
    pen.part([(peak, ridge), (peak + depth, ridge - 1), (right + depth + 5, wall - 4), (right + 5, wall - 4)], 0.82)
    for share in (0.25, 0.5, 0.75):
        y, x = ridge + (wall - 4 - ridge) * share, peak + (right + 5 - peak) * share
        pen.stroke([(x, y), (x + depth, y - 1)], 0.8, 0.6)
    if rng.random() < 0.7:
        pen.stroke([(peak + 4, ridge - 4), (peak + 4, ridge + rng.uniform(8, 20))], 0.7, 1.0, 0.14)
    eaves = [(left - 5, wall - 4), (peak, ridge), (right + 5, wall - 4)]
    lower = [(right + 3, wall - 7), (peak, ridge - 4.4), (left - 3, wall - 7)]
    pen.part([*eaves, *lower], 1.26)
    if rng.random() < 0.5:
        pen.part(
            [
                (peak + 12, ridge - 12),
                (peak + 18, ridge - 17),
                (peak + 18, ridge + 5),
                (peak + 12, ridge + 5),
            ],
            0.86,
        )
        pen.part(
            [(peak + 11, ridge + 4), (peak + 19, ridge + 4), (peak + 19, ridge + 7), (peak + 11, ridge + 7)],
            1.1,
        )


DRAWERS: Mapping[str, Callable[[Pen, np.random.Generator], None]] = MappingProxyType(
    {"tank": _tank, "truck": _truck, "boulder": _boulder, "shed": _shed}
)


def draw_object(kind: str, rng: np.random.Generator, pose: Pose, size: int, factor: int) -> Image.Image:
    """Draws an object twice: small, to measure its outline, then at the scale that gives it its area.

    Args:
        kind: a key of `DRAWERS`.
        rng: the stream of the object's own shape.
        pose: where it stands and how many pixels it covers.
        size: width and height of the picture, pixels.
        factor: canvas pixels per picture pixel.

    Returns:
        An RGBA canvas: lightness (128 is plain), camouflage, gray, coverage.
    """
    state = rng.bit_generator.state
    measure = Image.new("RGBA", (200, 120))
    DRAWERS[kind](Pen(measure, Pose(100, 110, 0, False, 0.0), 1.0, 0.0, 1), rng)
    coverage = measure.getchannel("A")
    area = coverage.histogram()[255]
    left, _, right, _ = coverage.getbbox() or (0, 0, 200, 120)
    scale = min(math.sqrt(pose.area / area), (size - 16) / (right - left))
    half = (right - left) / 2 * scale
    x = min(max(pose.x, half + 6), size - half - 6)
    placed = Pose(x, pose.foot, pose.area, pose.flip, pose.tilt)
    rng.bit_generator.state = state
    picture = Image.new("RGBA", (size * factor, size * factor))
    DRAWERS[kind](Pen(picture, placed, scale, (left + right) / 2 - 100, factor), rng)
    return picture
