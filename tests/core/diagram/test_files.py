"""Diagrams as files: each is read again, by the rules of its language, whatever the layers are called."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from picasso.core.diagram.blocks import network_graph
from picasso.core.diagram.boxes import WHOLE, Arc, Box, Role
from picasso.core.diagram.dot import quoted, to_dot
from picasso.core.diagram.placing import place
from picasso.core.diagram.steps import Network, Step
from picasso.core.diagram.svg import draw
from picasso.core.diagram.tikz import tex, to_tikz
from picasso.core.diagram.to_scale import maps_to_scale, stages
from picasso.core.diagram.words import compact, percent, share_line, shortened, size

NASTY = 'a_b#c%d&e{f}g\\h"i~j^k$l<m>n|o\u00d7\u2026\u00e9;]->x'
SPACE = "{http://www.w3.org/2000/svg}"


def nasty() -> tuple[tuple[Box, ...], tuple[Arc, ...]]:
    """Return two branches in a block and a skip, all with names that mean something to every language."""

    def one(name: str, path: tuple[str, ...], *reads: int, layer: bool = True) -> Step:
        name = f"{name}{NASTY}"
        return Step(name, (*path, name), name, NASTY, Role.CONV, (6, 8, 4), name if layer else "", reads, 1200, 5)

    block = (f"block{NASTY}",)
    steps = (
        one("0", ()), one("1", block, 0), one("2", block, 1), one("3", block, 1), one("4", block, 2, 3, layer=False),
        one("5", (), 4, 0),
    )  # fmt: skip
    return network_graph(Network(steps, {}, {}), 30)


BOXES, ARCS = nasty()
OPENED = frozenset(number for number, box in enumerate(BOXES) if box.opened)


# --- Graphviz ----------------------------------------------------------------------------------------------------

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|[{}\[\];=,]|[A-Za-z_][A-Za-z_0-9]*|-?[0-9]*\.?[0-9]+)')


class Dot:
    """Reads the part of Graphviz's grammar that a diagram needs, and notes nodes, edges and clusters."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            assert found, f"no token at {text[at : at + 30]!r}"
            self.tokens.append(found[1])
            at = found.end()
        self.nodes: dict[str, str] = {}
        self.edges: list[tuple[str, str]] = []
        self.clusters: dict[str, str] = {}
        assert self.take("digraph")
        self.name = self.tokens.pop(0)
        self.block("")
        assert not self.tokens

    def take(self, *wanted: str) -> bool:
        if self.tokens and self.tokens[0] in wanted:
            self.tokens.pop(0)
            return True
        return False

    def block(self, cluster: str) -> None:
        assert self.take("{")
        while not self.take("}"):
            if self.take("subgraph"):
                name = self.tokens.pop(0)
                self.clusters[name] = cluster
                self.block(name)
                continue
            first = self.tokens.pop(0)
            if self.take("="):
                self.tokens.pop(0)
            elif self.take("->"):
                self.edges.append((first, self.tokens.pop(0)))
                self.attributes()
            else:
                self.attributes()
                if first not in ("node", "edge"):
                    self.nodes[first] = cluster
            assert self.take(";")

    def attributes(self) -> None:
        if not self.take("["):
            return
        while not self.take("]"):
            assert re.fullmatch(r"\w+", self.tokens.pop(0))
            assert self.take("=")
            self.tokens.pop(0)
            self.take(",")


def test_graphviz_reads_every_box_and_every_arc_once() -> None:
    read = Dot(to_dot(BOXES, ARCS, OPENED, NASTY))
    (block,) = OPENED
    assert read.clusters == {f"cluster_{block}": ""}
    boxes = {
        f"n{at}": f"cluster_{box.parent}" if box.parent != WHOLE else "" for at, box in enumerate(BOXES) if at != block
    }
    doors = {f"in{block}": f"cluster_{block}", f"out{block}": f"cluster_{block}"}
    assert read.nodes == boxes | doors
    assert len(read.edges) == len(ARCS)
    assert {end for edge in read.edges for end in edge} <= set(read.nodes)
    # From the first box every other can be reached, through the block.
    reached, before = {"n0", f"out{block}"}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {other for one, other in read.edges if one in reached}
    assert reached == set(read.nodes)


