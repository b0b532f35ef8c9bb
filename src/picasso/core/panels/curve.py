"""Values against an amount, as lines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import ClassVar

from picasso.core.panels.base import Panel
from picasso.core.pictures.render import format_value

COLORS = ("#2f6db3", "#c2561a", "#4f7a1e", "#8a3fa0", "#a8342f", "#0f7f86", "#6b6455", "#b0308a")
"""Of the lines, one after another; dashes and marks tell them apart where colors do not."""
DASHES = ("", "7 3", "2 3", "9 3 2 3")
WIDTH, HEIGHT = 560, 280
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 46
ROW = 20
"""Height of a name below a drawing that stands alone."""
GLYPH, LONGEST = 6.6, 20
"""About the width of a letter below the axis, in pixels, and how many of them a name may have there."""
_TEXT = "font-family='sans-serif' font-size='12' fill='currentColor'"


@dataclass(frozen=True, eq=False)
class Line:
    """One line.

    Args:
        label: What it is of.
        values: One for each place on the x axis; None where nothing is known, which leaves a gap.
    """

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve(Panel):
    """Several named lines over one axis.

    Args:
        x: Places on the x axis, ascending.
        lines: The lines.
        x_title: What is along the axis, with its units: "shift to the right, pixels".
        y_title: What a value is, with its units: "probability".
        ticks: Words for the places, where numbers do not say it; else empty.
        limits: Ends of the y axis; None for those of the values.
        mark: The place of what all others are compared with, or None.
        mark_label: What lies there.
    """

    kind: ClassVar[str] = "curve"
    x: tuple[float, ...]
    lines: tuple[Line, ...]
    x_title: str
    y_title: str
    ticks: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    mark: float | None = None
    mark_label: str = ""

    def y_limits(self) -> tuple[float, float]:
        """Return the ends of the y axis: those given, or round ones around the values."""
        if self.limits is not None:
            return self.limits
        values = [value for line in self.lines for value in line.values if value is not None]
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        step = _step(high - low)
        return math.floor(low / step) * step, math.ceil(high / step) * step

    def html(self) -> str:
        caption = f"<p>{escape(self.caption)}</p>" if self.caption else ""
        return f"<h4>{escape(self.title)}</h4>{self.svg()}{self._key()}{caption}{self._table()}"

    def svg(self, alone: bool = False) -> str:
        """Return the drawing as SVG.

        Args:
            alone: Whether it is to be a file of its own: on white, with the names of the lines below.
        """
        low, high = self.y_limits()
        height = HEIGHT + (ROW * len(self.lines) + ROW // 2 if alone else 0)
        parts = ["<rect width='100%' height='100%' fill='#ffffff'/>"] if alone else []
        parts += self._grid(low, high)
        parts += [self._line(place, line, low, high) for place, line in enumerate(self.lines)]
        for place, line in enumerate(self.lines if alone else ()):
            y = HEIGHT + ROW * place + ROW // 2
            parts.append(
                f"<line x1='{LEFT}' x2='{LEFT + 32}' y1='{y}' y2='{y}' {_look(place)}/>"
                f"<text x='{LEFT + 40}' y='{y + 4}' {_TEXT}>{escape(line.label)}</text>"
            )
        said = escape(f"{self.y_title} against {self.x_title}", quote=True)
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' "
            f"style='max-width:100%;height:auto{';color:#1e1e22' if alone else ''}' role='img' aria-label='{said}'>"
            f"{''.join(parts)}</svg>"
        )

    def _place(self, x: float, y: float, low: float, high: float) -> tuple[float, float]:
        first, last = (self.x[0], self.x[-1]) if self.x else (0.0, 1.0)
        across = (x - first) / (last - first) if last > first else 0.5
        up = (min(max(y, low), high) - low) / ((high - low) or 1.0)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def _grid(self, low: float, high: float) -> list[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for value in round_numbers(low, high, 5):
            _, y = self._place(0, value, low, high)
            parts.append(
                f"<line x1='{LEFT}' x2='{right}' y1='{y:.1f}' y2='{y:.1f}' stroke='currentColor' opacity='.15'/>"
                f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end' {_TEXT}>{format_value(value)}</text>"
            )
        if self.mark is not None and self.x:
            x, _ = self._place(self.mark, low, low, high)
            parts.append(
                f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{TOP}' y2='{bottom}' stroke='currentColor' "
                f"stroke-dasharray='3 3' opacity='.6'><title>{escape(self.mark_label)}</title></line>"
            )
        for place, words in self._x_ticks():
            x, _ = self._place(place, low, low, high)
            half = len(words) * GLYPH / 2
            anchor = "start" if x < half else "end" if x > WIDTH - half else "middle"
            parts.append(f"<text x='{x:.1f}' y='{bottom + 16}' text-anchor='{anchor}' {_TEXT}>{escape(words)}</text>")
        middle, half = (LEFT + right) / 2, (TOP + bottom) / 2
        parts.append(f"<line x1='{LEFT}' x2='{right}' y1='{bottom}' y2='{bottom}' stroke='currentColor'/>")
        parts.append(f"<text x='{middle}' y='{HEIGHT - 8}' text-anchor='middle' {_TEXT}>{escape(self.x_title)}</text>")
        parts.append(
            f"<text transform='translate(14 {half}) rotate(-90)' text-anchor='middle' {_TEXT}>{escape(self.y_title)}"
            "</text>"
        )
        return parts

    def _x_ticks(self) -> list[tuple[float, str]]:
        """Return places on the x axis that get words, as many as fit."""
        if self.ticks:
            named = [(x, tick if len(tick) <= LONGEST else f"{tick[: LONGEST - 1]}…") for x, tick in self._named()]
            room = (WIDTH - LEFT - RIGHT) / max(1, len(named) - 1)
            return named[:: max(1, math.ceil((max(len(tick) for _, tick in named) * GLYPH + 8) / room))]
        if not self.x:
            return []
        return [(value, format_value(value)) for value in round_numbers(self.x[0], self.x[-1], 6)]

    def _named(self) -> list[tuple[float, str]]:
        """Return every place on the x axis with what it is called."""
        return list(zip(self.x, self.ticks or (format_value(value) for value in self.x), strict=True))

    def _line(self, place: int, line: Line, low: float, high: float) -> str:
        look = _look(place)
        runs: list[list[str]] = [[]]
        points = []
        for x, value in zip(self.x, line.values, strict=True):
            if value is None or not math.isfinite(value):
                runs.append([])
                continue
            left, top = self._place(x, value, low, high)
            runs[-1].append(f"{left:.1f},{top:.1f}")
            points.append(f"<circle cx='{left:.1f}' cy='{top:.1f}' r='2.2' fill='{COLORS[place % len(COLORS)]}'/>")
        drawn = "".join(f"<polyline points='{' '.join(run)}' fill='none' {look}/>" for run in runs if len(run) > 1)
        return f"<g><title>{escape(line.label)}</title>{drawn}{''.join(points)}</g>"

    def _key(self) -> str:
        items = "".join(
            f"<li><svg width='34' height='10'><line x1='1' x2='33' y1='5' y2='5' {_look(place)}/></svg> "
            f"{escape(line.label)}</li>"
            for place, line in enumerate(self.lines)
        )
        return f"<ul style='list-style:none;padding:0'>{items}</ul>"

    def _table(self) -> str:
        head = "".join(f"<td>{escape(words)}</td>" for words in (self.x_title, *(line.label for line in self.lines)))
        rows = "".join(
            f"<tr><td>{escape(name)}</td>{''.join(f'<td>{_words(line.values[row])}</td>' for line in self.lines)}</tr>"
            for row, (_, name) in enumerate(self._named())
        )
        return f"<details><summary>All values</summary><table><tr>{head}</tr>{rows}</table></details>"


def _look(place: int) -> str:
    """Return the stroke of a line."""
    color, dash = COLORS[place % len(COLORS)], DASHES[place % len(DASHES)]
    return f"stroke='{color}' stroke-width='2' stroke-dasharray='{dash}'"


def _words(value: float | None) -> str:
    return "unknown" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _step(span: float, most: int = 5) -> float:
    """Return a round distance (1, 2 or 5 times a power of ten) of which about `most` make a span."""
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """Return round numbers from low to high, about `most`."""
    if not high > low:
        return [low]
    step = _step(high - low, most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
