"""What a run gives back: attributions, raw arrays, panels, and a record of every choice."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core import render
from picasso.core.attribution import Attribution
from picasso.core.hooks import Prediction
from picasso.core.images import Picture
from picasso.core.panels import Heatmap, Panel
from picasso.core.targets import Target

FORMAT = 1
"""Version of the JSON document that is saved beside the arrays."""


@dataclass(frozen=True, eq=False)
class Result:
    """One visualization of one picture by one model.

    Args:
        name: The visualization's registered name.
        title: Its title.
        picture: The picture.
        view: What the model saw of it, uint8 (h, w, 3).
        targets: What was explained, best first.
        predictions: All classes with their probabilities, best first.
        attributions: One for each target; empty where the visualization is no attribution method.
        arrays: Raw arrays by name: "scores" (rows, columns, classes) for occlusion.
        panels: What is shown.
        record: Every choice that was made, as JSON.
    """

    name: str
    title: str
    picture: Picture
    view: NDArray[np.uint8]
    targets: tuple[Target, ...]
    predictions: tuple[Prediction, ...]
    attributions: tuple[Attribution, ...]
    arrays: dict[str, NDArray[Any]]
    panels: tuple[Panel, ...]
    record: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: str | Path) -> list[Path]:
        """Write everything into a folder: PNG with and without color bar, NPZ with the raw numbers, JSON.

        Args:
            folder: Made where it is absent. Files of the same names are replaced.

        Returns:
            The files, `<picture>.<visualization>.<label>[.bar].png`, `....npz`, `....json`.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        stem = f"{safe_name(Path(self.picture.name).stem)}.{self.name}"
        contents = {f"{stem}.npz": self.npz(), f"{stem}.json": self.json().encode()}
        maps = [panel for panel in self.panels if isinstance(panel, Heatmap)]
        contents |= {f"{stem}.{name}": data for name, data in map_files(maps).items()}
        paths = []
        for name, data in contents.items():
            (target / name).write_bytes(data)
            paths.append(target / name)
        return paths

    def npz(self) -> bytes:
        """Return the raw numbers as an NPZ file: `values_<rank>` float32 for each target, and every array."""
        arrays: dict[str, NDArray[Any]] = {f"values_{rank}": a.values for rank, a in enumerate(self.attributions)}
        arrays |= {f"native_{r}": a.native for r, a in enumerate(self.attributions) if a.native is not None}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays, **self.arrays)
        return buffer.getvalue()

    def document(self) -> dict[str, Any]:
        """Return every choice and number that is not an array, as JSON."""
        return {
            "format": FORMAT,
            **self.record,
            "targets": [
                {"index": t.index, "label": t.label} | ({"minus": t.minus} if t.minus is not None else {})
                for t in self.targets
            ],
            "predictions": [vars(p) for p in self.predictions[:100]],
            "attributions": [
                {
                    "rank": rank,
                    "target": a.target.label,
                    "units": a.units,
                    "sign": a.sign,
                    "score": a.score,
                    "baseline": a.baseline,
                    "laid": a.laid,
                    "convergence_error": a.convergence_error,
                    "notes": list(a.notes),
                }
                for rank, a in enumerate(self.attributions)
            ],
        }

    def json(self) -> str:
        """Return `document()` as text."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False)

    def _repr_html_(self) -> str:
        best = ", ".join(f"{escape(p.label)} {p.probability:.3f}" for p in self.predictions[:3])
        panels = "".join(panel.html() for panel in self.panels)
        return f"<div><h3>{escape(self.title)}: {escape(self.picture.name)}</h3><p>{best}</p>{panels}</div>"

    def __repr__(self) -> str:
        best = self.predictions[0]
        return f"Result({self.name}, {self.picture.name!r}: {best.label} {best.probability:.3f})"


class Results(tuple[Result, ...]):
    """The results of several pictures, in their order."""

    def __new__(cls, results: Iterable[Result]) -> Results:
        return super().__new__(cls, tuple(results))

    def save(self, folder: str | Path) -> list[Path]:
        """Write every result into a folder; pictures of the same name get a folder each."""
        names = [result.picture.name for result in self]
        paths: list[Path] = []
        for index, result in enumerate(self):
            twice = names.count(result.picture.name) > 1
            paths += result.save(Path(folder) / f"{index:04d}" if twice else folder)
        return paths

    def _repr_html_(self) -> str:
        return "".join(result._repr_html_() for result in self)


def map_files(maps: Iterable[Heatmap]) -> dict[str, bytes]:
    """Draw maps over their pictures: `<label>.png` and, with color bar, `<label>.bar.png`."""
    contents: dict[str, bytes] = {}
    labels: dict[str, int] = {}
    for panel in maps:
        label = safe_name(panel.target)
        labels[label] = labels.get(label, 0) + 1
        if labels[label] > 1:
            label = f"{label}-{labels[label]}"
        contents[f"{label}.png"] = map_png(panel)
        contents[f"{label}.bar.png"] = map_png(panel, bar=True)
    return contents


def map_png(panel: Heatmap, *, bar: bool = False) -> bytes:
    """Draw one map over its picture as PNG, with or without color bar."""
    if bar:
        return render.png(render.overlay_with_bar(panel.picture, panel.values, panel.sign, panel.limits, panel.units))
    drawn = render.overlay(panel.picture, panel.values, panel.sign, panel.limits, min_side=render.MIN_SIDE)
    return render.png(render.to_image(drawn))


def safe_name(name: str) -> str:
    """Return a name fit for a file: letters, digits, - and _ only."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:80].strip("-") or "picture"
