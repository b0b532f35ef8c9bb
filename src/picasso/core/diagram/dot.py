"""A diagram in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from picasso.core.diagram.boxes import WHOLE, Arc, Box, within
from picasso.core.diagram.placing import small
from picasso.core.diagram.svg import COLORS
from picasso.core.diagram.words import compact, size


def to_dot(boxes: Sequence[Box], arcs: Sequence[Arc], opened: Collection[int], title: str) -> str:
    """Write a diagram as a Graphviz file: open blocks are clusters, with a point where data enters and leaves.

    Args:
        boxes, arcs: The diagram.
        opened: Numbers of the blocks that are open; those in a closed one are left out.
        title: Its name.
    """
    members = within(boxes)
    lines = [
        f"digraph {quoted(title)} {{",
        "  rankdir=TB;",
        '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica", fontsize=11];',
        '  edge [color="#8b887d"];',
    ]
    doors = {(arc.block, arc.source == arc.block) for arc in arcs if arc.block in (arc.source, arc.target)}

    def block(number: int, indent: str) -> None:
        for one in members[number]:
            box = boxes[one]
            if not (box.block and one in opened):
                lines.append(f"{indent}n{one} [{_look(box)}];")
                continue
            lines.append(f"{indent}subgraph cluster_{one} {{")
            lines.append(f'{indent}  label={quoted(f"{box.label}: {box.kind}")}; style=rounded; color="#8b887d";')
            lines.extend(
                f'{indent}  {end}{one} [shape=point, width=0.04, label=""];'
                for enters, end in ((True, "in"), (False, "out"))
                if (one, enters) in doors
            )
            block(one, indent + "  ")
            lines.append(f"{indent}}}")

    block(WHOLE, "  ")
    seen = {WHOLE}
    for number, box in enumerate(boxes):
        if number in opened and box.parent in seen:
            seen.add(number)

    def end(number: int, arc: Arc, source: bool) -> str:
        """Return the node at which an arc ends: a box, or the point of an open block on that side."""
        if number == arc.block:
            return f"{'in' if source else 'out'}{number}"
        if number in seen:
            return f"{'out' if source else 'in'}{number}"
        return f"n{number}"

    lines.extend(
        f"  {end(arc.source, arc, True)} -> {end(arc.target, arc, False)}"
        f"{' [arrowhead=none]' if arc.target == arc.block or arc.target in seen else ''};"
        for arc in arcs
        if arc.block in seen
    )
    return "\n".join([*lines, "}", ""])


def quoted(text: str) -> str:
    """Return a text as Graphviz quotes it, whatever is in it: backslashes are its escapes, a quote would end it."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _look(box: Box) -> str:
    if small(box):
        return f'label={quoted(box.label)}, shape=oval, color="{COLORS[box.role]}", tooltip={quoted(box.name)}'
    lines = [box.label, " ".join(part for part in (box.kind, size(box.shape)) if part)]
    if box.parameters:
        lines.append(f"{compact(box.parameters)} parameters")
    label = "\\n".join(quoted(line)[1:-1] for line in lines)
    more = ", peripheries=2" if box.block else ""
    return f'label="{label}", color="{COLORS[box.role]}", tooltip={quoted(box.name)}{more}'
