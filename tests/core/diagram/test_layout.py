"""Rows, columns and points of diagrams: data flows down, nothing overlaps, and no line crosses a box."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from picasso.core.diagram.blocks import network_graph
from picasso.core.diagram.boxes import WHOLE, Arc, Box, Role, opened_at_first, within
from picasso.core.diagram.layered import ENTRY, MIDDLE, Layout, lay_out
from picasso.core.diagram.placing import HEIGHT, WIDTH, Places, place
from picasso.core.diagram.steps import Network, Step, read_network
from picasso.core.facts import Layer
from picasso.core.graph import Activation, Builder, Elementwise, GlobalPool, Graph, Linear


def step(name: str, *reads: int, path: Sequence[str] = ()) -> Step:
    return Step(name, (*path, name), name, "Conv2d", Role.CONV, (8, 8, 4), name, tuple(reads), 10, 100)


def network(*steps: Step) -> Network:
    return Network(steps, {}, {})


def random_network(seed: int, count: int = 40) -> Network:
    """Return steps in blocks up to three deep, each reading one to three before it, mostly the last."""
    source = random.Random(seed)
    paths = [[f"b{source.randrange(4)}" for _ in range(source.randrange(4))] for _ in range(8)]
    steps = [step("s0")]
    path: Sequence[str] = ()
    for number in range(1, count):
        if source.random() < 0.4:
            path = source.choice(paths)
        reads = {
            number - 1 if source.random() < 0.7 else source.randrange(number)
            for _ in range(source.choice((1, 1, 2, 3)))
        }
        steps.append(step(f"s{number}", *sorted(reads), path=path))
    return network(*steps)


# --- rows and columns --------------------------------------------------------------------------------------------


def test_a_chain_is_one_column() -> None:
    assert lay_out(3, [(ENTRY, 0), (0, 1), (1, 2), (2, 3)]) == Layout((1, 2, 3), (MIDDLE,) * 3, {}, 4)


def test_a_skip_passes_beside_what_it_skips() -> None:
    found = lay_out(4, [(ENTRY, 0), (0, 1), (1, 2), (2, 3), (ENTRY, 3), (3, 4)])
    assert found.rows == (1, 2, 3, 4)
    assert found.columns == (0, 0, 0, MIDDLE)  # the last has its row to itself
    assert found.lanes == {ENTRY: 1}


def test_two_branches_lie_side_by_side_and_the_short_one_goes_straight_down() -> None:
    """0 -> 1 -> 2 -> 4 beside 0 -> 3 -> 4."""
    found = lay_out(5, [(0, 1), (1, 2), (0, 3), (2, 4), (3, 4)])
    assert found.rows == (1, 2, 3, 2, 4)
    assert found.columns == (MIDDLE, 0, 0, 1, MIDDLE)
    assert found.lanes == {3: 1}


def test_of_nested_skips_the_longer_lies_outside() -> None:
    """A U-Net's: 0 -> 5 around 1 -> 4 around 2 -> 3."""
    found = lay_out(6, [(k, k + 1) for k in range(5)] + [(0, 5), (1, 4)])
    assert set(found.columns[1:5]) <= {0, MIDDLE}
    assert found.lanes[1] < found.lanes[0]