def test_graphviz_sees_a_closed_block_as_one_box() -> None:
    read = Dot(to_dot(BOXES, ARCS, (), "closed"))
    assert set(read.nodes) == {f"n{at}" for at, box in enumerate(BOXES) if box.parent == WHOLE}
    assert not read.clusters
    assert len(read.edges) == 3


def test_graphviz_itself_reads_it(tmp_path: Path) -> None:
    """Where Graphviz is installed; elsewhere the grammar above has to do."""
    program = shutil.which("dot")
    if program is None:
        assert quoted('a"b\\') == '"a\\"b\\\\"'
        return
    file = tmp_path / "graph.dot"
    file.write_text(to_dot(BOXES, ARCS, OPENED, NASTY), encoding="utf-8")
    subprocess.run([program, "-Tsvg", str(file), "-o", str(tmp_path / "graph.svg")], check=True, timeout=60)


# --- LaTeX -------------------------------------------------------------------------------------------------------


def test_latex_is_balanced_and_holds_nothing_that_means_something_else() -> None:
    text = to_tikz(BOXES, ARCS, OPENED, NASTY)
    assert text.isascii()
    first, *rest = text.splitlines()
    assert first.startswith("% ")  # the title is a comment, and one line
    bare = re.sub(r"\\[\\{}_#%&$]", "", "\n".join(rest))
    depth = 0
    for letter in bare:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    for letter in "_#&%~^":
        assert letter not in bare, letter
    assert bare.count("$") == 2 * bare.count(r"$\times$")
    opened = re.findall(r"\\begin{(\w+)}", bare)
    assert opened == ["document", "tikzpicture"]
    assert re.findall(r"\\end{(\w+)}", bare) == opened[::-1]
    assert bare.count(r"\draw[") == len(place(BOXES, ARCS, OPENED).paths)
    for line in rest:
        if line.startswith((r"\draw", r"\fill", r"\node")):
            assert line.endswith(";")
    defined = set(re.findall(r"\\definecolor{(\w+)}", bare))
    used = set(re.findall(r"(?:draw=|fill=|\\color{|\\fill\[|\\draw\[)(\w+)", bare))
    assert used <= defined | {"white"}


@pytest.mark.parametrize("letter", list('\\{}_#%&$~^<>|"\u00d7\u2026'))
def test_a_letter_that_means_something_to_latex_is_written_as_itself(letter: str) -> None:
    written = tex(letter)
    assert written != letter
    assert written.startswith(("\\", "$"))
    assert tex(f"a{letter}b") == f"a{written}b"


def test_latex_itself_sets_it(tmp_path: Path) -> None:
    """Where LaTeX is installed; elsewhere what is tested above has to do."""
    program = shutil.which("pdflatex")
    if program is None:
        assert tex("caf\u00e9") == "caf?"
        return
    (tmp_path / "graph.tex").write_text(to_tikz(BOXES, ARCS, OPENED, NASTY), encoding="utf-8")
    subprocess.run([program, "-halt-on-error", "graph.tex"], cwd=tmp_path, check=True, timeout=120, capture_output=True)


# --- SVG ---------------------------------------------------------------------------------------------------------


def test_the_drawing_says_every_name_and_draws_every_arc() -> None:
    root = ET.fromstring(draw(BOXES, ARCS, OPENED, NASTY))
    titles = [element.text or "" for element in root.iter(f"{SPACE}title")]
    assert len(titles) == len(BOXES)
    for box in BOXES:
        assert any(title.startswith(f"{box.name}: ") for title in titles)
    lines = root.findall(f"{SPACE}g[@stroke-width='1.3']/{SPACE}path")
    assert len(lines) == len(ARCS)
    assert root.get("aria-label") == NASTY
    assert not any(key.startswith("on") or key == "style" for element in root.iter() for key in element.attrib)


def test_bars_are_as_long_as_the_shares() -> None:
    boxes = tuple(
        Box(name, name, "Conv2d", Role.CONV, (2, 2, 2), name, parameters, work, WHOLE, row, -1)
        for row, (name, parameters, work) in enumerate((("a", 75, 10), ("b", 25, 30)), 1)
    )
    root = ET.fromstring(draw(boxes, (Arc(WHOLE, 0, 1),), (), "t"))
    widths = [
        float(one.get("width") or 0) for one in root.iter(f"{SPACE}rect") if one.get("height") == "2.5"
    ]  # parameters and work of the first, then of the second
    full = 216 - 22
    assert widths == pytest.approx([full * 0.75, full * 0.25, full * 0.25, full * 0.75], abs=0.06)


