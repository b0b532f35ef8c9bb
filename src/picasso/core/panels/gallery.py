"""Groups of small pictures out of many, each of which leads to the picture that it is of."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar

from picasso.core.panels.atlas import Atlas
from picasso.core.panels.base import Panel
from picasso.core.pictures import render

Box = tuple[float, float, float, float]
"""(left, top, width, height), as shares of the picture's width and height."""


@dataclass(frozen=True)
class Tile:
    """One small picture.

    Args:
        number: Which tile of the atlas.
        caption: A few words below it: "tank 12.4".
        name: The picture's place in the album, by which it is opened; "" where it lies in none.
        box: Which part of the picture the tile is; None for all of it.
    """

    number: int
    caption: str
    name: str = ""
    box: Box | None = None


@dataclass(frozen=True)
class Group:
    """Tiles that belong together.

    Args:
        title: Their heading: "Strongest".
        tiles: In their order.
        caption: A sentence about them, or "".
        unit: The channel that they are of, "conv5:37", to which the heading leads; "" for none.
    """

    title: str
    tiles: tuple[Tile, ...]
    caption: str = ""
    unit: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Gallery(Panel):
    """Groups of small pictures.

    Args:
        groups: In their order.
        atlas: The tiles.
        wholes: The whole pictures of tiles that are parts, one for each tile; None where every tile is a whole picture.
        aspect: Width by height of the whole pictures, which lie in the middle of their square tiles.
        album: Where the pictures lie: a folder or data set; "" where they lie in none.
    """

    kind: ClassVar[str] = "gallery"
    groups: tuple[Group, ...]
    atlas: Atlas
    wholes: Atlas | None = None
    aspect: float = 1.0
    album: str = ""

    def html(self) -> str:
        sheet = self.atlas.image()
        parts = []
        for group in self.groups:
            tiles = "".join(
                '<figure style="display:inline-block;margin:0 8px 8px 0;vertical-align:top">'
                f'<img alt="{escape(tile.name or tile.caption)}" width="{self.atlas.side}" '
                f'src="{render.data_url(self.atlas.tile(sheet, tile.number))}">'
                f'<figcaption style="font-size:.8em;max-width:{self.atlas.side}px">{escape(tile.caption)}</figcaption>'
                "</figure>"
                for tile in group.tiles
            )
            said = f"<p>{escape(group.caption)}</p>" if group.caption else ""
            parts.append(f"<h5>{escape(group.title)}</h5>{said}<div>{tiles}</div>")
        caption = f"<p>{escape(self.caption)}</p>" if self.caption else ""
        return f"<h4>{escape(self.title)}</h4>{''.join(parts)}{caption}"
