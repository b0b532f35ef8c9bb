"""Where everything of a diagram is drawn, in points, for one state of open and closed blocks.

The page does the same in `panels/graph-places.js`, since a block is opened and closed there; a test in a browser
compares the two.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from picasso.core.diagram.boxes import WHOLE, Arc, Box, Role, within
from picasso.core.diagram.layered import MIDDLE

WIDTH, HEIGHT = 216.0, 46.0
"""Of a step and of a closed block."""
SMALL_WIDTH, SMALL_HEIGHT = 112.0, 26.0
"""Of an operation that is no layer."""
HEAD, PAD = 24.0, 14.0
"""Of an open block: height of its name, space around its boxes."""
LANE = 2.0
"""Width of a column that holds no box."""
BETWEEN, CLOSE, GAP = 18.0, 7.0, 26.0
"""Space between columns, between two that hold no box, and between rows."""
TIP = 6.0
"""Height of the tip of an arc."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Place:
    """Where a box is drawn: left, top, width, height, and whether it is an open block."""

    left: float
    top: float
    width: float
    height: float
    opened: bool


@dataclass(frozen=True)
class Path:
    """An arc as it is drawn: from point to point, straight down in a column and bent between two."""

    arc: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Places:
    """Everything that is seen: the boxes by number, an open block before those in it, and the arcs between them."""

    boxes: dict[int, Place]
    paths: tuple[Path, ...]
    width: float
    height: float


@dataclass(frozen=True)
class _Inside:
    """The inside of a block: sizes, and where its boxes, columns and rows begin, from its own corner."""

    width: float
    height: float
    spots: dict[int, Point]
    middles: tuple[float, ...]
    tops: tuple[float, ...]
    bottoms: tuple[float, ...]


def small(box: Box) -> bool:
    """Whether a box is an operation that is no layer, which is drawn small."""
    return not (box.layer or box.block or box.role is Role.INPUT)


def place(boxes: Sequence[Box], arcs: Sequence[Arc], opened: Collection[int]) -> Places:
    """Find where everything is drawn.

    Args:
        boxes, arcs: The diagram.
        opened: Numbers of the blocks that are open; those in a closed one are not seen.
    """
    members = within(boxes)
    insides: dict[int, _Inside] = {}
    sizes: dict[int, Point] = {}
    lanes = {(arc.block, arc.lane) for arc in arcs}
    for number in (*reversed(range(len(boxes))), WHOLE):  # those in a block come after it
        if number != WHOLE and not (boxes[number].block and number in opened):
            sizes[number] = (SMALL_WIDTH, SMALL_HEIGHT) if small(boxes[number]) else (WIDTH, HEIGHT)
            continue
        taken = {lane for block, lane in lanes if block == number and lane != MIDDLE}
        inside = insides[number] = _inside([(one, boxes[one], sizes[one]) for one in members[number]], taken)
        sizes[number] = (max(WIDTH, inside.width + 2 * PAD), inside.height + HEAD)
    found: dict[int, Place] = {}
    corners: dict[int, Point] = {WHOLE: (PAD, PAD)}
    for number, box in enumerate(boxes):
        if box.parent not in corners:
            continue
        left, top = corners[box.parent]
        x, y = insides[box.parent].spots[number]
        found[number] = Place(left + x, top + y, *sizes[number], number in insides)
        if number in insides:
            spare = (sizes[number][0] - insides[number].width) / 2
            corners[number] = (left + x + spare, top + y + HEAD)
    paths = tuple(
        Path(place, _points(arc, boxes, found, insides[arc.block], corners))
        for place, arc in enumerate(arcs)
        if arc.block in corners
    )
    whole = insides[WHOLE]
    return Places(found, paths, whole.width + 2 * PAD, whole.height + 2 * PAD)


def _inside(members: Sequence[tuple[int, Box, Point]], lanes: Collection[int]) -> _Inside:
    """Lay out the inside of a block from the sizes of its boxes."""
    count = 1 + max([*(box.column for _, box, _ in members), *lanes], default=-1)
    widths = [LANE] * count
    boxed = {box.column for _, box, _ in members if box.column != MIDDLE}
    for _, box, (width, _) in members:
        if box.column != MIDDLE:
            widths[box.column] = max(widths[box.column], width)
    lefts: list[float] = []
    right = 0.0
    for column, width in enumerate(widths):
        if column:
            right += BETWEEN if {column - 1, column} & boxed else CLOSE
        lefts.append(right)
        right += width
    middle = (lefts[min(boxed)] + lefts[max(boxed)] + widths[max(boxed)]) / 2 if boxed else right / 2
    alone = max((width for _, box, (width, _) in members if box.column == MIDDLE), default=0.0)
    half = max(middle, right - middle, alone / 2)
    shift = half - middle  # what enters and leaves does so in the middle of the block
    last = 1 + max((box.row for _, box, _ in members), default=0)
    heights = [0.0] * (last + 1)
    for _, box, (_, height) in members:
        heights[box.row] = max(heights[box.row], height)
    tops = [sum(heights[:row]) + GAP * row for row in range(last + 1)]
    spots = {}
    for number, box, (width, _) in members:
        x = half if box.column == MIDDLE else lefts[box.column] + widths[box.column] / 2 + shift
        spots[number] = (x - width / 2, tops[box.row])
    return _Inside(
        2 * half,
        tops[-1],
        spots,
        tuple(left + width / 2 + shift for left, width in zip(lefts, widths, strict=True)),
        tuple(tops),
        tuple(top + height for top, height in zip(tops, heights, strict=True)),
    )


def _points(
    arc: Arc, boxes: Sequence[Box], found: dict[int, Place], inside: _Inside, corners: dict[int, Point]
) -> tuple[Point, ...]:
    """Return the points of an arc: at the ends of rows and lanes, where it changes between straight and bent."""
    left, top = corners[arc.block]
    first = 0 if arc.source == arc.block else boxes[arc.source].row
    last = len(inside.tops) - 1 if arc.target == arc.block else boxes[arc.target].row

    def across(number: int) -> float:
        if number == arc.block:
            return left + inside.width / 2
        one = found[number]
        return one.left + one.width / 2

    points: list[Point] = []
    x = across(arc.source)
    if arc.source != arc.block:
        points.append((x, found[arc.source].top + found[arc.source].height))
    points.append((x, top + inside.bottoms[first]))
    if arc.lane != MIDDLE:
        lane = left + inside.middles[arc.lane]
        points += [(lane, top + inside.tops[first + 1]), (lane, top + inside.bottoms[last - 1])]
    points.append((across(arc.target), top + inside.tops[last]))
    return tuple(points)
