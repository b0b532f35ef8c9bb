"""A network as papers draw it: its maps as blocks, high as the map is large, wide as it has channels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise

from picasso.core.diagram.boxes import WHOLE, Arc, Box, Role, opened_at_first, within
from picasso.core.diagram.placing import small
from picasso.core.diagram.svg import COLORS
from picasso.core.diagram.words import compact, shortened, size

STAGES = 22
"""About how many boxes are looked at; those with equal maps become one block."""
_HIGH, _WIDE, _LEAST = 130.0, 58.0, 5.0
"""Of the largest map and of the most channels, and of one; between them it is the logarithm that counts."""
_OBLIQUE, _SLANT = 0.34, 0.62
"""How long the third side is drawn, and how much it rises."""
_APART, _LABEL, _LINE = 20.0, 96.0, 13.0
"""Space between blocks, width of a label, height of a line."""
_INK, _MUTED, _EDGE = "#1b1c18", "#6a6860", "#8b887d"
_TO = " \u2013 "
_FONT = "font-family='Inter, Helvetica, Arial, sans-serif' text-anchor='middle'"


@dataclass(frozen=True)
class Stage:
    """Boxes one after another whose maps are equally large and have equally many channels.

    Args:
        label: What they are called.
        kind: Class of the weightiest.
        role: What it does.
        shape: Of the maps, channels last.
        parameters: Of all of them; None where that is unknown.
        count: How many boxes.
    """

    label: str
    kind: str
    role: Role
    shape: tuple[int, ...]
    parameters: int | None
    count: int = 1


def stages(boxes: Sequence[Box], arcs: Sequence[Arc]) -> tuple[list[Stage], list[tuple[int, int]]]:
    """Return a network's stages in the order of execution, and the skips between them that pass over another.

    Of boxes that run side by side the one with the most channels is taken.
    """
    opened = opened_at_first(boxes, STAGES)
    members = within(boxes)
    stage_of: dict[int, int] = {}
    found: list[Stage] = []

    def walk(block: int) -> None:
        rows: dict[int, list[int]] = defaultdict(list)
        for number in members[block]:
            rows[boxes[number].row].append(number)
        for row in sorted(rows):
            shown = [number for number in rows[row] if boxes[number].shape and not small(boxes[number])]
            if shown:
                most = max(shown, key=lambda number: (boxes[number].shape[-1], -number))
                if most in opened and _straight(boxes, members[most]):
                    walk(most)
                else:
                    _add(found, boxes[most])
            stage_of.update(dict.fromkeys(rows[row], len(found) - 1))

    walk(WHOLE)
    skips = {
        (stage_of[arc.source], stage_of[arc.target])
        for arc in arcs
        if arc.lane >= 0 and arc.block == WHOLE and arc.source in stage_of and arc.target in stage_of
    }
    return found, sorted((one, other) for one, other in skips if other > one + 1 and one >= 0)


def _straight(boxes: Sequence[Box], members: Sequence[int]) -> bool:
    """Whether the boxes of a block follow one another."""
    return len({boxes[number].row for number in members}) == len(members)


def _add(found: list[Stage], box: Box) -> None:
    """Add a box to the last stage, where its maps are as those, or begin another."""
    last = found[-1] if found else None
    if last is None or last.shape != box.shape or last.role is Role.INPUT:
        label = box.name if box.label.isdigit() else box.label  # a number alone says little
        found.append(Stage(label, box.kind, box.role, box.shape, box.parameters))
        return
    heavier = (box.parameters or 0) > (last.parameters or 0)
    known = [count for count in (last.parameters, box.parameters) if count is not None]
    found[-1] = replace(
        last,
        kind=box.kind if heavier else last.kind,
        role=box.role if heavier else last.role,
        label=f"{last.label.split(_TO)[0]}{_TO}{box.label}",
        parameters=sum(known) if known else None,
        count=last.count + 1,
    )


def maps_to_scale(boxes: Sequence[Box], arcs: Sequence[Arc], title: str) -> str:
    """Draw a network's maps to scale, as SVG.

    Args:
        boxes, arcs: The diagram.
        title: What it is, for those who do not see it.
    """
    found, skips = stages(boxes, arcs)
    sides = [_sides(stage.shape) for stage in found]
    largest = max((max(rows, columns) for rows, columns, _ in sides), default=1)
    widest = max((channels for *_, channels in sides), default=1)
    arcs_high = 16.0 + 11.0 * min(len(skips), 6) if skips else 0.0
    top = arcs_high + _HIGH * _OBLIQUE * _SLANT + 10
    axis = top + _HIGH / 2
    below = top + _HIGH + 18
    x = 12.0
    drawn, ends = [], []
    for stage, (rows, columns, channels) in zip(found, sides, strict=True):
        height, wide = _scaled(rows, largest, _HIGH), _scaled(channels, widest, _WIDE)
        deep = _scaled(columns, largest, _HIGH) * _OBLIQUE if len(stage.shape) >= 3 else 0.0
        room = max(wide + deep, _LABEL)
        left = x + (room - wide - deep) / 2
        ends.append((left, left + wide + deep, axis - height / 2 - deep * _SLANT, left + wide / 2 + deep / 2))
        drawn.append(_block(stage, left, axis - height / 2, wide, height, deep))
        drawn.append(_label(stage, x + room / 2, below))
        x += room + _APART
    flows = [
        f"<path d='M{before[1] + 3:.1f} {axis:g}H{after[0] - 7:.1f}'/>"
        f"<path d='M{after[0] - 8:.1f} {axis - 3:g}l6 3l-6 3z' fill='{_EDGE}' stroke='none'/>"
        for before, after in pairwise(ends)
    ]
    for level, (one, other) in enumerate(sorted(skips, key=lambda skip: skip[1] - skip[0])):
        high = top - _HIGH * _OBLIQUE * _SLANT - 8 - 11 * (level % 6)
        (_, _, start, begin), (_, _, stop, end) = ends[one], ends[other]
        flows.append(
            f"<path d='M{begin:.1f} {start - 3:.1f}V{high + 6:.1f}q0 -6 6 -6H{end - 6:.1f}q6 0 6 6V{stop - 4:.1f}' "
            f"stroke-dasharray='4 3'/>"
        )
    width, height = x - _APART + 12, below + 4 * _LINE
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' width='{width:g}' "
        f"height='{height:g}' role='img' aria-label='{escape(title, quote=True)}'>"
        f"<rect width='100%' height='100%' fill='#ffffff'/>"
        f"<g fill='none' stroke='{_EDGE}' stroke-width='1.2'>{''.join(flows)}</g>{''.join(drawn)}</svg>"
    )


def _sides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return rows, columns and channels of an output; of tokens their number as rows, of clips those of a frame."""
    if len(shape) >= 3:
        return shape[-3], shape[-2], shape[-1]
    return (shape[0], 1, shape[1]) if len(shape) == 2 else (1, 1, shape[0])


