"""What a run gives back: attributions, raw arrays, panels, and a record of every choice."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.attribution import Attribution
from picasso.core.errors import NotFoundError, PictureError, TargetError
from picasso.core.hooks import Prediction
from picasso.core.maps.averaging import mean_map
from picasso.core.maps.extraction import Box, Extraction, Mask, box_in_picture, mask_in_picture
from picasso.core.panels import Curve, Drawing, FeatureMaps, Heatmap, Images, NetworkGraph, Panel, Series, Surface
from picasso.core.pictures import render
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Frame
from picasso.core.targets import Target
from picasso.core.tested import Standing, Tested, what_is_known

FORMAT = 1
"""Version of the JSON document that is saved beside the arrays."""
_STYLE = (
    "body { font: 16px/1.5 system-ui, sans-serif; color: #1c1f24; background: #fff; max-width: 72rem; "
    "margin: 2rem auto; padding: 0 1rem } h4, h5 { margin: 1.6em 0 .4em } p { max-width: 46em } "
    "table { border-collapse: collapse } td, th { padding: 2px 10px 2px 0; text-align: left } "
    "svg, img { max-width: 100%; height: auto } div { overflow-x: auto }"
)
"""Of `Result.page`."""


@dataclass(frozen=True, eq=False)
class Result:
    """One visualization of one picture by one model, or of a model alone.

    Args:
        name: The visualization's registered name.
        title: Its title.
        picture: The picture; None of the model alone.
        view: What the model saw of it, uint8 (h, w, 3).
        targets: What was explained, best first.
        predictions: All classes with their probabilities, best first; none without a picture.
        attributions: One for each target; empty where the visualization is no attribution method.
        arrays: Raw arrays by name: "scores" (rows, columns, classes) for occlusion.
        panels: What is shown.
        record: Every choice that was made, as JSON.
    """

    name: str
    title: str
    picture: Picture | None
    view: NDArray[np.uint8] | None
    targets: tuple[Target, ...]
    predictions: tuple[Prediction, ...]
    attributions: tuple[Attribution, ...]
    arrays: dict[str, NDArray[Any]]
    panels: tuple[Panel, ...]
    record: dict[str, Any] = field(default_factory=dict)

    def extract(self, rank: int = 0, **choices: Any) -> Extraction:
        """Find the pixels of the picture at which a map points, and the box around them.

        Args:
            rank: Which target's map, from 0 for the first.
            choices: As for `picasso.core.maps.extraction.extract`: `part`, `threshold`, `smooth`, `largest`.

        Returns:
            The mask has the picture's size, the box is in its pixels; of a clip those of the strongest frame.

        Raises:
            NotFoundError: There is no such map.
            SettingsError: A choice is not allowed.

        Example:
            >>> result = explain(load_model("demo:tank-proxy"), "photo.jpg", "grad-cam")
            >>> result.extract(threshold="otsu").how
            "The largest connected part of the positive values from Otsu's threshold."
        """
        if not 0 <= rank < len(self.attributions):
            raise NotFoundError(
                f"There is no map {rank}: {self.title} gave {len(self.attributions)} for this picture.",
                "Choose an attribution method, and count from 0.",
            )
        attribution = self.attributions[rank]
        found = attribution.extract(**choices)
        picture = self.picture
        assert picture is not None
        frame = self._frame(attribution, picture)
        mask = mask_in_picture(found.mask, frame, picture.height, picture.width)
        if found.box is None:
            return replace(found, mask=mask)
        box = box_in_picture(found.box, found.mask.shape, frame, picture.height, picture.width)
        return replace(
            found, mask=mask, box=box, reason="" if box else "It lies outside of the picture, in its padding."
        )

    def mask(self, rank: int = 0, **choices: Any) -> Mask:
        """Return the pixels of the picture at which a map points, bool (height, width). See `extract`."""
        return self.extract(rank, **choices).mask

    def box(self, rank: int = 0, **choices: Any) -> Box | None:
        """Return the box around them: left, top, width, height in pixels of the picture, or None. See `extract`."""
        return self.extract(rank, **choices).box

    def _frame(self, attribution: Attribution, picture: Picture) -> Frame:
        """Return which part of the picture a map shows; all of it where a hook of the user's made the input."""
        known = self.record.get("picture", {}).get("frame")
        if known is None or attribution.picture is not None:
            return Frame(0.0, 0.0, float(picture.height), float(picture.width))
        return Frame(**known)

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
            The files, `<picture>.<visualization>.<label>[.bar].png`, `....npz`, `....json`; where it is no attribution
            method, also the pictures of the panels, `<picture>.<visualization>.<panel>[-<number>].png`, curves and
            drawings as `.svg`, graphs as `.svg`, `.dot` and `.tex`, and a page of all panels, `....html`.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        stem = self.stem
        contents = {f"{stem}.npz": self.npz(), f"{stem}.json": self.json().encode()}
        maps = [panel for panel in self.panels if isinstance(panel, Heatmap)]
        shown = map_files(maps, self._warning())
        if not self.attributions:
            shown = image_files(self.panels) | shown | {"html": self.page().encode()}
        contents |= {f"{stem}.{name}": data for name, data in shown.items()}
        paths = []
        for name, data in contents.items():
            (target / name).write_bytes(data)
            paths.append(target / name)
        return paths

    def _warning(self) -> str:
        return str(self.tested) if self.tested and self.tested.warned else ""

    @property
    def stem(self) -> str:
        """What the names of all its files begin with."""
        return stem_of(self.about, self.picture is not None, self.name)

    @property
    def about(self) -> str:
        """What is looked at: the picture's name, or the model's where there is none."""
        return str(self.record["model"]["name"]) if self.picture is None else self.picture.name

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
                    "change": a.change,
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

    def page(self) -> str:
        """Return a page of all panels as one file that asks for nothing else."""
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.title)}: '
            f'{escape(self.about)}</title><meta name="viewport" content="width=device-width">'
            f"<style>{_STYLE}</style></head><body>{self._repr_html_()}</body></html>"
        )

    def _repr_html_(self) -> str:
        best = ", ".join(f"{escape(p.label)} {p.probability:.3f}" for p in self.predictions[:3])
        best = f"<p>{best}</p>" if best else ""
        panels = "".join(panel.html() for panel in self.panels)
        said = "" if self.tested is None else escape(str(self.tested))
        if said:
            verb = "is " if self.tested and self.tested.standing is Standing.UNTESTED else ""
            said = f"<p><strong>{said}</strong></p>" if self._warning() else f"<p>This map {verb}{said}.</p>"
        return f"<div><h3>{escape(self.title)}: {escape(self.about)}</h3>{best}{said}{panels}</div>"

    def __repr__(self) -> str:
        best = "".join(f": {best.label} {best.probability:.3f}" for best in self.predictions[:1])
        return f"Result({self.name}, {self.about!r}{best})"


