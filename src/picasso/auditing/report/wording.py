"""How the numbers of an audit are written: shares as points or percent, with their intervals and a real minus."""

from __future__ import annotations

from typing import Any

from picasso.auditing.findings import Interval

MOST_ITEMS = 12
"""Of a list that are written; the rest is counted."""


def signed(value: float, digits: int = 0) -> str:
    """Write a number with a fixed number of decimals: "−3", and never "−0"."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def points(share: float) -> str:
    """Write a share, -1..1, as points: 0.41 -> "41 points"."""
    number = signed(share * 100)
    return f"{number} point" if number in ("1", "−1") else f"{number} points"


def span(interval: Interval, scale: float = 100) -> str:
    """Write the ends of an interval, in points unless another scale is given: "33 … 49"."""
    return f"{signed(interval.low * scale)} … {signed(interval.high * scale)}"


def with_span(interval: Interval) -> str:
    """Write an interval in points: "41 points, 33 … 49"."""
    return f"{points(interval.value)}, {span(interval)}"


def percent(share: float) -> str:
    """Write a share as percent: 0.97 -> "97 %", and 0.996 -> "99.6 %", where one decimal tells it from all."""
    value = share * 100
    near = 99 <= value < 99.95 or 0.05 <= value < 1
    return f"{signed(value, 1 if near else 0)} %"


def plain(value: Any) -> str:
    """Write a value of a JSON document for people: three digits, yes and no, a dash for nothing."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}".replace("-", "−")
    if isinstance(value, dict) and set(value) == {"value", "low", "high"}:
        return f"{plain(value['value'])}, {plain(value['low'])} … {plain(value['high'])}"
    if isinstance(value, list | tuple):
        rest = f" and {len(value) - MOST_ITEMS} more" if len(value) > MOST_ITEMS else ""
        return ", ".join(map(plain, value[:MOST_ITEMS])) + rest
    return str(value)


def chance_of_error(p: float) -> str:
    """Write a p-value: "< 0.001", "0.03"."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"
