"""A diagram as SVG that stands alone: no script, no style sheet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from itertools import pairwise

from picasso.core.diagram.boxes import Arc, Box, Role
from picasso.core.diagram.placing import HEAD, TIP, Path, Place, place, small
from picasso.core.diagram.words import compact, facts, shortened, size, totals

COLORS: dict[Role, str] = {
    Role.INPUT: "#54534b",
    Role.CONV: "#2f6db3",
    Role.LINEAR: "#8a3fa0",
    Role.NORM: "#9a9787",
    Role.ACTIVATION: "#c2561a",
    Role.POOL: "#0f7f86",
    Role.JOIN: "#4f7a1e",
    Role.ATTENTION: "#b0308a",
    Role.OTHER: "#b9b6aa",
    Role.BLOCK: "#6f7d45",
}
"""Of the edge of a box, by what it does; its kind says it in words, too."""
_INK, _MUTED, _LINE, _PAPER, _EDGE = "#1b1c18", "#6a6860", "#d5d2c8", "#ffffff", "#8b887d"
_FILLS = ("#fbfbf9", "#f4f3ee", "#ebe9e1")
"""Of open blocks, by their depth in turn."""
_BOLD, _PLAIN = 6.7, 5.9
"""About the width of a letter of a name, and of the rest, in points."""
_FONT = "font-family='Inter, Helvetica, Arial, sans-serif'"


def draw(boxes: Sequence[Box], arcs: Sequence[Arc], opened: Collection[int], title: str, elsewhere: int = 0) -> str:
    """Draw a diagram.

    Args:
        boxes, arcs: The diagram.
        opened: Numbers of the blocks that are open.
        title: What it is, for those who do not see it.
        elsewhere: Parameters that lie in no box.
    """
    found = place(boxes, arcs, opened)
    whole = totals(boxes, elsewhere)
    back = [_block(boxes, number, one) for number, one in found.boxes.items() if one.opened]
    lines = [f"<path d='{bent(path)}'/>" for path in found.paths]
    front = [_step(boxes[number], one, *whole) for number, one in found.boxes.items() if not one.opened]
    heads = [_head(boxes[number], one, *whole) for number, one in found.boxes.items() if one.opened]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {found.width:g} {found.height:g}' "
        f"width='{found.width:g}' height='{found.height:g}' role='img' aria-label='{escape(title, quote=True)}'>"
        f"<rect width='100%' height='100%' fill='{_PAPER}'/>{''.join(back)}"
        f"<g fill='none' stroke='{_EDGE}' stroke-width='1.3'>{''.join(lines)}</g>"
        f"<g fill='{_EDGE}'>{''.join(_tip(path) for path in found.paths if not leaves(arcs[path.arc]))}</g>"
        f"{''.join(heads)}{''.join(front)}</svg>"
    )


def bent(path: Path) -> str:
    """Return an arc as the `d` of an SVG path: straight where it stays in a column, else bent from down to down.

    Its last piece is straight, so that its tip points down.
    """
    points = path.points
    said = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for (x, y), (left, top) in pairwise(points):
        if x == left:
            said.append(f"V{top:g}")
        else:
            end = top - TIP if (left, top) == points[-1] else top
            middle = (y + end) / 2
            said.append(f"C{x:g} {middle:g} {left:g} {middle:g} {left:g} {end:g}")
            if end != top:
                said.append(f"V{top:g}")
    return "".join(said)


def leaves(arc: Arc) -> bool:
    """Whether an arc goes out of its block: it goes on below, and its tip is there."""
    return arc.target == arc.block


def _tip(path: Path) -> str:
    x, y = path.points[-1]
    return f"<path d='M{x - 3.5:g} {y - TIP:g}L{x + 3.5:g} {y - TIP:g}L{x:g} {y:g}Z'/>"


def _depth(boxes: Sequence[Box], number: int) -> int:
    depth = 0
    while (number := boxes[number].parent) >= 0:
        depth += 1
    return depth


def _block(boxes: Sequence[Box], number: int, one: Place) -> str:
    fill = _FILLS[_depth(boxes, number) % len(_FILLS)]
    return (
        f"<rect x='{one.left:g}' y='{one.top:g}' width='{one.width:g}' height='{one.height:g}' rx='8' fill='{fill}' "
        f"stroke='{_LINE}'/>"
    )


def _head(box: Box, one: Place, parameters: int, multiply_adds: int) -> str:
    """Draw the name of an open block."""
    right = one.left + one.width - 10
    y = one.top + HEAD / 2 + 4
    kind = shortened(box.kind, 14)
    most = int((one.width - 34 - len(kind) * _PLAIN) / _BOLD)
    return (
        f"<g><title>{escape(_said(box, parameters, multiply_adds))}</title>"
        f"<path d='M{one.left + 0.5:g} {one.top + HEAD:g}v{9 - HEAD:g}a7.5 7.5 0 0 1 7.5 -7.5h{one.width - 16:g}"
        f"a7.5 7.5 0 0 1 7.5 7.5v{HEAD - 9:g}z' fill='#e8e9dc'/>"
        f"{_text(one.left + 12, y, shortened(box.label, max(6, most), end=True), 12, _INK, bold=True)}"
        f"{_text(right, y, kind, 11, _MUTED, 'end')}</g>"
    )


def _step(box: Box, one: Place, parameters: int, multiply_adds: int) -> str:
    """Draw a step, or a closed block."""
    color = COLORS[box.role]
    frame = (
        f"<rect x='{one.left:g}' y='{one.top:g}' width='{one.width:g}' height='{one.height:g}' rx='{{}}' "
        f"fill='{_PAPER}' stroke='{_LINE}'/>"
    )
    said = f"<title>{escape(_said(box, parameters, multiply_adds))}</title>"
    if small(box):
        x, y = one.left + one.width / 2, one.top + one.height / 2 + 4
        ring = frame.format(13).replace(f"stroke='{_LINE}'", f"stroke='{color}'")
        return f"<g>{said}{ring}{_text(x, y, shortened(box.label, 15), 11.5, _INK, 'middle')}</g>"
    behind = ""
    if box.block:  # a stack
        behind = (
            f"<rect x='{one.left + 3:g}' y='{one.top + 3:g}' width='{one.width:g}' height='{one.height:g}' rx='6' "
            f"fill='#ebe9e1' stroke='{_LINE}'/>"
        )
    left, right = one.left + 12, one.left + one.width - 10
    shape, count = size(box.shape), _count(box)
    room = one.width - 30
    name = shortened(box.label, max(6, int((room - len(shape) * _PLAIN) / _BOLD)), end=True)
    kind = shortened(box.kind, max(6, int((room - len(count) * _PLAIN) / _PLAIN)))
    parts = [
        f"<g>{said}{behind}{frame.format(6)}",
        f"<rect x='{one.left:g}' y='{one.top + 6:g}' width='4' height='{one.height - 12:g}' fill='{color}'/>",
        _text(left, one.top + 17, name, 12, _INK, bold=True),
        _text(right, one.top + 17, shape, 11, _MUTED, "end"),
        _text(left, one.top + 32, kind, 11, _MUTED),
        _text(right, one.top + 32, count, 11, _MUTED, "end"),
    ]
    for y, part, all_of, shade in (
        (38.0, box.parameters, parameters, "#93a55c"),
        (41.5, box.multiply_adds, multiply_adds, "#2f6db3"),
    ):
        if part and all_of:
            full = one.width - 22
            width = max(1.0, full * part / all_of)
            parts.append(f"<rect x='{left:g}' y='{one.top + y + 1:g}' width='{full:g}' height='0.5' fill='{_LINE}'/>")
            parts.append(f"<rect x='{left:g}' y='{one.top + y:g}' width='{width:.1f}' height='2.5' fill='{shade}'/>")
    return "".join(parts) + "</g>"


def _count(box: Box) -> str:
    """Return how many parameters a box has, and of a block how many steps."""
    count = f"{compact(box.parameters)} par." if box.parameters else ""
    if box.block:
        return f"{box.steps} steps" + (f", {count}" if count else "")
    return count


def _said(box: Box, parameters: int, multiply_adds: int) -> str:
    return f"{box.name}: {', '.join(facts(box, parameters, multiply_adds))}"


def _text(x: float, y: float, text: str, points: float, fill: str, anchor: str = "start", *, bold: bool = False) -> str:
    weight = " font-weight='600'" if bold else ""
    return (
        f"<text x='{x:g}' y='{y:g}' {_FONT} font-size='{points:g}' fill='{fill}' text-anchor='{anchor}'{weight}>"
        f"{escape(text)}</text>"
    )
