"""Many pictures as points of a plane, near each other where they are alike."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from picasso.core.panels.atlas import Atlas
from picasso.core.panels.base import Panel
from picasso.core.panels.curve import COLORS
from picasso.core.pictures import render
from picasso.core.preprocessing import Array

SIDE, MARGIN, RADIUS = 560, 12, 3
"""Of the static form, pixels: its side, what is free around the points, a point's radius."""


@dataclass(frozen=True, eq=False)
class Coloring:
    """What the points can be colored by.

    Args:
        name: "label", "prediction".
        words: Of each value: the classes.
        values: int32 (n,): which of the words each point has; -1 for none.
    """

    name: str
    words: tuple[str, ...]
    values: NDArray[np.int32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scatter(Panel):
    """Pictures as points.

    Args:
        points: float32 (n, 2).
        names: The pictures' places in the album.
        atlas: A tile for each picture.
        colorings: What they can be colored by; the first is shown.
        neighbors: int32 (n, k): the nearest other pictures of each, the nearest first.
        x_title, y_title: What is along the axes.
        album: Where the pictures lie.
    """

    kind: ClassVar[str] = "scatter"
    points: Array
    names: tuple[str, ...]
    atlas: Atlas
    colorings: tuple[Coloring, ...]
    neighbors: NDArray[np.int32]
    x_title: str
    y_title: str
    album: str = ""

    def html(self) -> str:
        words = self.colorings[0].words if self.colorings else ()
        key = " ".join(
            f"<span style='color:{COLORS[i % len(COLORS)]}'>&#9679;</span> {escape(word)}"
            for i, word in enumerate(words[: len(COLORS)])
        )
        said = f"{len(self.names):,} pictures; {self.x_title} to the right, {self.y_title} upwards"
        return (
            f'<h4>{escape(self.title)}</h4><figure style="margin:0"><img style="max-width:100%" alt="{escape(said)}" '
            f'src="{render.data_url(self.drawing())}"><figcaption>{key}<br>{escape(said)}. {escape(self.caption)}'
            "</figcaption></figure>"
        )

    def drawing(self) -> Image.Image:
        """Draw the points in the colors of the first coloring."""
        image = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
        draw = ImageDraw.Draw(image)
        low = self.points.min(axis=0)
        span = np.maximum(self.points.max(axis=0) - low, 1e-12)
        places = MARGIN + (self.points - low) / span * (SIDE - 2 * MARGIN)
        for number, (x, y) in enumerate(places):
            value = int(self.colorings[0].values[number]) if self.colorings else -1
            color = COLORS[value % len(COLORS)] if value >= 0 else "#888888"
            y = SIDE - y
            draw.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=color)
        return image
