"""What a run gives back: attributions, raw arrays, panels, and a record of every choice."""

from __future__ import annotations

import io
import json
import math
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
from picasso.core.panels import Heatmap, Images, Panel
from picasso.core.targets import Target
from picasso.core.tested import Standing, Tested, what_is_known

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

    @property
    def tested(self) -> Tested | None:
        """What is known by now of its maps: untested, passed, or warned of; None where it has no maps.

        `picasso.compare` tests a method once for each model, and keeps what it finds.
        """
        return what_is_known(self.record) if self.attributions and "visualization" in self.record else None

    def save(self, folder: str | Path) -> list[Path]:
        """Write everything into a folder: PNG with and without color bar, NPZ with the raw numbers, JSON.

        Args:
            folder: Made where it is absent. Files of the same names are replaced.

        Returns:
            The files, `<picture>.<visualization>.<label>[.bar].png`, `....npz`, `....json`; where there are no maps,
            the pictures of the panels, `<picture>.<visualization>.<panel>[-<number>].png`.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        stem = self._stem()
        contents = {f"{stem}.npz": self.npz(), f"{stem}.json": self.json().encode()}
        maps = [panel for panel in self.panels if isinstance(panel, Heatmap)]
        shown = map_files(maps, self._warning()) if maps else image_files(self.panels)
        contents |= {f"{stem}.{name}": data for name, data in shown.items()}
        paths = []
        for name, data in contents.items():
            (target / name).write_bytes(data)
            paths.append(target / name)
        return paths

    def _warning(self) -> str:
        return str(self.tested) if self.tested and self.tested.warned else ""

    def _stem(self) -> str:
        """Return what the names of all its files begin with."""
        return f"{safe_name(Path(self.picture.name).stem)}.{self.name}"

    def npz(self) -> bytes:
        """Return the raw numbers as an NPZ file: `values_<rank>` float32 for each target, and every array."""
        arrays: dict[str, NDArray[Any]] = {
            f"values_{rank}": np.asarray(a.values, np.float32) for rank, a in enumerate(self.attributions)
        }
        arrays |= {f"native_{r}": a.native for r, a in enumerate(self.attributions) if a.native is not None}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays, **self.arrays)
        return buffer.getvalue()

    def document(self) -> dict[str, Any]:
        """Return every choice and number that is not an array, as JSON; None stands for NaN and infinity."""
        document: dict[str, Any] = {
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
        if (tested := self.tested) is not None:
            document["tested"] = tested.document()
        return {key: as_json(value) for key, value in document.items()}

    def json(self) -> str:
        """Return `document()` as text."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False)

    def _repr_html_(self) -> str:
        best = ", ".join(f"{escape(p.label)} {p.probability:.3f}" for p in self.predictions[:3])
        panels = "".join(panel.html() for panel in self.panels)
        said = "" if self.tested is None else escape(str(self.tested))
        if said:
            verb = "is " if self.tested and self.tested.standing is Standing.UNTESTED else ""
            said = f"<p><strong>{said}</strong></p>" if self._warning() else f"<p>This map {verb}{said}.</p>"
        return f"<div><h3>{escape(self.title)}: {escape(self.picture.name)}</h3><p>{best}</p>{said}{panels}</div>"

    def __repr__(self) -> str:
        best = self.predictions[0]
        return f"Result({self.name}, {self.picture.name!r}: {best.label} {best.probability:.3f})"


class Results(tuple[Result, ...]):
    """The results of several pictures, in their order."""

    def __new__(cls, results: Iterable[Result]) -> Results:
        return super().__new__(cls, tuple(results))

    def save(self, folder: str | Path) -> list[Path]:
        """Write every result into a folder; pictures whose files would have the same names get a folder each."""
        stems = [result._stem().casefold() for result in self]
        paths: list[Path] = []
        for index, result in enumerate(self):
            twice = stems.count(result._stem().casefold()) > 1
            paths += result.save(Path(folder) / f"{index:04d}" if twice else folder)
        return paths

    def _repr_html_(self) -> str:
        return "".join(result._repr_html_() for result in self)


def map_files(maps: Iterable[Heatmap], warning: str = "") -> dict[str, bytes]:
    """Draw maps over their pictures: `<label>.png` and, with color bar and warning, `<label>.bar.png`."""
    contents: dict[str, bytes] = {}
    taken: set[str] = set()  # without case, as some file systems have it
    for panel in maps:
        name = label = safe_name(panel.target)
        count = 1
        while label.casefold() in taken:
            count += 1
            label = f"{name}-{count}"
        taken.add(label.casefold())
        contents[f"{label}.png"] = map_png(panel)
        contents[f"{label}.bar.png"] = map_png(panel, bar=True, warning=warning)
    return contents


def image_files(panels: Iterable[Panel]) -> dict[str, bytes]:
    """Return the pictures of panels as PNG: `<panel>.png`, or `<panel>-1.png` and so on where it has several."""
    contents: dict[str, bytes] = {}
    for panel in panels:
        if isinstance(panel, Images):
            several = len(panel.pictures) > 1
            for number, pixels in enumerate(panel.pictures, 1):
                name = f"{safe_name(panel.id)}-{number}" if several else safe_name(panel.id)
                contents[f"{name}.png"] = render.png(render.to_image(pixels))
    return contents


def map_png(panel: Heatmap, *, bar: bool = False, warning: str = "") -> bytes:
    """Draw one map over its picture as PNG, with or without color bar; with it, a warning stands below."""
    if bar:
        drawn = render.overlay_with_bar(panel.picture, panel.values, panel.sign, panel.limits, panel.units)
        return render.png(render.captioned(drawn, warning) if warning else drawn)
    pixels = render.overlay(panel.picture, panel.values, panel.sign, panel.limits, min_side=render.MIN_SIDE)
    return render.png(render.to_image(pixels))


def safe_name(name: str) -> str:
    """Return a name fit for a file: letters, digits, - and _ only; at most 80 bytes, since file systems count those."""
    plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
    return plain.encode()[:80].decode(errors="ignore").strip("-") or "picture"


def as_json(value: Any) -> Any:
    """Return a value as JSON has it: NumPy's numbers as Python's, None for NaN and infinity."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value
