"""A paragraph."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar

from picasso.core.panels.base import Panel


@dataclass(frozen=True, eq=False, kw_only=True)
class Text(Panel):
    """Plain text; an empty line starts a new paragraph."""

    kind: ClassVar[str] = "text"
    text: str

    def html(self) -> str:
        paragraphs = "".join(f"<p>{escape(part)}</p>" for part in self.text.split("\n\n"))
        return f"<h4>{escape(self.title)}</h4>{paragraphs}"
