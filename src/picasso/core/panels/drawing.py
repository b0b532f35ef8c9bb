"""A drawing of lines and areas."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html import escape
from typing import ClassVar
from xml.etree import ElementTree

from picasso.core.errors import PluginError
from picasso.core.panels.base import Panel

_SPACE = "{http://www.w3.org/2000/svg}"
_TAGS = frozenset(
    ("svg", "g", "title", "desc", "rect", "line", "polyline", "polygon", "path", "circle", "ellipse", "text", "tspan")
)
_LOCAL = re.compile(r"url\(\s*['\"]?#", re.ASCII)


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawing(Panel):
    """A drawing as SVG that stands alone. Page, notebooks and reports show it as a picture, so nothing in it can run.

    Args:
        svg: The drawing: an <svg> element with shapes and text; no script, style sheet, link or picture.

    Raises:
        PluginError: It is no SVG, or holds something else than shapes and text.
    """

    kind: ClassVar[str] = "drawing"
    svg: str

    def __post_init__(self) -> None:
        if "<!" in self.svg:
            raise PluginError(f"The drawing '{self.id}' must not declare anything: no <!DOCTYPE> or <!ENTITY>.")
        try:
            root = ElementTree.fromstring(self.svg)
        except ElementTree.ParseError as error:
            raise PluginError(f"The drawing '{self.id}' is no SVG: {error}.") from None
        if root.tag != f"{_SPACE}svg":
            raise PluginError(f"The drawing '{self.id}' must be an <svg> element. Got <{root.tag}>.")
        for element in root.iter():
            if not isinstance(element.tag, str) or element.tag.removeprefix(_SPACE) not in _TAGS:
                raise PluginError(f"The drawing '{self.id}' must hold shapes and text alone. Got <{element.tag}>.")
            for key, value in element.items():
                outside = "url(" in value.lower() and not _LOCAL.search(value)
                if key.lower().startswith("on") or key.lower().endswith("href") or outside:
                    raise PluginError(f"The drawing '{self.id}' must not lead elsewhere. Got {key}={value[:40]!r}.")

    def html(self) -> str:
        data = base64.b64encode(self.svg.encode()).decode()
        caption = f"<p>{escape(self.caption)}</p>" if self.caption else ""
        return (
            f'<h4>{escape(self.title)}</h4><img alt="{escape(self.title)}" style="max-width:100%" '
            f'src="data:image/svg+xml;base64,{data}">{caption}'
        )
