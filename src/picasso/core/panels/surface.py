"""A number over a plane: colors with contour lines, and on the page as a surface that can be turned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from picasso.core.panels.base import Panel
from picasso.core.panels.curve import round_numbers
from picasso.core.pictures import render
from picasso.core.pictures.render import format_value

WIDTH, HEIGHT = 560, 480
LEFT, RIGHT, TOP, BOTTOM = 62, 96, 12, 46
BAR = 16
"""How wide the color bar is, in pixels."""
LEVELS = 10
"""About so many contour lines."""
WIDE = 20.0
"""Values whose largest is so many times the smallest are shown by their order of magnitude."""
_TEXT = "font-family='sans-serif' font-size='12' fill='currentColor'"

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Contour:
    """A line along which the value is the same.

    Args:
        level: The value.
        points: Its points in the units of the axes: (x, y), (x, y), ...
    """

    level: float
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Stop:
    """A place that a path passes."""

    label: str
    x: float
    y: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Surface(Panel):
    """Values at the points of a grid.

    Args:
        x: Places along the horizontal axis, ascending.
        y: Places along the vertical axis, ascending.
        values: float32 (len(y), len(x)), the row of the smallest y first; NaN where nothing is known.
        x_title, y_title: What is along the axes.
        units: What a value is.
        contours: Lines of equal value, as `contours_of` finds them.
        logarithmic: Whether colors and heights go by the logarithm; all values are positive then.
        path: Places that are joined by a line, in their order; none for ().
        mark: The place of what all others are compared with.
        mark_label: What lies there.
    """

    kind: ClassVar[str] = "surface"
    x: tuple[float, ...]
    y: tuple[float, ...]
    values: NDArray[np.float32]
    x_title: str
    y_title: str
    units: str
    contours: tuple[Contour, ...] = ()
    logarithmic: bool = False
    path: tuple[Stop, ...] = ()
    mark: tuple[float, float] | None = None
    mark_label: str = ""

    def heights(self) -> Numbers:
        """Return what colors and heights go by: the values, or their logarithms to the base 10."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log10(self.values) if self.logarithmic else self.values, np.float64)

    def limits(self) -> tuple[float, float]:
        """Return the ends of the color scale, in heights."""
        known = self.heights()[np.isfinite(self.heights())]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    def html(self) -> str:
        caption = f"<p>{escape(self.caption)}</p>" if self.caption else ""
        return f"<h4>{escape(self.title)}</h4>{self.svg()}{caption}{self._table()}"

    def svg(self, alone: bool = False) -> str:
        """Return the contour plot as SVG.

        Args:
            alone: Whether it is to be a file of its own, on white.
        """
        parts = ["<rect width='100%' height='100%' fill='#ffffff'/>"] if alone else []
        parts += [self._colors(), *map(self._contour, self.contours), *self._levels(), *self._axes(), self._bar()]
        if self.path:
            parts.append(self._walked())
        if self.mark is not None:
            left, top = self._place(*self.mark)
            parts.append(
                f"<path d='M{left - 6:.1f} {top:.1f}h12M{left:.1f} {top - 6:.1f}v12' stroke='#ffffff' "
                f"stroke-width='4'/><path d='M{left - 6:.1f} {top:.1f}h12M{left:.1f} {top - 6:.1f}v12' "
                f"stroke='#1e1e22' stroke-width='2'><title>{escape(self.mark_label)}</title></path>"
            )
        said = escape(f"{self.title}: {self.units} over {self.x_title} and {self.y_title}", quote=True)
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' "
            f"height='{HEIGHT}' style='max-width:100%;height:auto{';color:#1e1e22' if alone else ''}' role='img' "
            f"aria-label='{said}'>{''.join(parts)}</svg>"
        )

    def _span(self, places: Sequence[float]) -> tuple[float, float]:
        """Return the ends of an axis: half a cell beyond the outer points."""
        half = (places[-1] - places[0]) / max(1, len(places) - 1) / 2 or 0.5
        return places[0] - half, places[-1] + half

    def _place(self, x: float, y: float) -> tuple[float, float]:
        (left, right), (low, high) = self._span(self.x), self._span(self.y)
        across, up = (x - left) / (right - left), (y - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def _colors(self) -> str:
        colors = render.colorize(self.heights().astype(np.float32), "unsigned", self.limits())
        return (
            f"<image x='{LEFT}' y='{TOP}' width='{WIDTH - LEFT - RIGHT}' height='{HEIGHT - TOP - BOTTOM}' "
            f"preserveAspectRatio='none' style='image-rendering:pixelated' "
            f"href='{render.data_url(render.to_image(colors[::-1]))}'/>"
        )

    def _contour(self, contour: Contour) -> str:
        points = " ".join(f"{left:.1f},{top:.1f}" for left, top in (self._place(*point) for point in contour.points))
        name = format_value(contour.level)
        return (
            f"<polyline points='{points}' fill='none' stroke='#ffffff' stroke-width='2.5' opacity='.55'/>"
            f"<polyline points='{points}' fill='none' stroke='#1e1e22'><title>{name}</title></polyline>"
        )

    def _levels(self) -> list[str]:
        """Write the levels on their lines, where there is room."""
        parts, taken = [], list[tuple[float, float]]()
        for contour in self.contours:
            left, top = self._place(*contour.points[len(contour.points) // 2])
            if any(abs(left - a) < 34 and abs(top - b) < 13 for a, b in taken):
                continue
            taken.append((left, top))
            parts.append(
                f"<text x='{left:.1f}' y='{top + 3:.1f}' text-anchor='middle' font-family='sans-serif' font-size='10' "
                "fill='#1e1e22' stroke='#ffffff' stroke-width='2.5' paint-order='stroke'>"
                f"{format_value(contour.level)}</text>"
            )
        return parts

    def _walked(self) -> str:
        places = [self._place(stop.x, stop.y) for stop in self.path]
        points = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        dots = "".join(
            f"<circle cx='{left:.1f}' cy='{top:.1f}' r='4' fill='#ffffff' stroke='#1e1e22' stroke-width='1.5'>"
            f"<title>{escape(stop.label)}</title></circle>"
            for (left, top), stop in zip(places, self.path, strict=True)
        )
        return (
            f"<g><polyline points='{points}' fill='none' stroke='#ffffff' stroke-width='4'/>"
            f"<polyline points='{points}' fill='none' stroke='#1e1e22' stroke-width='1.5' stroke-dasharray='5 3'/>"
            f"{dots}</g>"
        )

    def _axes(self) -> list[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for value in round_numbers(self.x[0], self.x[-1], 5):
            left, _ = self._place(value, self.y[0])
            parts.append(
                f"<text x='{left:.1f}' y='{bottom + 16}' text-anchor='middle' {_TEXT}>{format_value(value)}</text>"
            )
        for value in round_numbers(self.y[0], self.y[-1], 5):
            _, top = self._place(self.x[0], value)
            parts.append(
                f"<text x='{LEFT - 6}' y='{top + 4:.1f}' text-anchor='end' {_TEXT}>{format_value(value)}</text>"
            )
        middle, half = (LEFT + right) / 2, (TOP + bottom) / 2
        parts.append(f"<text x='{middle}' y='{HEIGHT - 8}' text-anchor='middle' {_TEXT}>{escape(self.x_title)}</text>")
        parts.append(
            f"<text transform='translate(14 {half}) rotate(-90)' text-anchor='middle' {_TEXT}>{escape(self.y_title)}"
            "</text>"
        )
        return parts

    def _bar(self) -> str:
        """Draw the color bar, whose ticks are values."""
        low, high = self.limits()
        left, height = WIDTH - RIGHT + 18, HEIGHT - TOP - BOTTOM
        ramp = render.colorize(np.linspace(high, low, 128, dtype=np.float32)[:, None], "unsigned", (low, high))
        parts = [
            f"<image x='{left}' y='{TOP}' width='{BAR}' height='{height}' preserveAspectRatio='none' "
            f"href='{render.data_url(render.to_image(ramp))}'/>"
        ]
        for place in np.linspace(0, 1, 5):
            value = low + place * (high - low)
            shown = format_value(10**value if self.logarithmic else value)
            parts.append(f"<text x='{left + BAR + 5}' y='{TOP + (1 - place) * height + 4:.1f}' {_TEXT}>{shown}</text>")
        return "".join(parts)

    def _table(self) -> str:
        """Write the values of at most 11 rows and columns."""
        rows, columns = (range(0, len(places), math.ceil(len(places) / 11)) for places in (self.y, self.x))
        head = "".join(f"<td>{format_value(self.x[column])}</td>" for column in columns)
        body = "".join(
            f"<tr><td>{format_value(self.y[row])}</td>"
            + "".join(f"<td>{_words(float(self.values[row, column]))}</td>" for column in columns)
            + "</tr>"
            for row in rows
        )
        every = "All values" if len(rows) * len(columns) == self.values.size else "Some of the values"
        return f"<details><summary>{every}</summary><table><tr><td></td>{head}</tr>{body}</table></details>"


def levels_of(values: NDArray[np.float32]) -> tuple[tuple[float, ...], bool]:
    """Return round values for contour lines, and whether they go by orders of magnitude: 0.1, 0.2, 0.5, 1, ..."""
    known = values[np.isfinite(values)]
    if not known.size or known.max() <= known.min():
        return (), False
    low, high = float(known.min()), float(known.max())
    if low > 0 and high / low > WIDE:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [float(f"{factor}e{decade}") for decade in decades for factor in (1, 2, 5)]
        return tuple(level for level in found if low < level < high), True
    return tuple(level for level in round_numbers(low, high, LEVELS) if low < level < high), False


def contours_of(
    x: Sequence[float], y: Sequence[float], values: NDArray[np.float32], levels: Sequence[float], logarithmic: bool
) -> tuple[Contour, ...]:
    """Find the lines along which values, linear between the points of a grid, have given levels.

    Args:
        x, y: Places of the grid's columns and rows.
        values: (len(y), len(x)).
        levels: Values.
        logarithmic: Whether it is their logarithms that are linear between points.
    """
    from skimage.measure import find_contours

    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log10(values) if logarithmic else values
    found = []
    for level in levels:
        for line in find_contours(heights.astype(np.float64), math.log10(level) if logarithmic else level):
            across = np.interp(line[:, 1], np.arange(len(x)), x)
            up = np.interp(line[:, 0], np.arange(len(y)), y)
            found.append(Contour(level, tuple((float(a), float(b)) for a, b in zip(across, up, strict=True))))
    return tuple(found)


def _words(value: float) -> str:
    return "unknown" if not math.isfinite(value) else f"{value:.4g}"
