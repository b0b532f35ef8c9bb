"""What is connected with what, in nested blocks that can be opened and closed."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar

from picasso.core.diagram.boxes import Arc, Box
from picasso.core.diagram.dot import to_dot
from picasso.core.diagram.svg import draw
from picasso.core.diagram.tikz import to_tikz
from picasso.core.diagram.words import compact, size
from picasso.core.panels.base import Panel


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkGraph(Panel):
    """Boxes and what flows between them, from top to bottom.

    Args:
        boxes: The boxes; a block comes before those in it.
        arcs: What flows.
        elsewhere: Parameters that lie in no box.
        notes: What is not known, and why, one sentence each.
    """

    kind: ClassVar[str] = "graph"
    boxes: tuple[Box, ...]
    arcs: tuple[Arc, ...]
    elsewhere: int = 0
    notes: tuple[str, ...] = ()

    @property
    def opened(self) -> frozenset[int]:
        """Numbers of the blocks that are open at first."""
        return frozenset(number for number, box in enumerate(self.boxes) if box.opened)

    def svg(self) -> str:
        """Return the diagram as it is at first as SVG, on white."""
        return draw(self.boxes, self.arcs, self.opened, self.title, self.elsewhere)

    def files(self) -> dict[str, str]:
        """Return the diagram as it is at first as files, by their ending: SVG, Graphviz, LaTeX."""
        return {
            "svg": self.svg(),
            "dot": to_dot(self.boxes, self.arcs, self.opened, self.title),
            "tex": to_tikz(self.boxes, self.arcs, self.opened, self.title),
        }

    def html(self) -> str:
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in (self.caption, *self.notes) if sentence)
        rows = "".join(
            f"<tr><td>{escape(box.name)}</td><td>{escape(box.kind)}</td><td>{size(box.shape)}</td>"
            f"<td>{'' if box.parameters is None else f'{box.parameters:,}'}</td>"
            f"<td>{'' if box.multiply_adds is None else compact(box.multiply_adds)}</td></tr>"
            for box in self.boxes
        )
        head = "".join(f"<td>{word}</td>" for word in ("name", "kind", "output", "parameters", "multiplications"))
        return (
            f"<h4>{escape(self.title)}</h4><div style='overflow:auto;max-height:48em'>{self.svg()}</div>{said}"
            f"<details><summary>All steps</summary><table><tr>{head}</tr>{rows}</table></details>"
        )
