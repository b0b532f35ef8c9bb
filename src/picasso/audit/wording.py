"""How the numbers of an audit are written: shares as points or percent, with their intervals and a real minus."""

from __future__ import annotations

from picasso.audit.findings import Interval


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
    """Write a share as percent: 0.97 -> "97 %". What is not all of it is never written as 100 %, nor 0 %."""
    value = share * 100
    digits = 1 if (99 <= value < 100) or (0 < value < 1) else 0
    if 99.9 < value < 100:
        return "> 99.9 %"
    if 0 < value < 0.1:
        return "< 0.1 %"
    return f"{signed(value, digits)} %"
