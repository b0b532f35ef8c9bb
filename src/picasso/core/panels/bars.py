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
    """

    kind: ClassVar[str] = "bars"
    labels: tuple[str, ...]
    values: tuple[float, ...]
    units: str
    maximum: float | None = None
    colors: tuple[str, ...] = ()

    def html(self) -> str:
        full = self.maximum or max((abs(value) for value in self.values), default=1.0) or 1.0
        colors = self.colors or ("#3b6fb6",) * len(self.values)
        rows = "".join(
            f"<tr><td>{escape(label)}</td><td>{value:.4g}</td><td style='width:12em'><div style='height:.7em;"
            f"background:{escape(color)};width:{max(0.0, min(1.0, value / full)) * 100:.1f}%'></div></td></tr>"
            for label, value, color in zip(self.labels, self.values, colors, strict=True)
        )
        return f"<h4>{escape(self.title)} ({escape(self.units)})</h4><table>{rows}</table>"
