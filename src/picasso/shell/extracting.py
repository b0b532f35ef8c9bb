"""The mask and the box of every map: what `picasso explain --box --mask` adds to a result and its files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from picasso.core.errors import NotSupportedError
from picasso.core.maps.extraction import Extraction, extract
from picasso.core.pictures import render
from picasso.core.result import Result, file_labels
from picasso.core.visualization import AttributionMethod, Visualization

if TYPE_CHECKING:
    from picasso.core.settings import Settings


@dataclass(frozen=True)
class Extracting:
    """What is found in every map.

    Args:
        box: Whether the box goes into the table and the JSON file.
        mask: Whether the mask is written as a picture.
        part, threshold, smooth, largest: As for `picasso.core.maps.extraction.extract`.

    Raises:
        SettingsError: A choice is not allowed.
    """

    box: bool
    mask: bool
    part: str
    threshold: str
    smooth: float
    largest: bool

    def __post_init__(self) -> None:
        extract(np.zeros((1, 1), np.float32), **self._choices())  # a wrong choice is said at once, before any work

    def check(self, kind: type[Visualization[Settings]]) -> None:
        """Refuse a visualization that gives no maps.

        Raises:
            NotSupportedError: It gives none.
        """
        if (self.box or self.mask) and not issubclass(kind, AttributionMethod):
            raise NotSupportedError(
                f"{kind.title} gives no map that could have a box.", "Choose an attribution method."
            )

    def of(self, result: Result) -> list[Extraction]:
        """Return what every map of a result points at, in pixels of its picture; nothing where it was not asked for."""
        if not self.box and not self.mask:
            return []
        return [result.extract(rank, **self._choices()) for rank in range(len(result.attributions))]

    def _choices(self) -> dict[str, Any]:
        return {"part": self.part, "threshold": self.threshold, "smooth": self.smooth, "largest": self.largest}

    def told(self, result: Result, found: list[Extraction]) -> Result:
        """Return a result whose document tells the boxes."""
        if not self.box:
            return result
        boxes = [
            {
                "target": attribution.target.label,
                "box": list(one.box) if one.box else None,
                "pixels": int(one.mask.sum()),
                "threshold": one.threshold,
                "how": one.how,
                "reason": one.reason,
            }
            for attribution, one in zip(result.attributions, found, strict=True)
        ]
        return replace(result, record=result.record | {"boxes": boxes})

    def save(self, result: Result, found: list[Extraction], folder: Path) -> list[Path]:
        """Write the masks, white on black and of the picture's size: `<picture>.<visualization>.<label>.mask.png`."""
        if not self.mask:
            return []
        paths = []
        labels = file_labels([attribution.target.label for attribution in result.attributions])
        for label, one in zip(labels, found, strict=True):
            path = folder / f"{result.stem}.{label}.mask.png"
            path.write_bytes(render.png(render.to_image(one.mask.astype(np.uint8) * 255)))
            paths.append(path)
        return paths
