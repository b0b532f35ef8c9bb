"""Labelled values as bars."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar

from picasso.core.panels.base import Panel


@dataclass(frozen=True, eq=False, kw_only=True)
class Bars(Panel):
    """One bar for each label.

    Args:
        labels: One for each bar.
        values: One for each bar.
        units: Units of the values: "probability".
        maximum: Value of a full bar; None for the largest.
        colors: One for each bar, "#rrggbb", where they are the key to a picture; else empty.
        intervals: For each bar the two ends, >= 0, of the interval in which its value lies; empty where none is known.
    """

    kind: ClassVar[str] = "bars"
    labels: tuple[str, ...]
    values: tuple[float, ...]
    units: str
    maximum: float | None = None
    colors: tuple[str, ...] = ()
    intervals: tuple[tuple[float, float], ...] = ()

    def html(self) -> str:
        full = self.maximum or max((abs(value) for value in self.values), default=1.0) or 1.0
        colors = self.colors or ("#3b6fb6",) * len(self.values)
        ends = [f" ({low:.3g} to {high:.3g})" for low, high in self.intervals] or [""] * len(self.values)
        rows = "".join(
            f"<tr><td>{escape(label)}</td><td>{value:.4g}{end}</td><td style='width:12em'><div style='height:.7em;"
            f"background:{escape(color)};width:{max(0.0, min(1.0, value / full)) * 100:.1f}%'></div></td></tr>"
            for label, value, end, color in zip(self.labels, self.values, ends, colors, strict=True)
        )
        return f"<h4>{escape(self.title)} ({escape(self.units)})</h4><table>{rows}</table>"