# --- to scale ----------------------------------------------------------------------------------------------------


def chain(*shapes: tuple[int, ...]) -> tuple[tuple[Box, ...], tuple[Arc, ...]]:
    boxes = tuple(
        Box(
            f"l{row}",
            f"l{row}",
            "Conv2d",
            Role.INPUT if row == 0 else Role.CONV,
            shape,
            f"l{row}",
            10,
            10,
            WHOLE,
            row + 1,
            -1,
        )
        for row, shape in enumerate(shapes)
    )
    return boxes, tuple(Arc(WHOLE, row, row + 1) for row in range(len(shapes) - 1))


def test_equal_maps_one_after_another_are_one_block() -> None:
    boxes, arcs = chain((8, 8, 3), (8, 8, 4), (8, 8, 4), (4, 4, 4), (5,))
    found, skips = stages(boxes, arcs)
    assert [(stage.label, stage.shape, stage.count, stage.parameters) for stage in found] == [
        ("l0", (8, 8, 3), 1, 10), ("l1 \u2013 l2", (8, 8, 4), 2, 20), ("l3", (4, 4, 4), 1, 10), ("l4", (5,), 1, 10),
    ]  # fmt: skip
    assert skips == []


def test_a_skip_over_stages_is_drawn() -> None:
    boxes, arcs = chain((8, 8, 3), (4, 4, 4), (2, 2, 8), (4, 4, 8), (8, 8, 3))
    _, skips = stages(boxes, (*arcs, Arc(WHOLE, 1, 3, 1)))
    assert skips == [(1, 3)]
    svg = maps_to_scale(boxes, (*arcs, Arc(WHOLE, 1, 3, 1)), "t")
    assert svg.count("stroke-dasharray") == 1


def test_blocks_are_as_high_and_as_wide_as_the_logarithms() -> None:
    """From 5 points for one to 130 for the largest side, and to 58 for the most channels."""
    boxes, arcs = chain((64, 64, 1), (8, 8, 256), (1, 1, 16))
    root = ET.fromstring(maps_to_scale(boxes, arcs, "t"))
    fronts = [element for element in root.iter(f"{SPACE}rect") if element.get("y")]
    heights = [float(front.get("height") or 0) for front in fronts]
    widths = [float(front.get("width") or 0) for front in fronts]
    assert heights == pytest.approx([130, 5 + 125 * math.log(8) / math.log(64), 5], abs=0.06)
    assert widths == pytest.approx([5, 58, 5 + 53 * math.log(16) / math.log(256)], abs=0.06)


# --- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0"), (950, "950"), (999, "999"), (1000, "1k"), (1184, "1.18k"), (999_499, "999k"), (999_600, "1M"),
     (25_557_032, "25.6M"), (16_848_500_736, "16.8G"), (3 * 10**12, "3T")],
)  # fmt: skip
def test_counts_have_three_digits(count: int, said: str) -> None:
    assert compact(count) == said


def test_shares_and_sizes_and_long_names() -> None:
    assert [percent(share) for share in (0, 0.0004, 0.034, 0.0996, 0.1, 1)] == [
        "0%",
        "< 0.1%",
        "3.4%",
        "10%",
        "10%",
        "100%",
    ]
    assert size((56, 56, 64)) == "56 \u00d7 56 \u00d7 64"
    assert shortened("layer4.0.conv2", 8, end=True) == "\u2026.conv2"[:1] + "0.conv2"
    assert shortened("AdaptiveAvgPool2d", 9) == "Adaptive\u2026"
    assert shortened("short", 5) == "short"


def test_the_sentence_names_where_most_lies() -> None:
    boxes, _ = chain((8, 8, 3), (8, 8, 4))
    assert share_line(boxes, 20) == (
        "40 parameters, most of them in l0 (25%); 20 multiplications by weights for one picture, most in l0 (50%)."
    )
