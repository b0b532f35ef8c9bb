"""One labelled picture of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from picasso.core.dataset.outlines import Outlines
from picasso.core.dataset.sources import Source

Box = tuple[float, float, float, float]
"""(left, top, width, height) in pixels of the picture."""


@dataclass(frozen=True)
class Example:
    """A labelled picture, and what is known of it; small, and it can be pickled.

    Args:
        name: Its place in the data set: "tank/0001.png".
        label: Its class, as the data set calls it.
        source: Where its bytes lie.
        mask: Where its object is outlined: a mask picture, or outlines; None where it is not.
        boxes: Boxes around its objects, in pixels of the picture as decoded.
        columns: What else is known: {"site": "A", "scanner": "3", "split": "train"}.
    """

    name: str
    label: str
    source: Source
    mask: Source | Outlines | None = None
    boxes: tuple[Box, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Skipped:
    """A picture, or a row of a table, that is no example.

    Args:
        name: Its place in the data set.
        reason: Why, one sentence.
        label: The class that it would have; "" where that is not known.
    """

    name: str
    reason: str
    label: str = ""
