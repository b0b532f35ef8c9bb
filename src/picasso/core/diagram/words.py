"""How numbers of a diagram are said."""

from __future__ import annotations

from collections.abc import Sequence

from picasso.core.diagram.boxes import WHOLE, Box


def size(shape: Sequence[int]) -> str:
    """Return a shape as people write it: "56 x 56 x 64" with true multiplication signs; "" for ()."""
    return " \u00d7 ".join(f"{side}" for side in shape)


def compact(count: int) -> str:
    """Return a count in three digits: "950", "1.18M"."""
    value = float(count)
    for unit in ("", "k", "M", "G"):
        if value < 999.5:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}T"


def percent(share: float) -> str:
    """Return a share as percents: "12%", "3.4%", "< 0.1%"."""
    if share == 0:
        return "0%"
    value = share * 100
    return "< 0.1%" if value < 0.1 else f"{value:.0f}%" if value >= 9.95 else f"{value:.1f}%"


def totals(boxes: Sequence[Box], elsewhere: int = 0) -> tuple[int, int]:
    """Return the parameters and the multiplications of the whole network, of what is known.

    Args:
        boxes: The diagram.
        elsewhere: Parameters that lie in no box.
    """
    roots = [box for box in boxes if box.parent == WHOLE]
    return sum(box.parameters or 0 for box in roots) + elsewhere, sum(box.multiply_adds or 0 for box in roots)


def shortened(text: str, most: int, *, end: bool = False) -> str:
    """Return a text of so many letters at most.

    Args:
        text: The text.
        most: How many letters it may have.
        end: Whether its end is kept, which tells the names of layers apart; else its beginning.
    """
    if len(text) <= most:
        return text
    return f"\u2026{text[-(most - 1) :]}" if end else f"{text[: most - 1]}\u2026"


def facts(box: Box, parameters: int, multiply_adds: int) -> list[str]:
    """Return what is known of a box, one phrase each.

    Args:
        box: The box.
        parameters, multiply_adds: Those of the whole network.
    """
    said = [box.kind]
    if box.steps > 1:
        said.append(f"{box.steps} steps")
    if box.shape:
        said.append(size(box.shape))
    if box.parameters:
        said.append(f"{box.parameters:,} parameters ({percent(box.parameters / max(1, parameters))})")
    if box.multiply_adds:
        said.append(
            f"{compact(box.multiply_adds)} multiplications ({percent(box.multiply_adds / max(1, multiply_adds))})"
        )
    return said


def share_line(boxes: Sequence[Box], elsewhere: int = 0) -> str:
    """Return one sentence with the whole network's size, and the step that has most of it."""
    parameters, multiply_adds = totals(boxes, elsewhere)
    said = []
    steps = [box for box in boxes if not box.block]
    if parameters:
        most = max(steps, key=lambda box: box.parameters or 0)
        share = percent((most.parameters or 0) / parameters)
        said.append(f"{parameters:,} parameters, most of them in {most.name} ({share})")
    if multiply_adds:
        most = max(steps, key=lambda box: box.multiply_adds or 0)
        share = percent((most.multiply_adds or 0) / multiply_adds)
        said.append(
            f"{compact(multiply_adds)} multiplications by weights for one picture, most in {most.name} ({share})"
        )
    return "; ".join(said) + "." if said else ""
