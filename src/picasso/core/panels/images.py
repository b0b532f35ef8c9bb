"""One or several pictures with captions."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

from numpy.typing import NDArray

from picasso.core.panels.base import Panel
from picasso.core.pictures import render


@dataclass(frozen=True, eq=False, kw_only=True)
class Images(Panel):
    """Pictures side by side.

    Args:
        pictures: uint8 (h, w, 3) each.
        captions: One for each picture.
    """

    kind: ClassVar[str] = "images"
    pictures: tuple[NDArray[Any], ...]
    captions: tuple[str, ...] = ()

    def html(self) -> str:
        cells = "".join(
            f'<figure style="display:inline-block;margin:0 1em 1em 0"><img alt="{escape(caption)}" '
            f'src="{render.data_url(render.to_image(picture))}"><figcaption>{escape(caption)}</figcaption></figure>'
            for picture, caption in zip(self.pictures, self.captions or ("",) * len(self.pictures), strict=True)
        )
        return f"<h4>{escape(self.title)}</h4>{cells}"