class Results(tuple[Result, ...]):
    """The results of several pictures, in their order."""

    def __new__(cls, results: Iterable[Result]) -> Results:
        return super().__new__(cls, tuple(results))

    def save(self, folder: str | Path) -> list[Path]:
        """Write every result into a folder; pictures whose files would have the same names get a folder each."""
        stems = [result.stem.casefold() for result in self]
        paths: list[Path] = []
        for index, result in enumerate(self):
            twice = stems.count(result.stem.casefold()) > 1
            paths += result.save(Path(folder) / f"{index:04d}" if twice else folder)
        return paths

    def mean(self) -> tuple[Attribution, ...]:
        """Return the mean map over the pictures, one for each target that all of them explain.

        Returns:
            In the order of the first picture's targets. A pixel's mean is over the pictures in which it is known.

        Raises:
            PictureError: There are no pictures, or their maps differ in size.
            TargetError: No target is explained in all of them.

        Example:
            >>> results = explain(load_model("demo:tank-proxy"), ["photo.jpg", "photo.jpg"], "grad-cam", target="tank")
            >>> results.mean()[0].notes
            ('The mean over 2 pictures.',)
        """
        if not self:
            raise PictureError("There is no picture to take the mean of.", "Explain at least one.")
        by_target = [{(a.target.key, a.target.label): a for a in result.attributions} for result in self]
        shared = [key for key in by_target[0] if all(key in maps for maps in by_target)]
        if not shared:
            raise TargetError(
                "The pictures have no explained target in common.", 'Explain the same one in all: target="...".'
            )
        return tuple(mean_map([maps[key] for maps in by_target]) for key in shared)

    def _repr_html_(self) -> str:
        return "".join(result._repr_html_() for result in self)


def map_files(maps: Iterable[Heatmap], warning: str = "") -> dict[str, bytes]:
    """Draw maps over their pictures: `<label>.png` and, with color bar and warning, `<label>.bar.png`."""
    panels = list(maps)
    contents: dict[str, bytes] = {}
    for panel, label in zip(panels, file_labels([panel.target for panel in panels]), strict=True):
        contents[f"{label}.png"] = map_png(panel)
        contents[f"{label}.bar.png"] = map_png(panel, bar=True, warning=warning)
    return contents


def file_labels(labels: Iterable[str]) -> list[str]:
    """Return labels as parts of file names, each its own: those that would be the same are numbered."""
    names: list[str] = []
    taken: set[str] = set()  # without case, as some file systems have it
    for said in labels:
        name = label = safe_name(said)
        count = 1
        while label.casefold() in taken:
            count += 1
            label = f"{name}-{count}"
        taken.add(label.casefold())
        names.append(label)
    return names


def image_files(panels: Iterable[Panel]) -> dict[str, bytes]:
    """Return the pictures of panels: `<panel>.png`, `<panel>-1.png` and so on of several, `<panel>.svg` of a curve.

    A drawing is an SVG, too; a graph is one, a file for Graphviz (`.dot`) and one for LaTeX (`.tex`).
    """
    contents: dict[str, bytes] = {}
    for panel in panels:
        if isinstance(panel, Curve | Surface):
            contents[f"{safe_name(panel.id)}.svg"] = panel.svg(alone=True).encode()
        if isinstance(panel, Drawing):
            contents[f"{safe_name(panel.id)}.svg"] = panel.svg.encode()
        if isinstance(panel, NetworkGraph):
            contents |= {f"{safe_name(panel.id)}.{ending}": text.encode() for ending, text in panel.files().items()}
        if isinstance(panel, FeatureMaps):
            contents[f"{safe_name(panel.id)}.png"] = render.png(panel.contact_sheet())
        if isinstance(panel, Series) and (strip := panel.filmstrip()) is not None:
            contents[f"{safe_name(panel.id)}.png"] = render.png(strip)
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


def stem_of(about: str, picture: bool, visualization: str) -> str:
    """Return what the names of all files of a result begin with.

    Args:
        about: The name of the picture, or of the model that is looked at alone.
        picture: Whether it is that of a picture, whose ending is left out.
        visualization: The visualization's name.
    """
    return f"{safe_name(Path(about).stem if picture else about)}.{visualization}"


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
