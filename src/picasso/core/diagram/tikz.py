"""A diagram as a LaTeX file that stands alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from picasso.core.diagram.boxes import Arc, Box
from picasso.core.diagram.placing import HEAD, TIP, Path, Point, place, small
from picasso.core.diagram.svg import COLORS, leaves
from picasso.core.diagram.words import compact, shortened

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "#": r"\#",
    "%": r"\%",
    "&": r"\&",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\u00d7": r"$\times$",
    "\u2026": r"\ldots{}",
}
_SCALE = 0.5
"""Points of the page for a point of the diagram."""


def to_tikz(boxes: Sequence[Box], arcs: Sequence[Arc], opened: Collection[int], title: str) -> str:
    """Write a diagram as a LaTeX document of the class `standalone`, drawn with TikZ.

    Args:
        boxes, arcs: The diagram.
        opened: Numbers of the blocks that are open.
        title: Its name, as a comment.
    """
    found = place(boxes, arcs, opened)
    lines = [
        f"% {''.join(letter if 32 <= ord(letter) < 127 else '?' for letter in title)}",
        r"\documentclass[tikz,border=4pt]{standalone}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage{helvet}",
        r"\renewcommand{\familydefault}{\sfdefault}",
        *(f"\\definecolor{{{role.name.lower()}}}{{HTML}}{{{color[1:].upper()}}}" for role, color in COLORS.items()),
        r"\definecolor{rule}{HTML}{8B887D}",
        r"\definecolor{muted}{HTML}{6A6860}",
        r"\definecolor{sunken}{HTML}{F4F3EE}",
        r"\begin{document}",
        f"\\begin{{tikzpicture}}[x={_SCALE}pt, y=-{_SCALE}pt, line width=0.4pt]",
    ]
    for number, one in found.boxes.items():
        box = boxes[number]
        corner = f"({one.left:g},{one.top:g}) rectangle ({one.left + one.width:g},{one.top + one.height:g})"
        if one.opened:
            lines.append(rf"\filldraw[fill=sunken, draw=rule!60, rounded corners=2pt] {corner};")
            lines.append(_text(one.left + 10, one.top + HEAD / 2, "west", rf"\textbf{{{tex(box.label)}}}"))
            lines.append(
                _text(one.left + one.width - 8, one.top + HEAD / 2, "east", rf"\color{{muted}}{tex(box.kind)}")
            )
        elif small(box):
            lines.append(
                rf"\filldraw[fill=white, draw={box.role.name.lower()}, rounded corners={_SCALE * 12}pt] {corner};"
            )
            middle = (one.left + one.width / 2, one.top + one.height / 2)
            lines.append(_text(*middle, "center", tex(shortened(box.label, 20))))
        else:
            lines.append(rf"\filldraw[fill=white, draw=rule, rounded corners=1.5pt] {corner};")
            edge = f"({one.left:g},{one.top + 6:g}) rectangle ({one.left + 4:g},{one.top + one.height - 6:g})"
            lines.append(rf"\fill[{box.role.name.lower()}] {edge};")
            lines += _words(box, one.left + 10, one.left + one.width - 8, one.top)
    lines += [_arc(path, arcs[path.arc]) for path in found.paths]
    return "\n".join([*lines, r"\end{tikzpicture}", r"\end{document}", ""])


def tex(text: str) -> str:
    """Return a text as LaTeX sets it, whatever is in it; what its fonts may lack becomes a question mark."""
    return "".join(_SPECIAL.get(letter, letter if 32 <= ord(letter) < 127 else "?") for letter in text)


def _words(box: Box, left: float, right: float, top: float) -> list[str]:
    shape = "\u00d7".join(str(side) for side in box.shape)
    count = f"{compact(box.parameters)} par." if box.parameters else ""
    if box.block:
        count = f"{box.steps} steps" + (f", {count}" if count else "")
    said = (
        ("west", left, 14, rf"\textbf{{{tex(shortened(box.label, max(8, 30 - len(shape)), end=True))}}}"),
        ("east", right, 14, rf"\color{{muted}}{tex(shape)}"),
        ("west", left, 32, rf"\color{{muted}}{tex(shortened(box.kind, max(8, 32 - len(count))))}"),
        ("east", right, 32, rf"\color{{muted}}{tex(count)}"),
    )
    return [_text(x, top + down, anchor, text) for anchor, x, down, text in said]


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return rf"\node[anchor={anchor}, inner sep=0pt, font=\fontsize{{5.5}}{{6}}\selectfont] at ({x:g},{y:g}) {{{text}}};"


def _arc(path: Path, arc: Arc) -> str:
    said = [_at(path.points[0])]
    for before, after in pairwise(path.points):
        if before[0] == after[0]:
            said.append(f"-- {_at(after)}")
        else:
            end = after[1] - TIP if after == path.points[-1] else after[1]
            middle = (before[1] + end) / 2
            said.append(
                f".. controls {_at((before[0], middle))} and {_at((after[0], middle))} .. {_at((after[0], end))}"
            )
            if end != after[1]:
                said.append(f"-- {_at(after)}")
    return rf"\draw[rule{'' if leaves(arc) else ', -latex'}] {' '.join(said)};"


def _at(point: Point) -> str:
    return f"({point[0]:g},{point[1]:g})"
