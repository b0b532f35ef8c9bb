"""What a comparison gives back: cards, maps, curves, and the verdict in plain words."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.preprocessing import Array
from picasso.core.result import as_json, safe_name
from picasso.scorecard.card import Card
from picasso.scorecard.relevance_gain import Curves

FORMAT = 1
"""Version of the JSON document."""


@dataclass(frozen=True, eq=False)
class Pictured:
    """One picture of a comparison.

    Args:
        name, digest: Of the picture.
        view: What the model saw, uint8 (h, w, 3); None for pictures beyond those that are shown.
        target: Label of what was explained.
        score: Its score.
        maps: The maps, float32 (h, w), by the card's name; empty beyond those that are shown.
        units: What their values are, by the card's name.
        mask: The mask that was given, bool (h, w), or None.
        area: The mask's share of the picture, or None.
    """

    name: str
    digest: str
    view: NDArray[np.uint8] | None
    target: str
    score: float
    maps: dict[str, Array]
    units: dict[str, str]
    mask: NDArray[np.bool_] | None = None
    area: float | None = None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Attribution methods on one model and some pictures.

    Args:
        cards: One for each method in the order asked for, then the controls.
        pictures: The pictures, in their order.
        curves: By the card's name, for each picture that it was measured on.
        places: Of these the numbers of the pictures, from 0.
        disagreement: The share of pairs of maps whose order by relevance gain depends on the fill.
        verdict: In plain words, which maps to trust here.
        record: Model, seed, versions.
    """

    cards: tuple[Card, ...]
    pictures: tuple[Pictured, ...]
    curves: dict[str, tuple[Curves, ...]]
    places: dict[str, tuple[int, ...]]
    disagreement: float | None
    verdict: tuple[str, ...]
    record: dict[str, Any]

    def card(self, name: str) -> Card:
        """Return the card of a method or control by its name."""
        return next(card for card in self.cards if card.name == name)

    def document(self) -> dict[str, Any]:
        """Return everything but the arrays, as JSON; None stands for NaN and infinity."""
        document = {
            "format": FORMAT,
            **self.record,
            "verdict": list(self.verdict),
            "disagreement": self.disagreement,
            "cards": [card.document() for card in self.cards],
            "pictures": [
                {
                    "name": picture.name,
                    "digest": picture.digest,
                    "target": picture.target,
                    "score": picture.score,
                    "mask_area": picture.area,
                }
                for picture in self.pictures
            ],
        }
        plain: dict[str, Any] = as_json(document)
        return plain

    def npz(self) -> bytes:
        """Return the raw numbers as an NPZ file.

        Returns:
            `map_<picture>_<name>` float32 (h, w) for the pictures that are shown; `removed_<name>` (pictures, points),
            `most_<name>` and `least_<name>` (pictures, fills, points): the curves; `places_<name>`: their pictures.
        """
        arrays: dict[str, NDArray[Any]] = {}
        for number, picture in enumerate(self.pictures):
            for name, values in picture.maps.items():
                arrays[f"map_{number}_{_key(name)}"] = values
        for name, curves in self.curves.items():
            if curves:
                arrays[f"removed_{_key(name)}"] = np.stack([curve.removed for curve in curves])
                arrays[f"most_{_key(name)}"] = np.stack([curve.most for curve in curves])
                arrays[f"least_{_key(name)}"] = np.stack([curve.least for curve in curves])
                arrays[f"places_{_key(name)}"] = np.array(self.places[name])
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    def html(self) -> str:
        """Return a page with everything in it: no other file, no script, no request."""
        from picasso.scorecard.report import page

        return page(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the page, the document and the raw numbers: `comparison.html`, `comparison.json`, `comparison.npz`."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.document(), indent=2, ensure_ascii=False)
        files = {"html": self.html().encode(), "json": text.encode(), "npz": self.npz()}
        paths = [target / f"comparison.{ending}" for ending in files]
        for path, data in zip(paths, files.values(), strict=True):
            path.write_bytes(data)
        return paths

    def __repr__(self) -> str:
        return f"Comparison({len(self.pictures)} pictures: {' '.join(self.verdict)})"


def _key(name: str) -> str:
    return safe_name(name).replace("-", "_")
