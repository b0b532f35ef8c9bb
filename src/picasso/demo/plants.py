"""Trees, bushes and grass, drawn flat in a few tones with Pillow on an oversized canvas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from picasso.demo.noise import Color, mix, scaled


@dataclass(frozen=True)
class Brush:
    """Where and in which light plants are drawn.

    Attributes:
        draw: the canvas, RGBA.
        factor: canvas pixels per picture pixel.
        side: -1 when the light comes from the left, 1 from the right.
    """

    draw: ImageDraw.ImageDraw
    factor: int
    side: float

    def polygon(self, points: list[tuple[float, float]], color: Color) -> None:
        """Fills a polygon given in picture pixels."""
        self.draw.polygon([(x * self.factor, y * self.factor) for x, y in points], fill=rgba(color))

    def ellipse(self, x: float, y: float, radius_x: float, radius_y: float, color: Color) -> None:
        """Fills an ellipse given in picture pixels."""
        k = self.factor
        self.draw.ellipse(
            ((x - radius_x) * k, (y - radius_y) * k, (x + radius_x) * k, (y + radius_y) * k), fill=rgba(color)
        )

    def line(self, points: list[tuple[float, float]], width: float, color: Color) -> None:
        """Strokes a line given in picture pixels."""
        k = self.factor
        flat = [(x * k, y * k) for x, y in points]
        self.draw.line(flat, fill=rgba(color), width=max(1, round(width * k)))


def rgba(color: Color) -> tuple[int, int, int, int]:
    """The color as opaque 8 bit integers."""
    red, green, blue = color
    return min(max(int(red), 0), 255), min(max(int(green), 0), 255), min(max(int(blue), 0), 255), 255


def broadleaf(brush: Brush, rng: np.random.Generator, x: float, base: float, height: float, color: Color) -> None:
    """A tree with a round crown, standing at (x, base), `height` pixels tall."""
    trunk = mix((92, 70, 50), color, 0.25)
    half = height * 0.045
    top = base - height * 0.55
    brush.polygon(
        [(x - half * 1.5, base), (x - half * 0.7, top), (x + half * 0.7, top), (x + half * 1.5, base)],
        scaled(trunk, 0.8),
    )
    edge = x + brush.side * half
    brush.polygon([(x, base), (x, top), (edge * 0.9 + x * 0.1, top), (edge, base)], trunk)
    _leaves(brush, rng, x, base - height * 0.64, height * 0.3, height * 0.34, color, 13)


def bush(brush: Brush, rng: np.random.Generator, x: float, base: float, width: float, color: Color) -> None:
    """A low round bush, `width` pixels wide, its foot at `base`."""
    _leaves(brush, rng, x, base - width * 0.2, width * 0.42, width * 0.26, color, 11)


def _leaves(
    brush: Brush,
    rng: np.random.Generator,
    x: float,
    y: float,
    radius_x: float,
    radius_y: float,
    color: Color,
    count: int,
) -> None:
    """A heap of leaf clusters in four tones; every lighter tone is smaller and nearer to the light."""
    angle = rng.uniform(0, 2 * math.pi, count)
    reach = np.sqrt(rng.uniform(0.1, 1, count)) * 0.72
    radius = rng.uniform(0.3, 0.48, count) * min(radius_x, radius_y)
    reach[0], radius[0] = 0.0, 0.62 * min(radius_x, radius_y)
    order = np.argsort(np.sin(angle) * reach)
    ragged = min(radius_x, radius_y) > 6
    brush.ellipse(x, y + radius_y * 0.45, radius_x * 0.72, radius_y * 0.5, scaled(color, 0.58))
    for tone, shrink, shift in ((0.62, 1.06, 0.0), (0.84, 0.9, 0.16), (1.02, 0.66, 0.34), (1.2, 0.36, 0.52)):
        for i in order:
            cx = x + math.cos(angle[i]) * reach[i] * radius_x + brush.side * shift * radius[i]
            cy = y + math.sin(angle[i]) * reach[i] * radius_y - shift * 1.25 * radius[i]
            size = radius[i] * shrink
            if not ragged:
                brush.ellipse(cx, cy, size * 1.1, size, scaled(color, tone))
                continue
            for turn in range(5):
                a = angle[i] + turn * 1.2566
                brush.ellipse(
                    cx + math.cos(a) * size * 0.62,
                    cy + math.sin(a) * size * 0.58,
                    size * 0.58,
                    size * 0.54,
                    scaled(color, tone * (0.97 + 0.06 * math.sin(7 * a))),
                )


def conifer(brush: Brush, rng: np.random.Generator, x: float, base: float, height: float, color: Color) -> None:
    """A fir in ragged tiers, `height` pixels tall."""
    brush.polygon(
        [
            (x - height * 0.03, base),
            (x - height * 0.03, base - height * 0.2),
            (x + height * 0.03, base - height * 0.2),
            (x + height * 0.03, base),
        ],
        (74, 56, 42),
    )
    tiers = 6
    for tier in range(tiers):
        low = base - height * (0.1 + 0.13 * tier)
        tip = low - height * 0.3 if tier < tiers - 1 else base - height
        half = height * 0.25 * (1 - tier / (tiers + 0.6)) * rng.uniform(0.9, 1.1)
        teeth = [x - half, x - half * 0.5, x, x + half * 0.5, x + half]
        sag = rng.uniform(0.0, 0.05, 9) * height
        edge = [(teeth[0] + i * half / 4, low - (sag[i] * 0.6 + (height * 0.035 if i % 2 else 0.0))) for i in range(9)]
        brush.polygon([(x, tip), *edge[::-1]], scaled(color, 0.66 + 0.03 * tier))
        lit = [p for p in edge if (p[0] - x) * brush.side >= -half * 0.12]
        lit.sort()
        brush.polygon([(x, tip), *lit], scaled(color, 0.92 + 0.05 * tier))


def grass(
    brush: Brush,
    rng: np.random.Generator,
    x: float,
    base: float,
    height: float,
    color: Color,
    blades: int,
) -> None:
    """A tuft of curved blades, `height` pixels tall."""
    for _ in range(blades):
        lean = rng.normal(0, 0.34)
        tall = height * rng.uniform(0.45, 1.0)
        foot = x + rng.normal(0, 0.26) * height
        half = max(0.35, height * 0.035)
        middle = (foot + lean * tall * 0.35, base - tall * 0.6)
        tip = (foot + lean * tall, base - tall)
        brush.polygon(
            [
                (foot - half, base),
                (middle[0] - half * 0.8, middle[1]),
                tip,
                (middle[0] + half * 0.8, middle[1]),
                (foot + half, base),
            ],
            scaled(color, rng.uniform(0.7, 1.22)),
        )