def _scaled(value: int, most: int, length: float) -> float:
    """Return how long a side is drawn: from `_LEAST` for 1 to `length` for the most, by the logarithm."""
    return _LEAST + (length - _LEAST) * math.log(max(1, value)) / math.log(max(2, most))


def _block(stage: Stage, left: float, top: float, wide: float, height: float, deep: float) -> str:
    """Draw one block: its front, and where it has a third side, its top and its right."""
    color = COLORS[stage.role]
    rise = deep * _SLANT
    said = f"{stage.label}: {stage.kind}, {size(stage.shape)}"
    parts = [f"<g stroke='{color}' stroke-width='0.9' stroke-linejoin='round'><title>{escape(said)}</title>"]
    if deep:
        parts.append(
            f"<path d='M{left:.1f} {top:.1f}l{deep:.1f} {-rise:.1f}h{wide:.1f}l{-deep:.1f} {rise:.1f}z' "
            f"fill='{_tint(color, 0.12)}'/>"
            f"<path d='M{left + wide:.1f} {top:.1f}l{deep:.1f} {-rise:.1f}v{height:.1f}l{-deep:.1f} {rise:.1f}z' "
            f"fill='{_tint(color, 0.5)}'/>"
        )
    parts.append(
        f"<rect x='{left:.1f}' y='{top:.1f}' width='{wide:.1f}' height='{height:.1f}' fill='{_tint(color, 0.28)}'/></g>"
    )
    return "".join(parts)


def _label(stage: Stage, middle: float, top: float) -> str:
    lines = [
        (shortened(stage.label, 16, end=True), 11, _INK, " font-weight='600'"),
        (size(stage.shape), 10, _INK, ""),
        (shortened(stage.kind, 17) if stage.count == 1 else f"{stage.count} in a row", 10, _MUTED, ""),
        (f"{compact(stage.parameters)} par." if stage.parameters else "", 10, _MUTED, ""),
    ]
    return "".join(
        f"<text x='{middle:.1f}' y='{top + _LINE * place:g}' {_FONT} font-size='{points}' fill='{fill}'{weight}>"
        f"{escape(text)}</text>"
        for place, (text, points, fill, weight) in enumerate(lines)
        if text
    )


def _tint(color: str, share: float) -> str:
    """Mix a color with white."""
    parts = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in parts)