def slow_rows(count: int, arcs: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way to each box, by trying every way."""

    def longest(number: int) -> int:
        return 1 + max((longest(source) for source, target in arcs if target == number and source != ENTRY), default=0)

    return [longest(number) for number in range(count)]


@pytest.mark.parametrize("seed", range(60))
def test_boxes_and_lanes_have_places_of_their_own(seed: int) -> None:
    source = random.Random(seed)
    count = source.randrange(1, 14)
    arcs = {(source.randrange(ENTRY, target), target) for target in range(count) for _ in range(source.randrange(4))}
    arcs |= {(source.randrange(ENTRY, count), count) for _ in range(3)}
    found = lay_out(count, sorted(arcs))
    assert list(found.rows) == slow_rows(count, sorted(arcs))
    assert found.last == max(found.rows) + 1
    rows = {ENTRY: 0, count: found.last} | dict(enumerate(found.rows))
    taken: dict[tuple[int, int], str] = {}
    for number, (row, column) in enumerate(zip(found.rows, found.columns, strict=True)):
        if column == MIDDLE:
            assert found.rows.count(row) == 1
        assert taken.setdefault((row, column), f"box {number}") == f"box {number}"
    far = {one for one, other in arcs if rows[other] > rows[one] + 1}
    assert set(found.lanes) == far
    for one, lane in found.lanes.items():
        last = max(rows[other] for start, other in arcs if start == one)
        for row in range(rows[one] + 1, last):
            assert taken.setdefault((row, lane), f"lane {one}") == f"lane {one}"
            assert (row, MIDDLE) not in taken  # nothing lies in the middle of a row that a lane passes


# --- blocks ------------------------------------------------------------------------------------------------------


def around(boxes: Sequence[Box], number: int) -> list[int]:
    found = [number]
    while boxes[found[-1]].parent != WHOLE:
        found.append(boxes[found[-1]].parent)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_what_flows_between_steps_flows_between_their_boxes_and_nothing_else(seed: int) -> None:
    """Each read is followed from box to box, out of blocks and into them; every arc is used by some read."""
    given = random_network(seed)
    boxes, arcs = network_graph(given, 30)
    number = {box.name.split(" (")[0]: place for place, box in enumerate(boxes) if not box.block}
    known = {(arc.block, arc.source, arc.target) for arc in arcs}
    used = set()
    for target, one in enumerate(given.steps):
        for source in one.reads:
            out, into = around(boxes, number[f"s{source}"]), around(boxes, number[f"s{target}"])
            while out and into and out[-1] == into[-1]:
                out.pop()
                into.pop()
            used.add((boxes[out[-1]].parent, out[-1], into[-1]))
            used |= {(block, inner, block) for inner, block in pairwise(out)}
            used |= {(block, block, inner) for inner, block in pairwise(into)}
    assert known == used
    for arc in arcs:  # and down
        assert arc.source == arc.block or arc.target == arc.block or boxes[arc.source].row < boxes[arc.target].row


def test_a_block_that_is_left_and_entered_again_is_two() -> None:
    boxes, _ = network_graph(
        network(step("a", path=["stem"]), step("b", 0, path=["stem"]), step("c", 1), step("d", 2, path=["stem"]),
                step("e", 3, path=["stem"])), 30,
    )  # fmt: skip
    assert [box.name for box in boxes] == ["stem", "a", "b", "c", "stem (2)", "d", "e"]
    assert [box.row for box in boxes if box.parent == WHOLE] == [1, 2, 3]


def test_a_block_of_one_is_that_one() -> None:
    boxes, _ = network_graph(network(step("a"), step("b", 0, path=["outer", "inner"])), 30)
    assert [(box.name, box.label, box.parent) for box in boxes] == [("a", "a", WHOLE), ("b", "outer.inner.b", WHOLE)]


def test_a_block_has_what_its_steps_have() -> None:
    boxes, _ = network_graph(
        network(step("a", path=["x", "y"]), step("b", 0, path=["x", "y"]), step("c", 1, path=["x"])), 30
    )
    assert [(box.name, box.steps, box.parameters, box.multiply_adds) for box in boxes] == [
        ("x", 3, 30, 300), ("x.y", 2, 20, 200), ("a", 1, 10, 100), ("b", 1, 10, 100), ("c", 1, 10, 100),
    ]  # fmt: skip


def test_blocks_are_opened_one_depth_after_another_while_few_boxes_are_seen() -> None:
    steps = [step("s0")] + [
        step(f"s{k}", k - 1, path=[f"stage{(k - 1) // 8}", f"block{(k - 1) // 2}"]) for k in range(1, 33)
    ]
    boxes, _ = network_graph(network(*steps), 30)
    opened = {boxes[number].name for number in opened_at_first(boxes, 30)}
    assert opened == {"stage0", "stage1", "stage2", "stage3"}  # 5 + 16 boxes; with the blocks 53
    assert len(opened_at_first(boxes, 60)) == 20
    (first,) = opened_at_first(boxes, 1)  # five boxes say nothing, whatever was asked for
    assert boxes[first].name == "stage0"
    assert [box.name for box in boxes if box.opened] == sorted(opened)


# --- points ------------------------------------------------------------------------------------------------------


def curve(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points along what is drawn: straight lines, and Bezier curves that leave and end straight down."""
    found = []
    for (x, y), (left, top) in pairwise(points):
        end = top - 6 if (left, top) == points[-1] and left != x else top
        for part in range(21):
            t = part / 20
            middle = (y + end) / 2
            ends, handles = ((1 - t) ** 3, t**3), (3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2)
            found.append((
                x * (ends[0] + handles[0]) + left * (ends[1] + handles[1]),
                y * ends[0] + middle * sum(handles) + end * ends[1],
            ))  # fmt: skip
    return found


def check_places(boxes: Sequence[Box], arcs: Sequence[Arc], places: Places, opened: frozenset[int]) -> None:
    seen = places.boxes
    for number, box in enumerate(boxes):
        hidden = any(block not in opened for block in around(boxes, number)[1:])
        assert (number in seen) is not hidden, box.name
    for members in within(boxes).values():
        for one, other in combinations([number for number in members if number in seen], 2):
            a, b = seen[one], seen[other]
            apart = (
                a.left + a.width <= b.left or b.left + b.width <= a.left
                or a.top + a.height <= b.top or b.top + b.height <= a.top
            )  # fmt: skip
            assert apart, f"{boxes[one].name} overlaps {boxes[other].name}"
    for number, inner in seen.items():
        assert inner.left >= 0
        assert inner.left + inner.width <= places.width
        assert inner.top + inner.height <= places.height
        if boxes[number].parent != WHOLE:
            outer = seen[boxes[number].parent]
            assert outer.left < inner.left
            assert inner.left + inner.width < outer.left + outer.width
            assert outer.top < inner.top
            assert inner.top + inner.height < outer.top + outer.height
    for path in places.paths:
        heights = [y for _, y in path.points]
        assert heights == sorted(heights)
        arc = arcs[path.arc]
        beside = [seen[number] for number in within(boxes)[arc.block]]
        for x, y in curve(path.points):
            for spot in beside:
                inside = spot.left < x < spot.left + spot.width and spot.top + 1e-6 < y < spot.top + spot.height - 1e-6
                assert not inside, f"{arc} crosses a box"


@pytest.mark.parametrize("seed", range(30))
def test_nothing_overlaps_and_no_line_crosses_a_box(seed: int) -> None:
    boxes, arcs = network_graph(random_network(seed), 30)
    source = random.Random(seed)
    blocks = [number for number, box in enumerate(boxes) if box.block]
    for opened in (frozenset(blocks), frozenset(), frozenset(b for b in blocks if source.random() < 0.5)):
        check_places(boxes, arcs, place(boxes, arcs, opened), opened)


def test_two_boxes_of_a_chain_are_centered_one_below_the_other() -> None:
    boxes, arcs = network_graph(network(step("a"), step("b", 0)), 30)
    places = place(boxes, arcs, ())
    first, second = places.boxes[0], places.boxes[1]
    assert (first.left, first.width, first.height) == (second.left, WIDTH, HEIGHT)
    assert second.top > first.top + first.height
    (path,) = places.paths
    middle = first.left + WIDTH / 2
    assert path.points[0] == (middle, first.top + HEIGHT)
    assert path.points[-1] == (middle, second.top)


def test_a_skip_leaves_below_its_row_and_comes_back_above_the_row_of_its_reader() -> None:
    """a -> b -> c with a skip a -> c: the lane runs beside b, from its top to its bottom."""
    boxes, arcs = network_graph(network(step("a"), step("b", 0), step("c", 0, 1)), 30)
    places = place(boxes, arcs, ())
    a, b, c = (places.boxes[number] for number in range(3))
    (skip,) = (path for path in places.paths if arcs[path.arc].lane != MIDDLE)
    lane = skip.points[2][0]
    assert lane > b.left + b.width
    middle = a.left + a.width / 2
    assert skip.points == (
        (middle, a.top + a.height), (middle, a.top + a.height), (lane, b.top), (lane, b.top + b.height),
        (middle, c.top),
    )  # fmt: skip
    assert [one.left + one.width / 2 for one in (b, c)] == [middle, middle]


# --- operations without layers -----------------------------------------------------------------------------------


class Known:
    """A model of which only the graph is known."""

    framework, capabilities = "Test", frozenset[str]()

    def __init__(self, graph: Graph) -> None:
        self._graph, self.whole = graph, self
        self.facts = SimpleNamespace(size=0)

    def graph(self) -> Graph:
        return self._graph

    def layers(self) -> tuple[Layer, ...]:
        return ()


def test_an_operation_without_a_layer_lies_in_the_block_that_holds_all_around_it() -> None:
    """The square between b.one and b.two lies in b, over another such; the mean between b.two and fc in none."""
    build = Builder()
    x = build.input((3, 4, 4))
    x = build.add(Activation, [x], layer="a", function="relu")
    one = build.add(Activation, [x], layer="b.one", function="relu")
    inner = build.add(Activation, [build.add(Activation, [one], function="square")], function="sqrt")
    two = build.add(Elementwise, [inner, one], layer="b.two", function="add")
    mean = build.add(GlobalPool, [two], function="mean")
    out = build.add(Linear, [mean], layer="fc", weight=np.ones((2, 3), np.float32))
    out = build.add(Activation, [out], function="exp")
    boxes, _ = network_graph(read_network(Known(build.graph({"scores": out}))), 30)  # type: ignore[arg-type]
    assert [(box.label, boxes[box.parent].label if box.parent != WHOLE else "") for box in boxes] == [
        ("input", ""), ("a", ""), ("b", ""), ("one", "b"), ("square", "b"), ("sqrt", "b"), ("two", "b"),
        ("global mean", ""), ("fc", ""), ("exp", ""),
    ]  # fmt: skip
    assert [box.parameters for box in boxes if box.label == "fc"] == [6]
