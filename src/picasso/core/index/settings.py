"""What every view over a folder asks: which pictures, and how many of them."""

from __future__ import annotations

from pydantic import Field

from picasso.core.index.building import MOST_PICTURES
from picasso.core.settings import Settings


class FolderSettings(Settings):
    """Settings of a visualization that looks at an index of a folder's pictures."""

    album: str = Field(
        "",
        title="Pictures",
        description="A folder of pictures or a data set.",
        json_schema_extra={"picasso": {"choices": "album", "required": True}},
    )
    pictures: int = Field(MOST_PICTURES, ge=1, le=100_000, title="At most", description="So many pictures at most.")
